"""False borders as data frames: what bands do to answers, and to the filters that may fire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from padscope.effects.resampling import Bootstrap
from padscope.tables.schema import BANDS, FIRING

FloatArray = NDArray[np.float64]

FILL, COUNTERPART = "fill", "mean colour"
# Filters whose mean at the border differs from their core's by less than so many of its standard
# deviations answer to it in other ways, and have no size of firing to compare with.
LEAST_ANSWER = 0.25


def band_table(
    bands: Sequence[tuple[int, str]],
    rows: Mapping[str, ArrayLike],
    groups: Sequence[object] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pl.DataFrame:
    """One row per width, content and measure.

    Columns are those of `schema.BANDS`. Images are those whose change is defined with every band of
    the width; what is defined for no image has no row.

    Parameters
    ----------
    bands : sequence of (int, str)
        Width and content of each. Bands that share both, along several axes, are averaged.
    rows : mapping
        Measure → (n, bands) array.
    groups, resamples, seed
        See `padscope.effects.resampling.resample`.
    """
    bootstrap = Bootstrap(groups, resamples, seed)
    members: dict[tuple[int, str], list[int]] = {}
    for at, band in enumerate(bands):
        members.setdefault(band, []).append(at)
    found = []
    for measure, values in rows.items():
        array = np.asarray(values, dtype=np.float64)
        for width in dict.fromkeys(width for width, _ in members):
            kinds = [kind for kind in members if kind[0] == width]
            mean = np.stack([array[:, members[kind]].mean(axis=1) for kind in kinds], axis=1)
            value, counted = bootstrap.mean(mean)
            if not any(counted):
                continue
            over: Sequence[FloatArray] = [np.full(len(kinds), np.nan)] * 3
            if (width, COUNTERPART) in kinds:
                over, _ = bootstrap.mean(mean - mean[:, [kinds.index((width, COUNTERPART))]])
            found += [
                (*kind, measure, *counted, *(part[k] for part in value),
                 *(part[k] if kind[1] == FILL else np.nan for part in over))
                for k, kind in enumerate(kinds)
            ]  # fmt: skip
    return BANDS.frame(found)


def firing_table(
    watched: Mapping[str, Mapping[str, Sequence[int]]],
    widths: Sequence[int],
    sums: Mapping[str, ArrayLike],
    groups: Sequence[object],
) -> pl.DataFrame:
    """One row per site, side and width of a band.

    A filter's firing is its mean on the line right behind the band less that without the band, in
    units of what the real border makes of it: 1 if it answers to the band as to the border, 0 if it
    does not see it. Of that line and its neighbours the strongest answer is taken. A filter that
    answers to any edge fires at a band of the mean colour as well.

    Columns are those of `schema.FIRING`. Filters are those that answer to the border by
    `LEAST_ANSWER` standard deviations or more.

    Parameters
    ----------
    watched : mapping
        Site → side → filters.
    widths : sequence of int
    sums : mapping
        From `padscope.measurements.band_measurement.BandMeasurement`.
    groups : sequence
        Which photograph each image comes from.
    """
    found = []
    for site, sides in watched.items():
        for side in sides:
            key = f"{site}/{side}"
            # An axis may be too short for some widths, and has no bands of those.
            for width in (width for width in widths if f"{FILL} {width}/{key}/behind" in sums):
                behind, elsewhere, colour = (
                    _firing(sums, key, f"{content} {width}", place)
                    for content, place in (
                        (FILL, "behind"), (FILL, "elsewhere"), (COUNTERPART, "behind"),
                    )
                )  # fmt: skip
                low = median = high = control = other = np.nan
                if len(behind):
                    low, median, high = np.quantile(behind, [0.25, 0.5, 0.75])
                    control, other = np.median(elsewhere), np.median(colour)
                on = len(groups), len(set(groups))
                row = (site, side, width, len(behind), *on, median, low, high, control, other)
                found.append(row)
    return FIRING.frame(found)


def _firing(sums: Mapping[str, ArrayLike], key: str, band: str, place: str) -> FloatArray:
    """Measure the firing of every filter that answers to the border, by the strongest line."""
    images = np.asarray(sums["images"], dtype=np.float64)

    def mean(name: str) -> FloatArray:
        average: FloatArray = np.asarray(sums[name], dtype=np.float64) / images
        return average

    core = mean(f"as is/{key}/core")
    spread = np.sqrt(np.maximum(mean(f"as is/{key}/core squares") - core**2, 0))
    answer = mean(f"as is/{key}/border") - core
    answering = (np.abs(answer) >= LEAST_ANSWER * spread) & (answer != 0)
    change = mean(f"{band}/{key}/{place}") - mean(f"as is/{key}/{place}")  # (lines, filters)
    strongest: FloatArray = (change[:, answering] / answer[answering]).max(axis=0)
    return strongest
