"""Cumulative distributions of many filters at once, by the points where they rise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from padscope.findings.distributions import TAIL, Distributions, Shares

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ByteArray = NDArray[np.uint8]

LEVELS = (TAIL, 0.04, 0.15, 0.35, 0.65, 0.85, 0.96, 1 - TAIL)  # where points are taken
FULL = 255  # the byte that stands for the whole width or height of a plot


@dataclass(frozen=True)
class Points:
    """Distributions of C filters as points of a plot, and the plot's ends.

    Attributes
    ----------
    pair : (C, P, 3) uint8 array
        Place across the plot, shares of the border's and of the core's values up to there, each in
        steps of 1 / `FULL`; in ascending order. One of them is at the threshold.
    real : (C, Q, 2) uint8 array
        The same of the border's positions with real surroundings; Q is 0 without them.
    low, high : (C,) float64 array
        Activations at the ends of the plot; NaN where there is nothing to draw.
    """

    pair: ByteArray
    real: ByteArray
    low: FloatArray
    high: FloatArray


def choose_points(drawn: Distributions) -> Points:
    """Choose the points to draw."""
    border, core, real = drawn.border, drawn.core, drawn.real
    low, high = drawn.window()

    def placed(chosen: IntArray, *shown: Shares) -> ByteArray:
        rows = np.arange(len(low))[:, None]
        at = (shown[0].edges[rows, chosen] - low[:, None]) / (high - low)[:, None]
        values = [at, *(each.values[rows, chosen] for each in shown)]
        shares = np.nan_to_num(np.stack(values, axis=2)).clip(0, 1)
        steps: ByteArray = np.rint(FULL * shares).astype(np.uint8)
        return steps

    chosen = np.concatenate([_rises(border), _rises(core), drawn.gap[:, None]], axis=1)
    pair = placed(np.sort(chosen, axis=1), border, core)
    none = np.zeros((len(low), 0, 2), dtype=np.uint8)
    return Points(pair, placed(_rises(real), real) if real else none, low, high)


def _rises(shares: Shares) -> IntArray:
    """Edges at which `LEVELS` are reached, and the edges before them: a jump takes both."""
    after = np.stack([shares.reached(level) for level in LEVELS], axis=1)
    return np.sort(np.concatenate([after, np.maximum(after - 1, 0)], axis=1), axis=1)
