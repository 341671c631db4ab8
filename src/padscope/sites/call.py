"""A windowed operation as it ran, and what may look at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from padscope.sites.operations import Operation


@dataclass(frozen=True)
class Call:
    """One windowed operation of one forward pass, as it ran.

    Attributes
    ----------
    name : str
        Module path and, from the second call on, call order: ``blocks.2.1.conv_dw``, ``head#1``.
    operation : Operation
        What was called, with its geometry.
    input, output : Tensor
        What it was given (explicit padding inside) and returned.
    weight, bias : Tensor or None
        None for poolings.
    below_autograd : bool
        Seen below autograd only (inside scripted code): gradients cannot be taken here.
    home : str
        Path of the module that ran it; "" for the model itself, and if modules are not followed.
    padded_in : tuple of str
        Paths of the modules that made the explicit padding inside the input.
    replaced : bool
        Whether another interception has put the output in place of the operation's own.
    """

    name: str
    operation: Operation
    input: Tensor
    output: Tensor
    weight: Tensor | None
    bias: Tensor | None
    below_autograd: bool
    home: str = ""
    padded_in: tuple[str, ...] = ()
    replaced: bool = False

    @property
    def real_input(self) -> Tensor:
        """View of the input without the explicit padding inside it."""
        real, window = self.input, self.operation.window
        for axis, (first, size) in enumerate(zip(self.operation.offset, window.size, strict=True)):
            real = real.narrow(axis - len(window.size), first, size)
        return real

    def rows(self, first: int, stop: int) -> Call:
        """Take the call as some rows of its batch saw it; tensors are views."""
        return replace(self, input=self.input[first:stop], output=self.output[first:stop])


class Visitor(Protocol):
    """What looks at the calls; returns an output to put in place of the call's own, or None."""

    def __call__(self, call: Call, /) -> Tensor | None:
        """Look at one call."""
        ...
