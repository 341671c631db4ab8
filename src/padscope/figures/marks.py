"""Colours, sizes and marks that the figures share: charts are Vega-Lite, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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

Spec = dict[str, Any]  # a chart in Vega-Lite, or a part of one

PALETTE = (BLUE, ORANGE, GREEN, SKY, AMBER, PINK, YELLOW, GREY)
WIDTH = 560  # pixels of a plot; print sizes follow from it
PICTURE = 150  # pixels of a picture
LONGEST_NAME = 40
WIDE = 30  # values farther apart than by this factor are drawn on a logarithmic scale
# Titles of the parts of a figure, which stand over them.
ABOVE = {"labelOrient": "top", "labelAnchor": "start", "labelAngle": 0}
LEVEL = {"labelAngle": 0}  # an axis whose labels are not turned


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


def named(table: pl.DataFrame, column: str = "site") -> pl.DataFrame:
    """Shorten names, and show every character of them."""
    names = [shorten(visible(name), LONGEST_NAME) for name in table[column]]
    return table.with_columns(pl.Series(column, names))


def order(table: pl.DataFrame, column: str = "site") -> list[Any]:
    """Values of a column as they first come."""
    return table[column].unique(maintain_order=True).to_list()


def data(table: pl.DataFrame) -> Spec:
    """Begin a chart with its numbers in it."""
    return {"data": {"values": table.to_dicts()}}


def mark(kind: str, options: Mapping[str, Any] | None = None, /, **encoding: Spec) -> Spec:
    """Draw one mark a row, placed and coloured by columns."""
    return {"mark": {"type": kind, **(options or {})}, "encoding": encoding}


def quantity(column: str, title: str | None = None, **options: Any) -> Spec:
    """Place by a column of numbers; without a title the axis has that of other layers."""
    told = {} if title is None else {"title": title}
    return {"field": column, "type": "quantitative", **told, **options}


def share(column: str, title: str, **options: Any) -> Spec:
    """Place by a column of shares, in percent."""
    return quantity(column, title, axis={"format": "%"}, **options)


def nominal(column: str, **options: Any) -> Spec:
    """Tell apart by a column of words."""
    return {"field": column, "type": "nominal", **options}


def category(column: str, values: Iterable[Any]) -> Spec:
    """Place by a column of words, in an order; they need no title."""
    return nominal(column, title=None, sort=list(values))


def ordinal(column: str, title: str) -> Spec:
    """Place by a column of amounts, each as far from the next."""
    return {"field": column, "type": "ordinal", "title": title, "axis": LEVEL}


def coloured(
    column: str, colours: Mapping[str, str] | Sequence[str], title: str | None = None
) -> Spec:
    """Colours of words: by a mapping, or by the palette in the order of the words."""
    if not isinstance(colours, Mapping):
        colours = dict(zip(colours, PALETTE * len(colours), strict=False))
    scale = {"domain": list(colours), "range": list(colours.values())}
    return nominal(column, title=title, scale=scale)


def rules(values: Iterable[float], options: Mapping[str, Any], **axis: Spec) -> Spec:
    """Draw lines across the plot at some values of the one axis that is given."""
    ((_, place),) = axis.items()
    return data(pl.DataFrame({place["field"]: values})) | mark("rule", options, **axis)


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


def logarithmic(values: Iterable[float | None]) -> Spec:
    """Give an axis a logarithmic scale, labelled at the powers of 10 around some values alone."""
    ends = [math.log10(value) for value in values if value is not None and value > 0]
    first, last = math.floor(min(ends, default=0.0)), math.ceil(max(ends, default=1.0))
    ticks = [float(f"1e{power}") for power in range(first, last + 1)]
    return {"scale": {"type": "log"}, "axis": {"values": ticks, "format": "~g"}}


def ribbons(
    table: pl.DataFrame, x: Spec, y: str, title: str, colour: Spec, *, log: bool = False
) -> Spec:
    """Draw lines, each within its interval (columns ``low`` and ``high``).

    Parameters
    ----------
    y : str
        Column of the values.
    log : bool
        Draw on a logarithmic scale; values that are not positive are then left out.
    """
    axis: Spec = {}
    if log:
        table = table.filter(pl.col(y) > 0).with_columns(
            pl.when(pl.col("low") > 0).then("low").otherwise(y).alias("low")
        )
        title = f"{title} (log scale)"
        axis = logarithmic([*table["low"], *table["high"], *table[y]])
    low, value = quantity("low", title, **axis), quantity(y, title, **axis)
    return data(table) | {
        "layer": [
            mark("area", {"opacity": 0.18}, x=x, y=low, y2={"field": "high"}, color=colour),
            mark("line", {"strokeWidth": 2}, x=x, y=value, color=colour),
            mark("point", POINTS | {"size": 36}, x=x, y=value, color=colour),
        ]
    }


POINTS = {"filled": True, "size": 60, "opacity": 1}


def intervals(
    table: pl.DataFrame, x: Spec, value: str, beside: str, y: Spec, colour: Spec | None = None
) -> Spec:
    """Draw values with their intervals (columns ``low`` and ``high``), and a tick to compare with.

    Parameters
    ----------
    x : dict
        Of the values; its title and axis hold for all.
    value, beside : str
        Columns of the values and of the ticks.
    colour : dict, optional
        Of values and intervals.
    """
    colour = colour or {"value": BLUE}
    low, own, other = ({**x, "field": column} for column in ("low", value, beside))
    tick = {"color": ORANGE, "thickness": 3, "height": 13}
    return data(table) | {
        "layer": [
            mark("rule", {"strokeWidth": 2}, x=low, x2={"field": "high"}, y=y, color=colour),
            mark("tick", tick, x=other, y=y),
            mark("point", POINTS, x=own, y=y, color=colour),
        ]
    }


def pictured(
    values: NDArray[np.float64], low: float, high: float, palette: Sequence[str], title: str
) -> Spec:
    """Draw cells as an image, one pixel a cell, that is not smoothed when it is scaled."""
    cells = colour_cells(values, low, high, palette)
    rows, columns = cells.shape[:2]
    scale = PICTURE / max(rows, columns)
    size = {name: max(12, round(n * scale)) for name, n in (("width", columns), ("height", rows))}
    middle = {"x": size["width"] / 2, "y": size["height"] / 2}
    drawn = mark("image", {"smooth": False} | size | middle, url=nominal("url"))
    url = data_url(Image.fromarray(cells))
    return {"data": {"values": [{"url": url}]}} | drawn | size | {"title": title}
