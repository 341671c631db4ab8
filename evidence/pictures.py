"""The pictures of the method's page, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from evidence.measured import Measured
from evidence.wording import by_map, explanation, with_map
from padscope.evidence import CANDIDATE, CONFIRMED, GREY

CELL = 0.05  # of the squares in which filter-sides are counted
STRONG_BLUE, BLUE, GRAY, RED = "#08519c", "#3182bd", "#bdbdbd", "#c0392b"
MEASURES = {
    "candidates": "candidates (KS ≥ .5)",
    "strong": "strong (KS ≥ .8)",
    "recalled": "recognising (recall ≥ .5)",
}


def response_and_cause(measured: Sequence[Measured]) -> str:
    """Draw the causal against the observational KS of the first network, by map size."""
    entry = measured[0]
    sides = with_map(entry.first.sides, entry.first).drop_nulls(["ks", "causal_ks"])
    panels: list[Any] = []
    for size, group in by_map(sides):
        cell = [
            (pl.col(name) / CELL).floor().clip(0, 1 / CELL - 1) * CELL
            for name in ("ks", "causal_ks")
        ]
        cells = group.select(cell).group_by("ks", "causal_ks").len("sides").sort(pl.all())
        cells = cells.with_columns(
            ks_end=pl.col("ks") + CELL, causal_end=pl.col("causal_ks") + CELL
        ).with_columns(pl.selectors.float().round(3))
        panels.append(_squares(cells, f"maps {size}: {group.height:,} filter-sides"))
    return _svg(alt.hconcat(*panels, spacing=28).resolve_scale(color="shared"))


def _squares(cells: pl.DataFrame, title: str) -> Any:
    chart = alt.Chart(alt.InlineData(values=cells.to_dicts()))
    scale = alt.Scale(domain=[0, 1], nice=False)
    squares = chart.mark_rect().encode(
        x=alt.X("ks:Q", title="KS: border against core", scale=scale),
        x2="ks_end:Q",
        y=alt.Y("causal_ks:Q", title="causal KS: padded against real", scale=scale),
        y2="causal_end:Q",
        color=alt.Color(
            "sides:Q", title="filter-sides", scale=alt.Scale(type="log", scheme="blues")
        ),
    )
    rule = alt.Chart(alt.InlineData(values=[{}])).mark_rule(strokeDash=[3, 3], color=RED)
    cuts = [rule.encode(y=alt.datum(cut)) for cut in (GREY, CONFIRMED)]
    return alt.layer(squares, *cuts, rule.encode(x=alt.datum(CANDIDATE))).properties(
        width=290, height=290, title=title
    )


def baselines(measured: Sequence[Measured]) -> str:
    """Draw the shares of filters of every network beside its baselines."""
    rows: list[Any] = []
    for entry in measured:
        table = explanation(entry.first).baselines
        names = table["network"].to_list()
        values = table.with_columns(given=pl.col("network") == "given").to_dicts()
        panels = [_bars(values, names, entry.network.name, measure) for measure in MEASURES]
        rows.append(alt.hconcat(*panels, spacing=16))
    return _svg(alt.vconcat(*rows, spacing=18))


def _bars(values: list[dict[str, Any]], names: list[str], network: str, measure: str) -> Any:
    first = measure == next(iter(MEASURES))
    y = alt.Y("network:N", sort=names, title=network if first else None)
    if not first:
        y = y.axis(None)
    x = alt.X(
        f"{measure}_share:Q",
        title=MEASURES[measure],
        axis=alt.Axis(format="%", tickCount=4),
        scale=alt.Scale(domainMin=0),
    )
    colour = alt.condition("datum.given", alt.value(STRONG_BLUE), alt.value(GRAY))
    chart = alt.Chart(alt.InlineData(values=values)).mark_bar().encode(x=x, y=y, color=colour)
    return chart.properties(width=170, height=alt.Step(15))


def margin(measured: Sequence[Measured]) -> str:
    """Draw what doubling the margin changes, site by site."""
    panels: list[Any] = []
    for entry in measured:
        sites = with_map(entry.first.sites, entry.first).drop_nulls("margin_change")
        if sites.height and sites["margin_change"].to_numpy().max() > 0.005:
            chosen = sites.with_row_index("row", offset=1).select("row", "map", "margin_change")
            panels.append(_points(chosen.to_dicts(), entry.network.name))
    return _svg(alt.hconcat(*panels, spacing=28).resolve_scale(y="shared", color="independent"))


def _points(values: list[dict[str, Any]], title: str) -> Any:
    chart = alt.Chart(alt.InlineData(values=values)).mark_point(filled=True, size=46)
    sizes = sorted({value["map"] for value in values}, reverse=True)
    shades = ["#9ecae1", "#6baed6", BLUE, STRONG_BLUE, RED]
    colour = alt.Scale(domain=sizes, range=shades[-len(sizes) :])
    return chart.encode(
        x=alt.X("row:Q", title="padded site, in the order of the forward pass"),
        y=alt.Y("margin_change:Q", title="mean change of a causal KS"),
        color=alt.Color("map:N", title="map", scale=colour, sort=sizes),
    ).properties(width=290, height=200, title=title)


def _svg(chart: alt.HConcatChart | alt.VConcatChart) -> str:
    whole = chart.properties(background="white", padding=8).configure(aria=False)
    whole = whole.configure_view(stroke=None)
    svg: str = vl_convert.vegalite_to_svg(whole.to_dict(), allowed_base_urls=[])
    return svg


PICTURES: dict[str, Callable[[Sequence[Measured]], str]] = {
    "response-and-cause.svg": response_and_cause,
    "baselines.svg": baselines,
    "margin.svg": margin,
}
