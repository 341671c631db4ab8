"""What treatments change in a model's answers, beside controls, as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from torch import Tensor

from padscope.effects.metric import Metric
from padscope.effects.resampling import Bootstrap, Resampled, empirical_p
from padscope.interventions.controls import Controls
from padscope.interventions.sets import NOT_RECOGNISING_SET, RECOGNISING_SET
from padscope.interventions.treatments import Columns, Treatment, columns_of
from padscope.tables.measures import MEASURES, measured

EFFECTS: dict[str, type[pl.DataType]] = {
    "set": pl.String, "change": pl.String, "filters": pl.Int64, "sites": pl.Int64,
    "matched": pl.Int64, "measure": pl.String, "unit": pl.String, "higher_is_better": pl.Boolean,
    "images": pl.Int64, "photographs": pl.Int64, "effect": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "control": pl.Float64, "control_low": pl.Float64,
    "control_high": pl.Float64, "draws": pl.Int64, "p": pl.Float64, "matched_effect": pl.Float64,
    "excess": pl.Float64, "excess_low": pl.Float64, "excess_high": pl.Float64,
    "disturbance": pl.Float64, "shared": pl.Float64, "scale_error": pl.Float64,
    "paired": pl.Int64, "paired_effect": pl.Float64, "partner": pl.Float64,
    "beyond": pl.Float64, "beyond_low": pl.Float64, "beyond_high": pl.Float64,
}  # fmt: skip
DOSES = (
    "filters", "matched", "measure", "images", "photographs", "effect", "low", "high", "control",
    "control_low",
    "control_high", "draws", "p", "excess", "excess_low", "excess_high",
)  # fmt: skip


def effect_table(
    treatments: Sequence[Treatment],
    controls: Mapping[str, Controls],
    rows: Mapping[str, Tensor],
    bootstrap: Bootstrap,
    metric: Metric | None = None,
) -> pl.DataFrame:
    """One row per set, change and measure.

    Columns: ``set``, ``change``, ``filters`` and ``sites`` (changed), ``matched`` (filters that
    have controls); ``measure`` (one of `measures.MEASURES`; all are differences from the unchanged
    answer), ``unit`` and ``higher_is_better`` (of the measure; the unit of the metric alone, the
    latter null where neither is better or it is not known), ``images`` and ``photographs``
    (independent ones that they come from); ``effect`` with ``low`` and ``high`` (95 % over images);
    ``control`` (mean over the draws of controls), ``control_low`` and ``control_high`` (of the
    least and the greatest draw), ``draws``, ``p`` (see `empirical_p`); ``matched_effect`` (of the
    filters that have controls, which is `effect` if all have; it is what p compares), ``excess``
    (that less `control`, paired by image) with ``excess_low`` and ``excess_high``; ``disturbance``
    (mean over draws of the same change put into the core); ``shared`` (share of a draw's filters
    that another draw has too, on which p depends), ``scale_error`` (see `Controls`). Of recognising
    filters alone: ``paired`` (those that have a partner, a confirmed filter that does not recognise
    but is of the same site and like scale), ``paired_effect`` (of these), ``partner`` (of their
    partners), ``beyond`` (the difference, paired by image) with ``beyond_low`` and ``beyond_high``.
    Null where there are no controls, no disturbances, no partners, or too few groups of images for
    an interval.

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
    """
    found_of, places = measured(rows, bootstrap), columns_of(treatments)
    unit, better = {"metric": ""}, dict(MEASURES)
    if metric:
        unit["metric"], better["metric"] = metric.unit, metric.higher_is_better
    found = [
        {
            "set": name, "change": change, "filters": columns.whole.filters,
            "sites": columns.whole.sites, "measure": measure,
            "unit": unit.get(measure), "higher_is_better": better[measure], "images": images,
            "photographs": values.groups,
            **_beside(columns, values, controls.get(name)),
            **_beside_partners(columns, values, _partners(places, name, change)),
        }
        for (name, change), columns in places.items()
        for measure, (images, values) in found_of.items()
    ]  # fmt: skip
    return pl.DataFrame(found, schema=EFFECTS).with_columns(pl.col(pl.Float64).fill_nan(None))


def dose_table(
    treatments: Sequence[Treatment],
    controls: Controls,
    rows: Mapping[str, Tensor],
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    """One row per dose (number of ``filters`` undone, the strongest first) and measure.

    Columns: `DOSES`, as in `effect_table`.

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
    return effect_table(treatments, by_dose, rows, bootstrap).select(DOSES)


def _beside(columns: Columns, found: Resampled, controls: Controls | None) -> dict[str, Any]:
    """Effect of a set beside its controls."""
    low, high = found.interval()
    values = {
        "effect": found.value[columns.set], "low": low[columns.set], "high": high[columns.set],
        "matched": 0, "draws": len(columns.controls),
    }  # fmt: skip
    if columns.disturbances:
        values["disturbance"] = found.value[columns.disturbances].mean()
    if not columns.controls or controls is None:
        return values
    drawn = found.value[columns.controls]
    excess = found.then(
        lambda each: each[:, columns.matched] - each[:, columns.controls].mean(axis=1)
    )
    excess_low, excess_high = map(float, excess.interval())
    return values | {
        "matched": controls.matched, "control": drawn.mean(), "control_low": drawn.min(),
        "control_high": drawn.max(), "matched_effect": found.value[columns.matched],
        "p": empirical_p(found.value[columns.matched], drawn, controls.shared),
        "excess": float(excess.value), "excess_low": excess_low, "excess_high": excess_high,
        "shared": controls.shared, "scale_error": controls.scale_error,
    }  # fmt: skip


def _partners(places: Mapping[tuple[str, str], Columns], name: str, change: str) -> Columns | None:
    """Find what is done to the partners of a set; None if it has none."""
    return places.get((NOT_RECOGNISING_SET, change)) if name == RECOGNISING_SET else None


def _beside_partners(
    columns: Columns, found: Resampled, partners: Columns | None
) -> dict[str, Any]:
    """Effect of the filters of a set that have partners, beside that of these."""
    if partners is None:
        return {}
    beyond = found.then(lambda each: each[:, columns.paired] - each[:, partners.set])
    low, high = map(float, beyond.interval())
    return {
        "paired": partners.whole.filters, "paired_effect": found.value[columns.paired],
        "partner": found.value[partners.set], "beyond": float(beyond.value), "beyond_low": low,
        "beyond_high": high,
    }  # fmt: skip
