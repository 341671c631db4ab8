"""Figures of tiles: how wrong they are by halo, what they cost by size, and why they differ."""

from __future__ import annotations

from typing import Any, cast

import altair as alt
import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.figures.marks import WIDTH, Chart, data, decades, share_axis
from padscope.figures.theme import BLUE, INK, MUTED, ORANGE
from padscope.images.element import elements, told_length
from padscope.study import Study, Tiles

LEAST = 1e-5  # spreads; what is less is drawn there, for the scale is logarithmic


def tiles(study: Study) -> Chart:
    """Draw the error of tiles by their halo, and what tiles cost by their size."""
    found = _of(study)
    drawn: Chart = alt.vconcat(_errors(found), *_costs(found), spacing=64, bounds="flush")
    return drawn


def _of(study: Study) -> Tiles:
    if study.tiles is None:
        raise PadscopeError("it takes tiles; run padscope tiles RUN")
    return study.tiles


def _tried(found: Tiles) -> str:
    return f"Tiles of {told_length(found.tried, len(found.size))}"


def _errors(found: Tiles) -> Chart:
    errors = found.halos.drop_nulls().with_columns(pl.col("error").clip(LEAST))
    x = alt.X("halo:Q", title=f"halo, {elements(len(found.size))}", axis=alt.Axis(tickMinStep=1))
    axis = decades([*errors["error"], found.tolerance])
    log = alt.Scale(type="log")
    y: Any = alt.Y("error:Q", title="greatest difference, spreads", scale=log, axis=axis)
    line = data(errors).mark_line(color=BLUE, point={"color": BLUE, "size": 50})
    rule = data(pl.DataFrame({"error": [found.tolerance]}))
    layers = [
        line.encode(x=x, y=y), rule.mark_rule(color=MUTED, strokeDash=[6, 3]).encode(y=y)
    ]  # fmt: skip
    words = "Dashed: the tolerance."
    if found.halo is None:
        words = f"{words} No finite halo suffices."
    else:
        chosen = data(pl.DataFrame({"halo": [found.halo]})).mark_rule(color=INK)
        layers.append(chosen.encode(x=x))
        words = f"{words} Upright: the smallest halo that suffices."
    chart = cast("alt.LayerChart", alt.layer(*layers))
    title = f"{_tried(found)} beside the whole, {plural(found.counted, 'image')}. {words}"
    return chart.properties(width=WIDTH, height=WIDTH // 3, title=title)


def _costs(found: Tiles) -> list[Chart]:
    if found.halo is None:
        return []
    sizes = found.table["tile"].to_list()
    axis = alt.Axis(values=sizes, labelOverlap="greedy")
    x = alt.X(
        "tile:Q",
        title=f"tile, {elements(len(found.size))}",
        axis=axis,
        scale=alt.Scale(type="log", base=2),
    )
    y = alt.Y(
        "cost:Q", title=f"{elements(len(found.size))} run for each one", scale=alt.Scale(zero=False)
    )
    base = data(found.table).encode(x=x, y=y)
    best = data(found.table.filter("best")).encode(x=x, y=y)
    layers: list[Any] = [
        base.mark_line(color=BLUE, point={"color": BLUE, "size": 50}),
        best.mark_point(color=ORANGE, size=140, strokeWidth=3),
    ]
    words = " Ringed: the largest within the limit of memory." if found.best else ""
    chart = cast("alt.LayerChart", alt.layer(*layers))
    title = f"Work of tiles with a halo of {told_length(found.halo, len(found.size))}.{words}"
    return [chart.properties(width=WIDTH, height=WIDTH // 3, title=title)]


def shares(study: Study) -> Chart:
    """Draw in which parts padding, normalisation and phase make tiles differ from the whole."""
    found = _of(study)
    if not found.difference:
        raise PadscopeError("tiles do not differ from the whole, or that was not measured")
    y = alt.Y("cause:N", title=None, sort=found.shares["cause"].to_list())
    base = data(found.shares)
    bars = base.mark_bar(color=BLUE, height=16).encode(
        x=share_axis("share", "share of the mean squared difference"), y=y
    )
    spans = base.mark_rule(color=INK, strokeWidth=2).encode(
        x=share_axis("low", "share of the mean squared difference"), x2="high:Q", y=y
    )
    chart = cast("alt.LayerChart", alt.layer(bars, spans))
    words = f"{_tried(found)} without a halo. Lines: 95 % over images."
    return chart.properties(width=WIDTH, height=alt.Step(30), title=words)
