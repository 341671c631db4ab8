"""Estimated impact of every filter: against exact effects, and the filters it puts first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.figures.scales import Scale, logarithmic
from padscope.findings.measures import PRIMARY
from padscope.findings.words import fixed, number, percent
from padscope.study import Impact, Study

SHOWN = 15
LEFT, BOTTOM, SIDE = 54.0, 312.0, 300.0  # the plot within its 372 × 352 units


@dataclass(frozen=True)
class Ranked:
    """One of the filters with the greatest estimated impact.

    Attributes
    ----------
    rank : int
    site : str
    filter : int
    impact, span, signed, ks, causal_ks : str
    label : str
    """

    rank: int
    site: str
    filter: int
    impact: str
    span: str
    signed: str
    ks: str
    causal_ks: str
    label: str


@dataclass(frozen=True)
class Estimates:
    """What the page shows of estimates.

    Attributes
    ----------
    unit : str
    plot : Markup
        Estimated against exact; empty if nothing was checked.
    checked, images : int
        Filters and images of the check.
    spearman, span, spearman_kl : str
        Rank correlation with the exact effect, its interval, and that with the divergence.
    reliable : bool
    filters : int
        Filters with an estimate.
    confirmed, confirmed_share, carried : str
        Confirmed filters among these, as a count and a share, and their share of the summed
        impact; "" if the study is not explained.
    ranked : list of Ranked
    signed : bool
        Whether signs mean anything: they do for scores of classes.
    """

    unit: str
    plot: Markup
    checked: int
    images: int
    spearman: str
    span: str
    spearman_kl: str
    reliable: bool
    filters: int
    confirmed: str
    confirmed_share: str
    carried: str
    ranked: list[Ranked]
    signed: bool


def make_estimates(study: Study, impact: Impact) -> Estimates | None:
    """Draw the check of the estimates and list the first filters; None without estimates."""
    if "impact" not in study.filters.columns:
        return None
    known = study.filters.filter(pl.col("impact").is_not_null())
    if known.is_empty():
        return None
    agreement = impact.agreement
    confirmed = confirmed_share = carried = ""
    if "label" in known.columns:
        own = known.filter(pl.col("label") == "confirmed")
        confirmed, confirmed_share = f"{own.height:,}", percent(own.height, known.height)
        total = float(known["impact"].sum())
        carried = percent(float(own["impact"].sum()), total) if total else ""
    first = known.sort("impact_rank", "site", "filter").head(SHOWN)
    return Estimates(
        PRIMARY[impact.answer].unit,
        draw_checks(impact.checks, agreement.get("spearman")),
        impact.checks.height,
        int(agreement.get("images", 0)),
        fixed(agreement.get("spearman")),
        f"{fixed(agreement.get('low'))} to {fixed(agreement.get('high'))}" if agreement else "",
        fixed(agreement.get("spearman_kl")) if "spearman_kl" in agreement else "",
        bool(agreement.get("reliable", 0)),
        known.height,
        confirmed,
        confirmed_share,
        carried,
        [_ranked(row) for row in first.iter_rows(named=True)],
        impact.answer == "classes",
    )


def draw_checks(checks: pl.DataFrame, spearman: float | None) -> Markup:
    """Draw estimated against exact impact of the checked filters, both logarithmic."""
    if checks.is_empty():
        return Markup("")
    known = checks.drop_nulls(["estimate", "exact"])
    pairs = known.select("estimate", "exact").rows()
    scale = logarithmic([value for pair in pairs for value in pair])
    points = "".join(
        f"M{LEFT + SIDE * scale.at(estimate):.1f} {BOTTOM - SIDE * scale.at(exact):.1f}h0.001"
        for estimate, exact in pairs
    )
    alt = (
        f"Exact against estimated impact of {known.height} filters, rank correlation "
        f"{fixed(spearman)}."
    )
    return Markup(
        '<svg class="checked" viewBox="0 0 372 352" role="img" aria-label="{}">{}'
        '<path class="point plain" d="{}"/></svg>'
    ).format(alt, _axes(scale), Markup(points))


def _axes(scale: Scale) -> Markup:
    top, right = BOTTOM - SIDE, LEFT + SIDE
    places = [SIDE * scale.at(tick) for tick in scale.ticks]
    grid = "".join(
        f"M{LEFT:g} {BOTTOM - place:g}H{right:g}M{LEFT + place:g} {top:g}V{BOTTOM:g}"
        for place in places
    )
    parts = [
        f'<path class="grid" d="{grid}"/>',
        f'<path class="diagonal" d="M{LEFT:g} {BOTTOM:g}L{right:g} {top:g}"/>',
    ]
    for place, label in zip(places, scale.labels, strict=True):
        across = LEFT + place
        parts.append(
            f'<text x="{across:g}" y="{BOTTOM + 16:g}" text-anchor="middle">{label}</text>'
            f'<text x="{LEFT - 6:g}" y="{BOTTOM - place + 4:g}" text-anchor="end">{label}</text>'
        )
    middle = BOTTOM - SIDE / 2
    parts.append(
        f'<text x="{LEFT + SIDE / 2:g}" y="{BOTTOM + 36:g}" text-anchor="middle">estimated</text>'
        f'<text text-anchor="middle" transform="translate(12 {middle:g}) rotate(-90)">exact</text>'
    )
    return Markup("".join(parts))


def _ranked(row: dict[str, Any]) -> Ranked:
    def told(name: str) -> str:
        return "–" if row.get(name) is None else number(row[name])

    ends: Sequence[float | None] = (row.get("impact_low"), row.get("impact_high"))
    return Ranked(
        row["impact_rank"], row["site"], row["filter"], told("impact"),
        "" if None in ends else f"[{told('impact_low')} to {told('impact_high')}]",
        told("impact_signed"), fixed(row.get("ks")), fixed(row.get("causal_ks")),
        row.get("label") or "–",
    )  # fmt: skip
