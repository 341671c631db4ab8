"""The four rungs: who responds, because of padding, recognises the border, and is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from padscope.counts import plural
from padscope.evidence import CANDIDATE, CONFIRMED, RECOGNISED, STRONG
from padscope.findings.effects import use_sentence
from padscope.findings.measures import PRIMARY
from padscope.findings.once import once
from padscope.findings.recognition import Recognition, on_first, recognition
from padscope.findings.words import NONE, number, percent
from padscope.interventions.fill_told import tell_fill
from padscope.study import GIVEN, Explanation, Study
from padscope.study.explanation import FRESH, MATCHED
from padscope.study.impact_result import cannot_show
from padscope.tables import MEASURED
from padscope.tables.comparison import cause_columns, response_columns

RESPONDS, CAUSED, RECOGNISES, USED = NAMES = (
    "responds",
    "because of padding",
    "recognises",
    "used",
)
BASELINES = {FRESH: "untrained", MATCHED: "matched kernels"}


@dataclass(frozen=True)
class Beside:
    """What stands beside a rung.

    Attributes
    ----------
    label : str
    value : float
        A count of filters, for several networks their mean; or an effect, in the rung's unit.
    low, high : float or None
        The least and the greatest of several networks or draws of controls; of the effect of the
        filters in question its 95 % interval. None for a single count.
    written : str
    """

    label: str
    value: float
    low: float | None
    high: float | None
    written: str


@dataclass(frozen=True)
class Rung:
    """One rung.

    Attributes
    ----------
    name : str
        One of `NAMES`.
    count : int or None
        Filters that climb it; None if nothing is known, and of the last, which is not counted.
    share : float or None
        Of the measured filters.
    figure, unit : str
        The number to be seen from afar, and what it is of: "999", "11.1 % of 8,992 measured
        filters". "–" and "" if nothing is known.
    rule : str
        What it takes, in a sentence.
    beside : tuple of Beside
        The same of baselines, and of this network on the images of these; of the last, of controls.
    beside_on : str
        Which images the baselines were counted on, if not on all: "on the first 25 images".
    sentence : str
        What was found; "" if nothing was.
    open : str
        Why nothing is known, and what would tell; "" if something is.
    """

    name: str
    count: int | None
    share: float | None
    figure: str
    unit: str
    rule: str
    beside: tuple[Beside, ...]
    sentence: str
    open: str
    beside_on: str = ""


@once
def rungs(study: Study) -> tuple[Rung, ...]:
    """Count how many filters climb each rung, and set baselines and controls beside them.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of Rung
        Always four, in the order of `NAMES`. Every share is of the measured filters.
    """
    explanation = study.explanation
    found = recognition(study.filters, explanation) if explanation else None
    return (
        _responds(study),
        _caused(study),
        _recognises(found, explanation),
        _used(study),
    )


def _counted(
    name: str,
    count: int,
    measured: int,
    rule: str,
    sentence: str,
    explanation: Explanation | None = None,
    baselines: str = "",
) -> Rung:
    """Count a rung; `baselines` is the column that counts it in baselines, if any does."""
    unit = f"{percent(count, measured)} of {plural(measured, 'measured filter')}"
    share = count / measured if measured else None
    beside = _networks(explanation, baselines) if explanation and baselines else ()
    on = on_first(explanation) if explanation and beside else ""
    return Rung(name, count, share, f"{count:,}", unit, rule, beside, sentence, "", on)


def _unknown(name: str, rule: str, why: str) -> Rung:
    return Rung(name, None, None, NONE, "", rule, (), "", why)


def _responds(study: Study) -> Rung:
    found = response_columns(study.filters)
    count, measured = found["responds"], found["measured"]
    sites, unmeasured = study.filters["site"].n_unique(), found["filters"] - found["measured"]
    sentence = (
        f"{count:,} of {plural(measured, 'measured filter')} at {plural(sites, 'padded site')} "
        f"({percent(count, measured)}) {'responds' if count == 1 else 'respond'} to the border "
        f"(KS ≥ {CANDIDATE:g}), {found['strong']:,} of them strongly (≥ {STRONG:g})."
    )
    if unmeasured:
        verb = "is" if unmeasured == 1 else "are"
        sentence += f" {unmeasured:,} more {verb} unmeasured: one value everywhere."
    rule = f"Its outermost line differs from the middle of its map (KS ≥ {CANDIDATE:g})."
    if study.explanation is None:
        return _counted(RESPONDS, count, measured, rule, sentence)
    again = f" {_counted_again(study.explanation)}"
    return _counted(
        RESPONDS, count, measured, rule + again, sentence + again, study.explanation, "candidates"
    )


def _counted_again(explanation: Explanation) -> str:
    """Say why this is not what the scan counted."""
    crops = "crops with real surroundings" if any(explanation.margin) else "the explained images"
    return f"Counted again on {crops}, so the scan's number may differ."


def _caused(study: Study) -> Rung:
    rule = f"Real surroundings in place of padding undo it (causal KS ≥ {CONFIRMED:g} too)."
    if study.explanation is None:
        return _unknown(
            CAUSED, rule,
            "Whether padding causes it is not tested: padscope explain RUN compares the border "
            "with real surroundings, and the network with untrained ones.",
        )  # fmt: skip
    found = response_columns(study.filters) | cause_columns(study.filters)
    count, measured = found["caused"], found["measured"]
    sentence = (
        f"{count:,} of {plural(measured, 'measured filter')} ({percent(count, measured)}) "
        f"{'responds' if count == 1 else 'respond'} because of padding "
        f"(causal KS ≥ {CONFIRMED:g} too)."
    )
    apart = study.filters.filter(MEASURED & ~pl.col("real_context")).height
    if apart:
        sentence += (
            f" {plural(apart, 'filter')} could not be compared with real surroundings: their "
            "padding was filled otherwise, which is weaker evidence."
        )
    return _counted(CAUSED, count, measured, rule, sentence)


def _recognises(found: Recognition | None, explanation: Explanation | None) -> Rung:
    if found is None or explanation is None:
        return _unknown(
            RECOGNISES,
            "Because of padding, it fires on half of the border or more "
            f"(recall ≥ {RECOGNISED:g}), and hardly ever elsewhere.",
            "Which filters recognise the border is not tested: run padscope explain RUN.",
        )
    return _counted(
        RECOGNISES, found.recognising, found.measured, found.rule, found.sentence, explanation,
        "recalled",
    )  # fmt: skip


def _networks(explanation: Explanation, column: str) -> tuple[Beside, ...]:
    """Count in the given network and in each kind of baseline, on the same crops."""
    table = explanation.baselines.select("network", column)
    found = []
    for kind, label in {GIVEN: "this network", **BASELINES}.items():
        counts = table.filter(pl.col("network").str.split(" ").list.first() == kind)[column]
        if counts.is_empty():
            continue
        least, most = min(counts), max(counts)
        written = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        low, high = (None, None) if len(counts) == 1 else (float(least), float(most))
        found.append(Beside(label, sum(counts) / len(counts), low, high, written))
    return tuple(found) if len(found) > 1 else ()


def _used(study: Study) -> Rung:
    impact = study.impact
    if impact is None:
        rule = "The answers change more when its padding is undone than when that of others is."
        command = (
            "padscope impact RUN" if study.explanation else "padscope explain RUN, then impact,"
        )
        return _unknown(
            USED, rule,
            f"Whether the answers depend on them is not tested: {command} undoes them and compares "
            "the answers.",
        )  # fmt: skip
    rule = (
        f"The answers change more when its padding is refilled {tell_fill(impact.fill)} than when "
        "that of matched filters is."
    )
    row = impact.use
    if row is None:
        return _unknown(USED, rule, "What undoing these filters changes was not measured.")
    measure = PRIMARY[impact.answer]
    unit = f"{measure.unit} of change".strip() if measure.unit else "change of the answer"
    return Rung(
        USED, None, None, measure.figure(row["effect"]), unit, rule,
        tuple(_effects(row)), use_sentence(impact), cannot_show(row),
    )  # fmt: skip


def _effects(row: dict[str, float | None]) -> Iterator[Beside]:
    """Effects of the filters in question, of their partners, and of controls."""
    for label, value, low, high in (
        ("these filters", "effect", "low", "high"),
        ("padding shifts, not recognising", "partner", None, None),
        ("controls", "control", "control_low", "control_high"),
    ):
        found = row[value]
        if found is not None:
            ends = (row[low] if low else None, row[high] if high else None)
            yield Beside(label, found, *ends, number(found))
