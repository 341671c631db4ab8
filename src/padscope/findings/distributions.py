"""Distributions of filters: at the border, in the core, and with real surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padscope.study import Study
from padscope.tallies import BINS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TAIL = 0.005  # share of the values that is not drawn, at each end


@dataclass(frozen=True)
class Shares:
    """Cumulative distributions of C filters.

    Attributes
    ----------
    edges : (C, E) float64 array
        Upper edges of bins, ascending, finite.
    values : (C, E) float64 array
        Share of the values up to each edge; NaN where nothing was counted.
    """

    edges: FloatArray
    values: FloatArray

    def reached(self, level: float) -> IntArray:
        """Find the first edge, of every filter, up to which such a share of the values lies."""
        places: IntArray = (self.values < level).sum(axis=1).clip(max=self.values.shape[1] - 1)
        return places

    def at(self, level: float) -> FloatArray:
        """Give the activation there; NaN where nothing was counted."""
        found = self.edges[np.arange(len(self.edges)), self.reached(level)]
        return np.where(np.isfinite(self.values[:, 0]), found, np.nan)


@dataclass(frozen=True)
class Distributions:
    """Distributions of C filters at one side each.

    Attributes
    ----------
    border, core : Shares
        On the same edges.
    real : Shares or None
        The border's positions with real surroundings; None if that was not counted.
    """

    border: Shares
    core: Shares
    real: Shares | None = None

    @cached_property
    def gap(self) -> IntArray:
        """Edge at which border and core lie farthest apart, by KS: the best threshold, (C,)."""
        apart = np.nan_to_num(self.border.values - self.core.values)
        places: IntArray = np.abs(apart).argmax(axis=1)
        return places

    @property
    def threshold(self) -> FloatArray:
        """The activation there, (C,); NaN where one of the two was not counted."""
        counted = np.isfinite(self.border.values[:, 0] + self.core.values[:, 0])
        return np.where(counted, self.border.edges[np.arange(len(counted)), self.gap], np.nan)

    def window(self) -> tuple[FloatArray, FloatArray]:
        """Activations to draw, (C,) each: nearly all of the distributions, and the threshold."""
        drawn = [self.border, self.core, *([self.real] if self.real else [])]
        known = np.isfinite(self.threshold)
        seen = [self.threshold, *(each.at(level) for each in drawn for level in (TAIL, 1 - TAIL))]
        low, high = (np.where(known, end.reduce(seen), np.nan) for end in (np.fmin, np.fmax))
        margin = np.where(high > low, 0.06 * (high - low), 1.0)
        return low - margin, high + margin


def cumulate(counts: IntArray, edges: FloatArray) -> Shares:
    """Cumulate the histograms of C filters.

    Parameters
    ----------
    counts : (C, B) array
    edges : (C, B - 1) float64 array
        Upper edge of every bin but the last; the last of them, which is infinite, is left out.

    Examples
    --------
    >>> cumulate(np.array([[3, 1, 0, 0]]), np.array([[0.0, 1.0, np.inf]])).values
    array([[0.75, 1.  ]])
    """
    totals = counts.sum(axis=1, keepdims=True).astype(np.float64)
    totals[totals == 0] = np.nan
    return Shares(edges[:, :-1], counts.cumsum(axis=1)[:, :-2] / totals)


def distributions(study: Study, site: str, filters: IntArray, places: IntArray) -> Distributions:
    """Give the counted distributions of C filters of a site.

    Parameters
    ----------
    filters : (C,) int64 array
    places : (C,) int64 array
        The side of each, among the sides of the site.
    """
    counts = study.counts_of(site)
    fine, edges = np.asarray(counts.near(site).fine), counts.bins[site].edges()[filters]
    # The compared regions are line 0 of every side, in the order of the table, then the core.
    border, core = (cumulate(_binned(fine[place, filters]), edges) for place in (places, -1))
    contrasted = study.explanation.counts if study.explanation else None
    tally = contrasted.near_real(site) if contrasted else None
    if contrasted is None or tally is None or site not in contrasted.bins:
        return Distributions(border, core)
    real = _binned(np.asarray(tally.fine)[places, filters])
    return Distributions(border, core, cumulate(real, contrasted.bins[site].edges()[filters]))


def _binned(counts: NDArray[np.integer[Any]]) -> IntArray:
    """Leave out what lies in no bin."""
    return counts[:, :BINS].astype(np.int64)
