"""Intervals over images: the jackknife over image folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from padscope.scores.distance import ks_distance

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
    ks: FloatArray, border: NDArray[np.int64], core: NDArray[np.int64], level: float = 0.95
) -> Interval:
    """Interval of a KS distance over images.

    Images, not pixels, are the unit of chance: the spread is that of leaving out whole folds.

    Parameters
    ----------
    ks : (C,) float64 array
        The distances, from fine bins: the interval's centre.
    border, core : (F, C, B) integer array
        Counts in (coarser) bins, per image fold.
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
    present = (border.sum(axis=(1, 2)) > 0) & (core.sum(axis=(1, 2)) > 0)
    folds = int(present.sum())
    if folds < 2:
        unknown = np.full_like(ks, np.nan)
        return Interval(unknown, unknown)
    border, core = border[present], core[present]
    left_out = ks_distance(border.sum(axis=0) - border, core.sum(axis=0) - core)  # (F, C)
    squares = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    deviation = np.sqrt(squares * (folds - 1) / folds)
    half = stats.t.ppf((1 + level) / 2, folds - 1) * deviation
    return Interval(np.clip(ks - half, 0, 1), np.clip(ks + half, 0, 1))
