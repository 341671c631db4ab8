"""Baselines: how many filters climb each rung in networks that the given one is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup

from padscope.evidence import CANDIDATE, SMALL_MAP
from padscope.findings.networks import Network, networks
from padscope.findings.recognition import NETWORKS
from padscope.findings.words import percent, percent_range, size
from padscope.report.strips import Bar, Tick, end_of_scale, strip
from padscope.study import GIVEN, Explanation, Study
from padscope.study.explanation import FRESH


@dataclass(frozen=True)
class Shares:
    """One network's counts on the rungs, on the images explained.

    Attributes
    ----------
    title : str
    given : bool
    measured : int
        Filters with a score.
    rungs : list of (str, int, Markup)
        Share of the measured filters, count, and the share drawn, in the order of `RUNGS`.
    """

    title: str
    given: bool
    measured: int
    rungs: list[tuple[str, int, Markup]]


@dataclass(frozen=True)
class SiteShares:
    """One site of the given network, beside the same site of the baselines.

    Attributes
    ----------
    site, map_size : str
    small, apart : bool
        Whether the map is under 14 px, and whether it was explained without real context.
    measured, recalled : int
        Measured filters, and those with a recall of `RECOGNISED` and more.
    share : str
        Of the latter.
    baselines : list of str
        Their shares in each kind of baseline; "" where the site has none.
    bar, deciles : Markup
    median : float or None
        Of the filters' KS.
    """

    site: str
    map_size: str
    small: bool
    apart: bool
    measured: int
    recalled: int
    share: str
    baselines: list[str]
    bar: Markup
    deciles: Markup
    median: float | None


@dataclass(frozen=True)
class Ladder:
    """What the page shows of the ladder.

    Attributes
    ----------
    networks : list of Shares
        The given one first.
    end, site_end : float
        Where the scales of the networks' and of the sites' bars end.
    sites : list of SiteShares
    kinds : list of (str, str)
        Kinds of baselines there are, and what they are called.
    images : int
        That all networks are measured on.
    """

    networks: list[Shares]
    end: float
    site_end: float
    sites: list[SiteShares]
    kinds: list[tuple[str, str]]
    images: int


def make_ladder(study: Study, explanation: Explanation) -> Ladder:
    """Draw the ladder of an explained study and of its baselines."""
    counted = networks(explanation)
    end = end_of_scale([_over(n, each.measured) for each in counted for n in each.counts])
    sites = _by_network(explanation)
    shares = [_over(*count) for by_site in sites.values() for count in by_site.values()]
    kinds = [kind for kind in NETWORKS if any(_is_of(kind, name) for name in sites)]
    site_end = end_of_scale(shares)
    return Ladder(
        [_shares(each, end) for each in counted],
        end,
        site_end,
        _site_rows(study, explanation, sites, site_end, kinds),
        [(kind, NETWORKS[kind]) for kind in kinds],
        explanation.networks["images"][0],
    )


def _over(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _is_of(kind: str, network: str) -> bool:
    return network.partition(" ")[0] == kind


def _shares(network: Network, end: float) -> Shares:
    style, measured = "full" if network.given else "grey", network.measured
    return Shares(
        network.title,
        network.given,
        measured,
        [
            (
                percent(count, measured),
                count,
                strip([Bar(style, 0, _over(count, measured))], end=end),
            )
            for count in network.counts
        ],
    )


def _by_network(explanation: Explanation) -> dict[str, dict[str, tuple[int, int]]]:
    """Network → site → filters that recall the border, and measured ones."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in explanation.networks.iter_rows(named=True):
        measured = row["filters"] - row["unmeasured"]
        found.setdefault(row["network"], {})[row["site"]] = row["recalled"], measured
    return found


def _site_rows(
    study: Study,
    explanation: Explanation,
    networks: dict[str, dict[str, tuple[int, int]]],
    end: float,
    kinds: list[str],
) -> list[SiteShares]:
    deciles = _deciles(explanation.networks)
    apart = set(study.filters.filter(~pl.col("real_context"))["site"])
    maps = dict(study.sites.select("site", "map_size").iter_rows())
    rows = []
    for site, (recalled, measured) in networks.get(GIVEN, {}).items():
        beside = {
            kind: [
                sites[site]
                for name, sites in networks.items()
                if _is_of(kind, name) and site in sites
            ]
            for kind in kinds
        }
        ticks = [Tick(kind, _over(*count)) for kind, counts in beside.items() for count in counts]
        own = deciles.get((GIVEN, site), [])
        rows.append(
            SiteShares(
                site, size(maps[site]), min(maps[site]) < SMALL_MAP, site in apart, measured,
                recalled, percent(recalled, measured),
                [percent_range(counts) if counts else "" for counts in beside.values()],
                strip([Bar("full", 0, _over(recalled, measured))], ticks, end),
                _draw_deciles(own, deciles.get((FRESH, site), [])), own[5] if own else None,
            )
        )  # fmt: skip
    return rows


def _deciles(networks: pl.DataFrame) -> dict[tuple[str, str], list[float]]:
    """Deciles of the KS by network and site; those of fresh networks averaged under one name."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    for network, site, values in networks.select("network", "site", "response_deciles").iter_rows():
        name = FRESH if _is_of(FRESH, network) else network
        if values:
            found.setdefault((name, site), []).append(values)
    return {key: np.mean(values, axis=0).tolist() for key, values in found.items()}


def _draw_deciles(given: list[float], fresh: list[float]) -> Markup:
    bars, ticks = [], [Tick("cut", CANDIDATE)]
    for values, lane, style in ((given, "upper", "given"), (fresh, "lower", "untrained")):
        if values:
            bars += [
                Bar(f"range {style}", values[0], values[-1], lane),
                Bar(f"most {style}", values[1], values[-2], lane),
                Bar(f"middle {style}", values[3], values[-4], lane),
            ]
            ticks.append(Tick("median", values[5], lane))
    return strip(bars, ticks)
