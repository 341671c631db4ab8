"""Cumulative distributions of many filters at once, by the points where they rise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ByteArray = NDArray[np.uint8]

TAIL = 0.005  # share of values left out at each end of a plot, as in `curves.Curves.window`
LEVELS = (TAIL, 0.04, 0.15, 0.35, 0.65, 0.85, 0.96, 1 - TAIL)  # where points are taken
FULL = 255  # the byte that stands for the whole width or height of a plot


@dataclass(frozen=True)
class Shares:
    """Cumulative distributions of C filters.

    Attributes
    ----------
    edges : (C, E) float64 array
        Upper edges of bins, ascending, finite.
    values : (C, E) float64 array
        Share of values up to each edge; NaN where nothing was counted.
    """

    edges: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class Points:
    """Distributions of C filters as points of a plot, and the plot's ends.

    Attributes
    ----------
    pair : (C, P, 3) uint8 array
        Place across the plot, shares of the border's and of the core's values up to there, each in
        steps of 1 / `FULL`; in ascending order.
    real : (C, Q, 2) uint8 array
        The same of the border's positions with real surroundings; Q is 0 without them.
    low, high : (C,) float64 array
        Activations at the ends of the plot; NaN where there is nothing to draw.
    threshold : (C,) float64 array
        Activation where border and core lie farthest apart; one of the points is there.
    """

    pair: ByteArray
    real: ByteArray
    low: FloatArray
    high: FloatArray
    threshold: FloatArray


def cumulate_rows(counts: IntArray, edges: FloatArray) -> Shares:
    """Cumulate the histograms of C filters.

    Parameters
    ----------
    counts : (C, B) array
    edges : (C, B - 1) float64 array
        Upper edge of every bin but the last; the last of them, which is infinite, is left out.
    """
    totals = counts.sum(axis=1, keepdims=True).astype(np.float64)
    totals[totals == 0] = np.nan
    return Shares(edges[:, :-1], counts.cumsum(axis=1)[:, :-2] / totals)


def choose_points(border: Shares, core: Shares, real: Shares | None) -> Points:
    """Choose the points to draw of border and core, which share their edges, and of a third."""
    gap = np.abs(np.nan_to_num(border.values - core.values)).argmax(axis=1)
    rows = np.arange(len(gap))[:, None]
    counted = np.isfinite(border.values[:, 0] + core.values[:, 0])
    threshold = np.where(counted, border.edges[rows[:, 0], gap], np.nan)
    ends = [_tails(each) for each in (border, core, *([real] if real else []))]
    low = np.where(counted, np.fmin.reduce([threshold, *(left for left, _ in ends)]), np.nan)
    high = np.where(counted, np.fmax.reduce([threshold, *(right for _, right in ends)]), np.nan)
    margin = np.where(high > low, 0.06 * (high - low), 1.0)
    low, high = low - margin, high + margin
    found = [_rises(border.values), _rises(core.values), gap[:, None]]
    chosen = np.sort(np.concatenate(found, axis=1), axis=1)
    at = _quantise((border.edges[rows, chosen] - low[:, None]) / (high - low)[:, None])
    shares = [_quantise(each.values[rows, chosen]) for each in (border, core)]
    return Points(np.stack([at, *shares], axis=2), _third(real, low, high), low, high, threshold)


def _third(real: Shares | None, low: FloatArray, high: FloatArray) -> ByteArray:
    if real is None:
        return np.zeros((len(low), 0, 2), dtype=np.uint8)
    chosen = _rises(real.values)
    rows = np.arange(len(low))[:, None]
    at = _quantise((real.edges[rows, chosen] - low[:, None]) / (high - low)[:, None])
    return np.stack([at, _quantise(real.values[rows, chosen])], axis=2)


def _tails(shares: Shares) -> tuple[FloatArray, FloatArray]:
    """Activations below and above which a `TAIL` of the values lies."""
    rows = np.arange(len(shares.edges))
    left, right = (shares.edges[rows, _reached(shares.values, level)] for level in (TAIL, 1 - TAIL))
    counted = np.isfinite(shares.values[:, 0])
    return np.where(counted, left, np.nan), np.where(counted, right, np.nan)


def _rises(values: FloatArray) -> IntArray:
    """Edges at which `LEVELS` are reached, and the edges before them: a jump takes both."""
    after = np.stack([_reached(values, level) for level in LEVELS], axis=1)
    return np.sort(np.concatenate([after, np.maximum(after - 1, 0)], axis=1), axis=1)


def _reached(values: FloatArray, level: float) -> IntArray:
    # As `searchsorted` finds it, row by row.
    places: IntArray = (values < level).sum(axis=1).clip(max=values.shape[1] - 1)
    return places


def _quantise(shares: FloatArray) -> ByteArray:
    steps: ByteArray = np.rint(FULL * np.nan_to_num(shares).clip(0, 1)).astype(np.uint8)
    return steps
