"""What other padding does, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from padscope.sites.geometry import core_range
from padscope.tables.changes import change_rows, rows_of
from padscope.tables.measures import Measured
from padscope.tables.schema import BORDER_MAPS, SWAP_EFFECTS

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray
    from torch import Tensor

    from padscope.effects.metric import Metric
    from padscope.effects.resampling import Bootstrap, FloatArray

BORDER = "border_error"  # the measure; less of it is better
AS_IT_IS = "as it is"
LINES, GROUPS = 12, 8  # of an axis: lines that are shown at each end, and groups of those between


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


def border_maps(
    swaps: Sequence[str], maps: Tensor, images: int, stride: Sequence[Fraction]
) -> pl.DataFrame:
    """One row per map, that of the network as it is first; columns are `schema.BORDER_MAPS`.

    Parameters
    ----------
    swaps : sequence of str
        T names.
    maps : (1 + T, *spatial) Tensor
        Sums over images, of `measurements.border_error.BorderError`.
    images : int
    stride : sequence of Fraction
        Input pixels per position, per axis.
    """
    found = maps.numpy() / max(1, images)
    if found.ndim == 4:
        found = found[:, slice(*core_range(found.shape[1]))].mean(axis=1)
    if found.ndim == 2:
        found = found[:, None]
    rows, columns = (_cells(n) for n in found.shape[1:])
    for axis, ends in ((1, rows), (2, columns)):
        found = np.add.reduceat(found, ends[:-1], axis=axis)
        found = found / np.diff(ends).reshape([-1 if axis == each else 1 for each in range(3)])
    down, across = float(stride[-2]) if len(stride) > 1 else 1.0, float(stride[-1])
    told = {"rows": (rows * down).tolist(), "columns": (columns * across).tolist()}
    return BORDER_MAPS.frame(
        {"swap": swap, **told, "error": cells.ravel().tolist(), "images": images}
        for swap, cells in zip((AS_IT_IS, *swaps), found, strict=True)
    )


def _cells(size: int) -> NDArray[np.int64]:
    """Where the cells along an axis begin, and the last ends.

    Examples
    --------
    >>> _cells(3).tolist(), len(_cells(224)), _cells(224)[11:15].tolist()
    ([0, 1, 2, 3], 33, [11, 12, 37, 62])
    """
    if size <= 2 * LINES + GROUPS:
        return np.arange(size + 1)
    between = np.linspace(LINES, size - LINES, GROUPS + 1).round().astype(np.int64)
    return np.concatenate([np.arange(LINES), between, np.arange(size - LINES + 1, size + 1)])
