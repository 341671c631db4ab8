"""How usual the value that padding holds is among the content of each input channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from padscope.scores import CONTENT
from padscope.tables.schema import USUAL

if TYPE_CHECKING:
    from torch import Tensor

    from padscope.sites import Site

SIDES = ("below", "equal", "above")


def zero_usual(
    sites: Iterable[Site], given: Mapping[str, Tensor], without: Mapping[str, Tensor] | None = None
) -> pl.DataFrame:
    """One row per input channel of a site whose padding holds one value, mostly zero.

    Columns are those of `schema.USUAL`. What is usual is (min(below, above) + equal) ÷ all, ½ where
    the fill is the median of content without ties, and null of no content. What ``usual_without``
    exceeds ``usual`` by is the part of zero's being unusual that the shifts explain.

    Parameters
    ----------
    sites : iterable of Site
    given, without : mapping
        Site name → (3, C_in) integer Tensor, counts as of
        `padscope.measurements.ContentAroundFill`; of the network as given, and of the one from
        `padscope.models.without_shifts`.
    """
    parts = []
    for site in sites:
        if site.name not in given:
            continue
        counts = given[site.name].numpy()
        columns = {
            "site": np.repeat(site.name, counts.shape[1]),
            "channel": np.arange(counts.shape[1]),
            "fill": np.repeat(site.fill, counts.shape[1]),
            **dict(zip(SIDES, counts, strict=True)),
        }
        if without is not None:
            names = (f"{side}_without" for side in SIDES)
            columns |= dict(zip(names, without[site.name].numpy(), strict=True))
        parts.append(pl.DataFrame(columns))
    joined = pl.concat(parts) if parts else pl.DataFrame()
    missing = [
        pl.lit(None, kind).alias(name)
        for name, kind in USUAL.dtypes.items()
        if name not in joined.columns
    ]
    return (
        joined.with_columns(missing)
        .with_columns(usual=_usual(""), usual_without=_usual("_without"))
        .select(pl.col(name).cast(kind) for name, kind in USUAL.dtypes.items())
    )


def _usual(of: str) -> pl.Expr:
    below, equal, above = (pl.col(f"{side}{of}") for side in SIDES)
    values = below + equal + above
    share = (pl.min_horizontal(below, above) + equal) / values
    return pl.when(values > 0).then(share)


def zero_usual_by_site(channels: pl.DataFrame, content: float = CONTENT) -> pl.DataFrame:
    """One row per site of a table from `zero_usual`, in its order.

    Columns: ``site``, ``fill``, ``channels``; ``unusual`` and ``unusual_without``, how many of them
    have less content as far out as the fill than the share `content`, that of border recall;
    ``usual`` and ``usual_without``, medians over the channels.
    """
    both = ("", "_without")
    known = {of: pl.col(f"usual{of}") for of in both}
    return channels.group_by("site", "fill", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("channels"),
        *(
            pl.when(known[of].is_not_null().any())
            .then((known[of] < content).sum().cast(pl.Int64))
            .alias(f"unusual{of}")
            for of in both
        ),
        *(known[of].median() for of in both),
    )
