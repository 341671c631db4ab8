"""What sets of filters take of a network's parameters and work, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

COSTS: dict[str, type[pl.DataType]] = {
    "set": pl.String, "filters": pl.Int64, "filters_share": pl.Float64, "parameters": pl.Int64,
    "parameters_share": pl.Float64, "macs": pl.Int64, "macs_share": pl.Float64,
}  # fmt: skip


def cost_table(costs: pl.DataFrame, sets: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per set.

    Columns: ``set``; ``filters``, ``parameters`` and ``macs`` (multiply-adds of one image) of its
    filters, each with its ``…_share`` of those of all padded convolutions.

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
    return pl.DataFrame(rows, schema=COSTS)


def _sums(costs: pl.DataFrame) -> dict[str, int]:
    return {
        "filters": costs.height,
        "parameters": int(costs["parameters"].sum()),
        "macs": int(costs["macs"].sum()),
    }
