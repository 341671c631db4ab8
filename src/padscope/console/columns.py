"""Columns of tables, as the command line shows them."""

from __future__ import annotations

from rich import table as rich

from padscope.tables.schema import Table


def column_listing(table: Table) -> rich.Table:
    """Draw one row per column."""
    listing = rich.Table(box=None, pad_edge=False)
    for name in ("column", "type", "unit", "meaning", "since", "defined"):
        listing.add_column(name, overflow="fold")
    for column in table.columns:
        listing.add_row(
            column.name, str(column.dtype), column.unit, column.meaning.replace("`", ""),
            column.since, f"docs/{column.defined}",
        )  # fmt: skip
    return listing
