"""Which classes gain and lose when filters are undone, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from padscope.effects.classes import paired_means
from padscope.effects.comparison import CLASS_CHANGE, CLASS_CONTROL
from padscope.effects.resampling import Groups
from padscope.scores import q_values

LEVEL = 0.05
CLASSES: dict[str, type[pl.DataType]] = {
    "set": pl.String, "class": pl.Int64, "name": pl.String, "change": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "p": pl.Float64, "q": pl.Float64,
    "control": pl.Float64, "images": pl.Int64, "images_needed": pl.Int64,
}  # fmt: skip


def class_table(
    sets: Sequence[str],
    rows: Mapping[str, Tensor],
    names: Sequence[str] | None = None,
    groups: Groups | None = None,
) -> pl.DataFrame:
    """One row per set and class.

    Columns: ``set``, ``class`` (index), ``name`` (null where unknown); ``change`` (of the class's
    probability, mean over images) with ``low`` and ``high`` (95 %), ``p`` (paired over images, see
    `effects.classes.paired_means`), ``q`` (Benjamini and Hochberg, over the classes of the set);
    ``control`` (the same change when controls are undone, mean over draws and images), ``images``,
    ``images_needed`` (of the set: how many images the first class would take to q < .05, see
    `PairedMeans.images_needed`; null if no number would do).

    Parameters
    ----------
    sets : sequence of str
        Names of the sets in the rows.
    rows : mapping
        ``class_change`` and ``class_control``, (n, S, C), of
        `engines.treatments.TreatmentMeasurement`. Without them there are no rows.
    names : sequence of str, optional
        Of the classes; "" where unknown.
    groups : sequence, optional
        What each image belongs to.

    Notes
    -----
    Where confidence falls, all other classes gain a little in nearly every image: many classes are
    then significant whose change is negligible. Read `change` beside `control`.
    """
    tables = [pl.DataFrame(schema=CLASSES)]
    if CLASS_CHANGE in rows:
        changes, controls = (rows[name].double().numpy() for name in (CLASS_CHANGE, CLASS_CONTROL))
        for place, name in enumerate(sets):
            tables.append(
                _of_set(name, changes[:, place], controls[:, place].mean(axis=0), names, groups)
            )
    return pl.concat(tables).with_columns(
        pl.col(pl.Float64).fill_nan(None), pl.col("name").replace("", None)
    )


def _of_set(
    name: str,
    changes: NDArray[np.float64],
    control: NDArray[np.float64],
    names: Sequence[str] | None,
    groups: Groups | None,
) -> pl.DataFrame:
    found = paired_means(changes, groups)
    low, high = found.interval()
    count = len(control)
    return pl.DataFrame(
        {
            "set": [name] * count,
            "class": np.arange(count),
            "name": list(names) if names else [""] * count,
            "change": found.mean,
            "low": low,
            "high": high,
            "p": found.p,
            "q": q_values(found.p),
            "control": control,
            "images": [found.images] * count,
            "images_needed": [found.images_needed(LEVEL)] * count,
        },
        schema=CLASSES,
    )
