"""What a study found, in the sentences that its summaries open with."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from padscope.kinds import CANDIDATE, CONFIRMED, STRONG
from padscope.study.explanation import TRAINED, Explanation
from padscope.study.impacted import UNITS, Impact, beyond_controls
from padscope.tables.comparison import cause_columns, response_columns


def opening(
    filters: pl.DataFrame, explanation: Explanation | None, impact: Impact | None
) -> list[str]:
    """Tell how many filters respond, how many of padding, and whether they are used."""
    found = response_columns(filters)
    sites = filters["site"].n_unique()
    unmeasured = found["filters"] - found["scored"]
    told = [
        f"{found['responds']:,} of {found['filters']:,} filters at {sites:,} padded sites "
        f"({_share(found['responds_share'])} of those measured) respond to the border (KS ≥ "
        f"{CANDIDATE:g}), {found['strong']:,} strongly (≥ {STRONG:g}); {unmeasured:,} "
        "are unmeasured."
    ]
    if explanation:
        told += _caused(filters, explanation)
    if impact:
        told.append(" ".join(used_sentence(impact)).rstrip())
    return told


def counted_in_summaries(*, explained: bool) -> pl.Expr:
    """Select what summaries count: confirmed filters, or responding ones if none is explained."""
    return pl.col("label") == "confirmed" if explained else pl.col("ks") >= CANDIDATE


def site_bars(filters: pl.DataFrame, *, explained: bool) -> tuple[list[tuple[str, int, int]], str]:
    """Count at every site the filters that are confirmed, or respond if none is explained.

    Returns
    -------
    bars : list of (str, int, int)
        Site, filters counted, and filters measured, in the order of the forward pass.
    title : str
        What is counted.
    """
    bars = filters.group_by("site", maintain_order=True).agg(
        counted=counted_in_summaries(explained=explained).sum(),
        measured=(pl.col("label") != "unmeasured").sum(),
    )
    title = "respond because of padding" if explained else "respond to the border"
    return list(bars.iter_rows()), f"Filters that {title}"


def _caused(filters: pl.DataFrame, explanation: Explanation) -> Iterator[str]:
    found = cause_columns(filters)
    yield (
        f"{found['caused']:,} of {found['measured']:,} ({_share(found['caused_share'])}) respond "
        f"because of padding (causal KS ≥ {CONFIRMED:g})."
    )
    others = [
        f"{network} {_share(share)}"
        for network, share in explanation.baselines.select("network", "confirmed_share").iter_rows()
        if network != TRAINED
    ]
    if others:
        yield f"Beside it, the same architecture untrained: {', '.join(others)}."
    else:
        yield "No untrained network stands beside it, so nothing here can be called learned."


def used_sentence(impact: Impact) -> tuple[str, str]:
    """Tell whether undoing the confirmed filters changes the answer, beside the same of others.

    Returns
    -------
    verdict, evidence : str
        What can be said, up to a colon, and the numbers it is said on; "" if there are none.
    """
    row = impact.use
    if row is None:
        return "What undoing the confirmed filters changes was not measured.", ""
    between = f" [{row['low']:.3g} to {row['high']:.3g}]" if row["low"] is not None else ""
    told = f"undoing them changes the answer by {row['effect']:.3g} {UNITS[impact.answer]}{between}"
    if not row["draws"]:
        return "Whether the model uses them is open, for want of controls:", f"{told}."
    used = "The model uses them:" if beyond_controls(row) else "No sign that the model uses them:"
    return used, (
        f"{told}, the same done to matched filters by {row['control']:.3g} "
        f"({row['draws']} draws, p = {row['p']:.2g})."
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
