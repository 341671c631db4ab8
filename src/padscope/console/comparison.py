"""Several runs side by side, as the command line shows them."""

from __future__ import annotations

from rich.table import Table

from padscope.console.terminal import shown
from padscope.findings.comparison import (
    HEADINGS,
    Comparison,
    kinds_found,
    read_comparison,
    write_cells,
)
from padscope.findings.words import NONE, visible
from padscope.report.compare.text import told


def comparison_listing(comparison: Comparison) -> Table:
    """Draw one row per run: filters, baselines, the effect of undoing them."""
    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if place else "left", overflow="fold")
    for row in comparison.table.iter_rows(named=True):
        table.add_row(*(shown(text) for text in write_cells(row).texts))
    return table


def kind_listing(comparison: Comparison) -> Table:
    """Draw one row per run: how many of its filters are of each kind."""
    table = Table(box=None, pad_edge=False)
    table.add_column("kinds", overflow="fold")
    kinds = kinds_found(comparison.table)
    for kind in kinds:
        table.add_column(kind, justify="right")
    for row in comparison.table.iter_rows(named=True):
        counts = (NONE if row[kind] is None else f"{row[kind]:,}" for kind in kinds)
        table.add_row(shown(row["name"]), *counts)
    return table


def comparison_lines(comparison: Comparison) -> list[str]:
    """Put a comparison, and what limits it, into sentences."""
    said = [*read_comparison(comparison.table), *told(comparison), *comparison.cautions]
    return [visible(sentence) for sentence in said]
