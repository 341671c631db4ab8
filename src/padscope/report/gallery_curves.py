"""Cumulative distributions of many filters at once, by the points where they rise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from padscope.report.gallery_arrays import ByteArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TAIL = 0.005  # share of values left out at each end of a plot, as in `curves.Curves.window`
RISES = 14  # levels whose edge, and the one before it, become points
FULL = 255  # the byte that stands for the whole width or height of a plot


@dataclass(frozen=True)
class Points:
    """Distributions of C filters as points of a plot, and the plot's ends.

    Attributes
    ----------
    pair : (C, P, 3) uint8 array
        Place across the plot, shares of the border's and of the core's values up to there.
    real : (C, Q, 2) uint8 array or None
        The same of the border's positions with real surroundings.
    low, high : (C,) float64 array
        Activations at the ends of the plot; NaN where there is nothing to draw.
    threshold : (C,) float64 array
        Activation where border and core lie farthest apart; one of the points is there.
    """

    pair: ByteArray
    real: ByteArray | None
    low: FloatArray
    high: FloatArray
    threshold: FloatArray


@dataclass(frozen=True)
class Histograms:
    """Counts of C filters in B bins each.

    Attributes
    ----------
    counts : (C, B) int64 array
    edges : (C, B - 1) float64 array
        Upper edge of every bin but the last, ascending.
    """

    counts: IntArray
    edges: FloatArray

    @property
    def shares(self) -> FloatArray:
        """(C, B - 1) share of values up to each edge; NaN where nothing was counted."""
        totals = self.counts.sum(axis=1, keepdims=True).astype(np.float64)
        totals[totals == 0] = np.nan
        shares: FloatArray = self.counts.cumsum(axis=1)[:, :-1] / totals
        return shares

    def finite(self) -> Histograms:
        """Leave out edges that are infinite for every filter: the last one."""
        kept = np.isfinite(self.edges).any(axis=0)
        merged = np.concatenate([kept, [True]])
        places = np.maximum.accumulate(np.where(merged[::-1], np.arange(len(merged))[::-1], 0))
        del places
        first = int(kept.sum())
        counts = np.concatenate(
            [self.counts[:, :first], self.counts[:, first:].sum(axis=1, keepdims=True)], axis=1
        )
        return Histograms(counts, self.edges[:, :first])
