"""Vega-Lite as plain data: charts are dicts, put together with ``|``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from padscope.figures.theme import AMBER, BLUE, GREEN, GREY, ORANGE, PINK, SKY, YELLOW

Spec = dict[str, Any]  # a chart in Vega-Lite, or a part of one

PALETTE = (BLUE, ORANGE, GREEN, SKY, AMBER, PINK, YELLOW, GREY)
# Titles of the parts of a figure, which stand over them.
ABOVE = {"labelOrient": "top", "labelAnchor": "start", "labelAngle": 0}
LEVEL = {"labelAngle": 0}  # an axis whose labels are not turned
POINTS = {"filled": True, "size": 60, "opacity": 1}


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
    (place,) = axis.values()
    return data(pl.DataFrame({place["field"]: values})) | mark("rule", options, **axis)


def logarithmic(values: Iterable[float | None]) -> Spec:
    """Give an axis a logarithmic scale, labelled at the powers of 10 around some values alone."""
    ends = [math.log10(value) for value in values if value is not None and value > 0]
    first, last = math.floor(min(ends, default=0.0)), math.ceil(max(ends, default=1.0))
    ticks = [float(f"1e{power}") for power in range(first, last + 1)]
    return {"scale": {"type": "log"}, "axis": {"values": ticks, "format": "~g"}}
