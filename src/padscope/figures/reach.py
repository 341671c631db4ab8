"""How deep padding reaches: the difference it makes, by the distance from each side."""

from __future__ import annotations

import polars as pl

from padscope.errors import PadscopeError
from padscope.figures import vega as vl
from padscope.figures.marks import WIDTH, order
from padscope.figures.theme import BLUE, GREEN, INK, MUTED, ORANGE, PINK
from padscope.findings.depth import map_words
from padscope.images.element import elements
from padscope.study import Study

COLOURS = (BLUE, ORANGE, GREEN, PINK)
LEAST = 1e-5  # spreads; what is less is drawn there, for the scale is logarithmic


def reach(study: Study) -> vl.Spec:
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
    sides = order(curves, "side")
    colour = vl.coloured("side", dict(zip(sides, COLOURS * len(sides), strict=False)))
    x = vl.quantity("distance", f"distance from the side, input {elements(len(depth.size))}")
    y = vl.quantity("mean", "difference, spreads", scale={"type": "log"})
    table = vl.data(curves.select("side", "distance", "mean", "p95"))
    most = {"strokeDash": [2, 3], "opacity": 0.6}
    layers = [
        table | vl.mark("line", most, x=x, y=y | {"field": "p95"}, color=colour),
        table | vl.mark("line", {"point": True}, x=x, y=y, color=colour),
        vl.rules([depth.tolerance], {"color": MUTED, "strokeDash": [6, 3]}, y=y),
    ]
    bounds = depth.of_map(depth.last)["bound"].drop_nulls().unique().sort()
    bounds = bounds.filter(bounds <= curves["distance"].max())
    if len(bounds):
        layers.append(vl.rules(bounds, {"color": INK}, x=x))
    words = (
        f"Mean over images (dotted: 95th percentile) for {map_words(depth)}. "
        "Dashed: the tolerance; upright: how deep padding can reach."
    )
    return {"layer": layers, "width": WIDTH, "height": WIDTH // 2, "title": words}
