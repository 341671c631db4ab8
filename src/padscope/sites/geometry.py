"""How a sliding window walks over a padded input, and which outputs touch padding.

Everything is per spatial axis, in input positions: position 0 is the first real value, negative
positions and those from `size` on are padding. A transposed convolution is the same walk, with
stride 1, over its input spread out on a lattice: real values stand `spacing` apart and the gaps
between them hold nothing, inside the frame as much as outside, so only lattice points beyond the
ends count as padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SMALLEST_AXIS = 3  # below this an axis of a map has no core that is apart from its own border


def core_range(length: int) -> tuple[int, int]:
    """First and one-past-last position of the central half of an axis, rounded inwards.

    Of an axis too short to have a core of its own, all positions.

    Examples
    --------
    >>> core_range(8), core_range(5), core_range(2)
    ((2, 6), (2, 3), (0, 2))
    """
    first = -(-length // 4) if length >= SMALLEST_AXIS else 0
    return first, length - first


@dataclass(frozen=True)
class Window:
    """The walk of one operation over its input, per spatial axis.

    Attributes
    ----------
    kernel, stride, dilation : tuple of int
        As the operation was called; `stride` of a transposed convolution is its `spacing`.
    before, after : tuple of int
        Padding at the first and last end of each axis, explicit and the operation's own together.
        Of a transposed convolution: what its equivalent plain convolution would need, negative
        where it crops.
    size, out : tuple of int
        Real input positions, and output positions.
    transposed : bool
        Whether real inputs stand `stride` apart (see the module's docstring).
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    size: tuple[int, ...]
    out: tuple[int, ...]
    transposed: bool = False

    @property
    def padded(self) -> bool:
        """Whether there is padding at any end of any axis."""
        return max(*self.before, *self.after) > 0

    @property
    def given(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Padding per end as the layers are told of it.

        Returns
        -------
        before, after : tuple of int
            Of a transposed convolution: the lines that its padding cuts off its output, less those
            that it is told to add, or that explicit padding of its input adds.

        Examples
        --------
        >>> window = Window((3,), (1,), (1,), (2,), (2,), (8,), (10,), transposed=True)
        >>> window.given, window.contact(0)
        (((0,), (0,)), ((0, 1), (0, 1)))
        """
        if not self.transposed:
            return self.before, self.after
        reach = [d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True)]
        before, after = (
            tuple(r - pad for r, pad in zip(reach, pads, strict=True))
            for pads in (self.before, self.after)
        )
        return before, after

    def taps(self, axis: int) -> NDArray[np.int64]:
        """Input positions that each output of one axis looks at.

        Returns
        -------
        (out, kernel) int64
            Positions; beyond 0 … extent they lie in the padding. Of a transposed convolution,
            positions on the spread-out lattice.
        """
        step = 1 if self.transposed else self.stride[axis]
        first = np.arange(self.out[axis])[:, None] * step - self.before[axis]
        return first + np.arange(self.kernel[axis])[None, :] * self.dilation[axis]

    def contact(self, axis: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Lines whose window touches padding, counted from each end of one axis.

        Returns
        -------
        before, after : tuple of int
            Distances from the first and from the last output, ascending. Usually 0 … n-1;
            dilated transposed convolutions can leave gaps.
        """
        return _contact(self, axis)


@lru_cache(maxsize=4096)
def _contact(window: Window, axis: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    taps = window.taps(axis)
    spacing = window.stride[axis] if window.transposed else 1
    last_real = (window.size[axis] - 1) * spacing
    on_lattice = taps % spacing == 0
    before = ((taps < 0) & on_lattice).any(axis=1)
    after = ((taps > last_real) & on_lattice).any(axis=1)
    return tuple(np.flatnonzero(before).tolist()), tuple(np.flatnonzero(after[::-1]).tolist())
