"""Distributions of one filter: of the border, of the core, and with real surroundings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.study import Explanation, Study
from padscope.tallies import BINS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Cumulative:
    """One cumulative distribution.

    Attributes
    ----------
    edges : (E,) float64 array
        Upper edges of bins, ascending, finite.
    share : (E,) float64 array
        Share of values up to each edge.
    count : int
        Values.
    """

    edges: FloatArray
    share: FloatArray
    count: int


@dataclass(frozen=True)
class Curves:
    """Two cumulative distributions and where they lie farthest apart.

    Attributes
    ----------
    edges : (E,) float64 array
        Upper edges of bins, ascending, finite.
    border, core : (E,) float64 array
        Share of values up to each edge.
    counts : tuple of int
        Values at the border and in the core.
    real : Cumulative or None
        A third one: the border's positions with real surroundings.
    """

    edges: FloatArray
    border: FloatArray
    core: FloatArray
    counts: tuple[int, int]
    real: Cumulative | None = None

    @property
    def gap(self) -> int:
        """Index of the edge with the greatest gap: the best threshold of a border detector."""
        return int(np.abs(self.border - self.core).argmax())

    @property
    def ks(self) -> float:
        """The gap there."""
        return float(np.abs(self.border - self.core)[self.gap])

    @property
    def threshold(self) -> float:
        """The activation there."""
        return float(self.edges[self.gap])

    def window(self) -> tuple[float, float]:
        """Activations to draw: nearly all of the distributions, and the threshold."""
        drawn = [(self.edges, self.border), (self.edges, self.core)]
        if self.real:
            drawn.append((self.real.edges, self.real.share))
        seen = [
            edges[np.searchsorted(share, level).clip(max=len(share) - 1)]
            for edges, share in drawn
            for level in (0.005, 0.995)
        ]
        low, high = min(*seen, self.threshold), max(*seen, self.threshold)
        margin = 0.06 * (high - low) or 1.0
        return low - margin, high + margin


def accumulate(
    border: NDArray[np.int64], core: NDArray[np.int64], edges: FloatArray
) -> Curves | None:
    """Cumulate two histograms over shared bins; None if there is nothing to draw.

    Parameters
    ----------
    border, core : (B,) array
        Counts.
    edges : (B - 1,) float64 array
        Upper edge of every bin but the last; infinite ones are left out.

    Examples
    --------
    >>> curves = accumulate(np.array([3, 1, 0]), np.array([0, 1, 3]), np.array([0.0, 1.0]))
    >>> curves.border.tolist(), curves.core.tolist(), curves.ks
    ([0.75, 1.0], [0.0, 0.25], 0.75)
    """
    totals = int(border.sum()), int(core.sum())
    finite = np.isfinite(edges)
    if not all(totals) or not finite.any():
        return None
    below_border, below_core = (
        (counts.cumsum()[:-1] / total)[finite]
        for counts, total in zip((border, core), totals, strict=True)
    )
    return Curves(edges[finite], below_border, below_core, totals)


def cumulate(counts: NDArray[np.int64], edges: FloatArray) -> Cumulative | None:
    """Cumulate one histogram as `accumulate` does two."""
    total = int(counts.sum())
    finite = np.isfinite(edges)
    if not total or not finite.any():
        return None
    return Cumulative(edges[finite], (counts.cumsum()[:-1] / total)[finite], total)


def distributions(study: Study, site: str, index: int, side: str) -> Curves | None:
    """Give the counted border and core distributions of a filter, and the explained one."""
    names = study.sides.filter(pl.col("site") == site)["side"].unique(maintain_order=True).to_list()
    counts = study.counts_of(site)
    fine = np.asarray(counts.near(site).fine[:, index, :BINS], np.int64)
    edges = counts.bins[site].edges()[index]
    # The compared regions are line 0 of every side, in the order of the table, then the core.
    curves = accumulate(fine[names.index(side)], fine[-1], edges)
    if curves and study.explanation:
        real = real_surroundings(study.explanation, site, index, names.index(side))
        return replace(curves, real=real)
    return curves


def real_surroundings(
    explanation: Explanation, site: str, index: int, place: int
) -> Cumulative | None:
    """Give the distribution with real surroundings; None if it was not counted.

    Parameters
    ----------
    explanation : Explanation
    site : str
    index : int
        Of the filter.
    place : int
        Of the side, among the sides of the site.
    """
    tally = explanation.counts.near_real(site)
    bins = (explanation.counts.bins or {}).get(site)
    if tally is None or bins is None:
        return None
    counts = np.asarray(tally.fine[place, index, :BINS], np.int64)
    return cumulate(counts, bins.edges()[index])
