"""Scores of the second rung: what padding makes of a site's filters, from contrasted counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from padscope.scores.distance import CONTENT, Counts, ks_distance, polarity_of
from padscope.scores.interval import Interval, jackknife
from padscope.scores.recall import border_recall
from padscope.scores.statistics import Statistic, Values, measure
from padscope.tallies.names import (
    BINS,
    COARSE_BINS,
    CORNERS,
    DEAD_BINS,
    DEEP,
    INCOMING,
    LINES,
    NEAR,
    OWN,
    PADDED,
    PSEUDO,
    REAL,
)
from padscope.tallies.tally import Tally

if TYPE_CHECKING:
    from padscope.regions import Layout

FloatArray = NDArray[np.float64]
Tallies = Mapping[str, Tally]  # stream key → counts of one site


@dataclass(frozen=True)
class CausalScores:
    """Scores of C filters at S sides. NaN where there is nothing to compare.

    Attributes
    ----------
    causal : dict
        Name of a statistic → (S, C) values, of line 0 padded against line 0 with real
        surroundings; none of those that are of a core only.
    interval : Interval of (S, C) arrays
        Of the KS in `causal`, over image folds.
    profile : (D, S, C) float64 array
        KS of lines 0 … D - 1, padded against real; line 0 as in `causal`, the others from coarse
        bins. NaN where a side has no such line.
    corners : (K, C) float64 array
        KS of the corners, padded against real, in the layout's order, from coarse bins.
    core : (C,) float64 array
        KS of the core, padded against real: what the margin's context, and padding that reaches
        so far, do there. A control.
    own, incoming : (S, C) float64 array
        With real context: KS of the site's own padding alone, and of the padded input alone,
        against real. Without: KS of padded against refilled, and of refilled against the core.
    null : (S, C) float64 array
        The same where no border is: at the crop's place on the canvas, or inside the core.
    """

    causal: Values
    interval: Interval
    profile: FloatArray
    corners: FloatArray
    core: FloatArray
    own: FloatArray
    incoming: FloatArray
    null: FloatArray


def score_contrast(
    layout: Layout,
    tallies: Tallies,
    statistics: Mapping[str, Statistic],
    *,
    real_context: bool,
) -> CausalScores:
    """Score every filter of a padded site at every side.

    Parameters
    ----------
    layout : Layout
        Of the crop's maps.
    tallies : mapping
        Stream key → counts, of the streams of `streams_of`.
    statistics : mapping
        The KS among them; see `known_statistics`.
    real_context : bool
        Whether the ``real`` condition comes from a canvas.
    """
    sides = len(layout.sides)
    padded, real = _near(tallies)
    dead = _dead(padded, real)
    contrasted = {name: each for name, each in statistics.items() if not each.of_core}
    measured = measure(contrasted, Counts(padded[:sides], real[:sides]))
    causal = {name: _without(dead, array) for name, array in measured.items()}
    ks = causal["ks"]
    own = _fine(tallies, OWN, LINES)
    if real_context:
        parts = (
            ks_distance(own, real[:sides]),
            ks_distance(_fine(tallies, INCOMING, LINES), real[:sides]),
        )
        null = ks_distance(real[:sides], real[sides])
    else:
        parts = ks_distance(padded[:sides], own), ks_distance(own, padded[sides])
        null = ks_distance(_fine(tallies, PSEUDO, LINES), padded[sides])
    folds = [_coarse(tallies, condition, NEAR) for condition in (PADDED, REAL)]
    intervals = [jackknife(ks[s], ks_distance, [each[s] for each in folds]) for s in range(sides)]
    return CausalScores(
        causal,
        Interval(np.stack([i.low for i in intervals]), np.stack([i.high for i in intervals])),
        _profile(layout, tallies, ks),
        _without(dead, _coarse_distance(tallies, CORNERS)),
        _without(dead, ks_distance(padded[sides], real[sides])),
        _without(dead, parts[0]),
        _without(dead, parts[1]),
        _without(dead, null),
    )


def contrast_lines(layout: Layout, tallies: Tallies) -> tuple[FloatArray, FloatArray]:
    """KS and polarity of line 0 of every side, padded against real: arrays of (S, C)."""
    padded, real = _near(tallies)
    sides, dead = len(layout.sides), _dead(padded, real)
    lines = padded[:sides], real[:sides]
    return _without(dead, ks_distance(*lines)), _without(dead, polarity_of(*lines))


def causal_distances(layout: Layout, tallies: Tallies) -> FloatArray:
    """KS of line 0 of every side, padded against real: (S, C)."""
    return contrast_lines(layout, tallies)[0]


def recall_of(
    layout: Layout, tallies: Tallies, content: float = CONTENT
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Response and border recall of a network that is seen on crops alone, as a baseline is.

    Returns
    -------
    response, recall : (S, C) float64 array
        KS of line 0 against the core, and border recall in the direction of that shift.
    left_out : (F, S, C) float64 array
        The recall without each fold of the images, from coarse bins.
    """
    near, sides = tallies[f"{PADDED}/{NEAR}"], len(layout.sides)
    values = near.fine.numpy()[..., :BINS]
    folds = near.folds.numpy()[..., :COARSE_BINS]
    dead = values.sum(axis=(0, 2)) == values[..., DEAD_BINS].sum(axis=(0, 2))
    counts = Counts(values[:sides], values[sides], content=content)
    rest = np.moveaxis(folds.sum(axis=1, keepdims=True) - folds, 1, 0)
    left_out = border_recall(Counts(rest[:, :sides], rest[:, sides:], content=content))
    return (
        _without(dead, counts.ks),
        _without(dead, border_recall(counts)),
        _without(dead, left_out),
    )


def _near(tallies: Tallies) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Fine counts of line 0 of every side, and of the core if that is counted: padded, and real."""
    part = NEAR if f"{PADDED}/{NEAR}" in tallies else LINES
    return _fine(tallies, PADDED, part), _fine(tallies, REAL, part)


def _dead(padded: NDArray[np.int32], real: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether a filter has one value throughout."""
    both = padded.sum(axis=0) + real.sum(axis=0)
    dead: NDArray[np.bool_] = both.sum(axis=1) == both[:, DEAD_BINS].sum(axis=1)
    return dead


def _profile(layout: Layout, tallies: Tallies, line: FloatArray) -> FloatArray:
    """KS of every line, (D, S, C); NaN where a side has no such line."""
    depth = max((layout.depth(axis) for axis in range(len(layout.size))), default=1)
    profile = np.full((depth, *line.shape), np.nan)
    profile[0] = line
    deeper = _coarse_distance(tallies, DEEP)
    lines = [region for region in layout.regions if region.distance]
    for region, distances in zip(lines, deeper, strict=True):
        profile[region.distance, layout.sides.index(region.sides[0])] = distances
    profile[:, np.isnan(line)] = np.nan
    return profile


def _coarse_distance(tallies: Tallies, part: str) -> FloatArray:
    """KS of every region of a part, padded against real, from the sum of the folds: (R, C)."""
    padded, real = (_coarse(tallies, condition, part).sum(axis=1) for condition in (PADDED, REAL))
    return ks_distance(padded, real)


def _fine(tallies: Tallies, condition: str, part: str) -> NDArray[np.int32]:
    counts: NDArray[np.int32] = tallies[f"{condition}/{part}"].fine.numpy()[..., :BINS]
    return counts


def _coarse(tallies: Tallies, condition: str, part: str) -> NDArray[np.int32]:
    counts: NDArray[np.int32] = tallies[f"{condition}/{part}"].folds.numpy()[..., :COARSE_BINS]
    return counts


def coarse_counts(tallies: Tallies, part: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the counts per region, fold, filter and coarse bin of a part: padded, and real."""
    return _coarse(tallies, PADDED, part), _coarse(tallies, REAL, part)


def _without(dead: NDArray[np.bool_], distances: FloatArray) -> FloatArray:
    return np.where(dead, np.nan, distances)
