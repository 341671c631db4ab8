"""What sets of filters take of a network's parameters and work, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from padscope.tables.schema import COSTS


def cost_table(costs: pl.DataFrame, sets: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per set.

    Columns are those of `schema.COSTS`.

    Parameters
    ----------
    costs : polars.DataFrame
        From `padscope.tables.efficiency.filter_costs`.
    sets : mapping
        Name → ``site`` and ``filter``.
    """
    whole = _sums(costs)
    rows = []
    for name, chosen in sets.items():
        part = _sums(costs.join(chosen, on=["site", "filter"], how="semi"))
        shares = {f"{key}_share": part[key] / max(1, whole[key]) for key in part}
        rows.append({"set": name, **part, **shares})
    return COSTS.frame(rows)


def _sums(costs: pl.DataFrame) -> dict[str, int]:
    return {
        "filters": costs.height,
        "parameters": int(costs["parameters"].sum()),
        "macs": int(costs["macs"].sum()),
    }
