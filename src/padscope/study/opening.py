"""What a study found, in the sentences that its summaries open with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from padscope.evidence import CANDIDATE, CONFIRMED, STRONG
from padscope.study.explanation import FRESH, SHUFFLED, TRAINED, Explanation
from padscope.study.impact_result import (
    UNITS,
    Impact,
    beyond_controls,
    cannot_show,
    counted,
    effect_of_matched,
)
from padscope.tables import MEASURED
from padscope.tables.comparison import (
    Standing,
    baseline_columns,
    cause_columns,
    response_columns,
    standing,
)

NO_BASELINE = (
    "No baseline was run, so nothing here can be called learned: untrained networks of the same "
    "architecture have filters like these too."
)
_AMONG = ", by more than these differ among themselves"


def opening(
    filters: pl.DataFrame, explanation: Explanation | None, impact: Impact | None
) -> list[str]:
    """Tell how many filters respond, how many of padding, and whether they are used."""
    told = [responding_sentence(filters)]
    if explanation:
        told += _caused(filters, explanation)
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
        measured=MEASURED.sum(),
    )
    title = "respond because of padding" if explained else "respond to the border"
    return list(bars.iter_rows()), f"Filters that {title}"


def _caused(filters: pl.DataFrame, explanation: Explanation) -> Iterator[str]:
    found = response_columns(filters) | cause_columns(filters)
    yield (
        f"{found['caused']:,} of {found['measured']:,} ({_share(found['caused_share'])}) respond "
        f"because of padding (causal KS ≥ {CONFIRMED:g})."
    )
    yield read_baselines(explanation.baselines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def read_baselines(networks: pl.DataFrame, write: Callable[[float], str] = _share) -> str:
    """Say what the baselines make of the trained network's share of confirmed filters.

    Parameters
    ----------
    networks : polars.DataFrame
        Of `Explanation.baselines`.
    write : callable
        Writes a share.

    Examples
    --------
    >>> table = {"network": ["trained", "fresh 1"], "filters": [50, 50], "confirmed": [5, 6]}
    >>> read_baselines(pl.DataFrame(table)).split(". ")[1]
    'The share is smaller than with fresh weights'
    """
    measured = networks.filter(pl.col("filters") > 0).select(
        "network", confirmed_share=pl.col("confirmed") / pl.col("filters")
    )
    beside = baseline_columns(measured, FRESH, SHUFFLED)
    own = measured.filter(pl.col("network") == TRAINED)["confirmed_share"]
    if not len(own) or not (beside["fresh"] or beside["shuffled"] is not None):
        return NO_BASELINE
    found, count = standing(own[0], beside), beside["fresh"]
    told, compared = [], []
    if found.fresh:
        low, high = write(beside["fresh_low"]), write(beside["fresh_high"])
        networks_run = "1 network" if count == 1 else f"{count} networks"
        between = low if low == high else f"{low} to {high}"
        told.append(f"with fresh weights {between} ({networks_run})")
        among = _AMONG if count > 1 and found.fresh != "alike" else ""
        compared.append(f"{_than(found.fresh)} with fresh weights{among}")
    if found.shuffled:
        told.append(f"with its own weights shuffled {write(beside['shuffled'])}")
        compared.append(f"{_than(found.shuffled)} with its own weights shuffled")
    return (
        f"Beside it: {', '.join(told)}. The share is {', and '.join(compared)}. "
        f"{_conclude(found, count)}"
    )


def _than(found: str) -> str:
    return "about as large as" if found == "alike" else f"{found} than"


def _conclude(found: Standing, fresh: int) -> str:
    if found.beyond:
        return (
            "It goes beyond what this architecture has untrained; which filters make the "
            "difference, it does not say."
        )
    if {found.fresh, found.shuffled} & {"alike", "smaller"}:
        return "The share alone is no evidence of learning."
    if not fresh:
        return "No network with fresh weights was run, so nothing here can be called learned."
    return "One network with fresh weights does not show how much such networks differ."


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
