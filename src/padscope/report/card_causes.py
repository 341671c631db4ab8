"""What a card says of the second rung: whether padding causes what the filter does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup

from padscope.findings.kinds import sign_of
from padscope.findings.neuron import (
    told_impact,
    told_kind,
    told_origin,
    told_reach,
    told_stability,
)
from padscope.findings.words import chance, fixed, fixed_interval
from padscope.report.curves import Cumulative, cumulate
from padscope.report.glyphs import drawable, frame_glyph
from padscope.report.kinds import CORNERS
from padscope.study import Explanation
from padscope.study.explanation import COMPARED
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
    rows = sides.to_dicts()
    by_side = {side["side"]: side for side in rows}
    shown = by_side.get(row["side"], {}).get("causal_ks")
    return CardCause(
        label=row["label"] or "not explained",
        apart=row["real_context"] is False,
        side=row["causal_side"],
        ks=fixed(row["causal_ks"]),
        interval=fixed_interval(row["causal_low"], row["causal_high"]),
        recall=fixed(row["recall"]),
        recall_interval=fixed_interval(row["recall_low"], row["recall_high"]),
        here=fixed(shown) if row["side"] != row["causal_side"] else "",
        glyph=_glyph(row, by_side),
        kind=told_kind(row),
        origin=told_origin(row, rows),
        reach=told_reach(row, rows),
        stability=told_stability(row["stability"]),
        q=chance(row["q"]),
        apart_from=", ".join(
            f"{kind} {chance(row[f'q_{kind}'])}" for kind in COMPARED if f"q_{kind}" in row
        ),
        impact=told_impact(row, estimated, "") if "impact" in row else "",
    )


def _glyph(row: dict[str, Any], by_side: dict[str, dict[str, Any]]) -> Markup:
    if row["kind"] == "corner" and row["causal_corner"] in CORNERS:
        return frame_glyph({}, [row["causal_corner"]])
    active = row["active"] or []
    flat = drawable(by_side) and len(by_side) == 4
    if not active or not flat:
        return Markup("")
    return frame_glyph({side: sign_of(by_side[side]["causal_polarity"]) for side in active})


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
