"""What a card says of the second rung: whether padding causes what the filter does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup

from padscope.findings.words import number, plural
from padscope.report.curves import Cumulative, cumulate
from padscope.report.glyphs import drawable, frame_glyph, sign_of
from padscope.report.kinds import CORNERS
from padscope.study import Explanation
from padscope.study.explanation import COMPARED
from padscope.tables.responses import REPORTED_LINES
from padscope.tallies import BINS, NEAR
from padscope.tallies.contrast import REAL


@dataclass(frozen=True)
class CardCause:
    """The evidence that padding causes a filter's response, written out.

    Attributes
    ----------
    label : str
    apart : bool
        Whether it was made without real context.
    side : str or None
        The strongest side, of the causal KS.
    ks, interval : str
    here : str
        Causal KS of the side whose distributions are drawn, if that is another one.
    glyph : Markup
    recall, recall_interval : str
        Border recall where it is greatest.
    kind, origin, reach, stability, q : str
        "–" where there is none.
    apart_from : str
        The q beside each kind of baseline; "" without baselines.
    impact : str
        Estimated impact with its interval and rank; "" in a study without an impact.
    """

    label: str
    apart: bool
    side: str | None
    ks: str
    interval: str
    here: str
    recall: str
    recall_interval: str
    glyph: Markup
    kind: str
    origin: str
    reach: str
    stability: str
    q: str
    apart_from: str
    impact: str = ""


def card_cause(row: dict[str, Any], sides: pl.DataFrame, estimated: int = 0) -> CardCause:
    """Write out the second rung of one filter.

    Parameters
    ----------
    row : dict
        Of `Study.filters`.
    sides : polars.DataFrame
        Its rows of `Study.sides`.
    estimated : int
        Filters of the study that have an estimated impact.
    """
    by_side = {side["side"]: side for side in sides.iter_rows(named=True)}
    shown = by_side.get(row["side"], {}).get("causal_ks")
    return CardCause(
        label=row["label"] or "not explained",
        apart=row["real_context"] is False,
        side=row["causal_side"],
        ks=_fixed(row["causal_ks"]),
        interval=_interval(row["causal_low"], row["causal_high"]),
        recall=_fixed(row["recall"]),
        recall_interval=_interval(row["recall_low"], row["recall_high"]),
        here=_fixed(shown) if row["side"] != row["causal_side"] else "",
        glyph=_glyph(row, by_side),
        kind=_kind(row),
        origin=_origin(row, by_side),
        reach=describe_reach(row["reach"], [by_side[side] for side in row["active"] or ()]),
        stability=_percent(row["stability"]),
        q=_chance(row["q"]),
        apart_from=", ".join(
            f"{kind} {_chance(row[f'q_{kind}'])}" for kind in COMPARED if f"q_{kind}" in row
        ),
        impact=_impact(row, estimated) if "impact" in row else "",
    )


def _fixed(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.2f}–{high:.2f}"


def _chance(q: float | None) -> str:
    return "–" if q is None else f"{q:.3f}" if q >= 0.001 else "<0.001"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} % of resamples agree"


def _impact(row: dict[str, Any], estimated: int) -> str:
    if row["impact"] is None:
        return "not estimated"
    interval = ""
    if row["impact_low"] is not None:
        low, high = number(row["impact_low"]), number(row["impact_high"])
        interval = f" 95 % {low}–{high}"
    return f"{number(row['impact'])}{interval}, rank {row['impact_rank']:,} of {estimated:,}"


def _glyph(row: dict[str, Any], by_side: dict[str, dict[str, Any]]) -> Markup:
    if row["kind"] == "corner" and row["causal_corner"] in CORNERS:
        return frame_glyph({}, [row["causal_corner"]])
    active = row["active"] or []
    flat = drawable(by_side) and len(by_side) == 4
    if not active or not flat:
        return Markup("")
    return frame_glyph({side: sign_of(by_side[side]["causal_polarity"]) for side in active})


def _kind(row: dict[str, Any]) -> str:
    if row["kind"] is None:
        return "–"
    if row["kind"] == "corner":
        return f"corner alone ({row['causal_corner']}), provisional"
    return f"{row['kind']}, {row['sign']}: {', '.join(row['active'])}"


def _origin(row: dict[str, Any], by_side: dict[str, dict[str, Any]]) -> str:
    if row["origin"] is None:
        return "–"
    side = by_side[row["causal_side"]]
    parts = ("own padding", "incoming") if row["real_context"] else ("refilled", "left")
    return (
        f"{row['origin']} ({parts[0]} {_fixed(side['own_ks'])}, "
        f"{parts[1]} {_fixed(side['incoming_ks'])})"
    )


def describe_reach(reach: int | None, active: list[dict[str, Any]]) -> str:
    """Write how far the effect of padding reaches; a lower bound at the deepest line measured.

    Examples
    --------
    >>> deep = {"reach": 3, "causal_1": 0.9, "causal_2": 0.8, "causal_3": 0.7}
    >>> describe_reach(3, [deep]), describe_reach(1, [deep | {"reach": 1}])
    ('≥ 3 lines', '1 line')
    >>> describe_reach(0, [deep | {"reach": 0}])
    '0 lines: the outermost alone'
    """
    if reach is None:
        return "–"
    deepest = [
        max((d for d in REPORTED_LINES if side[f"causal_{d}"] is not None), default=0)
        for side in active
        if side["reach"] == reach
    ]
    if any(reach >= line for line in deepest):
        return f"≥ {plural(reach, 'line')}{'' if reach else ': no deeper one is measured'}"
    return f"{plural(reach, 'line')}{'' if reach else ': the outermost alone'}"


def real_surroundings(
    explanation: Explanation, site: str, index: int, place: int
) -> Cumulative | None:
    """Give the distribution with real surroundings; None if it was not counted.

    Parameters
    ----------
    explanation : Explanation
    site : str
    index : int
        Of the filter.
    place : int
        Of the side, among the sides of the site.
    """
    tally = explanation.counts.of_site(site).get(f"{REAL}/{NEAR}")
    bins = (explanation.counts.bins or {}).get(site)
    if tally is None or bins is None:
        return None
    counts = tally.fine[place, index, :BINS].numpy().astype(np.int64)
    return cumulate(counts, bins.edges()[index])
