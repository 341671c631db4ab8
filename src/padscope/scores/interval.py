"""Intervals over images: the jackknife over image folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A two-sided interval.

    Attributes
    ----------
    low, high : float64 array
        NaN where fewer than two folds have images.
    """

    low: FloatArray
    high: FloatArray


def jackknife(
    centre: FloatArray,
    of: Callable[..., FloatArray],
    folds: Sequence[NDArray[np.int64] | None],
    level: float = 0.95,
) -> Interval:
    """Interval over images of a statistic of counts, or of several.

    Images, not pixels, are the unit of chance: the spread is that of leaving out whole folds.

    Parameters
    ----------
    centre : (..., C) float64 array
        The statistic, from fine bins: the interval's centre.
    of : callable
        Takes (F, C, B) counts, as many of them as `folds` has, and gives the (..., F, C) values.
    folds : sequence of (F, C, B) integer arrays
        Counts in (coarser) bins, per image fold: of border and core, and what else `of` takes.
    level : float
        Coverage that a normal estimate would have.

    Returns
    -------
    Interval
        Clipped to [0, 1].

    References
    ----------
    Miller, Biometrika 61 (1974) 1-15; delete-a-group form.
    """
    seen = [counts.any(axis=(1, 2)) for counts in folds if counts is not None]
    present = np.logical_and.reduce(seen)
    number = int(present.sum())
    if number < 2:
        unknown = np.full_like(centre, np.nan)
        return Interval(unknown, unknown)
    kept = [None if counts is None else counts[present] for counts in folds]
    left_out = of(*(None if each is None else _without_each(each) for each in kept))
    squares = ((left_out - left_out.mean(axis=-2, keepdims=True)) ** 2).sum(axis=-2)
    deviation = np.sqrt(squares * (number - 1) / number)
    half = scipy.special.stdtrit(number - 1, (1 + level) / 2) * deviation
    return Interval(np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1))


def _without_each(folds: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Sum of all folds but one, for each: in 32 bits where they are enough, for time."""
    fits = int(folds.max(initial=0)) * len(folds) < 2**31
    whole = folds.sum(axis=0, dtype=np.int32 if fits else np.int64)
    rest: NDArray[np.integer[Any]] = whole - folds
    return rest
