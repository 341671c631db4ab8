"""What changes of a network do to its answers, measure by measure: rows of the tables of stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from padscope.effects.comparison import UNCHANGED
from padscope.tables.measures import MEASURES, Measured, measured

if TYPE_CHECKING:
    from torch import Tensor

    from padscope.effects.metric import Metric
    from padscope.effects.resampling import Bootstrap


def change_rows(
    rows: Mapping[str, Tensor], bootstrap: Bootstrap, metric: Metric | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give what every change does by every measure that any image has.

    Parameters
    ----------
    rows : mapping
        Of `measurements.effects.TreatmentMeasurement`, or what has the same rows.
    bootstrap : Bootstrap
        Of their images.
    metric : Metric, optional
        That of the rows.

    Yields
    ------
    int, dict
        The place of the change; ``measure``, ``unit``, ``higher_is_better``, ``own`` (what the
        measure is without the change, of accuracy), ``effect``, ``low``, ``high``, ``images``
        and ``photographs``.
    """
    for measure in measured(rows):
        told: dict[str, Any] = {"higher_is_better": MEASURES[measure.name]}
        if measure.name == "metric" and metric is not None:
            told = {"higher_is_better": metric.higher_is_better, "unit": metric.unit or None}
        if measure.name == "accuracy":
            told["own"] = float(np.nanmean(rows[f"{UNCHANGED}correct"].double().numpy()))
        yield from rows_of(measure, bootstrap, told)


def rows_of(
    measure: Measured, bootstrap: Bootstrap, told: Mapping[str, Any]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give what every change does by one measure, with what else is told of it."""
    for place in range(measure.values.shape[1]):
        used = measure.used([place])
        if not len(used):
            continue
        found = bootstrap.of(measure.columns([place]).over(used), used)
        low, high = found.interval()
        yield (
            place,
            {
                "measure": measure.name, **told, "effect": found.value[0], "low": low[0],
                "high": high[0], "images": len(used), "photographs": found.groups,
            },
        )  # fmt: skip
