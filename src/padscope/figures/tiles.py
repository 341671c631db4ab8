"""Figures of tiles: how wrong they are by halo, what they cost by size, and why they differ."""

from __future__ import annotations

import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.figures import vega as vl
from padscope.figures.marks import WIDTH
from padscope.figures.theme import BLUE, INK, MUTED, ORANGE
from padscope.images.element import elements, told_length
from padscope.study import Study, Tiles

LINE = {"color": BLUE, "point": {"color": BLUE, "size": 50}}
LEAST = 1e-5  # spreads; what is less is drawn there, for the scale is logarithmic


def tiles(study: Study) -> vl.Spec:
    """Draw the error of tiles by their halo, and what tiles cost by their size."""
    found = _of(study)
    return {"vconcat": [_errors(found), *_costs(found)], "spacing": 64, "bounds": "flush"}


def _of(study: Study) -> Tiles:
    if study.tiles is None:
        raise PadscopeError("it needs tiles; run padscope tiles RUN")
    return study.tiles


def _tried(found: Tiles) -> str:
    return f"Tiles of {told_length(found.tried, len(found.size))}"


def _errors(found: Tiles) -> vl.Spec:
    errors = found.halos.drop_nulls().with_columns(pl.col("error").clip(LEAST))
    x = vl.quantity("halo", f"halo, {elements(len(found.size))}", axis={"tickMinStep": 1})
    axis = vl.logarithmic([*errors["error"], found.tolerance])
    y = vl.quantity("error", "greatest difference, spreads", **axis)
    layers = [
        vl.data(errors) | vl.mark("line", LINE, x=x, y=y),
        vl.rules([found.tolerance], {"color": MUTED, "strokeDash": [6, 3]}, y=y),
    ]
    words = "Dashed: the tolerance."
    if found.halo is None:
        words = f"{words} No finite halo suffices."
    else:
        layers.append(vl.rules([found.halo], {"color": INK}, x=x))
        words = f"{words} Upright: the smallest halo that suffices."
    title = f"{_tried(found)} beside the whole, {plural(found.counted, 'image')}. {words}"
    return {"layer": layers, "width": WIDTH, "height": WIDTH // 3, "title": title}


def _costs(found: Tiles) -> list[vl.Spec]:
    if found.halo is None:
        return []
    unit = elements(len(found.size))
    axis = {"values": found.table["tile"].to_list(), "labelOverlap": "greedy"}
    x = vl.quantity("tile", f"tile, {unit}", axis=axis, scale={"type": "log", "base": 2})
    y = vl.quantity("cost", f"{unit} run for each one", scale={"zero": False})
    ring = {"color": ORANGE, "size": 140, "strokeWidth": 3}
    layers = [
        vl.data(found.table) | vl.mark("line", LINE, x=x, y=y),
        vl.data(found.table.filter("best")) | vl.mark("point", ring, x=x, y=y),
    ]
    words = " Ringed: the largest within the limit of memory." if found.best else ""
    title = f"Work of tiles with a halo of {told_length(found.halo, len(found.size))}.{words}"
    return [{"layer": layers, "width": WIDTH, "height": WIDTH // 3, "title": title}]


def shares(study: Study) -> vl.Spec:
    """Draw in which parts padding, normalisation and phase make tiles differ from the whole."""
    found = _of(study)
    if not found.difference:
        raise PadscopeError("tiles do not differ from the whole, or that was not measured")
    x = vl.share("share", "share of the mean squared difference")
    y = vl.category("cause", found.shares["cause"])
    line, low = {"color": INK, "strokeWidth": 2}, x | {"field": "low"}
    layers = [
        vl.mark("bar", {"color": BLUE, "height": 16}, x=x, y=y),
        vl.mark("rule", line, x=low, x2={"field": "high"}, y=y),
    ]
    words = f"{_tried(found)} without a halo. Lines: 95 % over images."
    size = {"width": WIDTH, "height": {"step": 30}}
    return vl.data(found.shares) | {"layer": layers, "title": words} | size
