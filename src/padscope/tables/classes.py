"""Which classes gain and lose when filters are undone, as a data frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from padscope.effects.classes import images_needed, sign_flip_p
from padscope.effects.comparison import CLASS_CHANGE, CLASS_CONTROL
from padscope.effects.resampling import Bootstrap
from padscope.scores import q_values
from padscope.tables.schema import CLASSES

FloatArray = NDArray[np.float64]
LEVEL = 0.05


def class_table(
    sets: Sequence[str],
    rows: Mapping[str, Tensor],
    names: Sequence[str] | None = None,
    bootstrap: Bootstrap | None = None,
    masked: Collection[int] = (),
) -> pl.DataFrame:
    """One row per set and class.

    Columns are those of `schema.CLASSES`; for p see `effects.classes.sign_flip_p`, for the images
    needed `effects.classes.images_needed`. Null where there are no controls or too few groups of
    images.

    Parameters
    ----------
    sets : sequence of str
        Names of the sets in the rows.
    rows : mapping
        ``class_change`` and ``class_control``, (n, S, C), n the images of the bootstrap, of
        `measurements.effects.TreatmentMeasurement`. Without them there are no rows.
    names : sequence of str, optional
        Of the classes; "" where unknown.
    bootstrap : Bootstrap, optional
    masked : collection of int
        Classes that the model gives no probability; they have no rows.

    Notes
    -----
    Where confidence falls, all other classes gain a little in nearly every image: many classes are
    then significant whose change is negligible. Read `change` beside `control`.
    """
    tables = [CLASSES.empty()]
    if CLASS_CHANGE in rows:
        kept = [at for at in range(rows[CLASS_CHANGE].shape[2]) if at not in set(masked)]
        known = [names[at] if names else "" for at in kept]
        resampling = bootstrap or Bootstrap()
        for place, name in enumerate(sets):
            changes, controls = (
                rows[kind][:, place, kept].double().numpy()
                for kind in (CLASS_CHANGE, CLASS_CONTROL)
            )
            own = _of_set(changes, controls, resampling)
            whose = {"set": [name] * len(kept), "class": kept, "name": known}
            tables.append(pl.DataFrame(whose | own, CLASSES.dtypes))
    return pl.concat(tables).with_columns(
        pl.col(pl.Float64).fill_nan(None), pl.col("name").replace("", None)
    )


def _of_set(changes: FloatArray, controls: FloatArray, bootstrap: Bootstrap) -> dict[str, Any]:
    used = np.flatnonzero(np.isfinite(changes).all(axis=1))
    changes, controls = changes[used], controls[used]
    bootstrap = replace(bootstrap, groups=bootstrap.groups_of(used))
    images, count = changes.shape
    beyond, groups = changes - controls, bootstrap.groups
    (change, low, high), (_, photographs) = bootstrap.mean(changes)
    (excess, excess_low, excess_high), _ = bootstrap.mean(beyond)
    # So many that a single class can reach q < LEVEL.
    p = sign_flip_p(beyond, groups, flips=ceil(count / LEVEL), seed=bootstrap.seed)
    return {
        "change": change, "low": low, "high": high, "control": controls.mean(axis=0),
        "excess": excess, "excess_low": excess_low, "excess_high": excess_high, "p": p,
        "q": q_values(p), "images": [images] * count,
        "photographs": [photographs] * count,
        "images_needed": [images_needed(beyond, groups, LEVEL)] * count,
    }  # fmt: skip
