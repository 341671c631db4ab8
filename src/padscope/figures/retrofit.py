"""Border errors of a retrofit, beside those of the network as given and of every plain swap."""

from __future__ import annotations

from typing import cast

import altair as alt
import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.figures.marks import WIDTH, Chart, coloured, data
from padscope.figures.theme import BLUE, GREY, INK, ORANGE
from padscope.study import Retrofit, Study

COLOURS = {"given": GREY, "swapped": ORANGE, "tuned": BLUE}


def retrofit(study: Study) -> Chart:
    """Draw that of a study; see `before_and_after`."""
    if study.retrofit is None:
        raise PadscopeError("it takes a retrofit; run padscope retrofit RUN -o new.safetensors")
    return before_and_after(study.retrofit)


def before_and_after(found: Retrofit) -> Chart:
    """Draw the border error of every network, with its interval over photographs."""
    table = found.table.select(
        "network", "error", "low", "high",
        name=pl.format("{}, {}", "network", "padding"),
    )  # fmt: skip
    y = alt.Y("name:N", title=None, sort=table["name"].to_list())
    base = data(table)
    colour = coloured("network", COLOURS)
    bars = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title="border error, spreads of the map", scale=alt.Scale(zero=False)),
        x2="high:Q", y=y, color=colour,
    )  # fmt: skip
    points = base.mark_point(size=60, filled=True, opacity=1).encode(x="error:Q", y=y, color=colour)
    given = data(table.head(1).select("error")).mark_rule(color=INK, strokeDash=[4, 3])
    chart = cast("alt.LayerChart", alt.layer(given.encode(x="error:Q"), bars, points))
    words = f"95 % over {plural(found.counted, 'image')} not tuned on. Dashed: as given."
    return chart.properties(width=WIDTH, title=words)
