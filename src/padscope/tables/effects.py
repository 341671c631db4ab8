"""What treatments change in a model's answers, beside controls, as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from padscope.effects.classes import sign_flip_p
from padscope.effects.metric import Metric
from padscope.effects.resampling import Bootstrap, empirical_p, numbered
from padscope.interventions.controls import Controls
from padscope.interventions.sets import NOT_RECOGNISING_SET, RECOGNISING_SET
from padscope.interventions.treatments import Columns, Treatment, columns_of
from padscope.tables.measures import MEASURES, Measured, measured
from padscope.tables.schema import DOSES, EFFECTS

FloatArray = NDArray[np.float64]
FLIPS = 1000


def effect_table(
    treatments: Sequence[Treatment],
    controls: Mapping[str, Controls],
    rows: Mapping[str, Tensor],
    bootstrap: Bootstrap,
    metric: Metric | None = None,
) -> pl.DataFrame:
    """One row per set, change and measure.

    Columns are those of `schema.EFFECTS`; for p see `empirical_p`, for what is told of controls
    `Controls`. Null where there are no controls, no disturbances, no partners, or too few groups of
    images for an interval.

    Parameters
    ----------
    treatments : sequence of Treatment
    controls : mapping
        Set → its controls.
    rows : mapping
        Of `measurements.effects.TreatmentMeasurement` for these treatments, in their order.
    bootstrap : Bootstrap
    metric : Metric, optional
        That of the rows.

    Notes
    -----
    An image without a label is left out of what takes labels; one whose answer has no spread, of
    ``change``.

    What a draw of controls does on all images is estimated where it is run on a part of them, by
    regression on what the set does [1]_. The estimates carry the noise of their images and differ
    more than the draws do; p is then the greater of two: how often draws reach the set, and how
    often the difference on the images would be as large if its signs meant nothing (`sign_flip_p`).
    Images that are given the same draws are drawn together for the interval of ``excess``, so that
    it is over images and draws; where photographs are in several such parts these are drawn
    instead, and so they are where every draw is run on all images: that is an interval over images,
    for the draws as they are.

    References
    ----------
    .. [1] Cochran, Sampling Techniques, 3rd edition, Wiley 1977, chapter 7.
    """
    places = columns_of(treatments)
    unit, better = {"metric": ""}, dict(MEASURES)
    if metric:
        unit["metric"], better["metric"] = metric.unit, metric.higher_is_better
    measures = list(measured(rows))
    found = [
        {
            "set": name, "change": change, "filters": columns.whole.filters,
            "sites": columns.whole.sites, "measure": measure.name,
            "unit": unit.get(measure.name), "higher_is_better": better[measure.name],
            **beside,
        }
        for (name, change), columns in places.items()
        for measure in measures
        if (beside := _beside(
            columns, measure, controls.get(name), _partners(places, name, change), bootstrap
        ))
    ]  # fmt: skip
    return EFFECTS.frame(found)


def dose_table(
    treatments: Sequence[Treatment],
    controls: Controls,
    rows: Mapping[str, Tensor],
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    """One row per dose (number of ``filters`` undone, the strongest first) and measure.

    Columns are those of `schema.DOSES`, as in `effect_table`.

    Parameters
    ----------
    treatments : sequence of Treatment
        From `dose_treatments`.
    controls : Controls
        Of all filters of the set.
    rows, bootstrap
        As of `effect_table`.
    """
    by_dose = {treatment.chosen: controls.first(treatment.filters)
               for treatment in treatments if treatment.part == "set"}  # fmt: skip
    return effect_table(treatments, by_dose, rows, bootstrap).select(*DOSES.dtypes)


def _beside(
    columns: Columns,
    measure: Measured,
    controls: Controls | None,
    partners: Columns | None,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Effect of a set beside its controls and its partners; empty if no image has the measure."""
    beside = [columns.paired, partners.set] if partners else []
    compared = [columns.set, columns.matched, *beside]
    used = measure.used(compared)
    if not len(used):
        return {}
    found = bootstrap.of(measure.columns(compared).over(used), used)
    low, high = found.interval()
    values = {
        "images": len(used), "photographs": found.groups, "effect": found.value[0], "low": low[0],
        "high": high[0], "matched": 0, "draws": 0,
    }  # fmt: skip
    if columns.disturbances:
        values["disturbance"] = _on(measure.in_turn(columns.disturbances, used), used).mean()
    if columns.controls and controls is not None:
        values |= _beside_controls(columns, measure, controls, used, bootstrap)
    if partners:
        beyond = found.then(lambda each: each[:, 2] - each[:, 3])
        beyond_low, beyond_high = map(float, beyond.interval())
        values |= {
            "paired": partners.whole.filters, "paired_effect": found.value[2],
            "partner": found.value[3], "beyond": float(beyond.value),
            "beyond_low": beyond_low, "beyond_high": beyond_high,
        }  # fmt: skip
    return values


def _beside_controls(
    columns: Columns,
    measure: Measured,
    controls: Controls,
    used: NDArray[np.intp],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Effect of controls, and what the set does beyond it."""
    matched = measure.columns([columns.matched])
    beside = measure.in_turn(columns.controls, used)
    own, others = matched.over(used), beside.over(used)
    given = np.isfinite(measure.values[used][:, columns.controls])
    photographs = bootstrap.groups_of(used)
    excess = bootstrap.of(
        lambda weights: own(weights)[:, 0] - others(weights).mean(axis=1),
        used, _units(given, photographs),
    )  # fmt: skip
    low, high = map(float, excess.interval())
    (effect,) = _on(matched, used)
    drawn, noise = _on_all_images(columns, measure, used, given)
    p = empirical_p(effect, drawn, controls.shared, noise)
    if not given.all() and measure.tops is None:
        beyond = (matched.values - beside.values.mean(axis=1, keepdims=True))[used]
        p = max(p, *sign_flip_p(beyond, photographs, flips=FLIPS, seed=bootstrap.seed))
    return {
        "matched": controls.matched, "draws": len(drawn), "control": effect - excess.value,
        "control_low": drawn.min(), "control_high": drawn.max(), "matched_effect": effect,
        "control_images": round(given.sum() / len(drawn)),
        "p": p, "excess": float(excess.value),
        "excess_low": low, "excess_high": high, "shared": controls.shared,
        "scale_error": controls.scale_error,
    }  # fmt: skip


def _on_all_images(
    columns: Columns, measure: Measured, used: NDArray[np.intp], given: NDArray[np.bool_]
) -> tuple[FloatArray, float]:
    """Estimate what every draw does on all images: (draws,), and the variance by their noise.

    On its own images a draw does more or less than on all as these are more or less affected by
    anything, which what the set does to them tells in part: it is the covariate of a regression
    estimator, of one slope for all draws. Of calibration, no mean over images, the difference from
    the set is taken for that on all images, noise and all.
    """
    some = given.any(axis=0)
    there, draws = given[:, some], np.asarray(columns.controls)[some]
    parts = [used[images] for images in there.T]
    drawn = np.array(
        [_on(measure.columns([draw]), part)[0] for draw, part in zip(draws, parts, strict=True)]
    )
    if there.all():
        return drawn, 0.0
    if measure.tops is not None:
        matched = measure.columns([columns.matched])
        return drawn + _on(matched, used) - np.array([_on(matched, part)[0] for part in parts]), 0.0
    counts = there.sum(axis=0)
    own, values = measure.values[used, columns.matched], measure.values[used][:, draws]
    apart = np.where(there, own[:, None] - (own @ there) / counts, 0)
    within = np.where(there, values - drawn, 0)
    slope = (apart * within).sum() / (apart**2).sum() if apart.any() else 0.0
    left = within - slope * apart
    freedom = max(1, there.sum() - len(drawn) - 1)
    noise = (left**2).sum() / freedom * (1 / counts - 1 / len(used)).mean()
    return drawn + slope * (own.mean() - (own @ there) / counts), float(noise)


def _on(measure: Measured, used: NDArray[np.intp]) -> FloatArray:
    """Take a measure over some images: (T,)."""
    values: FloatArray = measure.over(used)(np.ones((1, len(used))))[0]
    return values


def _units(given: NDArray[np.bool_], photographs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what is drawn together: images of a photograph, or images that have the same draws.

    The latter where every photograph is among one of these alone, and not all images are.
    """
    alike = numbered([row.tobytes() for row in given], len(given))
    whole = len(set(zip(photographs, alike, strict=True))) == photographs.max() + 1
    return alike if whole and alike.any() else photographs


def _partners(places: Mapping[tuple[str, str], Columns], name: str, change: str) -> Columns | None:
    """Find what is done to the partners of a set; None if it has none."""
    return places.get((NOT_RECOGNISING_SET, change)) if name == RECOGNISING_SET else None
