"""How far from the border a dense answer changes."""

from __future__ import annotations

import polars as pl

from padscope.findings.words import number

MAIN_SETS = ("recognising", "confirmed but not recognising", "confirmed", "all padding")
SETTLED = 0.01  # of the greatest change


def reach_sentence(table: pl.DataFrame) -> str:
    """Say how far from the border the answer changes.

    Parameters
    ----------
    table : polars.DataFrame
        Rows of `Impact.distances`, of one set, in the order of their distance.
    """
    known = table.drop_nulls("change").select("distance", "change").rows()
    greatest = max((change for _, change in known), default=0.0)
    if not greatest:
        return "Nothing changes."
    far = max(distance for distance, change in known if change >= SETTLED * greatest)
    distance, change = known[0]
    return (
        f"At distance {distance} the change is {number(change)}; the last position with at least "
        f"1 % of the greatest change, {number(greatest)}, is at distance {far}."
    )
