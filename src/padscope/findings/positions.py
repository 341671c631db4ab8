"""Views of the same photograph, what is read of position, and false borders: the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from padscope.findings.listing import Listing
from padscope.findings.measures import PRIMARY, VIEWS, Measure
from padscope.findings.words import NONE, fixed
from padscope.study import Impact


def _spelt(measure: Measure, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return NONE
    return f"{measure.figure(row['value'])} {measure.between(row, 'low', 'high')}".rstrip()


def _pivot(
    table: pl.DataFrame, measure: Measure, by: list[str], across: str
) -> tuple[tuple[str, ...], dict[tuple[Any, ...], tuple[str, ...]]]:
    """Write the values of one measure, one row for each `by`, one column for each `across`."""
    own = table.filter(pl.col("measure") == measure.name)
    columns = own[across].unique(maintain_order=True).to_list()
    found = {(*(row[name] for name in by), row[across]): row for row in own.iter_rows(named=True)}
    rows = own.select(by).unique(maintain_order=True).rows()
    return tuple(columns), {
        row: tuple(_spelt(measure, found.get((*row, column))) for column in columns)
        for row in rows
    }  # fmt: skip


def view_listing(impact: Impact) -> Listing:
    """Change of the answer by view, amount and treatment."""
    treatments, rows = _pivot(impact.views, PRIMARY[impact.answer], ["view", "amount"], "treatment")

    def told(view: str, amount: float | None) -> str:
        title, _, unit = VIEWS.get(view, (view, "amount", "{:g}"))
        return f"{title}, {'all' if amount is None else unit.format(amount)}"

    return Listing(
        ("view", *treatments), tuple((told(*key), *cells) for key, cells in rows.items())
    )


def readout_listing(impact: Impact) -> Listing:
    """How well the position of a window is read from the pooled features."""
    return Listing(
        ("treatment", "axis", "R²", "chance"),
        tuple(
            (
                row["treatment"], row["axis"],
                f"{fixed(row['r2'])} [{fixed(row['low'])} to {fixed(row['high'])}]",
                fixed(row["chance"]),
            )
            for row in impact.readout.iter_rows(named=True)
        ),
        frozenset({"axis"}),
    )  # fmt: skip


def band_listing(impact: Impact) -> Listing:
    """Change of the answer by width and colour of a band inside the image."""
    kinds, rows = _pivot(impact.bands, PRIMARY[impact.answer], ["width"], "band")
    return Listing(
        ("width", *kinds), tuple((str(width), *cells) for (width,), cells in rows.items())
    )
