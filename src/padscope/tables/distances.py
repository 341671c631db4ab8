"""How far into a dense answer treatments reach, as a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from padscope.effects.resampling import Bootstrap, means
from padscope.interventions.treatments import Columns, Treatment, columns_of
from padscope.tables.schema import DISTANCES

FloatArray = NDArray[np.float64]


def distance_table(
    treatments: Sequence[Treatment], rows: Mapping[str, Tensor], change: str, bootstrap: Bootstrap
) -> pl.DataFrame:
    """One row per set and distance from the border of a dense answer.

    Columns are those of `schema.DISTANCES`; see `effects.dense.change_by_distance`. No rows if the
    answers are not dense.

    Parameters
    ----------
    treatments, rows, bootstrap
        As of `padscope.tables.effects.effect_table`.
    change : str
        Which change of the sets.
    """
    found: list[dict[str, Any]] = []
    if "distance" in rows:
        by_distance = rows["distance"].double().numpy()  # (n, T, D)
        wanted = {
            key: columns for key, columns in columns_of(treatments).items() if key[1] == change
        }
        for (name, _), columns in wanted.items():
            found += _distance_rows(name, columns, by_distance, bootstrap)
    return DISTANCES.frame(found)


def _distance_rows(
    name: str,
    columns: Columns,
    by_distance: FloatArray,
    bootstrap: Bootstrap,
) -> Iterator[dict[str, Any]]:
    used = np.flatnonzero(np.isfinite(by_distance[:, columns.set]).all(axis=1))
    if not len(used):
        return
    estimate = bootstrap.of(means(by_distance[used, columns.set]), used)
    low, high = estimate.interval()
    control: Sequence[float | None] = [None] * len(low)
    if columns.controls:
        control = np.nanmean(by_distance[used][:, columns.controls], axis=(0, 1)).tolist()
    for distance, value in enumerate(estimate.value):
        yield {
            "set": name, "distance": distance, "change": value, "low": low[distance],
            "high": high[distance], "control": control[distance], "images": len(used),
            "photographs": estimate.groups,
        }  # fmt: skip
