"""Sizes, tables and marks that the figures share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from padscope.errors import PadscopeError
from padscope.figures import vega as vl
from padscope.figures.drawings import colour_cells, data_url
from padscope.figures.theme import BLUE, ORANGE
from padscope.findings.words import shorten, visible
from padscope.study import Explanation, Impact, Study
from padscope.study.impact_result import counted

WIDTH = 560  # pixels of a plot; print sizes follow from it
PICTURE = 150  # pixels of a picture
LONGEST_NAME = 40
WIDE = 30  # values farther apart than by this factor are drawn on a logarithmic scale


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


def ribbons(
    table: pl.DataFrame, x: vl.Spec, y: str, title: str, colour: vl.Spec, *, log: bool = False
) -> vl.Spec:
    """Draw lines, each within its interval (columns ``low`` and ``high``).

    Parameters
    ----------
    y : str
        Column of the values.
    log : bool
        Draw on a logarithmic scale; values that are not positive are then left out.
    """
    axis: vl.Spec = {}
    if log:
        table = table.filter(pl.col(y) > 0).with_columns(
            pl.when(pl.col("low") > 0).then("low").otherwise(y).alias("low")
        )
        title = f"{title} (log scale)"
        axis = vl.logarithmic([*table["low"], *table["high"], *table[y]])
    low, value = vl.quantity("low", title, **axis), vl.quantity(y, title, **axis)
    return vl.data(table) | {
        "layer": [
            vl.mark("area", {"opacity": 0.18}, x=x, y=low, y2={"field": "high"}, color=colour),
            vl.mark("line", {"strokeWidth": 2}, x=x, y=value, color=colour),
            vl.mark("point", vl.POINTS | {"size": 36}, x=x, y=value, color=colour),
        ]
    }


def intervals(
    table: pl.DataFrame,
    x: vl.Spec,
    value: str,
    beside: str,
    y: vl.Spec,
    colour: vl.Spec | None = None,
) -> vl.Spec:
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
    return vl.data(table) | {
        "layer": [
            vl.mark("rule", {"strokeWidth": 2}, x=low, x2={"field": "high"}, y=y, color=colour),
            vl.mark("tick", tick, x=other, y=y),
            vl.mark("point", vl.POINTS, x=own, y=y, color=colour),
        ]
    }


def pictured(
    values: NDArray[np.float64], low: float, high: float, palette: Sequence[str], title: str
) -> vl.Spec:
    """Draw cells as an image, one pixel a cell, that is not smoothed when it is scaled."""
    cells = colour_cells(values, low, high, palette)
    rows, columns = cells.shape[:2]
    scale = PICTURE / max(rows, columns)
    size = {name: max(12, round(n * scale)) for name, n in (("width", columns), ("height", rows))}
    middle = {"x": size["width"] / 2, "y": size["height"] / 2}
    drawn = vl.mark("image", {"smooth": False} | size | middle, url=vl.nominal("url"))
    url = data_url(Image.fromarray(cells))
    return {"data": {"values": [{"url": url}]}} | drawn | size | {"title": title}
