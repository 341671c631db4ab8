"""Figures of the second rung and the third: what padding causes, and who recognises it."""

from __future__ import annotations

import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.evidence import CANDIDATE, CONFIRMED, KINDS, RECOGNISED, STRONG
from padscope.evidence import GREY as GREY_CUT
from padscope.figures import vega as vl
from padscope.figures.marks import WIDTH, explanation_of, named, order
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
DECILES = {"least": 0, "tenth": 1, "upper": 3, "median": 5, "lower": 7, "ninetieth": 9, "most": 10}


def ladder(study: Study) -> vl.Spec:
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
    own = {"condition": {"test": f"datum.network == '{GIVEN}'", "value": BLUE}, "value": GREY}
    x, y = (
        vl.share("share", "share of measured filters"),
        vl.category("network", order(table, "network")),
    )
    row = vl.category("rung", [*rungs.values()]) | {"header": vl.ABOVE}
    return vl.data(table) | {
        "facet": {"row": row}, "spec": vl.mark("bar", x=x, y=y, color=own) | {"width": WIDTH}
    }  # fmt: skip


def _networks(study: Study) -> pl.DataFrame:
    """Sites of all networks, those of one kind under one name."""
    kinds = {GIVEN: GIVEN} | NETWORKS
    return explanation_of(study).networks.with_columns(
        kind=pl.col("network").str.split(" ").list.first().replace_strict(kinds, default="network"),
        measured=pl.col("filters") - pl.col("unmeasured"),
    )


def _by_network(table: pl.DataFrame) -> vl.Spec:
    return vl.coloured("kind", {word: NETWORK_COLOURS[word] for word in order(table, "kind")})


def recall(study: Study) -> vl.Spec:
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
    line = vl.mark(
        "line", {"interpolate": "step-after", "strokeWidth": 1.5},
        x=vl.quantity("recall", "border recall", scale={"domain": [LEAST_RECALL, 1]}),
        y=vl.quantity("filters", "filters with that recall or more", scale={"type": "log"}),
        color=_by_network(table), detail=vl.nominal("network"),
    )  # fmt: skip
    return vl.data(table) | line | {"width": WIDTH, "height": WIDTH // 2}


def baselines(study: Study) -> vl.Spec:
    """Share of filters that recall the border by site, in the network and its baselines."""
    table = named(
        _networks(study)
        .filter(pl.col("measured") > 0)
        .select("site", "network", "kind", share=pl.col("recalled") / pl.col("measured"))
    )
    if table.is_empty():
        raise PadscopeError("no filter could be measured")
    x = vl.share("share", f"share of measured filters with border recall ≥ {RECOGNISED}")
    channels = {"x": x, "y": vl.category("site", order(table)), "color": _by_network(table)}
    layers = [
        {"transform": [{"filter": f"datum.kind {sign} '{GIVEN}'"}]} | vl.mark(*drawn, **channels)
        for sign, *drawn in (("==", "bar"), ("!=", "tick", {"thickness": 3}))
    ]
    return vl.data(table) | {"layer": layers, "width": WIDTH}


def scores(study: Study) -> vl.Spec:
    """Deciles of the KS of all filters by site, beside those of fresh networks."""
    networks = _networks(study).filter(
        pl.col("kind").is_in([GIVEN, "fresh weights"]) & (pl.col("response_deciles").list.len() > 0)
    )
    table = named(
        networks.group_by("site", "kind", maintain_order=True).agg(
            pl.col("response_deciles").list.get(place).mean().alias(name)
            for name, place in DECILES.items()
        )
    )
    if table.is_empty():
        raise PadscopeError("no filter could be measured")
    y = vl.category("site", order(table))
    offset = vl.nominal("kind", sort=[GIVEN, "fresh weights"])
    colour = _by_network(table)
    title = "KS: all filters, the middle 80 %, the middle 40 %, the median"

    def span(low: str, high: str, width: int, opacity: float) -> vl.Spec:
        x = vl.quantity(low, title, scale={"domain": [0, 1]})
        options, x2 = {"strokeWidth": width, "opacity": opacity}, {"field": high}
        return vl.mark("rule", options, x=x, x2=x2, y=y, yOffset=offset, color=colour)

    ticks = {"color": INK, "thickness": 2, "height": 9}
    layers = [
        span("least", "most", 2, 0.4), span("tenth", "ninetieth", 5, 0.5),
        span("upper", "lower", 8, 0.9),
        vl.mark("tick", ticks, x=vl.quantity("median", title), y=y, yOffset=offset),
    ]  # fmt: skip
    return vl.data(table) | {"layer": layers, "width": WIDTH, "height": {"step": 14}}


def _confirmed(study: Study, column: str) -> pl.DataFrame:
    explanation_of(study)
    return study.filters.filter((pl.col("label") == "confirmed") & pl.col(column).is_not_null())


def _counted(table: pl.DataFrame, y: vl.Spec, colour: vl.Spec) -> vl.Spec:
    bars = vl.mark("bar", x=vl.quantity("filters", "confirmed filters"), y=y, color=colour)
    return vl.data(table) | bars | {"width": WIDTH}


def kinds(study: Study) -> vl.Spec:
    """Count confirmed filters by kind and sign."""
    table = _confirmed(study, "kind").with_columns(pl.col("sign").fill_null("not told"))
    table = table.group_by("kind", "sign").len("filters").sort("kind", "sign")
    present = [TITLES.get(kind, kind) for kind in KINDS if kind in set(table["kind"])]
    table = table.with_columns(pl.col("kind").replace(TITLES))
    colour = vl.coloured("sign", sorted(table["sign"].unique()), "at the border")
    return _counted(table, vl.category("kind", present), colour)


def origins(study: Study) -> vl.Spec:
    """Count confirmed filters by site and origin."""
    found = _confirmed(study, "origin")
    table = named(found.group_by("site", "origin", maintain_order=True).len("filters"))
    return _counted(
        table.sort("site", "origin", maintain_order=True), vl.category("site", order(table)),
        vl.coloured("origin", ORIGIN_COLOURS, "origin"),
    )  # fmt: skip


def scatter(study: Study) -> vl.Spec:
    """Causal against observational KS of every filter and side, counted in squares."""
    explanation_of(study)
    known = study.sides.drop_nulls(["ks", "causal_ks"])
    squares = known.select(
        ((pl.col(name) * SQUARES).floor().clip(0, SQUARES - 1) / SQUARES).alias(name)
        for name in ("ks", "causal_ks")
    )
    counts = squares.group_by("ks", "causal_ks", maintain_order=True).len("filters")
    if counts.is_empty():
        raise PadscopeError("no filter could be measured both ways")
    table = counts.sort("ks", "causal_ks").with_columns(
        (pl.col(name) + 1 / SQUARES).alias(f"{name}_end") for name in ("ks", "causal_ks")
    )
    whole = {"domain": [0, 1]}
    most = max(10, *table["filters"].to_list())
    opacity = vl.quantity(
        "filters", "filter-sides",
        scale={"type": "log", "domain": [1, most], "range": [0.25, 1]},
        legend={"values": [1, 10, 100, 1000], "symbolFillColor": BLUE, "symbolStrokeWidth": 0},
    )  # fmt: skip
    cells = vl.mark(
        "rect", {"color": BLUE},
        x=vl.quantity("ks", "KS: border against core", scale=whole), x2={"field": "ks_end"},
        y=vl.quantity("causal_ks", "causal KS: padding against real surroundings", scale=whole),
        y2={"field": "causal_ks_end"}, opacity=opacity,
    )  # fmt: skip
    dashed = {"color": MUTED, "strokeDash": [4, 3]}
    lines = [
        vl.rules([CANDIDATE], dashed, x=vl.quantity("x")),
        vl.rules([GREY_CUT, CONFIRMED], dashed, y=vl.quantity("y")),
    ]
    title = f"{plural(known.height, 'filter-side')} that could be measured both ways"
    size = {"width": WIDTH * 3 // 4, "height": WIDTH * 3 // 4}
    return {"layer": [vl.data(table) | cells, {"layer": lines}], "title": title} | size
