"""Figures of the second rung and the third: what padding causes, and who recognises it."""

from __future__ import annotations

import altair as alt
import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.evidence import CANDIDATE, CONFIRMED, KINDS, RECOGNISED, STRONG
from padscope.evidence import GREY as GREY_CUT
from padscope.figures.marks import (
    WIDTH,
    Chart,
    above,
    coloured,
    data,
    explanation_of,
    named,
    order,
    share_axis,
)
from padscope.figures.theme import BLUE, GREEN, GREY, INK, MUTED, ORANGE, SKY
from padscope.findings.kinds import TITLES
from padscope.findings.recognition import NETWORKS
from padscope.study import GIVEN, Study

SQUARES = 50  # per axis: the cuts lie between two of them
ORIGIN_COLOURS = {"nascent": BLUE, "both": GREEN, "inherited": ORANGE, "neither": GREY}
LEAST_RECALL = 0.05  # below it a filter fires at the border hardly more than elsewhere
NETWORK_COLOURS = {
    GIVEN: BLUE, "fresh weights": GREY, "matched kernels": GREEN, "weights shuffled": ORANGE,
    "given, statistics re-estimated": SKY, "given, without shifts": INK,
}  # fmt: skip
DECILES = ("least", "tenth", "upper", "median", "lower", "ninetieth", "most")
PLACES = (0, 1, 3, 5, 7, 9, 10)  # of the deciles that are drawn


def ladder(study: Study) -> Chart:
    """Share of filters on each rung, in the network and its baselines."""
    rungs = {
        "candidates_share": f"respond: KS ≥ {CANDIDATE}", "strong_share": f"KS ≥ {STRONG}",
        "recalled_share": f"border recall ≥ {RECOGNISED}",
    }  # fmt: skip
    table = (
        explanation_of(study)
        .baselines.unpivot(list(rungs), index="network", variable_name="rung", value_name="share")
        .with_columns(pl.col("rung").replace_strict(rungs))
    )
    own = alt.condition(f"datum.network == '{GIVEN}'", alt.value(BLUE), alt.value(GREY))
    bars = data(table).mark_bar().encode(
        x=share_axis("share", "share of measured filters"),
        y=alt.Y("network:N", title=None, sort=order(table, "network")),
        color=own,
    )  # fmt: skip
    rows = alt.Row("rung:N", title=None, sort=list(rungs.values()), header=above())
    drawn: Chart = bars.properties(width=WIDTH).facet(row=rows)
    return drawn


def _networks(study: Study) -> pl.DataFrame:
    """Sites of all networks, those of one kind under one name."""
    kinds = {GIVEN: GIVEN} | NETWORKS
    return explanation_of(study).networks.with_columns(
        kind=pl.col("network").str.split(" ").list.first().replace_strict(kinds, default="network"),
        measured=pl.col("filters") - pl.col("unmeasured"),
    )


def recall(study: Study) -> Chart:
    """Count the filters whose border recall reaches a value, in the network and its baselines."""
    table = (
        _networks(study)
        .select("network", "kind", pl.col("recall"))
        .explode("recall")
        .drop_nulls("recall")
        .filter(pl.col("recall") >= LEAST_RECALL)
        .sort("network", "recall", maintain_order=True)
        .with_columns(filters=pl.len().over("network") - pl.int_range(pl.len()).over("network"))
    )
    if table.is_empty():
        raise PadscopeError(f"no filter has a border recall of {LEAST_RECALL} or more")
    known = {word: NETWORK_COLOURS[word] for word in order(table, "kind")}
    drawn: Chart = data(table).mark_line(interpolate="step-after", strokeWidth=1.5).encode(
        x=alt.X("recall:Q", title="border recall", scale=alt.Scale(domain=[LEAST_RECALL, 1])),
        y=alt.Y(
            "filters:Q", title="filters with that recall or more", scale=alt.Scale(type="log")
        ),
        color=coloured("kind", known),
        detail="network:N",
    ).properties(width=WIDTH, height=WIDTH // 2)  # fmt: skip
    return drawn


def baselines(study: Study) -> Chart:
    """Share of filters that recall the border by site, in the network and its baselines."""
    table = named(
        _networks(study)
        .filter(pl.col("measured") > 0)
        .select("site", "network", "kind", share=pl.col("recalled") / pl.col("measured"))
    )
    if table.is_empty():
        raise PadscopeError("no filter could be measured")
    base = data(table)
    x = share_axis("share", f"share of measured filters with border recall ≥ {RECOGNISED}")
    y = alt.Y("site:N", title=None, sort=order(table))
    known = {word: NETWORK_COLOURS[word] for word in order(table, "kind")}
    colour = coloured("kind", known)
    bars = base.transform_filter(f"datum.kind == '{GIVEN}'").mark_bar().encode(
        x=x, y=y, color=colour
    )  # fmt: skip
    ticks = base.transform_filter(f"datum.kind != '{GIVEN}'").mark_tick(thickness=3).encode(
        x=x, y=y, color=colour
    )  # fmt: skip
    return alt.layer(bars, ticks).properties(width=WIDTH)


def scores(study: Study) -> Chart:
    """Deciles of the KS of all filters by site, beside those of fresh networks."""
    networks = _networks(study).filter(
        pl.col("kind").is_in([GIVEN, "fresh weights"]) & (pl.col("response_deciles").list.len() > 0)
    )
    table = named(
        networks.group_by("site", "kind", maintain_order=True).agg(
            pl.col("response_deciles").list.get(place).mean().alias(name)
            for name, place in zip(DECILES, PLACES, strict=True)
        )
    )
    if table.is_empty():
        raise PadscopeError("no filter could be measured")
    base = data(table)
    y = alt.Y("site:N", title=None, sort=order(table))
    offset = alt.YOffset("kind:N", sort=[GIVEN, "fresh weights"])
    colour = coloured("kind", {k: NETWORK_COLOURS[k] for k in order(table, "kind")})
    title = "KS: all filters, the middle 80 %, the middle 40 %, the median"

    def span(low: str, high: str, width: int, opacity: float) -> alt.Chart:
        x = alt.X(f"{low}:Q", title=title, scale=alt.Scale(domain=[0, 1]))
        drawn: alt.Chart = base.mark_rule(strokeWidth=width, opacity=opacity).encode(
            x=x, x2=f"{high}:Q", y=y, yOffset=offset, color=colour
        )
        return drawn

    median = base.mark_tick(color=INK, thickness=2, height=9).encode(
        x=alt.X("median:Q", title=title), y=y, yOffset=offset
    )
    spans = [
        span("least", "most", 2, 0.4), span("tenth", "ninetieth", 5, 0.5),
        span("upper", "lower", 8, 0.9),
    ]  # fmt: skip
    return alt.layer(*spans, median).properties(width=WIDTH, height=alt.Step(14))


def kinds(study: Study) -> Chart:
    """Count confirmed filters by kind and sign."""
    explanation_of(study)
    found = study.filters.filter((pl.col("label") == "confirmed") & pl.col("kind").is_not_null())
    table = found.with_columns(pl.col("sign").fill_null("not told"))
    table = table.group_by("kind", "sign").len("filters").sort("kind", "sign")
    present = [kind for kind in KINDS if kind in set(table["kind"])]
    table = table.with_columns(pl.col("kind").replace(TITLES))
    signs = sorted(table["sign"].unique())
    bars = data(table).mark_bar().encode(
        x=alt.X("filters:Q", title="confirmed filters"),
        y=alt.Y("kind:N", title=None, sort=[TITLES.get(kind, kind) for kind in present]),
        color=coloured("sign", signs, "at the border"),
    )  # fmt: skip
    drawn: Chart = bars.properties(width=WIDTH)
    return drawn


def origins(study: Study) -> Chart:
    """Count confirmed filters by site and origin."""
    explanation_of(study)
    found = study.filters.filter((pl.col("label") == "confirmed") & pl.col("origin").is_not_null())
    table = named(found.group_by("site", "origin", maintain_order=True).len("filters"))
    bars = data(table.sort("site", "origin", maintain_order=True)).mark_bar().encode(
        x=alt.X("filters:Q", title="confirmed filters"),
        y=alt.Y("site:N", title=None, sort=order(table)),
        color=coloured("origin", ORIGIN_COLOURS, "origin"),
    )  # fmt: skip
    drawn: Chart = bars.properties(width=WIDTH)
    return drawn


def scatter(study: Study) -> Chart:
    """Causal against observational KS of every filter and side, counted in squares."""
    explanation_of(study)
    measured = study.sides.drop_nulls(["ks", "causal_ks"])
    squares = measured.select(
        ((pl.col(name) * SQUARES).floor().clip(0, SQUARES - 1) / SQUARES).alias(name)
        for name in ("ks", "causal_ks")
    )
    counts = squares.group_by("ks", "causal_ks", maintain_order=True).len("filters")
    if counts.is_empty():
        raise PadscopeError("no filter could be measured both ways")
    table = counts.sort("ks", "causal_ks").with_columns(
        (pl.col(name) + 1 / SQUARES).alias(f"{name}_end") for name in ("ks", "causal_ks")
    )
    whole = alt.Scale(domain=[0, 1])
    cells = data(table).mark_rect(color=BLUE).encode(
        x=alt.X("ks:Q", title="KS: border against core", scale=whole),
        x2="ks_end:Q",
        y=alt.Y("causal_ks:Q", title="causal KS: padding against real surroundings", scale=whole),
        y2="causal_ks_end:Q",
        opacity=alt.Opacity(
            "filters:Q", title="filter-sides",
            scale=alt.Scale(type="log", domain=[1, max(10, *table["filters"].to_list())],
                            range=[0.25, 1]),
            legend=alt.Legend(values=[1, 10, 100, 1000], symbolFillColor=BLUE, symbolStrokeWidth=0),
        ),
    )  # fmt: skip
    lines = alt.layer(
        data(pl.DataFrame({"x": [CANDIDATE]}))
        .mark_rule(color=MUTED, strokeDash=[4, 3])
        .encode(x="x:Q"),
        data(pl.DataFrame({"y": [GREY_CUT, CONFIRMED]}))
        .mark_rule(color=MUTED, strokeDash=[4, 3])
        .encode(y="y:Q"),
    )
    words = f"{plural(measured.height, 'filter-side')} that could be measured both ways"
    drawn = alt.layer(cells, lines).properties(width=WIDTH * 3 // 4, height=WIDTH * 3 // 4)
    return drawn.properties(title=words)
