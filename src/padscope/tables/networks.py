"""What stands beside the explained filters: baseline networks, and operations without padding."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.evidence import CANDIDATE, CONFIRMED, STRONG
from padscope.regions import Layout
from padscope.sites import Site
from padscope.tables.causes import numbers, strongest_of

FloatArray = NDArray[np.float64]
DECILES = np.linspace(0, 1, 11)
INHERITED: dict[str, pl.DataType | type[pl.DataType]] = {
    "site": pl.String, "op": pl.String, "kernel": pl.List(pl.Int64), "map_size": pl.List(pl.Int64),
    "filter": pl.Int64, "side": pl.String, "causal_ks": pl.Float64, "causal_polarity": pl.Float64,
}  # fmt: skip


def no_inherited() -> pl.DataFrame:
    """Return the table of `inherited_table` without rows."""
    return pl.DataFrame(schema=INHERITED)


def inherited_table(
    site: Site, layout: Layout, causal: FloatArray, polarity: FloatArray
) -> pl.DataFrame:
    """One row per filter and side of a convolution without padding: what it inherits.

    Columns: ``site``, ``op``, ``kernel``, ``map_size``, ``filter``, ``side``, ``causal_ks``,
    ``causal_polarity``.
    """
    sides, count = len(layout.sides), len(layout.sides) * site.filters
    axes = pl.List(pl.Int64)
    return pl.DataFrame(
        {
            "site": pl.repeat(site.name, count, eager=True),
            "op": pl.repeat(site.op, count, eager=True),
            "kernel": pl.repeat(list(site.window.kernel), count, dtype=axes, eager=True),
            "map_size": pl.repeat(list(site.map_size), count, dtype=axes, eager=True),
            "filter": np.repeat(np.arange(site.filters), sides),
            "side": np.tile([side.name for side in layout.sides], site.filters),
            "causal_ks": numbers(causal.T),
            "causal_polarity": numbers(polarity.T),
        },
        schema=INHERITED,
    )


def network_table(
    network: str, responses: Mapping[str, FloatArray], causal: Mapping[str, FloatArray]
) -> pl.DataFrame:
    """One row per site of one network, trained or baseline, from (S, C) scores of its sites.

    Columns: ``network``, ``site``, ``filters``, ``unmeasured``, ``candidates``, ``strong``,
    ``confirmed`` (counts of filters, by their strongest side), ``response_deciles`` and
    ``causal_deciles`` (of the strongest side's scores: 11 values, least to greatest).
    """
    rows = []
    for site, response in responses.items():
        best, _ = strongest_of(response)
        cause, _ = strongest_of(causal[site])
        rows.append(
            {
                "network": network,
                "site": site,
                "filters": len(best),
                "unmeasured": int(np.isnan(best).sum()),
                "candidates": int((best >= CANDIDATE).sum()),
                "strong": int((best >= STRONG).sum()),
                "confirmed": int((cause >= CONFIRMED).sum()),
                "response_deciles": _deciles(best),
                "causal_deciles": _deciles(cause),
            }
        )
    deciles = pl.List(pl.Float64)
    return pl.DataFrame(
        rows, schema_overrides={"response_deciles": deciles, "causal_deciles": deciles}
    )


def _deciles(values: FloatArray) -> list[float]:
    finite = values[~np.isnan(values)]
    return np.quantile(finite, DECILES).tolist() if len(finite) else []
