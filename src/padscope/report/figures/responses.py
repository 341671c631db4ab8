"""Figures of the first rung, along the depth of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import altair as alt
import polars as pl

from padscope.errors import PadscopeError
from padscope.evidence import CANDIDATE, KINDS, STRONG
from padscope.findings.depth import climbs
from padscope.findings.kinds import TITLES
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
from padscope.report.gallery.choice import strongest_side
from padscope.report.origins import ORIGINS
from padscope.study import Study
from padscope.tables import MEASURED


def depth(study: Study) -> Chart:
    """Share of filters that respond, by site and side."""
    shares = named(side_shares(study).select("site", "side", "candidate", "strong"))
    if shares.is_empty():
        raise PadscopeError("no site was scored")
    long = shares.unpivot(
        ["candidate", "strong"], index=["site", "side"], variable_name="cut", value_name="share"
    )
    base = data(long).mark_bar().encode(
        x=share_axis("share", "share of measured filters").stack(None),
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
    """Share of each site's filters that recognise the border, or respond, by side and kind."""
    explained = study.explanation is not None
    chosen = study.filters.filter(climbs(explained=explained))
    if chosen.is_empty():
        raise PadscopeError(
            "no filter recognises the border" if explained else "no filter responds"
        )
    measured = study.filters.group_by("site", maintain_order=True).agg(measured=MEASURED.sum())
    sides = [side.name for side in sides_of(3)]
    parts = [_shares(chosen, measured, "side", strongest_side(study), sides)]
    if explained:
        parts.append(_shares(chosen, measured, "kind", "kind", KINDS))
        parts.append(_shares(chosen, measured, "origin", "origin", ORIGINS))
    return cast("alt.VConcatChart", alt.vconcat(*parts).resolve_scale(color="independent"))


def _shares(
    chosen: pl.DataFrame, measured: pl.DataFrame, by: str, column: str, words: Sequence[str]
) -> alt.Chart:
    """Stack the shares of each site's filters that have each of some words in a column."""
    counts = chosen.drop_nulls(column).group_by("site", word=column).len("filters").sort("word")
    places = {word: place for place, word in enumerate(words)}
    table = named(
        measured.join(counts, on="site", how="left", maintain_order="left_right").with_columns(
            pl.col("word").replace(TITLES),
            share=pl.col("filters").fill_null(0) / pl.col("measured"),
            place=pl.col("word").replace_strict(places, default=None),
        )
    )
    present = [TITLES.get(word, word) for word in words if word in set(counts["word"])]
    bars = data(table).mark_bar().encode(
        x=share_axis("share", f"share of measured filters, by {by}"),
        y=alt.Y("site:N", title=None, sort=order(table)),
        color=coloured("word", present, by),
        order=alt.Order("place:Q"),
    )  # fmt: skip
    drawn: alt.Chart = bars.properties(width=WIDTH)
    return drawn
