"""What other padding does, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from padscope.tables.changes import change_rows, rows_of
from padscope.tables.measures import Measured
from padscope.tables.schema import SWAP_EFFECTS

if TYPE_CHECKING:
    from torch import Tensor

    from padscope.effects.metric import Metric
    from padscope.effects.resampling import Bootstrap, FloatArray

BORDER = "border_error"  # the measure; less of it is better


def swap_table(
    swaps: Sequence[str],
    rows: Mapping[str, Tensor],
    bootstrap: Bootstrap,
    border: tuple[FloatArray, Bootstrap] | None,
    added: Mapping[str, float],
    metric: Metric | None = None,
) -> pl.DataFrame:
    """One row per swap and measure.

    Columns are those of `schema.SWAP_EFFECTS`.

    Parameters
    ----------
    swaps : sequence of str
        T names.
    rows : mapping
        Of `measurements.effects.TreatmentMeasurement` for these swaps, in their order.
    bootstrap : Bootstrap
        Of their images.
    border : ((n, 1 + T) array, Bootstrap) or None
        Of `measurements.border_error.BorderError`; None where that could not be measured.
    added : mapping
        Swap → values written once more, over the multiply-adds of the network.
    metric : Metric, optional
        That of the rows.
    """
    found = list(change_rows(rows, bootstrap, metric))
    if border is not None:
        errors, images = border
        own = float(np.nanmean(errors[:, 0])) if np.isfinite(errors[:, 0]).any() else None
        change = Measured(BORDER, errors[:, 1:] - errors[:, :1])
        told = {"unit": "spreads", "higher_is_better": False, "own": own}
        found += rows_of(change, images, told)
    return SWAP_EFFECTS.frame(
        {"swap": swaps[place], **row, "added": added[swaps[place]]} for place, row in found
    )
