"""Whether what lies between two operations does the same on a crop and on a canvas around it.

Windows can be checked one by one; global pooling, attention and steps in slices lie between them.
So the crop is run again with every operation giving what it gave on the canvas: each then takes
what the canvas's took, unless something before it depends on the size of the frame. Only the
central half counts, as enlarging by interpolation has borders of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from padscope.sites import Alignment, Call, Operation, align


class Replay:
    """Visitor of the second pass over the crop.

    Parameters
    ----------
    margin : sequence of int
        Pixels between crop and canvas per axis.

    Attributes
    ----------
    found : dict
        Operation → greatest difference between the inputs on crop and canvas, in spreads.
    """

    def __init__(self, margin: Sequence[int]) -> None:
        self._margin = margin
        self._crop: dict[str, Operation] = {}
        self._canvas: dict[str, tuple[Tensor, Tensor]] = {}
        self.found: dict[str, float] = {}

    def note(self, call: Call) -> None:
        """Note how an operation runs on the crop."""
        self._crop[call.name] = call.operation

    def keep(self, call: Call) -> None:
        """Keep what an operation takes and gives on the canvas, at the crop's place."""
        crop, window = self._crop.get(call.name), call.operation.window
        dims = len(window.out)
        if crop is None or call.output.shape[-dims:] != window.out:
            return
        found = align(crop, call.operation, self._margin)
        if isinstance(found, Alignment):
            ends = zip(call.operation.offset, found.shift_in, strict=True)
            taken = _cut(call.input, [offset + shift for offset, shift in ends], crop.window.size)
            given = _cut(call.output, found.shift_out, crop.window.out)
            self._canvas[call.name] = taken.clone(), given.clone()

    def __call__(self, call: Call) -> Tensor | None:
        """Compare an input, and give the canvas's output."""
        if call.name not in self._canvas:
            return None
        taken, given = self._canvas.pop(call.name)
        here, size = call.real_input, call.operation.window.size
        if here.shape != taken.shape:  # its batch holds a map for every position, say
            return None
        first = [-(-n // 4) if n > 2 else 0 for n in size]
        centre = [n - 2 * f for n, f in zip(size, first, strict=True)]
        apart = finite((_cut(here, first, centre) - _cut(taken, first, centre)).double().abs())
        known = finite(taken.double())  # for their squares
        spread = float(known.std()) if known.numel() > 1 else 0.0
        self.found[call.name] = float(apart.max()) / (spread or 1.0) if apart.numel() else 0.0
        return given


def finite(values: Tensor) -> Tensor:
    """Give the finite ones of some values: most often these themselves, as their sum tells."""
    return values if math.isfinite(float(values.sum())) else values[values.isfinite()]


def _cut(values: Tensor, first: Sequence[int], size: Sequence[int]) -> Tensor:
    for axis, (start, length) in enumerate(zip(first, size, strict=True)):
        values = values.narrow(axis - len(size), start, length)
    return values
