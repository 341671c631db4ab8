"""Figures of the first rung, along the depth of the network."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from padscope.errors import PadscopeError
from padscope.kinds import CANDIDATE, KINDS, STRONG
from padscope.regions import sides_of
from padscope.report.charts import side_shares
from padscope.report.figures.marks import (
    BLUE,
    SKY,
    WIDTH,
    Chart,
    coloured,
    data,
    named,
    order,
    share_axis,
)
from padscope.report.gallery_choice import strongest_side
from padscope.report.kinds import TITLES
from padscope.report.origins import ORIGINS
from padscope.study import Study


def depth(study: Study) -> Chart:
    """Share of filters that respond, by site and side."""
    shares = named(side_shares(study).select("site", "side", "candidate", "strong"))
    if shares.is_empty():
        raise PadscopeError("no site was scored")
    long = shares.unpivot(
        ["candidate", "strong"], index=["site", "side"], variable_name="cut", value_name="share"
    )
    base = data(long).mark_bar().encode(
        x=alt.X("share:Q", title="share of filters", axis=alt.Axis(format="%"), stack=None),
        y=alt.Y("site:N", title=None, sort=order(shares)),
        color=alt.Color(
            "cut:N", title=None, scale=alt.Scale(domain=["candidate", "strong"], range=[SKY, BLUE]),
            legend=alt.Legend(
                labelExpr=f"datum.label == 'strong' ? 'KS ≥ {STRONG}' : 'KS ≥ {CANDIDATE}'"
            ),
        ),
    )  # fmt: skip
    sides = order(shares, "side")
    drawn: Chart = base.properties(width=WIDTH // len(sides)).facet(
        column=alt.Column("side:N", title=None, sort=sides)
    )
    return drawn


def overview(study: Study) -> Chart:
    """Share of each site's filters that are confirmed, or respond, by side, kind and origin."""
    explained = study.explanation is not None
    counted = pl.col("label") == "confirmed" if explained else pl.col("ks") >= CANDIDATE
    found = study.filters.filter(counted)
    if found.is_empty():
        raise PadscopeError("no filter responds" if not explained else "no filter is confirmed")
    totals = study.filters.group_by("site", maintain_order=True).agg(
        measured=pl.col("ks").is_not_null().sum()
    )
    columns: dict[str, tuple[str, list[str]]] = {
        "side": (strongest_side(study), [side.name for side in sides_of(3)])
    }
    if explained:
        columns |= {"kind": ("kind", list(KINDS)), "origin": ("origin", list(ORIGINS))}
    rows: list[alt.Chart] = []
    for by, (column, words) in columns.items():
        known = found.drop_nulls(column)
        counts = known.group_by("site", word=column, maintain_order=True).len("filters")
        counts = counts.sort("word")  # joined in the order of the sites, then of the words
        table = (
            totals.join(counts, on="site", how="left", maintain_order="left_right")
            .with_columns(share=pl.col("filters").fill_null(0) / pl.col("measured"))
            .with_columns(
                pl.col("word").replace(TITLES), place=pl.col("word").replace_strict(
                    {word: place for place, word in enumerate(words)}, default=None
                )
            )
        )  # fmt: skip
        shown = named(table)
        present = [TITLES.get(word, word) for word in words if word in set(counts["word"])]
        bars = data(shown).mark_bar().encode(
            x=share_axis("share", f"share of measured filters, by {by}"),
            y=alt.Y("site:N", title=None, sort=order(shown)),
            color=coloured("word", present, by),
            order=alt.Order("place:Q"),
        )  # fmt: skip
        rows.append(bars.properties(width=WIDTH))
    stacked: Any = alt.vconcat(*rows).resolve_scale(color="independent")
    drawn: Chart = stacked
    return drawn
