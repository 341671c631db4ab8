"""Kernels, maps and distributions of many filters at once, as few bytes each.

A card shows a kernel's weights and a map's activations as colours, and distributions as lines a
few hundred pixels wide: one byte a value is as fine as can be seen.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from padscope.figures.drawings import ends_of, planes
from padscope.tallies.lines import thinned_lines

FloatArray = NDArray[np.float64]
ByteArray = NDArray[np.uint8]

WEIGHTS = 127  # steps from 0 to the greatest weight, either way
NO_WEIGHT = 128  # the byte of weights that are not finite: -128
LEVELS = 254  # steps from the least to the greatest activation of a map
NO_VALUE = 255  # the byte of what is not finite, or not measured
DIGITS = 3  # of numbers without a fixed scale
HALF = 1e-9  # how near to the middle of two steps a product of floats may lie


@dataclass(frozen=True)
class Pictures:
    """Flat pictures of C filters, the same number and sizes for each.

    Attributes
    ----------
    shapes : list of (str, int, int)
        Name, rows and columns of each picture.
    cells : (C, N) float64 array
        Their values, picture after picture, row after row.
    """

    shapes: list[tuple[str, int, int]]
    cells: FloatArray


def flatten_pictures(values: FloatArray) -> Pictures:
    """Cut kernels or maps of C filters into flat pictures, as `drawings.planes` does one.

    Parameters
    ----------
    values : (C, *spatial) array
        C is at least 1.
    """
    names = [(name, *plane.shape) for name, plane in planes(values[0])]
    cells = [np.concatenate([plane.ravel() for _, plane in planes(each)]) for each in values]
    return Pictures(names, np.stack(cells))


def thin_maps(maps: FloatArray, longest: int) -> FloatArray:
    """Thin long axes of C maps in the middle; of long 1D maps keep both ends."""
    if maps.ndim == 2:
        return np.stack([ends_of(each) for each in maps])
    for axis, size in enumerate(maps.shape[1:], start=1):
        maps = maps.take(thinned_lines(size, longest), axis=axis)
    return maps


def thinned_cells(shape: Sequence[int], longest: int) -> int:
    """Count what `flatten_pictures` makes of one thinned map.

    Examples
    --------
    >>> thinned_cells((112, 20), 32), thinned_cells((24, 24, 24), 16)
    (640, 512)
    """
    empty = thin_maps(np.zeros((1, *shape)), longest)
    return sum(plane.size for _, plane in planes(empty[0]))


def quantise_weights(weights: FloatArray) -> tuple[ByteArray, FloatArray]:
    """Write weights as signed bytes.

    Parameters
    ----------
    weights : (C, N) array

    Returns
    -------
    bytes : (C, N) uint8 array
        In two's complement: n stands for n / `WEIGHTS` of the limit, -128 for what is not finite.
    limits : (C,) float64 array
        Greatest size of a filter's finite weights; 1 if there is none but 0.
    """
    finite = np.isfinite(weights)
    limits = np.abs(np.where(finite, weights, 0)).max(axis=1, initial=0)
    limits = np.where(limits > 0, limits, 1.0)
    steps = np.rint(np.where(finite, weights, 0) / limits[:, None] * WEIGHTS).astype(np.int8)
    quantised = steps.view(np.uint8).copy()
    quantised[~finite] = NO_WEIGHT
    return quantised, limits


def quantise_levels(values: FloatArray) -> tuple[ByteArray, FloatArray, FloatArray]:
    """Write activations as bytes.

    Parameters
    ----------
    values : (C, N) array

    Returns
    -------
    bytes : (C, N) uint8 array
        0 is a filter's least finite value, `LEVELS` its greatest, `NO_VALUE` what is not finite.
    low, high : (C,) float64 array
        Those two; zeros where nothing is finite.
    """
    finite = np.isfinite(values)
    known = finite.any(axis=1)
    low = np.where(known, np.where(finite, values, np.inf).min(axis=1, initial=np.inf), 0.0)
    high = np.where(known, np.where(finite, values, -np.inf).max(axis=1, initial=-np.inf), 0.0)
    width = np.where(high > low, high - low, 1.0)
    share = (np.where(finite, values, low[:, None]) - low[:, None]) / width[:, None]
    quantised = np.rint(share * LEVELS).astype(np.uint8)
    quantised[~finite] = NO_VALUE
    return quantised, low, high


def quantise_scores(scores: FloatArray) -> ByteArray:
    """Write scores in [0, 1] as hundredths, which is what cards print; `NO_VALUE` for NaN.

    Examples
    --------
    >>> quantise_scores(np.array([0.25, 0.975, 0.985, np.nan])), f"{0.975:.2f} {0.985:.2f}"
    (array([ 25,  97,  98, 255], dtype=uint8), '0.97 0.98')
    """
    known = np.isfinite(scores)
    steps = np.rint(100 * np.where(known, scores, 0))
    halves = known & (np.abs(100 * np.where(known, scores, 0) % 1 - 0.5) < HALF)
    # A product of 97.5 does not tell on which side of it the score lies.
    steps[halves] = [round(100 * float(f"{score:.2f}")) for score in scores[halves]]
    return np.where(known, steps, NO_VALUE).astype(np.uint8)


def significant(value: float) -> float | None:
    """Round to some significant digits; None for what is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def encode_rows(rows: Iterable[ByteArray]) -> list[str]:
    """Write every row as base64."""
    return [base64.b64encode(row.tobytes()).decode() for row in rows]
