"""Where two views of a canvas overlap on the maps that a model answers with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from padscope.measurements.views import View

Spans = tuple[slice, ...]


@dataclass(frozen=True)
class Overlap:
    """The positions that two maps share.

    Attributes
    ----------
    centre, view : tuple of slice
        Per spatial axis, on the map of the centre view and on that of the other.
    """

    centre: Spans
    view: Spans

    def of_centre(self, answer: Tensor) -> Tensor:
        """Cut the shared positions from a (N, C, *spatial) answer on the centre view."""
        return answer[(slice(None), slice(None), *self.centre)]

    def of_view(self, answer: Tensor) -> Tensor:
        """Cut the shared positions from a (N, C, *spatial) answer on the other view."""
        return answer[(slice(None), slice(None), *self.view)]


def output_stride(
    centre: View, centre_map: Sequence[int], wider: View | None, wider_map: Sequence[int]
) -> tuple[Fraction, ...]:
    """Pixels per output position, along every axis.

    Parameters
    ----------
    centre : View
    centre_map : sequence of int
        Size of the answer on it.
    wider : View or None
        A view of another size. How much the map grows with it tells the stride, whatever an
        unpadded network loses at the ends. Without it, or where it does not grow, the stride is
        the size of the input over that of the map.
    wider_map : sequence of int
        Size of the answer on it.
    """
    strides = []
    for axis, (pixels, positions) in enumerate(zip(centre.size, centre_map, strict=True)):
        grown, longer = 0, 0
        if wider is not None:
            grown, longer = wider.size[axis] - pixels, wider_map[axis] - positions
        strides.append(Fraction(grown, longer) if grown * longer > 0 else
                       Fraction(pixels, positions))  # fmt: skip
    return tuple(strides)


def find_overlap(
    centre: View,
    view: View,
    stride: Sequence[Fraction],
    centre_map: Sequence[int],
    view_map: Sequence[int],
) -> Overlap | str:
    """Lay the map of a view over that of the centre view, or say why that is impossible.

    Parameters
    ----------
    centre, view : View
    stride : sequence of Fraction
        Pixels per output position, per axis; from `output_stride`.
    centre_map, view_map : sequence of int
        Sizes of the answers.

    Examples
    --------
    >>> centre = View("shift", 0, (8,), (16,), (16,))
    >>> view = View("shift", 4, (12,), (16,), (16,))
    >>> find_overlap(centre, view, [Fraction(2)], [8], [8])
    Overlap(centre=(slice(2, 8, None),), view=(slice(0, 6, None),))
    """
    if view.resized:
        return "the maps of enlarged windows lie on no positions of the centre's map"
    on_centre, on_view = [], []
    for axis, pixels in enumerate(stride):
        moved = (view.start[axis] - centre.start[axis]) / pixels
        longer = (view.size[axis] - centre.size[axis]) / pixels
        if moved.denominator > 1 or view_map[axis] - centre_map[axis] != longer:
            return f"it is out of step with the answer's positions, one every {float(pixels):g}"
        first = max(0, int(moved))
        stop = min(centre_map[axis], int(moved) + view_map[axis])
        if first >= stop:
            return "it shares no position with the centre's map"
        on_centre.append(slice(first, stop))
        on_view.append(slice(first - int(moved), stop - int(moved)))
    return Overlap(tuple(on_centre), tuple(on_view))
