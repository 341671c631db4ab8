"""How deep padding reaches, as the command line shows it."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from padscope.console.terminal import shown
from padscope.study import Depth


def depth_listing(depth: Depth) -> Table:
    """Draw one row per map and side: depth, its interval, the bound, and their ratio."""
    table = Table(box=None, pad_edge=False)
    table.add_column("map", overflow="fold")
    table.add_column("side")
    for name in ("px per position", "depth (px)", "95 %", "bound (px)", "depth ÷ bound"):
        table.add_column(name, justify="right")
    for row in depth.table.iter_rows(named=True):
        table.add_row(shown(row["map"]), row["side"], *_cells(row))
    return table


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = row["low"], row["high"]
    bound = "not known" if row["status"] is None else "none"
    if row["bound"] is not None:
        bound = f"{'≤ ' if row['status'] == 'upper bound' else ''}{row['bound']:g}"
    return (
        f"{row['stride']:g}",
        f"{'' if row['within'] else '≥ '}{row['depth']:g}",
        "–" if low is None else f"{low:g} to {high:g}",
        bound,
        "–" if row["ratio"] is None else f"{row['ratio']:.2f}",
    )


def depth_lines(depth: Depth) -> list[str]:
    """Say what the output depends on, and what a difference is."""
    return [
        *depth.sentences(),
        f"Measured on {depth.counted} images; the depth is where the difference from real "
        f"surroundings falls below {depth.tolerance:g} spreads of the map.",
    ]
