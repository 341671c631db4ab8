"""Views: windows through which a model sees the same photograph, cut from its canvas.

A canvas is a crop with a margin of real pixels on every side. The crop is the view at the centre;
the others are shifted, larger or smaller, or enlarged to the model's input. What is at the border
changes with every view, so a model that answers to its border answers otherwise, and so does one
that answers to content which has come in or gone out. Treatments tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import log2, prod
from typing import Literal, TypeAlias

from torch import Tensor
from torch.nn import functional as F

ViewKind: TypeAlias = Literal["shift", "size", "crop"]

LONGEST_SHIFT = 64  # pixels
SIZES, FEW_SIZES = (3 / 4, 5 / 4, 3 / 2), (3 / 4, 5 / 4)
# Share of the crop's size, and where the window lies in the room there is: 0 first, 1 last end.
CROPS = ((7 / 8, 0.5), (3 / 4, 0.5), (3 / 4, 0.0), (3 / 4, 1.0))
FEW_CROPS = ((3 / 4, 0.5),)
_INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class View:
    """A window of a canvas.

    Attributes
    ----------
    kind : {"shift", "size", "crop"}
        Moved at the same scale, larger or smaller at the same scale, or enlarged to the crop's
        size.
    amount : float
        Of a shift, the pixels along the axis that is moved most; else the ratio of the window's
        extent to the crop's, the geometric mean of all axes.
    start, extent : tuple of int
        The window's first position on the canvas, and its size, in pixels per axis.
    size : tuple of int
        Pixels of what the model is given; enlarged linearly if that is not `extent`.
    """

    kind: ViewKind
    amount: float
    start: tuple[int, ...]
    extent: tuple[int, ...]
    size: tuple[int, ...]

    @property
    def resized(self) -> bool:
        """Whether the window is enlarged, so that its pixels are no pixels of the canvas."""
        return self.extent != self.size

    def cut(self, canvas: Tensor) -> Tensor:
        """Cut the view from a batch of canvases.

        Parameters
        ----------
        canvas : (N, C, *spatial) Tensor

        Returns
        -------
        (N, C, *size) Tensor
        """
        window = canvas
        for axis, (first, length) in enumerate(zip(self.start, self.extent, strict=True), start=2):
            window = window.narrow(axis, first, length)
        if not self.resized:
            return window
        mode = _INTERPOLATION[len(self.size)]
        return F.interpolate(window, self.size, mode=mode, align_corners=False)

    def describe(self) -> str:
        """Name the view for people."""
        extent = "×".join(map(str, self.extent))
        return f"{self.kind}: {extent} from {self.start}"


@dataclass(frozen=True)
class Views:
    """The views of a canvas.

    Attributes
    ----------
    centre : View
        The crop itself.
    others : tuple of View
        Shifts first.
    left_out : dict
        Name of a view → why there is none such.
    """

    centre: View
    others: tuple[View, ...]
    left_out: dict[str, str]


def passes(views: Iterable[View], crop: Sequence[int]) -> float:
    """Forward passes of the crop that views of an image are worth, by their area."""
    return sum(prod(view.size) for view in views) / prod(crop)


def choose_views(
    size: Sequence[int], margin: Sequence[int], step: int = 1, *, fine: bool = True
) -> Views:
    """Choose shifts, other sizes and crops.

    With M the largest power of two that the margin allows, at most `LONGEST_SHIFT` and half of the
    crop, the shifts are M and M/8 both ways along every axis, and M/2 along all axes at once. Where
    M/8 is no multiple of the network's total stride, answers change also because the network
    samples the photograph elsewhere [1]_; that share is the same with and without padding.

    Parameters
    ----------
    size, margin : sequence of int
        Pixels of the crop per axis, and of its surroundings at each end.
    step : int
        The network's total stride. Other sizes differ from the crop's by multiples of it at each
        end, so that the network walks over them in the same steps.
    fine : bool
        Left off, the shifts are those by M along one axis, which tell a position best, and there
        are one or two other sizes and crops.

    Returns
    -------
    Views

    References
    ----------
    .. [1] Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Examples
    --------
    >>> views = choose_views((224,), (128,), 32)
    >>> [view.start[0] - 128 for view in views.others if view.kind == "shift"]
    [-8, 8, -64, 64, -32, 32]
    >>> [view.extent for view in views.others if view.kind == "size"]
    [(160,), (288,), (352,)]
    """
    size, margin = tuple(size), tuple(margin)
    centre = View("shift", 0, margin, size, size)
    left_out: dict[str, str] = {}
    shifts = [
        View("shift", max(map(abs, by)), _moved(margin, by), size, size)
        for by in dict.fromkeys(_offsets(size, margin, fine=fine))
    ]
    if not shifts:
        left_out["shift"] = "the canvas has nothing around the crop"
    sizes: list[View] = []
    for ratio in SIZES if fine else FEW_SIZES:
        chosen = _resized(size, margin, step, ratio)
        if isinstance(chosen, str):
            left_out[f"size {ratio:g}"] = chosen
        elif chosen in sizes:
            left_out[f"size {ratio:g}"] = f"in steps of {step} it is the same as the one before"
        else:
            sizes.append(chosen)
    wanted = CROPS if fine else FEW_CROPS
    crops = dict.fromkeys(_crop(size, margin, ratio, place) for ratio, place in wanted)
    return Views(centre, (*shifts, *sizes, *(crop for crop in crops if crop.resized)), left_out)


def _moved(start: Sequence[int], by: Sequence[int]) -> tuple[int, ...]:
    return tuple(first + offset for first, offset in zip(start, by, strict=True))


def _offsets(
    size: Sequence[int], margin: Sequence[int], *, fine: bool
) -> Iterator[tuple[int, ...]]:
    room = [min(m, n // 2, LONGEST_SHIFT) for n, m in zip(size, margin, strict=True)]
    axes = [axis for axis, pixels in enumerate(room) if pixels]
    if not axes:
        return
    longest = 2 ** int(log2(min(room[axis] for axis in axes)))

    def along(signs: dict[int, int], amount: int) -> tuple[int, ...]:
        return tuple(signs.get(axis, 0) * amount for axis in range(len(size)))

    for amount in dict.fromkeys((max(1, longest // 8), longest) if fine else (longest,)):
        for axis, sign in product(axes, (-1, 1)):
            yield along({axis: sign}, amount)
    if longest >= 2 and fine:
        for signs in product((-1, 1), repeat=len(axes)):
            # Of the eight diagonals of a volume, four are balanced along every axis already.
            if len(axes) < 3 or prod(signs) > 0:
                yield along(dict(zip(axes, signs, strict=True)), longest // 2)


def _resized(size: tuple[int, ...], margin: tuple[int, ...], step: int, ratio: float) -> View | str:
    wider = [round((ratio - 1) * n / (2 * step)) * step for n in size]
    if not any(wider):
        return f"it would differ from the crop by less than the network's stride of {step}"
    extent = tuple(n + 2 * w for n, w in zip(size, wider, strict=True))
    if min(extent) < 1:
        return f"it would be smaller than the network's stride of {step}"
    if any(w > m for w, m in zip(wider, margin, strict=True)):
        return "the canvas is too small for it"
    return View("size", _ratio(extent, size), _moved(margin, [-w for w in wider]), extent, extent)


def _crop(size: tuple[int, ...], margin: tuple[int, ...], ratio: float, place: float) -> View:
    extent = tuple(max(1, round(ratio * n)) for n in size)
    into = [int(place * (n - e)) for n, e in zip(size, extent, strict=True)]
    return View("crop", ratio, _moved(margin, into), extent, size)


def _ratio(extent: Sequence[int], size: Sequence[int]) -> float:
    ratios = [e / n for e, n in zip(extent, size, strict=True)]
    mean: float = prod(ratios) ** (1 / len(ratios))
    return round(mean, 4)
