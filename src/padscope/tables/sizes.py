"""What other input sizes do, and where a stride is uneven, as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import polars as pl

from padscope.sites.census import is_uneven, other_end, used_padding
from padscope.tables.changes import change_rows
from padscope.tables.schema import PARITY, SIZE_EFFECTS

if TYPE_CHECKING:
    from torch import Tensor

    from padscope.effects.metric import Metric
    from padscope.effects.resampling import Bootstrap
    from padscope.sites import Site

EVEN, OTHER_SIZE, OTHER_END = "even", "control", "other end"


@dataclass(frozen=True)
class Tried:
    """What was tried.

    Attributes
    ----------
    change : str
        `EVEN`, `OTHER_SIZE` or `OTHER_END`.
    size : tuple of int
        Pixels per axis.
    uneven : int
        Sites at which that size leaves uneven padding.
    """

    change: str
    size: tuple[int, ...]
    uneven: int


def size_table(
    tried: Sequence[Tried],
    size: Sequence[int],
    rows: Mapping[str, Tensor],
    bootstrap: Bootstrap,
    metric: Metric | None = None,
) -> pl.DataFrame:
    """One row per change and measure; columns are those of `schema.SIZE_EFFECTS`.

    Parameters
    ----------
    tried : sequence of Tried
    size : sequence of int
        The wanted size.
    rows : mapping
        Of `measurements.sizes.SizeMeasurement`, in their order.
    bootstrap, metric
        As of `change_rows`.
    """
    return SIZE_EFFECTS.frame(
        {
            "size": list(tried[place].size), "change": tried[place].change,
            "uneven": tried[place].uneven, "work": prod(tried[place].size) / prod(size), **row,
        }
        for place, row in change_rows(rows, bootstrap, metric)
    )  # fmt: skip


def parity_table(sites: Sequence[Site]) -> pl.DataFrame:
    """One row per site whose stride is uneven; columns are those of `schema.PARITY`."""
    rows = []
    for site in sites:
        window = site.window
        if not is_uneven(window):
            continue
        before, after = zip(*used_padding(window), strict=True)
        steps = [
            (here - there) / step
            for here, there, step in zip(before, other_end(window), window.stride, strict=True)
        ]
        rows.append(
            {"site": site.name, "op": site.op, "stride": list(window.stride), "before": before,
             "after": after, "steps": steps, "movable": site.refillable}
        )  # fmt: skip
    return PARITY.frame(rows)
