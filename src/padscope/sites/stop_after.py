"""Leaving out the rest of a forward pass when all that is wanted of it has been seen."""

from __future__ import annotations

from collections.abc import Iterable

from padscope.sites.call import Call


class StopForward(BaseException):
    """Raised by a visitor to end a forward pass; whoever runs the model suppresses it.

    No `Exception`: a model that handles errors of its own lets it through.
    """


class StopAfter:
    """The calls that a pass has still to show.

    Attributes
    ----------
    missing : set of str
        Their names.

    Examples
    --------
    >>> from contextlib import suppress
    >>> import torch
    >>> from padscope.sites import Interception
    >>> stop = StopAfter()
    >>> stop.expect({"0"})
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), torch.nn.Conv2d(1, 9, 3))
    >>> with Interception(model, stop.see), suppress(StopForward):
    ...     _ = model(torch.zeros(1, 1, 9, 9))
    ...     print("the second convolution has run")
    >>> stop.missing
    set()
    """

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self._stop = True

    def expect(self, names: Iterable[str], *, stop: bool = True) -> None:
        """Begin a pass that is to show some calls, and to stop after the last or go on."""
        self.missing, self._stop = set(names), stop

    def see(self, call: Call) -> None:
        """Note a call, and end the pass if it is the last.

        Raises
        ------
        StopForward
            No other call is awaited. Not from within scripted code, which would make an error of
            its own of it: there the pass goes on.
        """
        self.missing.discard(call.name)
        if self._stop and not self.missing and not call.below_autograd:
            raise StopForward
