"""Scores of a site's filters, side by side, from its tally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from padscope.regions import Layout
from padscope.scores.distance import ks_distance
from padscope.scores.interval import Interval, jackknife
from padscope.scores.statistics import Statistic, Values, measure
from padscope.tallies.bins import BINS, COARSE_BINS, DEAD_BINS, HOLE
from padscope.tallies.contrast import CORNERS, DEEP, NEAR, PADDED
from padscope.tallies.tally import Tally


@dataclass(frozen=True)
class Scores:
    """Scores of C filters at S sides.

    Attributes
    ----------
    line : dict
        Name of a statistic → (S, C) values, of line 0 against the core.
    interval : Interval of (S, C) arrays
        Of the KS in `line`, over image folds.
    profile : (S, D, C) float64 array
        KS of lines 1 … D against the core, from coarse bins; NaN where a side has no such line.
    corners : dict
        Corner name → (C,) KS against the core, from coarse bins.
    dead : (C,) bool array
        Filters without spread: unmeasured, which is not a score of 0.
    nonfinite : (C,) int64 array
        NaN and infinite values among those drawn; they are left out of the scores.
    """

    line: Values
    interval: Interval
    profile: NDArray[np.float64]
    corners: dict[str, NDArray[np.float64]]
    dead: NDArray[np.bool_]
    nonfinite: NDArray[np.int64]


def score_site(
    layout: Layout, tallies: Mapping[str, Tally], statistics: Mapping[str, Statistic]
) -> Scores:
    """Score every filter of a site at every side.

    Parameters
    ----------
    layout : Layout
        Of the maps.
    tallies : mapping
        Stream key → counts, of all regions as they are.
    statistics : mapping
        The KS among them; see `known_statistics`.

    Returns
    -------
    Scores
        Those of dead filters are NaN.
    """
    near = tallies[f"{PADDED}/{NEAR}"]
    fine, folds = near.fine.numpy(), near.folds.numpy()
    values, coarse = fine[..., :BINS], folds[..., :COARSE_BINS]
    sides = len(layout.sides)
    core = sides  # the compared regions are line 0 of every side, then the core
    dead = values.sum(axis=(0, 2)) == values[..., DEAD_BINS].sum(axis=(0, 2))
    measured = measure(statistics, values[:sides], values[core])
    line = {name: np.where(dead, np.nan, array) for name, array in measured.items()}
    intervals = [jackknife(line["ks"][s], coarse[s], coarse[core]) for s in range(sides)]
    deeper = _coarse_distances(layout, tallies, dead)
    depth = max((layout.depth(axis) for axis in range(len(layout.size))), default=1)
    missing = np.full(len(dead), np.nan)
    profile = [
        [deeper.get(f"{side.name}+{d}", missing) for d in range(1, depth)] for side in layout.sides
    ]
    return Scores(
        line,
        Interval(np.stack([i.low for i in intervals]), np.stack([i.high for i in intervals])),
        np.array(profile).reshape(sides, depth - 1, len(dead)),
        {region.name: deeper[region.name] for region in layout.regions if len(region.sides) > 1},
        dead,
        fine[..., HOLE].sum(axis=0),
    )


def _coarse_distances(
    layout: Layout, tallies: Mapping[str, Tally], dead: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """KS against the core of the regions that are counted coarsely only, by name."""
    near, *others = (
        tallies[f"{PADDED}/{part}"].folds.numpy()[..., :COARSE_BINS].sum(axis=1)
        for part in (NEAR, DEEP, CORNERS)
    )
    distances = np.where(dead, np.nan, ks_distance(np.concatenate(others), near[-1]))
    names = [region.name for region in layout.regions[len(layout.compared) :]]
    return dict(zip(names, distances, strict=True))
