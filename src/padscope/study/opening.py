"""What a study found, in the sentences that its summaries open with."""

from __future__ import annotations

import polars as pl

from padscope.evidence import CANDIDATE, CONFIRMED, STRONG
from padscope.study.explanation import Explanation
from padscope.study.impact_result import (
    UNITS,
    Impact,
    beyond_controls,
    cannot_show,
    counted,
    effect_of_matched,
)
from padscope.study.recognition import recognition
from padscope.tables import MEASURED
from padscope.tables.comparison import cause_columns, response_columns


def opening(
    filters: pl.DataFrame, explanation: Explanation | None, impact: Impact | None
) -> list[str]:
    """Tell how many filters recognise the border, where that comes from, and the other rungs."""
    told = [responding_sentence(filters)]
    if explanation:
        found = recognition(filters, explanation)
        told = [
            *found.warnings,
            f"{found.lead}. {found.rule}",
            *found.sentences,
            *told,
            caused_sentence(filters),
        ]
    if impact:
        told.append(" ".join(used_sentence(impact)).rstrip())
    return told


def responding_sentence(filters: pl.DataFrame) -> str:
    """Tell how many of the measured filters respond, and how many are not measured."""
    found = response_columns(filters)
    sites, unmeasured = filters["site"].n_unique(), found["filters"] - found["measured"]
    return (
        f"{found['responds']:,} of {found['measured']:,} measured filters at {sites:,} padded "
        f"{'site' if sites == 1 else 'sites'} ({_share(found['responds_share'])}) respond to the "
        f"border (KS ≥ {CANDIDATE:g}), {found['strong']:,} strongly (≥ {STRONG:g}); {unmeasured:,} "
        f"more {'is' if unmeasured == 1 else 'are'} unmeasured: one value everywhere."
    )


def counted_in_summaries(*, explained: bool) -> pl.Expr:
    """Select what summaries count: recognising filters, or responding ones if none is explained."""
    return pl.col("recognises") if explained else pl.col("ks") >= CANDIDATE


def site_bars(filters: pl.DataFrame, *, explained: bool) -> tuple[list[tuple[str, int, int]], str]:
    """Count at every site the filters that recognise, or respond if none is explained.

    Returns
    -------
    bars : list of (str, int, int)
        Site, filters counted, and filters measured, in the order of the forward pass.
    title : str
        What is counted.
    """
    bars = filters.group_by("site", maintain_order=True).agg(
        counted=counted_in_summaries(explained=explained).sum(),
        measured=MEASURED.sum(),
    )
    title = "recognise the border" if explained else "respond to the border"
    return list(bars.iter_rows()), f"Filters that {title}"


def caused_sentence(filters: pl.DataFrame) -> str:
    """Tell how many of the measured filters respond because of padding."""
    found = response_columns(filters) | cause_columns(filters)
    return (
        f"{found['caused']:,} of {found['measured']:,} ({_share(found['caused_share'])}) respond "
        f"because of padding (causal KS ≥ {CONFIRMED:g} too)."
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def used_sentence(impact: Impact) -> tuple[str, str]:
    """Tell whether undoing the headline set changes the answer, beside the same of others.

    Returns
    -------
    verdict, evidence : str
        What can be said, up to a colon, and the numbers it is said on; "" if there are none.
    """
    row = impact.use
    if row is None:
        return "What undoing these filters changes was not measured.", ""
    between = f" [{row['low']:.3g} to {row['high']:.3g}]" if row["low"] is not None else ""
    told = (
        f"undoing the {row['filters']:,} {impact.headline} filters changes the answer by "
        f"{row['effect']:.3g} {UNITS[impact.answer]}{between}"
    )
    told += f" (on {counted(row)})"
    part = effect_of_matched(row)
    if part is not None:
        told += f"; undoing the {row['matched']:,} of them that have controls, by {part:.3g}"
    if row["draws"]:
        told += (
            f", the same done to matched filters by {row['control']:.3g} "
            f"({row['draws']} draws, p = {row['p']:.2g})"
        )
    if why := cannot_show(row):
        return "Whether the model uses them is open:", f"{told}; {why}."
    used = "The model uses them:" if beyond_controls(row) else "No sign that the model uses them:"
    return used, f"{told}."
