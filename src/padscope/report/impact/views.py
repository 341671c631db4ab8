"""Position: the same photograph seen through other windows, and where in it a window lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.figures import positions
from padscope.figures.rendering import charted
from padscope.figures.scales import Scale, linear
from padscope.findings.measures import PRIMARY, VIEWS, Measure
from padscope.findings.words import fixed
from padscope.report.impact.dots import Dot, dot_strip
from padscope.study import Impact, Study
from padscope.study.impact_result import counted

AS_IS = "as is"
FIGURE = Measure("difference", "", "", signed=True, told="")


@dataclass(frozen=True)
class Cell:
    """One view under one treatment.

    Attributes
    ----------
    value, span : str
        Change of the answer, and its interval.
    difference, difference_span : str
        From the network as is; "" for that itself.
    """

    value: str
    span: str
    difference: str
    difference_span: str


@dataclass(frozen=True)
class View:
    """One way to look at the same photograph.

    Attributes
    ----------
    title : str
    rows : list of (str, list of (Cell or None))
        Amount, and a cell for each treatment.
    """

    title: str
    rows: list[tuple[str, list[Cell | None]]]


@dataclass(frozen=True)
class ReadOut:
    """How well a position can be read from the pooled features.

    Attributes
    ----------
    treatment, axis : str
    r2, span, chance : str
    drawn : Markup
    """

    treatment: str
    axis: str
    r2: str
    span: str
    chance: str
    drawn: Markup


@dataclass(frozen=True)
class Position:
    """What the page shows of position.

    Attributes
    ----------
    measure : Measure
    chart : Markup
        Of the views; empty without amounts.
    views : list of View
    treatments : list of str
    counted : str
        Images of the views, and the photographs that they come from; "" if there are none.
    readout : list of ReadOut
    scale : Scale
        Of the read-out.
    test_images : int
        Of the read-out; 0 if there is none.
    """

    measure: Measure
    chart: Markup
    views: list[View]
    treatments: list[str]
    counted: str
    readout: list[ReadOut]
    scale: Scale
    test_images: int


def make_position(study: Study, impact: Impact) -> Position | None:
    """Draw views and read-outs; None if neither was measured."""
    if impact.views.is_empty() and impact.readout.is_empty():
        return None
    measure = PRIMARY[impact.answer]
    views: list[View] = []
    treatments: list[str] = []
    chart, on = Markup(""), ""
    if not impact.views.is_empty():
        own = impact.views.filter(pl.col("measure") == measure.name)
        known = own["view"].unique(maintain_order=True).to_list()
        names = own["treatment"].unique(maintain_order=True).to_list()
        views = [_view(name, own.filter(pl.col("view") == name), names, measure) for name in known]
        treatments = names
        if own["amount"].count():
            alt = f"{measure.heading} by view and treatment: the table below has the numbers."
            chart = charted(positions.views(study), alt)
        on = counted(own.row(-1, named=True)) if own.height else ""
    scale, readout = _readout(impact.readout)
    tested = 0 if impact.readout.is_empty() else int(impact.readout["images"][0])
    return Position(measure, chart, views, treatments, on, readout, scale, tested)


def _view(name: str, table: pl.DataFrame, treatments: Sequence[str], measure: Measure) -> View:
    title, _, unit = VIEWS.get(name, (name, "amount", "{:g}"))
    by_amount = table.filter(pl.col("amount").is_not_null()).sort("amount", maintain_order=True)
    amounts = by_amount["amount"].unique(maintain_order=True).to_list()
    found = {(row["amount"], row["treatment"]): row for row in table.iter_rows(named=True)}
    # The mean over all amounts, where it is given, comes first.
    every = [None] if table["amount"].null_count() else []
    rows = [
        (
            "all" if amount is None else unit.format(amount),
            [_cell(found.get((amount, treatment)), measure) for treatment in treatments],
        )
        for amount in (*every, *amounts)
    ]
    return View(title, rows)


def _cell(row: dict[str, Any] | None, measure: Measure) -> Cell | None:
    if row is None:
        return None
    beside = row["treatment"] != AS_IS and row["difference"] is not None
    return Cell(
        measure.figure(row["value"]), measure.between(row, "low", "high"),
        FIGURE.figure(row["difference"]) if beside else "",
        FIGURE.between(row, "difference_low", "difference_high") if beside else "",
    )  # fmt: skip


def _readout(table: pl.DataFrame) -> tuple[Scale, list[ReadOut]]:
    scale = linear([1.0])
    rows = []
    for row in table.iter_rows(named=True):
        dot = Dot(row["r2"], row["low"], row["high"], other=row["chance"])
        span = f"[{fixed(row['low'])} to {fixed(row['high'])}]" if row["low"] is not None else ""
        rows.append(
            ReadOut(
                row["treatment"], row["axis"], fixed(row["r2"]), span, fixed(row["chance"]),
                dot_strip(dot, scale),
            )
        )  # fmt: skip
    return scale, rows
