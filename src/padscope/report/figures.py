"""Figures that stand alone, as SVG and PNG: for a paper, a slide, or a page of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from padscope.errors import PadscopeError
from padscope.kinds import CANDIDATE, CONFIRMED, STRONG
from padscope.report.charts import side_shares
from padscope.report.words import shorten, visible
from padscope.study import Study
from padscope.study.impacted import ANSWER_MEASURE, UNITS

# Okabe and Ito's colours, which are told apart with any colour vision.
BLUE, SKY, ORANGE, GREEN, GREY = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#999999"
WIDTH = 560  # pixels of a plot; print sizes follow from it
SCALE = 3  # pixels of the PNG for each of the SVG: 288 to the inch at the SVG's size
MOST = 3000  # points of a scatter plot
EXPLAIN = "it takes an explanation; run padscope explain first"
IMPACT = "it takes an impact; run padscope impact first"
Chart = alt.Chart | alt.LayerChart | alt.FacetChart


def _data(table: pl.DataFrame) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=table.to_dicts()))


def _named(table: pl.DataFrame, column: str = "site") -> pl.DataFrame:
    """Shorten names, and show every character of them."""
    names = [shorten(visible(name), 40) for name in table[column]]
    return table.with_columns(pl.Series(column, names))


def _order(table: pl.DataFrame, column: str = "site") -> list[str]:
    return table[column].unique(maintain_order=True).to_list()


def _depth(study: Study) -> Chart:
    shares = _named(side_shares(study).select("site", "side", "candidate", "strong"))
    long = shares.unpivot(
        ["candidate", "strong"], index=["site", "side"], variable_name="cut", value_name="share"
    )
    base = _data(long).mark_bar().encode(
        x=alt.X("share:Q", title="share of filters", axis=alt.Axis(format="%"), stack=None),
        y=alt.Y("site:N", title=None, sort=_order(shares)),
        color=alt.Color(
            "cut:N", title=None, scale=alt.Scale(domain=["candidate", "strong"], range=[SKY, BLUE]),
            legend=alt.Legend(
                labelExpr=f"datum.label == 'strong' ? 'KS ≥ {STRONG}' : 'KS ≥ {CANDIDATE}'"
            ),
        ),
    )  # fmt: skip
    sides = _order(shares, "side")
    drawn: Chart = base.properties(width=WIDTH // len(sides)).facet(
        column=alt.Column("side:N", title=None, sort=sides)
    )
    return drawn


def _ladder(study: Study) -> Chart:
    if study.explanation is None:
        raise PadscopeError(EXPLAIN)
    rungs = {
        "candidates_share": f"respond: KS ≥ {CANDIDATE}", "strong_share": f"KS ≥ {STRONG}",
        "confirmed_share": f"because of padding: causal KS ≥ {CONFIRMED}",
    }  # fmt: skip
    table = study.explanation.baselines.unpivot(
        list(rungs), index="network", variable_name="rung", value_name="share"
    ).with_columns(pl.col("rung").replace_strict(rungs))
    trained = alt.condition("datum.network == 'trained'", alt.value(BLUE), alt.value(GREY))
    bars = _data(table).mark_bar().encode(
        x=alt.X("share:Q", title="share of measured filters", axis=alt.Axis(format="%")),
        y=alt.Y("network:N", title=None, sort=_order(table, "network")),
        color=trained,
    )  # fmt: skip
    rows = alt.Row("rung:N", title=None, sort=list(rungs.values()), header=_above())
    drawn: Chart = bars.properties(width=WIDTH).facet(row=rows)
    return drawn


def _above() -> alt.Header:
    return alt.Header(labelOrient="top", labelAnchor="start", labelAngle=0)


def _counted(study: Study, column: str, title: str) -> Chart:
    if study.explanation is None:
        raise PadscopeError(EXPLAIN)
    found = study.filters.filter((pl.col("label") == "confirmed") & pl.col(column).is_not_null())
    table = found.group_by(column).len("filters").sort("filters", column, descending=[True, False])
    bars = _data(table).mark_bar(color=BLUE).encode(
        x=alt.X("filters:Q", title="confirmed filters"),
        y=alt.Y(f"{column}:N", title=title, sort=_order(table, column)),
    )  # fmt: skip
    drawn: Chart = bars.properties(width=WIDTH)
    return drawn


def _kinds(study: Study) -> Chart:
    return _counted(study, "kind", "kind")


def _origins(study: Study) -> Chart:
    if study.explanation is None:
        raise PadscopeError(EXPLAIN)
    found = study.filters.filter((pl.col("label") == "confirmed") & pl.col("origin").is_not_null())
    table = _named(found.group_by("site", "origin", maintain_order=True).len("filters"))
    origins = ["nascent", "both", "inherited", "neither"]
    bars = _data(table.sort("site", "origin", maintain_order=True)).mark_bar().encode(
        x=alt.X("filters:Q", title="confirmed filters"),
        y=alt.Y("site:N", title=None, sort=_order(table)),
        color=alt.Color(
            "origin:N", title="origin",
            scale=alt.Scale(domain=origins, range=[BLUE, GREEN, ORANGE, GREY]),
        ),
    )  # fmt: skip
    drawn: Chart = bars.properties(width=WIDTH)
    return drawn


def _scatter(study: Study) -> Chart:
    if study.explanation is None:
        raise PadscopeError(EXPLAIN)
    table = study.filters.select("ks", "causal_ks", "label").drop_nulls(["ks", "causal_ks"])
    table = table.sample(min(MOST, table.height), seed=0)
    labels = ["confirmed", "grey", "rejected", "quiet"]
    points = _data(table).mark_point(filled=True, size=14, opacity=0.5).encode(
        x=alt.X("ks:Q", title="KS: border against core", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y(
            "causal_ks:Q", title="causal KS: padding against real surroundings",
            scale=alt.Scale(domain=[0, 1]),
        ),
        color=alt.Color(
            "label:N", title="label",
            scale=alt.Scale(domain=labels, range=[BLUE, SKY, ORANGE, GREY]),
        ),
    )  # fmt: skip
    drawn: Chart = points.properties(width=WIDTH, height=WIDTH)
    return drawn


def _effects(study: Study) -> Chart:
    impact = study.impact
    if impact is None:
        raise PadscopeError(IMPACT)
    measure, change = ANSWER_MEASURE[impact.answer], f"refill {impact.fill}"
    rows = impact.effects
    if rows.width:  # a run in which nothing could be measured has no columns
        rows = rows.filter((pl.col("measure") == measure) & (pl.col("change") == change))
    if rows.is_empty():
        raise PadscopeError("no effect was measured")
    title = f"change of the answer, {UNITS[impact.answer]}"
    base = _data(rows.select("set", "effect", "low", "high", "control"))
    y: Any = alt.Y("set:N", title=None, sort=_order(rows, "set"))
    bars = base.mark_rule(color=BLUE, strokeWidth=2).encode(
        x=alt.X("low:Q", title=title), x2="high:Q", y=y
    )
    effect = base.mark_point(color=BLUE, filled=True, size=60).encode(
        x=alt.X("effect:Q", title=title), y=y
    )
    control = base.mark_tick(color=ORANGE, thickness=3, height=14).encode(
        x=alt.X("control:Q", title=title), y=y
    )
    words = f"Blue: refilled ({impact.fill}), 95 % over images. Orange: matched control draws."
    return alt.layer(bars, control, effect).properties(width=WIDTH, title=words)


FIGURES: Mapping[str, Callable[[Study], Chart]] = {
    "depth": _depth, "ladder": _ladder, "kinds": _kinds, "origins": _origins,
    "scatter": _scatter, "effects": _effects,
}  # fmt: skip


def figure_spec(study: Study, name: str) -> dict[str, Any]:
    """Describe one figure in Vega-Lite, with its numbers.

    Parameters
    ----------
    study : Study
    name : str
        One of `FIGURES`.

    Raises
    ------
    PadscopeError
        There is no such figure, or the study lacks what it shows.
    """
    if name not in FIGURES:
        raise PadscopeError(f"no figure {name!r}; choose from {', '.join(FIGURES)}")
    try:
        chart = FIGURES[name](study)
    except PadscopeError as error:
        raise PadscopeError(f"figure {name} cannot be drawn: {error}") from error
    fonts = {"labelFontSize": 12, "titleFontSize": 13, "labelLimit": 320}
    spec: dict[str, Any] = (
        chart.configure(background="white", font="DejaVu Sans, Arial, sans-serif", padding=8)
        .configure_axis(**fonts, titleFontWeight="normal")
        .configure_legend(**fonts, symbolOpacity=1)
        .configure_header(labelFontSize=13, labelFontWeight="bold")
        .configure_title(fontSize=13, fontWeight="normal", anchor="start")
        .to_dict()
    )
    return spec


def render_figure(study: Study, name: str) -> dict[str, bytes]:
    """Draw one figure.

    Returns
    -------
    dict
        File name → content: an SVG, and the same as a PNG of three times as many pixels. The same
        study gives the same bytes.

    Raises
    ------
    PadscopeError
        As of `figure_spec`.
    """
    spec = figure_spec(study, name)
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    png = vl_convert.vegalite_to_png(spec, scale=SCALE, allowed_base_urls=[])
    return {f"{name}.svg": svg.encode(), f"{name}.png": png}


def render_figures(study: Study) -> dict[str, bytes]:
    """Draw every figure that the study has the numbers for, as `render_figure` does one."""
    files: dict[str, bytes] = {}
    for name in FIGURES:
        try:
            files |= render_figure(study, name)
        except PadscopeError:  # of a rung that has not been climbed
            continue
    return files
