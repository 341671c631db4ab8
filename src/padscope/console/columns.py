"""Columns of tables, as the command line shows them."""

from __future__ import annotations

from padscope.findings.listing import Listing
from padscope.tables.schema import Table


def column_listing(table: Table) -> Listing:
    """List the columns of a table."""
    headings = ("column", "type", "unit", "meaning", "since", "defined")
    rows = tuple(
        (
            column.name, str(column.dtype), column.unit, column.meaning.replace("`", ""),
            column.since, f"docs/{column.defined}",
        )
        for column in table.columns
    )  # fmt: skip
    return Listing(headings, rows, frozenset(headings))
