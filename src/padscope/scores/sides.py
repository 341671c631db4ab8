"""Scores of a site's filters, side by side, from its tally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from padscope.scores.distance import CONTENT, Counts
from padscope.scores.interval import Interval, jackknife
from padscope.scores.recall import CONTENTS, border_recall, recall_curve
from padscope.scores.statistics import Statistic, Values, measure
from padscope.tallies.names import (
    BINS,
    COARSE_BINS,
    CORNERS,
    DEAD_BINS,
    DEEP,
    HOLE,
    NEAR,
    PADDED,
    REAL,
)

if TYPE_CHECKING:
    from padscope.regions import Layout
    from padscope.tallies.tally import Tally

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of C filters at S sides.

    Attributes
    ----------
    line : dict
        Name of a statistic → (S, C) values, of line 0 against the core.
    intervals : dict
        Name of a statistic that has one → `Interval` of (S, C) arrays, over image folds.
    profile, recall_profile : (S, D, C) float64 array
        KS of lines 1 … D against the core, and border recall of them, from coarse bins; NaN where a
        side has no such line.
    corners, corner_recall : dict
        Corner name → (C,) KS against the core, and border recall, from coarse bins.
    dead : (C,) bool array
        Filters without spread: unmeasured, which is not a score of 0.
    nonfinite : (C,) int64 array
        NaN and infinite values among those drawn; they are left out of the scores.
    """

    line: Values
    intervals: dict[str, Interval]
    profile: NDArray[np.float64]
    recall_profile: NDArray[np.float64]
    corners: dict[str, NDArray[np.float64]]
    corner_recall: dict[str, NDArray[np.float64]]
    dead: NDArray[np.bool_]
    nonfinite: NDArray[np.int64]


def score_site(
    layout: Layout,
    tallies: Mapping[str, Tally],
    statistics: Mapping[str, Statistic],
    content: float = CONTENT,
) -> Scores:
    """Score every filter of a site at every side.

    Parameters
    ----------
    layout : Layout
        Of the maps.
    tallies : mapping
        Stream key → counts, of all regions as they are, and with real surroundings where they have
        been seen with them.
    statistics : mapping
        The KS among them; see `known_statistics`.
    content : float
        Of `Counts`.

    Returns
    -------
    Scores
        Those of dead filters are NaN.
    """
    near = tallies[f"{PADDED}/{NEAR}"]
    fine, folds = near.fine.numpy(), near.folds.numpy()[..., :COARSE_BINS]
    values = fine[..., :BINS]
    sides = len(layout.sides)
    core = sides  # the compared regions are line 0 of every side, then the core
    real = tallies.get(f"{REAL}/{NEAR}")
    around = None if real is None else real.fine.numpy()[:sides, :, :BINS]
    folds_around = None if real is None else real.folds.numpy()[..., :COARSE_BINS]
    counts = Counts(values[:sides], values[core], around, content)
    p, q = counts.sums
    dead = p[..., -1].sum(axis=0) + q[..., -1] == values[..., DEAD_BINS].sum(axis=(0, 2))
    measured = measure(statistics, counts)
    line = {name: np.where(dead, np.nan, array) for name, array in measured.items()}
    varying = {name: statistics[name] for name in line if statistics[name].interval}
    intervals = _intervals(varying, line, folds, folds_around, content)
    deeper = _coarse(layout, tallies, dead, content)
    depth = max((layout.depth(axis) for axis in range(len(layout.size))), default=1)
    missing = np.full((2, len(dead)), np.nan)
    profile = np.array(
        [
            [deeper.get(f"{side.name}+{d}", missing) for d in range(1, depth)]
            for side in layout.sides
        ]
    ).reshape(sides, depth - 1, 2, len(dead))
    corners = {
        region.name: deeper[region.name] for region in layout.regions if len(region.sides) > 1
    }
    return Scores(
        line,
        intervals,
        profile[:, :, 0],
        profile[:, :, 1],
        {name: ks for name, (ks, _) in corners.items()},
        {name: recall for name, (_, recall) in corners.items()},
        dead,
        fine[..., HOLE].sum(axis=0),
    )


def recall_curves(
    near: Tally,
    real: Tally | None,
    sides: NDArray[np.int64],
    filters: NDArray[np.int64],
    contents: Sequence[float] = CONTENTS,
) -> FloatArray:
    """Border recall of some filters, at one side each, at several shares of the content.

    Parameters
    ----------
    near, real : Tally
        Of line 0 of every side and the core, as they are and with real surroundings, if they have
        been seen with these.
    sides, filters : (N,) int64 array
        Places of the sides in the layout, and indices of the filters.
    contents : sequence of float
        K shares.

    Returns
    -------
    (N, K) float64 array
        See `recall_curve`.
    """
    border, core = (np.asarray(near.fine[place, filters, :BINS]) for place in (sides, -1))
    around = None if real is None else np.asarray(real.fine[sides, filters, :BINS])
    return recall_curve(Counts(border, core, around), contents)


def _intervals(
    statistics: Mapping[str, Statistic],
    line: Values,
    folds: NDArray[np.int32],
    around: NDArray[np.int32] | None,
    content: float,
) -> dict[str, Interval]:
    def of(
        border: NDArray[np.int64], core: NDArray[np.int64], real: NDArray[np.int64] | None
    ) -> FloatArray:
        counts = Counts(border, core, real, content)  # what several are made of is summed once
        return np.stack([statistic.of(counts) for statistic in statistics.values()])

    centres = np.stack([line[name] for name in statistics], axis=1)  # (S, statistics, C)
    found = [
        jackknife(centre, of, (folds[side], folds[-1], None if around is None else around[side]))
        for side, centre in enumerate(centres)
    ]
    # No side, no interval.
    low, high = (
        np.array(ends).reshape(centres.shape)
        for ends in ([each.low for each in found], [each.high for each in found])
    )
    return {name: Interval(low[:, place], high[:, place]) for place, name in enumerate(statistics)}


def _coarse(
    layout: Layout, tallies: Mapping[str, Tally], dead: NDArray[np.bool_], content: float
) -> dict[str, NDArray[np.float64]]:
    """KS against the core, and border recall, of what is counted coarsely only, by name: (2, C)."""

    def counted(condition: str, part: str, regions: slice = slice(None)) -> NDArray[np.int64]:
        summed: NDArray[np.int64] = (
            tallies[f"{condition}/{part}"].folds.numpy()[regions, ..., :COARSE_BINS].sum(axis=1)
        )
        return summed

    def others(condition: str) -> NDArray[np.int64]:
        return np.concatenate([counted(condition, part) for part in (DEEP, CORNERS)])

    real = others(REAL) if f"{REAL}/{DEEP}" in tallies else None
    counts = Counts(others(PADDED), counted(PADDED, NEAR, slice(-1, None))[0], real, content)
    scores = np.where(dead, np.nan, np.stack([counts.ks, border_recall(counts)], axis=1))
    names = [region.name for region in layout.regions[len(layout.compared) :]]
    return dict(zip(names, scores, strict=True))
