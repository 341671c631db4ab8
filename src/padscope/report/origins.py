"""Where confirmed signals are born, site by site, and what is inherited without any padding."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from padscope.evidence import CONFIRMED, SMALL_MAP
from padscope.findings.words import percent, size
from padscope.report.strips import Bar, end_of_scale, strip
from padscope.study import Explanation, Study

INHERITED_SHOWN = 16  # convolutions without padding, those with most such filters
ORIGINS = ("nascent", "inherited", "both", "neither")


@dataclass(frozen=True)
class OriginRow:
    """The confirmed filters of one site by origin.

    Attributes
    ----------
    site, map_size : str
    small, apart : bool
        Whether the map is under 14 px, and whether it was explained without real context.
    confirmed : int
    counts : dict
        Origin → filters.
    unknown : int
        Confirmed filters whose origin could not be told.
    bar : Markup
        Shares of the confirmed filters.
    """

    site: str
    map_size: str
    small: bool
    apart: bool
    confirmed: int
    counts: dict[str, int]
    unknown: int
    bar: Markup


@dataclass(frozen=True)
class InheritedRow:
    """What one convolution without padding inherits.

    Attributes
    ----------
    site, kernel, map_size : str
    measured, inheriting : int
        Filters with a causal KS, and those that reach the cut.
    share : str
    bar : Markup
    """

    site: str
    kernel: str
    map_size: str
    measured: int
    inheriting: int
    share: str
    bar: Markup


@dataclass(frozen=True)
class Origins:
    """What the page says of origins.

    Attributes
    ----------
    rows : list of OriginRow
        In forward order.
    totals : dict
        Origin → confirmed filters in all.
    confirmed, unknown : int
    apart : int
        Confirmed filters labelled without real context.
    inherited : list of InheritedRow
        Those with most such filters, in forward order.
    measured, inheriting : int
        Filters of all convolutions without padding.
    others, other_measured, other_inheriting : int
        Convolutions without padding that are not listed, and their filters.
    end : float
        Where the scale of their bars ends.
    """

    rows: list[OriginRow]
    totals: dict[str, int]
    confirmed: int
    unknown: int
    apart: int
    inherited: list[InheritedRow]
    measured: int
    inheriting: int
    others: int
    other_measured: int
    other_inheriting: int
    end: float


def make_origins(study: Study, explanation: Explanation) -> Origins:
    """Count the origins of an explained study's confirmed filters, at their strongest sides."""
    confirmed = study.filters.filter(pl.col("label") == "confirmed")
    counts = {
        (site, origin): count
        for site, origin, count in confirmed.group_by("site", "origin").len().iter_rows()
    }
    apart = set(study.filters.filter(~pl.col("real_context"))["site"])
    rows = [
        _origin_row(site, shape, site in apart, counts)
        for site, shape in study.sites.filter("scored").select("site", "map_size").iter_rows()
    ]
    every, end = _inherited_rows(explanation.inherited)
    most = sorted(range(len(every)), key=lambda place: -every[place].inheriting)
    listed = [every[place] for place in sorted(most[:INHERITED_SHOWN])]
    others = [every[place] for place in most[INHERITED_SHOWN:]]
    return Origins(
        rows,
        {origin: sum(row.counts[origin] for row in rows) for origin in ORIGINS},
        confirmed.height,
        sum(row.unknown for row in rows),
        confirmed.filter(~pl.col("real_context")).height,
        listed,
        sum(row.measured for row in every),
        sum(row.inheriting for row in every),
        len(others),
        sum(row.measured for row in others),
        sum(row.inheriting for row in others),
        end,
    )


def _origin_row(
    site: str, shape: list[int], apart: bool, counts: dict[tuple[str, str | None], int]
) -> OriginRow:
    here = {origin: counts.get((site, origin), 0) for origin in ORIGINS}
    unknown = counts.get((site, None), 0)
    confirmed = sum(here.values()) + unknown
    bars, start = [], 0
    for origin, count in here.items():
        bars.append(Bar(origin, start, start + count))
        start += count
    return OriginRow(
        site, size(shape), min(shape) < SMALL_MAP, apart, confirmed, here, unknown,
        strip(bars, end=max(1, confirmed)),
    )  # fmt: skip


def _inherited_rows(inherited: pl.DataFrame) -> tuple[list[InheritedRow], float]:
    by_filter = inherited.group_by("site", "filter", maintain_order=True).agg(
        pl.col("kernel", "map_size").first(), pl.col("causal_ks").max()
    )
    sites = by_filter.group_by("site", maintain_order=True).agg(
        pl.col("kernel", "map_size").first(),
        measured=pl.col("causal_ks").count(),
        inheriting=(pl.col("causal_ks") >= CONFIRMED).sum(),
    )
    found = list(sites.iter_rows(named=True))
    shares = [row["inheriting"] / max(1, row["measured"]) for row in found]
    end = end_of_scale(shares)
    rows = [
        InheritedRow(
            row["site"], size(row["kernel"]), size(row["map_size"]), row["measured"],
            row["inheriting"], percent(row["inheriting"], row["measured"]),
            strip([Bar("inherited", 0, share)], end=end),
        )
        for row, share in zip(found, shares, strict=True)
    ]  # fmt: skip
    return rows, end
