"""Where the taps of a window read: in a tensor around the frame, or as padding fills them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from padscope.sites.fill_words import ZEROS, constant_value

IntArray = NDArray[np.int64]
# Where taps are read: tap positions along an axis → positions there, and whether there is any.
Locate = Callable[[IntArray, int], tuple[IntArray, NDArray[np.bool_]]]


def at_offset(offset: Sequence[int], shape: Sequence[int]) -> Locate:
    """Locate taps in a tensor in which the first real value stands at an offset."""

    def locate(taps: IntArray, axis: int) -> tuple[IntArray, NDArray[np.bool_]]:
        places = taps + offset[axis]
        return places, (places >= 0) & (places < shape[axis])

    return locate


def filled(fill: str, size: Sequence[int], offset: Sequence[int]) -> tuple[Locate, float] | None:
    """Locate taps beyond the frame as a kind of padding fills them from what lies within.

    Parameters
    ----------
    fill : str
        As of `Operation.fill`.
    size : sequence of int
        Real input positions per axis.
    offset : sequence of int
        Where the first of them stands in the tensor that will be read.

    Returns
    -------
    (locate, value) or None
        None for fills that this cannot follow: nested pads of different kinds, infinite values.
    """
    constant = constant_value(fill or ZEROS)
    if constant is not None and math.isfinite(constant):
        return _within(size, offset), constant
    if fill not in FOLDS:
        return None
    fold = FOLDS[fill]

    def locate(taps: IntArray, axis: int) -> tuple[IntArray, NDArray[np.bool_]]:
        folded = fold(taps, size[axis])
        return folded + offset[axis], np.ones(taps.shape, dtype=bool)

    return locate, 0.0


def _within(size: Sequence[int], offset: Sequence[int]) -> Locate:
    def locate(taps: IntArray, axis: int) -> tuple[IntArray, NDArray[np.bool_]]:
        return taps + offset[axis], (taps >= 0) & (taps < size[axis])

    return locate


def _reflect(taps: IntArray, size: int) -> IntArray:
    period = max(1, 2 * (size - 1))
    place = np.abs(taps) % period
    return np.minimum(place, period - place) if size > 1 else np.zeros_like(taps)


def _symmetric(taps: IntArray, size: int) -> IntArray:
    place = taps % (2 * size)
    return np.minimum(place, 2 * size - 1 - place)


FOLDS: dict[str, Callable[[IntArray, int], IntArray]] = {
    "reflect": _reflect,
    "replicate": lambda taps, size: np.clip(taps, 0, size - 1),
    "symmetric": _symmetric,
    "circular": lambda taps, size: taps % size,
}
