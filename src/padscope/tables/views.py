"""Position bias as data frames: answers on other views, and what can be read of the position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from padscope.effects.readout import Readout
from padscope.effects.resampling import Bootstrap
from padscope.regions import sides_of
from padscope.tables.schema import READOUT, VIEWS

FloatArray = NDArray[np.float64]


def view_table(
    views: Sequence[tuple[str, float]],
    treatments: Sequence[str],
    rows: Mapping[str, ArrayLike],
    controls: Mapping[str, str] | None = None,
    groups: Sequence[object] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pl.DataFrame:
    """One row per kind of view, amount, treatment and measure.

    Columns are those of `schema.VIEWS`. The difference is from the first treatment. Images are
    those whose change is defined in every view of the set under every treatment; what is defined
    for no image has no row, and what there is nothing to compare with is null.

    A treatment that leaves a classifier less certain of everything also brings its answers to
    different views nearer to each other: a lower ``kl`` alone does not make it steadier, if
    ``flip`` does not fall as well.

    Parameters
    ----------
    views : sequence of (str, float)
        Kind and amount of each view. Views of one set are averaged, image by image.
    treatments : sequence of str
        The first is the one that the others differ from.
    rows : mapping
        Measure → (n, views, treatments) array.
    controls : mapping, optional
        Treatment → the treatment that is its control.
    groups, resamples, seed
        See `padscope.effects.resampling.resample`.
    """
    control = {
        treatments.index(one): treatments.index(other) for one, other in (controls or {}).items()
    }
    bootstrap, sets = Bootstrap(groups, resamples, seed), _sets(views)
    found = []
    for measure, values in rows.items():
        array = np.asarray(values, dtype=np.float64)
        for (kind, amount), members in sets.items():
            mean = array[:, members].mean(axis=1)  # (n, treatments)
            value, counted = bootstrap.mean(mean)
            if not any(counted):
                continue
            difference, _ = bootstrap.mean(mean - mean[:, :1])
            for t, treatment in enumerate(treatments):
                compared = [part[t] if t else np.nan for part in difference]
                other = difference[0][control[t]] if t in control else np.nan
                found.append((kind, amount, treatment, measure, *counted,
                              *(part[t] for part in value), *compared, other))  # fmt: skip
    return VIEWS.frame(found)


def _sets(views: Sequence[tuple[str, float]]) -> dict[tuple[str, float | None], list[int]]:
    """Group the places of views: all of a kind, then those of each amount."""
    sets: dict[tuple[str, float | None], list[int]] = {}
    for kind in dict.fromkeys(kind for kind, _ in views):
        sets[kind, None] = [at for at, view in enumerate(views) if view[0] == kind]
        for at in sets[kind, None]:
            sets.setdefault((kind, views[at][1]), []).append(at)
    return sets


def readout_table(readouts: Mapping[str, Sequence[Readout]], dims: int) -> pl.DataFrame:
    """One row per treatment and axis.

    Columns are those of `schema.READOUT`; see `Readout`.

    Parameters
    ----------
    readouts : mapping
        Treatment → from `read_position`.
    dims : int
        Spatial axes of the images.
    """
    names = [side.name for side in sides_of(dims)]
    found = [
        (
            treatment, f"{names[2 * one.axis]}-{names[2 * one.axis + 1]}", one.r2, one.low,
            one.high, one.chance, one.images, one.photographs,
        )
        for treatment, axes in readouts.items()
        for one in axes
    ]  # fmt: skip
    return READOUT.frame(found)
