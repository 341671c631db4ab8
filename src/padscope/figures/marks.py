"""Colours, sizes and marks that the figures share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from padscope.errors import PadscopeError
from padscope.figures.drawings import colour_cells, data_url
from padscope.figures.theme import AMBER, BLUE, GREEN, GREY, ORANGE, PINK, SKY, YELLOW
from padscope.findings.words import shorten, visible
from padscope.study import Explanation, Impact, Study
from padscope.study.impact_result import counted

PALETTE = (BLUE, ORANGE, GREEN, SKY, AMBER, PINK, YELLOW, GREY)
WIDTH = 560  # pixels of a plot; print sizes follow from it
PICTURE = 150  # pixels of a picture
LONGEST_NAME = 40
WIDE = 30  # values farther apart than by this factor are drawn on a logarithmic scale
Chart = (
    alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart | alt.HConcatChart
    | alt.ConcatChart
)  # fmt: skip


def explanation_of(study: Study) -> Explanation:
    """Give the second rung, or say that it takes one."""
    if study.explanation is None:
        raise PadscopeError(f"it needs an explanation; {study.next}")
    return study.explanation


def impact_of(study: Study) -> Impact:
    """Give the third rung, or say that it takes one."""
    if study.impact is None:
        raise PadscopeError(f"it needs an impact; {study.next}")
    return study.impact


def measured(table: pl.DataFrame, what: str, **chosen: str) -> pl.DataFrame:
    """Rows of a table of the third rung in which these columns hold these words.

    Raises
    ------
    PadscopeError
        There are none: it was not measured, or the table is empty and has no columns.
    """
    if table.width:
        for column, word in chosen.items():
            table = table.filter(pl.col(column) == word)
    if table.is_empty():
        raise PadscopeError(f"no {what} was measured")
    return table


def basis(table: pl.DataFrame) -> str:
    """Say how many images, and of how many photographs, the rows of a table rest on.

    Examples
    --------
    >>> basis(pl.DataFrame({"images": [48, 40], "photographs": [48, 40]}))
    'On 40 to 48 images.'
    """
    rows = table.select("images", "photographs").unique().sort("images", "photographs").to_dicts()
    least, most = rows[0]["images"], rows[-1]["images"]
    return f"On {f'{least:,} to ' if least < most else ''}{counted(rows[-1])}."


class _Rows(alt.InlineData):
    """Rows of a chart, which Altair would copy one by one wherever charts are combined."""

    def __deepcopy__(self, memo: Any) -> _Rows:
        return self


def data(table: pl.DataFrame) -> alt.Chart:
    """Begin a chart with its numbers in it."""
    return alt.Chart(_Rows(values=table.to_dicts()))


def named(table: pl.DataFrame, column: str = "site") -> pl.DataFrame:
    """Shorten names, and show every character of them."""
    names = [shorten(visible(name), LONGEST_NAME) for name in table[column]]
    return table.with_columns(pl.Series(column, names))


def order(table: pl.DataFrame, column: str = "site") -> list[Any]:
    """Values of a column as they first come."""
    return table[column].unique(maintain_order=True).to_list()


def above() -> alt.Header:
    """Titles of the parts of a figure that stand over them."""
    return alt.Header(labelOrient="top", labelAnchor="start", labelAngle=0)


def share_axis(column: str, title: str) -> alt.X:
    """Axis of shares, in percent."""
    return alt.X(f"{column}:Q", title=title, axis=alt.Axis(format="%"))


def coloured(
    column: str, colours: Mapping[str, str] | Sequence[str], title: str | None = None
) -> alt.Color:
    """Colours of words: by a mapping, or by the palette in the order of the words."""
    if not isinstance(colours, Mapping):
        colours = dict(zip(colours, PALETTE * len(colours), strict=False))
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{column}:N", title=title, scale=scale)


def wide(values: Iterable[float | None]) -> bool:
    """Whether values are of very different sizes, and none is negative.

    Examples
    --------
    >>> wide([0.01, 2.0]), wide([0.5, 2.0]), wide([-0.01, 2.0]), wide([0.0, 0.01, 2.0, None])
    (True, False, False, True)
    """
    known = [value for value in values if value is not None]
    positive = [value for value in known if value > 0]
    return min(known, default=0.0) >= 0 and max(positive, default=0.0) > WIDE * min(
        positive, default=0.0
    )


def decades(values: Iterable[float]) -> alt.Axis:
    """Make an axis of a logarithmic scale that is labelled at the powers of 10 alone."""
    ends = [math.log10(value) for value in values if value > 0]
    first, last = math.floor(min(ends, default=0.0)), math.ceil(max(ends, default=1.0))
    return alt.Axis(values=[float(f"1e{power}") for power in range(first, last + 1)], format="~g")


def ribbons(
    table: pl.DataFrame, x: alt.X, y: str, y_title: str, colour: alt.Color, *, log: bool = False
) -> alt.LayerChart:
    """Draw lines, each within its interval (columns ``low`` and ``high``).

    Parameters
    ----------
    y : str
        Column of the values.
    log : bool
        Draw on a logarithmic scale; values that are not positive are then left out.
    """
    if log:
        table = table.filter(pl.col(y) > 0).with_columns(
            pl.when(pl.col("low") > 0).then("low").otherwise(y).alias("low")
        )
    scale = alt.Scale(type="log") if log else alt.Scale()
    drawn = [*table["low"].drop_nulls(), *table["high"].drop_nulls(), *table[y]]
    axis = decades(drawn) if log else alt.Axis()
    base = data(table)
    title = f"{y_title} (log scale)" if log else y_title
    band = base.mark_area(opacity=0.18).encode(
        x=x, y=alt.Y("low:Q", title=title, scale=scale, axis=axis), y2="high:Q", color=colour
    )
    line = base.mark_line(strokeWidth=2).encode(
        x=x, y=alt.Y(f"{y}:Q", title=title, scale=scale, axis=axis), color=colour
    )
    points = base.mark_point(filled=True, size=36, opacity=1).encode(
        x=x, y=alt.Y(f"{y}:Q", title=title, scale=scale, axis=axis), color=colour
    )
    return cast("alt.LayerChart", alt.layer(band, line, points))  # plain charts make no facets


def intervals(
    table: pl.DataFrame,
    x: alt.X,
    value: str,
    beside: str,
    y: alt.Y,
    colour: alt.Color | None = None,
) -> alt.LayerChart:
    """Draw values with their intervals (columns ``low`` and ``high``), and a tick to compare with.

    Parameters
    ----------
    x : alt.X
        Of the values; its title and axis hold for all.
    value, beside : str
        Columns of the values and of the ticks.
    colour : alt.Color, optional
        Of values and intervals.
    """
    painted = {"color": colour or alt.value(BLUE)}
    base = data(table).encode(y=y)
    spans = base.mark_rule(strokeWidth=2).encode(x=of_axis(x, "low"), x2="high:Q", **painted)
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x=of_axis(x, value), **painted)
    ticks = base.mark_tick(color=ORANGE, thickness=3, height=13).encode(x=of_axis(x, beside))
    return cast("alt.LayerChart", alt.layer(spans, ticks, points))


def of_axis(x: alt.X, column: str) -> alt.X:
    """Give another column the same axis."""
    same: alt.X = x.copy()
    same.shorthand = f"{column}:Q"
    return same


def pictured(
    values: NDArray[np.float64], low: float, high: float, palette: tuple[str, ...], title: str
) -> alt.Chart:
    """Draw cells as an image, one pixel a cell, that is not smoothed when it is scaled."""
    cells = colour_cells(values, low, high, palette)
    rows, columns = cells.shape[:2]
    url = data_url(Image.fromarray(cells))
    scale = PICTURE / max(rows, columns)
    width, height = max(12, round(columns * scale)), max(12, round(rows * scale))
    image: alt.Chart = alt.Chart(alt.InlineData(values=[{"url": url}])).mark_image(
        smooth=False,
        width=width, height=height, x=width / 2, y=height / 2
    ).encode(url="url:N").properties(width=width, height=height, title=title)  # fmt: skip
    return image
