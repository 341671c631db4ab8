"""Figures of a survey: recognising filters against what the networks are."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from padscope.counts import plural
from padscope.figures import vega as vl
from padscope.figures.marks import WIDTH, named
from padscope.figures.theme import BORDER, GREY
from padscope.findings.words import number

AGAINST = {
    "sites": "depth: scored sites", "parameters": "parameters", "year": "year of publication",
    "accuracy": "top-1 as published (%)",
}  # fmt: skip
LOGARITHMIC = ("sites", "parameters")
COLOURS = {"trained": BORDER, "random weights": GREY}


def against(table: pl.DataFrame) -> Iterator[tuple[vl.Spec, str]]:
    """Draw the recognising filters of every network against its depth, size, year and accuracy.

    Parameters
    ----------
    table : polars.DataFrame
        See `padscope.tables.schema.SURVEY`.

    Yields
    ------
    chart : dict
        One for every property that two networks or more differ in.
    told : str
        What it shows, in words.
    """
    random = pl.col("weights") == "random"
    known = named(table.filter(pl.col("recognises").is_not_null()), "name").with_columns(
        kind=pl.when(random).then(pl.lit("random weights")).otherwise(pl.lit("trained")),
        low=pl.coalesce("recognises_low", "recognises"),
        high=pl.coalesce("recognises_high", "recognises"),
    )
    for column, title in AGAINST.items():
        here = known.drop_nulls(column)
        if here[column].n_unique() > 1:
            yield _scatter(here, column, title), _tell(here, column, title)


def _scatter(table: pl.DataFrame, column: str, title: str) -> vl.Spec:
    scale = {"type": "log" if column in LOGARITHMIC else "linear", "zero": False, "nice": True}
    axis = {"format": "d" if column == "year" else "~s", "tickCount": 6}
    x = vl.quantity(column, title, scale=scale, axis=axis)
    y = vl.quantity(
        "recognises", "filters that recognise the border; line: what images leave open",
        scale={"type": "symlog", "constant": 10},  # some have none
    )  # fmt: skip
    colour = vl.coloured("kind", COLOURS)
    shape = vl.nominal("kind", title=None, scale={"domain": [*COLOURS]})
    low, high = y | {"field": "low"}, {"field": "high"}
    beside = {"align": "left", "dx": 6, "fontSize": 10}
    layers = [
        vl.mark("rule", {"strokeWidth": 1}, x=x, y=low, y2=high, color=colour),
        vl.mark("point", vl.POINTS, x=x, y=y, color=colour, shape=shape),
        vl.mark("text", beside, x=x, y=y, color=colour, text=vl.nominal("name")),
    ]
    drawn = vl.data(table.select("name", "kind", column, "recognises", "low", "high"))
    return drawn | {"layer": layers, "width": WIDTH, "height": WIDTH * 3 // 4}


def _tell(table: pl.DataFrame, column: str, title: str) -> str:
    rows = table.sort(column, "name").select("name", column, "recognises").rows()
    (first, least, few), (last, most, many) = rows[0], rows[-1]
    return (
        f"Recognising filters against {title}, {plural(len(rows), 'network')}: {first} has {few:,} "
        f"at {number(least)}, {last} {many:,} at {number(most)}."
    )
