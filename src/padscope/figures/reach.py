"""How deep padding reaches: the difference it makes, by the distance from each side."""

from __future__ import annotations

from typing import Any, cast

import altair as alt
import polars as pl

from padscope.errors import PadscopeError
from padscope.figures.marks import WIDTH, Chart, coloured, data
from padscope.figures.theme import BLUE, GREEN, INK, MUTED, ORANGE, PINK
from padscope.findings.depth import map_words
from padscope.images.element import elements
from padscope.study import Study

COLOURS = (BLUE, ORANGE, GREEN, PINK)
LEAST = 1e-5  # spreads; what is less is drawn there, for the scale is logarithmic


def reach(study: Study) -> Chart:
    """Difference that padding makes to the answer or the last map, beside the tolerance and bound.

    Raises
    ------
    PadscopeError
        The depth was not measured.
    """
    depth = study.depth
    if depth is None or not depth.table.height:
        raise PadscopeError("it needs the depth; run padscope depth RUN")
    curves = depth.curves.filter(pl.col("map") == depth.last).with_columns(
        pl.col("mean", "p95").clip(LEAST)
    )
    sides = curves["side"].unique(maintain_order=True).to_list()
    colours = {side: COLOURS[place % len(COLOURS)] for place, side in enumerate(sides)}
    title = "difference, spreads"
    along = f"distance from the side, input {elements(len(depth.size))}"
    x = alt.X("distance:Q", title=along)
    y: Any = alt.Y("mean:Q", title=title, scale=alt.Scale(type="log"))
    base = data(curves.select("side", "distance", "mean", "p95"))
    colour = coloured("side", colours)
    layers: list[Any] = [
        base.mark_line(strokeDash=[2, 3], opacity=0.6).encode(
            x=x, y=alt.Y("p95:Q", title=title, scale=alt.Scale(type="log")), color=colour
        ),
        base.mark_line(point=True).encode(x=x, y=y, color=colour),
        data(pl.DataFrame({"mean": [depth.tolerance]}))
        .mark_rule(color=MUTED, strokeDash=[6, 3])
        .encode(y=y),
    ]
    bounds = depth.of_map(depth.last)["bound"].drop_nulls().unique().sort()
    bounds = bounds.filter(bounds <= curves["distance"].max())
    if len(bounds):
        rule = data(pl.DataFrame({"distance": bounds})).mark_rule(color=INK)
        layers.append(rule.encode(x=alt.X("distance:Q", title=along)))
    chart = cast("alt.LayerChart", alt.layer(*layers))
    words = (
        f"Mean over images (dotted: 95th percentile) for {map_words(depth)}. "
        "Dashed: the tolerance; upright: how deep padding can reach."
    )
    return chart.properties(width=WIDTH, height=WIDTH // 2, title=words)
