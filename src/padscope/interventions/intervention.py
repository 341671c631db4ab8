"""One change at every chosen site of a model's forward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain
from types import TracebackType

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.interventions.selection import Selection
from padscope.sites import Call, Interception, Observation, can_refill, unobserved
from padscope.sites.operations import known_operations
from padscope.sites.passes import watching_passes

# (call, chosen filters or None for all, index of every image) → another output, or None.
Change = Callable[[Call, tuple[int, ...] | None, Sequence[int]], Tensor | None]


class Intervention:
    """Context manager in which a change is made at the chosen sites whenever the model runs.

    Interventions can be nested. At every site the outer one comes first, and the inner one changes
    what the outer one made of the output.

    Parameters
    ----------
    model : nn.Module
        In eval mode. Weights, modes and hooks are as they were when the context ends.
    selection : Selection
    change : callable
        From a call, the chosen filters (None for all) and the images' indices to another output,
        or None. It may write into the output unless gradients are recorded.
    observed : Observation, optional
        Of the same model, from `padscope.sites.observe`: names and filters are then checked on
        entering, and what the model does not need watched is not watched.

    Attributes
    ----------
    images : sequence of int or None
        Set it before a forward pass to say which images are in it; random draws depend on it.
        None numbers the rows of every batch from 0.
    changed : set of str
        Sites at which something was put in place of an output, so far.
    skipped : dict
        Padded operations that nothing is done about, with the reason.

    Raises
    ------
    PadscopeError
        On entering one that is entered already, or for a site that the model cannot have; in a
        forward pass, for a filter that does not exist or a site that cannot be changed; on
        leaving, for a site that did not run.
    """

    def __init__(
        self,
        model: nn.Module,
        selection: Selection,
        change: Change,
        observed: Observation | None = None,
    ) -> None:
        self.images: Sequence[int] | None = None
        self.changed: set[str] = set()
        self.skipped: dict[str, str] = {}
        self._model, self._selection, self._change = model, selection, change
        self._observed = observed
        self._running = False
        self._completed = 0
        self._seen: dict[str, None] = {}
        self._exit: ExitStack | None = None

    @classmethod
    def jointly(cls, parts: Sequence[tuple[Intervention, Sequence[int]]]) -> Intervention:
        """Make several changes in one forward pass without gradients, each to rows of its own.

        A pass of a full batch takes half as long an image as one of two images.

        Parameters
        ----------
        parts : sequence of (Intervention, sequence of int)
            Of one model, none entered; and the images of each, in the order of the batch's rows.
            An image may be in several.

        Returns
        -------
        Intervention
            Set its `images` to those of all parts before a pass. A site that does not see one row
            of each image is refused when it runs.
        """

        def change(call: Call, _: tuple[int, ...] | None, images: Sequence[int]) -> Tensor | None:
            if images is not joint.images:
                raise PadscopeError(
                    f"site {call.name!r} does not see one row of each image, so images cannot be "
                    "treated in different ways in one pass"
                )
            first, changed = 0, False
            for part, own in parts:
                rows = call.rows(first, first + len(own))
                filters = part._selection.at(call.name, call.operation.filters)
                first += len(own)
                if filters == () or (output := part._change(rows, filters, own)) is None:
                    continue
                if output.data_ptr() != rows.output.data_ptr():
                    rows.output.copy_(output)
                changed = True
            return call.output if changed else None

        model, observed = parts[0][0]._model, parts[0][0]._observed
        joint = cls(model, Selection.sites_of(p._selection for p, _ in parts), change, observed)
        return joint

    def __enter__(self) -> Intervention:
        """Check the selection, and install hooks and modes."""
        if self._exit is not None:
            raise PadscopeError(
                "this intervention is already active; create another one to nest it"
            )
        self._check()
        observed = self._observed
        with ExitStack() as stack:
            stack.enter_context(watching_passes(self._model, self._begin, self._end))
            stack.enter_context(
                Interception(
                    self._model,
                    self._visit,
                    below_autograd=observed is None
                    or any(site.below_autograd for site in observed.sites),
                    every_module=observed is None or not observed.named_by_weight,
                    whole=self._selection.chosen or (),
                )
            )
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove hooks and modes; refuse chosen sites that never ran."""
        assert self._exit is not None
        stack, self._exit = self._exit, None
        stack.__exit__(kind, error, traceback)
        if kind is None and self._completed:
            self._selection.check_names(self._seen, "ran inside the block")

    def _check(self) -> None:
        if self._observed is not None:
            self._selection.check(self._observed.sites)
            return
        # A name is a module path or an operation's name, and from the second call on its order.
        known = [*dict(self._model.named_modules()), *known_operations()]
        later = [n for n in self._selection.chosen or () if n.partition("#")[0] in known]
        self._selection.check_names([*known, *later])

    def _begin(self, images: int | None) -> None:  # noqa: ARG002 - of `watching_passes`
        self._running = True

    def _end(self, completed: bool) -> None:
        self._running = False
        self._completed += completed

    def _visit(self, call: Call) -> Tensor | None:
        if not self._running:
            model = self._model
            if any(call.weight is own for own in chain(model.parameters(), model.buffers())):
                raise PadscopeError(
                    f"site {call.name!r} ran outside of the model that is intervened on; run it "
                    "as model(x)"
                )
            return None  # another model's
        self._seen[call.name] = None
        named = self._selection.chosen is not None and call.name in self._selection.chosen
        if self._selection.chosen is not None and not named:
            return None
        if not can_refill(call):
            self._skip(call, named=named)
            return None
        filters = self._selection.at(call.name, call.operation.filters)
        if filters == ():
            return None
        self._refuse_lost_gradients(call)
        with unobserved():
            output = self._change(call, filters, self._images(call))
        if output is not None:
            self.changed.add(call.name)
        return output

    def _skip(self, call: Call, *, named: bool) -> None:
        operation = call.operation
        reason = f"a {operation.op} is no convolution whose padding can be filled anew"
        if not operation.window.padded:
            reason = "it has no padding"
        if named:
            raise PadscopeError(f"site {call.name!r} cannot be changed: {reason}")
        if operation.window.padded:
            self.skipped[call.name] = reason

    def _refuse_lost_gradients(self, call: Call) -> None:
        given = (call.input, call.weight)
        recorded = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given)
        if call.below_autograd and recorded:
            raise PadscopeError(
                f"site {call.name!r} runs in scripted code, where gradients would miss the "
                "change; run the model under torch.no_grad()"
            )

    def _images(self, call: Call) -> Sequence[int]:
        batched = call.output.ndim == len(call.operation.window.out) + 2
        count = len(call.output) if batched else 1
        # Windows of an image, or a batch that was filled up, have rows beyond the images given.
        given = self.images
        return given if given is not None and len(given) == count else range(count)
