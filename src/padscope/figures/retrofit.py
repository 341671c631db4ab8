"""Border errors of a retrofit, beside those of the network as given and of every plain swap."""

from __future__ import annotations

import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.figures import vega as vl
from padscope.figures.marks import WIDTH
from padscope.figures.theme import BLUE, GREY, INK, ORANGE
from padscope.study import Retrofit, Study

COLOURS = {"given": GREY, "swapped": ORANGE, "tuned": BLUE}


def retrofit(study: Study) -> vl.Spec:
    """Draw that of a study; see `before_and_after`."""
    if study.retrofit is None:
        raise PadscopeError("it needs a retrofit; run padscope retrofit RUN -o new.safetensors")
    return before_and_after(study.retrofit)


def before_and_after(found: Retrofit) -> vl.Spec:
    """Draw the border error of every network, with its interval over photographs."""
    table = found.table.select(
        "network", "error", "low", "high",
        name=pl.format("{}, {}", "network", "padding"),
    )  # fmt: skip
    y, colour = vl.category("name", table["name"]), vl.coloured("network", COLOURS)
    x = vl.quantity("low", "border error, spreads of the map", scale={"zero": False})
    error, high = vl.quantity("error"), {"field": "high"}
    layers = [
        vl.rules(table["error"].head(1), {"color": INK, "strokeDash": [4, 3]}, x=error),
        vl.data(table) | vl.mark("rule", {"strokeWidth": 3}, x=x, x2=high, y=y, color=colour),
        vl.data(table) | vl.mark("point", vl.POINTS, x=error, y=y, color=colour),
    ]
    words = f"95 % over {plural(found.counted, 'image')} not tuned on. Dashed: as given."
    return {"layer": layers, "width": WIDTH, "title": words}
