"""Figures of a survey: recognising filters against what the networks are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import altair as alt
import polars as pl

from padscope.counts import plural
from padscope.figures.marks import LONGEST_NAME, WIDTH, Chart, coloured, data
from padscope.figures.theme import BORDER, GREY
from padscope.findings.words import number, shorten, visible

AGAINST = {
    "sites": "depth: scored sites", "parameters": "parameters", "year": "year of publication",
    "accuracy": "top-1 as published (%)",
}  # fmt: skip
LOGARITHMIC = ("sites", "parameters")
COLOURS = {"trained": BORDER, "random weights": GREY}


def against(table: pl.DataFrame) -> Iterator[tuple[Chart, str]]:
    """Draw the recognising filters of every network against its depth, size, year and accuracy.

    Parameters
    ----------
    table : polars.DataFrame
        See `padscope.tables.schema.SURVEY`.

    Yields
    ------
    chart : Chart
        One for every property that two networks or more differ in.
    told : str
        What it shows, in words.
    """
    random = pl.col("weights") == "random"
    known = table.filter(pl.col("recognises").is_not_null()).with_columns(
        kind=pl.when(random).then(pl.lit("random weights")).otherwise(pl.lit("trained")),
        label=pl.col("name").map_elements(
            lambda name: shorten(visible(name), LONGEST_NAME), return_dtype=pl.String
        ),
        low=pl.coalesce("recognises_low", "recognises"),
        high=pl.coalesce("recognises_high", "recognises"),
    )
    for column, title in AGAINST.items():
        here = known.drop_nulls(column)
        if here[column].n_unique() > 1:
            yield _scatter(here, column, title), _tell(here, column, title)


def _scatter(table: pl.DataFrame, column: str, title: str) -> Chart:
    scale = alt.Scale(type="log" if column in LOGARITHMIC else "linear", zero=False, nice=True)
    axis = alt.Axis(format="d" if column == "year" else "~s", tickCount=6)
    x = alt.X(f"{column}:Q", title=title, scale=scale, axis=axis)
    y_scale = alt.Scale(type="symlog", constant=10)  # some have none
    y_title = "filters that recognise the border; line: what images leave open"
    base = data(table.select("label", "kind", column, "recognises", "low", "high")).encode(
        x=x, color=coloured("kind", COLOURS)
    )
    spans = base.mark_rule(strokeWidth=1).encode(
        y=alt.Y("low:Q", title=y_title, scale=y_scale), y2="high:Q"
    )
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=[*COLOURS]))
    y = alt.Y("recognises:Q", title=y_title, scale=y_scale)
    points = base.mark_point(filled=True, size=60, opacity=1).encode(y=y, shape=shape)
    names = base.mark_text(align="left", dx=6, fontSize=10).encode(y=y, text="label:N")
    return cast("alt.LayerChart", alt.layer(spans, points, names)).properties(
        width=WIDTH, height=WIDTH * 3 // 4
    )


def _tell(table: pl.DataFrame, column: str, title: str) -> str:
    rows = table.sort(column, "label").select("label", column, "recognises").rows()
    (first, least, few), (last, most, many) = rows[0], rows[-1]
    return (
        f"Recognising filters against {title}, {plural(len(rows), 'network')}: {first} has {few:,} "
        f"at {number(least)}, {last} {many:,} at {number(most)}."
    )
