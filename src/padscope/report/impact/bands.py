"""A false border inside the frame, and which filters take it for the true one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.figures import positions
from padscope.figures.rendering import charted
from padscope.figures.scales import Scale, linear
from padscope.findings.measures import PRIMARY, Measure
from padscope.findings.words import NONE, fixed
from padscope.report.impact.dots import Dot, dot_strip
from padscope.study import Impact, Study
from padscope.study.impact_result import counted

Row = tuple[int, list[tuple[str, str]], str, str]
FILL = "fill"
FIGURE = Measure("excess", "", "", signed=True, told="")


@dataclass(frozen=True)
class Firing:
    """The filters in question, of one site and side, at the widest band.

    Attributes
    ----------
    site, side : str
    filters : int
    firing, span, control : str
        Median, quartiles, and the same where no band is.
    drawn : Markup
    """

    site: str
    side: str
    filters: int
    firing: str
    span: str
    control: str
    drawn: Markup


@dataclass(frozen=True)
class Bands:
    """What the page shows of false borders.

    Attributes
    ----------
    measure : Measure
    counted : str
        Images, and the photographs that they come from; "" if the answer was not measured.
    chart : Markup
        Change of the answer by width; empty if it was not measured.
    kinds : list of str
        Bands drawn.
    rows : list of (int, list of (str, str), str, str)
        Width; value and interval for each kind; excess of the fill over the mean colour, and its
        interval.
    firing_chart : Markup
        Firing by width; empty if it was not measured.
    firing : list of Firing
    scale : Scale
        Of the firing.
    widest : int
        Pixels of the widest band at which firing was measured; 0 if it was not.
    """

    measure: Measure
    counted: str
    chart: Markup
    kinds: list[str]
    rows: list[Row]
    firing_chart: Markup
    firing: list[Firing]
    scale: Scale
    widest: int


def make_bands(study: Study, impact: Impact) -> Bands | None:
    """Draw what false borders do; None if they were not tried."""
    if impact.bands.is_empty() and impact.firing.is_empty():
        return None
    measure = PRIMARY[impact.answer]
    chart, on = Markup(""), ""
    kinds, rows = _changes(impact.bands, measure)
    if rows:
        on = counted(impact.bands.row(-1, named=True))
        alt = f"{measure.heading} by width of a band: the table beside it has the numbers."
        chart = charted(positions.bands(study), alt)
    firing = impact.firing
    if not firing.is_empty():
        firing = firing.filter(pl.col("firing").is_not_null())
    if firing.is_empty():
        return Bands(measure, on, chart, kinds, rows, Markup(""), [], linear([1.0]), 0)
    widest = max(firing["width"])
    scale, sites = _sites(firing.filter(pl.col("width") == widest))
    alt = "Firing of these filters by width of a band: the table beside it has the numbers."
    drawn = charted(positions.firing(study), alt)
    return Bands(measure, on, chart, kinds, rows, drawn, sites, scale, widest)


def _changes(table: pl.DataFrame, measure: Measure) -> tuple[list[str], list[Row]]:
    if table.is_empty():
        return [], []
    own = table.filter(pl.col("measure") == measure.name).sort("width", maintain_order=True)
    widths = own["width"].unique(maintain_order=True).to_list()
    kinds = own["band"].unique(maintain_order=True).to_list()
    found = {(row["width"], row["band"]): row for row in own.iter_rows(named=True)}
    return kinds, [_row(width, kinds, found, measure) for width in widths]


def _row(
    width: int, kinds: Sequence[str], found: Mapping[tuple[int, str], Any], measure: Measure
) -> Row:
    rows = [found.get((width, kind)) for kind in kinds]
    cells = [
        (measure.figure(row["value"]), measure.between(row, "low", "high")) if row else (NONE, "")
        for row in rows
    ]
    fill = found.get((width, FILL))
    if fill is None or fill["excess"] is None:
        return width, cells, NONE, ""
    beyond = FIGURE.between(fill, "excess_low", "excess_high")
    return width, cells, FIGURE.figure(fill["excess"]), beyond


def _sites(table: pl.DataFrame) -> tuple[Scale, list[Firing]]:
    rows = table.to_dicts()
    scale = linear(
        [1.0, *(row[n] for row in rows for n in ("firing", "low", "high") if row[n] is not None)]
    )
    return scale, [_firing(row, scale) for row in rows]


def _firing(row: dict[str, Any], scale: Scale) -> Firing:
    return Firing(
        row["site"],
        row["side"],
        row["filters"],
        fixed(row["firing"]),
        f"[{fixed(row['low'])} to {fixed(row['high'])}]" if row["low"] is not None else "",
        fixed(row["control"]),
        dot_strip(Dot(row["firing"], row["low"], row["high"], other=row["control"]), scale),
    )
