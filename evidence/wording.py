"""How tables are cut, counted and written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from evidence.measured import Measured
from padscope import Study
from padscope.evidence import SMALL_MAP
from padscope.study import Explanation

Row = Sequence[object]
Groups = Iterable[tuple[str, pl.DataFrame]]


def explanation(study: Study) -> Explanation:
    """Return what the second stage added."""
    assert study.explanation is not None
    return study.explanation


def caption(measured: Sequence[Measured]) -> str:
    """Say on what a table rests."""

    def sample(study: Study) -> str:
        counted = explanation(study).counts
        return f"{counted.images} ({len(counted.skipped)})"

    def one(entry: Measured) -> str:
        margin = max(explanation(entry.first).margin)
        return f"{entry.network.name} {sample(entry.first)}, {margin} px"

    samples = "; ".join(map(one, measured))
    return f"*Photographs used (skipped), and margin: {samples}.*"


def markdown(header: Row, rows: Iterable[Row], note: str = "", names: int = 1) -> str:
    """Write a table; all but the first `names` columns are numbers."""
    rule = ["---"] * names + ["---:"] * (len(header) - names)
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (header, rule, *rows)]
    return "\n".join(lines + (["", note] if note else []))


def percent(part: float, whole: float) -> str:
    """Write a share, with one digit where it is small; a dash of nothing."""
    if not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def decimal(value: object, digits: int = 2) -> str:
    """Write a number that may be missing."""
    return "–" if value is None else f"{value:.{digits}f}"


def with_map(table: pl.DataFrame, study: Study) -> pl.DataFrame:
    """Add ``map``, the shortest axis of each site's map."""
    maps = study.sites.select("site", map=pl.col("map_size").list.min())
    return table.join(maps, on="site", how="left", maintain_order="left")


def by_map(table: pl.DataFrame) -> Groups:
    """Split at `SMALL_MAP`, where there is anything."""
    small = pl.col("map") < SMALL_MAP
    for name, part in ((f"≥ {SMALL_MAP}", ~small), (f"< {SMALL_MAP}", small)):
        chosen = table.filter(part)
        if chosen.height:
            yield name, chosen


def count(table: pl.DataFrame, condition: pl.Expr) -> int:
    """Count the rows for which a condition holds."""
    return table.filter(condition).height


def jaccard(table: pl.DataFrame, one: pl.Expr, other: pl.Expr) -> float | None:
    """Tell how far two conditions hold for the same rows; None where neither ever does."""
    either = count(table, one | other)
    return count(table, one & other) / either if either else None
