"""What undoing padding-aware neurons changes: a sentence, and every effect beside controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from padscope.counts import plural
from padscope.findings.listing import Listing
from padscope.findings.measures import MEASURES, PRIMARY, Measure, measures_in
from padscope.findings.words import NONE, chance, interval, number
from padscope.interventions.fill_told import tell_fill
from padscope.study import Impact
from padscope.study.impact_result import (
    UNITS,
    beyond_controls,
    cannot_show,
    counted,
    drawn,
    effect_of_matched,
)

_NONE = [NONE] * 4  # matched filters, their controls, p, and what is beyond them
NOT_MEASURED = "What undoing these filters changes was not measured."


def use_sentence(impact: Impact) -> str:
    """Say whether undoing the headline set changes the answer, beside the same of others."""
    row = impact.use
    if row is None:
        return NOT_MEASURED
    told = (
        f"undoing the {plural(row['filters'], f'{impact.headline} filter')} changes the answer by "
        f"{spelt(row, 'effect', 'low', 'high')} {UNITS[impact.answer]}, on {counted(row)}"
    )
    part = effect_of_matched(row)
    if part is not None:
        told += f"; undoing the {row['matched']:,} of them that have controls, by {number(part)}"
    if row["draws"]:
        told += (
            f"; undoing matched filters, by {number(row['control'])} "
            f"({drawn(row)}, at most {number(row['control_high'])}; "
            f"p = {chance(row['p'])})"
        )
    if why := cannot_show(row):
        return f"Whether the model uses them is open: {told}; {why}."
    if not beyond_controls(row):
        return f"No sign that the model uses them: {told}."
    return f"The model uses them: {told}{_times(row)}.{_flips(impact)}"


def _times(row: dict[str, Any]) -> str:
    """How many times the controls' effect that is, where both have one."""
    own = row["matched_effect"]
    if not row["control"] or own is None or own / row["control"] < 1.5:
        return ""
    return f", {number(own / row['control'], 2)} times less"


def _flips(impact: Impact) -> str:
    """How many images get another class by it, beside controls."""
    row = impact.headline_effect("flip")
    if row is None or row["control"] is None:
        return ""
    flip = MEASURES["flip"]
    return (
        f" {flip.figure(row['effect'])} % of the images get another class, with matched filters "
        f"undone {flip.figure(row['control'])} % (p = {chance(row['p'])})."
    )


def spelt(row: Mapping[str, Any], value: str, low: str, high: str, scale: float = 1) -> str:
    """Write a value of a row with its interval, in another scale if need be."""
    if row[value] is None:
        return "unknown"
    ends = [row[end] for end in (low, high)]
    between = "" if None in ends else f" {interval(*(scale * end for end in ends))}"
    return f"{number(scale * row[value])}{between}"


def _rows(impact: Impact) -> list[dict[str, Any]]:
    """Effects by the answer's own measure."""
    if impact.effects.is_empty():
        return []
    return impact.effects.filter(pl.col("measure") == PRIMARY[impact.answer].name).to_dicts()


def effect_listing(impact: Impact) -> Listing:
    """List every set of filters, by what was changed: the effect, and that of the controls."""
    measure, rows = PRIMARY[impact.answer], _rows(impact)
    unit = f", {measure.unit}" if measure.unit else ""
    disturbed = any(row["disturbance"] is not None for row in rows)
    headings = (
        "set", "filters", f"effect ({measure.name}{unit})", "matched", "their", "controls", "p",
        "beyond the controls", *(["core disturbed"] if disturbed else []),
    )  # fmt: skip
    most = max((row["images"] for row in rows), default=0)
    listed: list[tuple[str, ...]] = []
    for change in dict.fromkeys(row["change"] for row in rows):
        listed.append((f"{change}:",))
        for row in (row for row in rows if row["change"] == change):
            few = f", {plural(row['images'], 'image')}" if row["images"] < most else ""
            own = [measure.figure(row["disturbance"])] if disturbed else []
            listed.append((f"{row['set']}{few}", *_cells(row, measure), *own))
    return Listing(headings, tuple(listed))


def _cells(row: dict[str, Any], measure: Measure) -> tuple[str, ...]:
    """Write an effect beside its controls; NONE for what there is not without these."""
    filters, effect = f"{row['filters']:,}", _cell(row, measure, "effect", "low", "high")
    if not row["draws"]:
        return filters, effect, NONE, *_NONE
    part = effect_of_matched(row)
    return (
        filters, effect, f"{row['matched']:,}",
        measure.figure(row["effect"] if part is None else part), *_control_cells(row, measure),
    )  # fmt: skip


def _control_cells(row: dict[str, Any], measure: Measure) -> tuple[str, str, str]:
    """Write what the controls give, p, and what is beyond them."""
    return (
        _cell(row, measure, "control", "control_low", "control_high"), chance(row["p"]),
        _cell(row, measure, "excess", "excess_low", "excess_high"),
    )  # fmt: skip


def _cell(row: dict[str, Any], measure: Measure, value: str, low: str, high: str) -> str:
    return f"{measure.figure(row[value])} {measure.between(row, low, high)}".rstrip()


def measure_listing(impact: Impact) -> Listing:
    """List every set of filters: effect and p by every measure but the answer's own."""
    if not _rows(impact):
        return Listing((), ())
    table = impact.effects.filter(pl.col("change") == f"refill {impact.fill}")
    own = PRIMARY[impact.answer].name
    measures = [other for other in measures_in(impact.effects) if other.name != own]
    found = {(row["set"], row["measure"]): row for row in table.iter_rows(named=True)}

    def cell(chosen: str, measure: Measure) -> str:
        row = found.get((chosen, measure.name))
        if row is None:
            return NONE
        value = measure.figure(row["effect"])
        return f"{value} (p {chance(row['p'])})" if row["draws"] else value

    rows = [
        (chosen, *(cell(chosen, measure) for measure in measures))
        for chosen in table["set"].unique(maintain_order=True)
    ]
    return Listing(
        ("set", *(measure.heading.lower() for measure in measures)),
        tuple(row for row in rows if {*row[1:]} != {NONE}),
    )


def dose_listing(impact: Impact) -> Listing:
    """List the effect of undoing ever more filters, the strongest first, beside controls."""
    measure = PRIMARY[impact.answer]
    rows = impact.doses.filter(pl.col("measure") == measure.name).to_dicts()
    cells = [
        (
            f"{row['filters']:,}", _cell(row, measure, "effect", "low", "high"),
            *([f"{row['matched']:,}", *_control_cells(row, measure)] if row["draws"] else _NONE),
        )
        for row in rows
    ]  # fmt: skip
    headings = (
        "filters undone", measure.heading, "matched", "controls", "p", "beyond the controls",
    )  # fmt: skip
    return Listing(headings, tuple(cells))


def compared_lines(impact: Impact) -> list[str]:
    """Say what was compared, and how to read what stands beside the effects."""
    told = (
        f"The answers to {plural(impact.counted, 'image')} were compared ({impact.images}"
        f"{', ' + impact.labels if impact.labels else ', without labels'}); padding was refilled "
        f"{tell_fill(impact.fill)}."
    )
    rows = _rows(impact)
    if not rows:
        return [told]
    most = max(rows, key=lambda row: row["draws"])
    if not most["draws"]:
        return [told, "No set has controls, so nothing here can be called use."]
    return [
        told,
        "Brackets: 95 % over images; of controls, the least and the greatest of "
        f"{drawn(most)}. p cannot be less than {chance(1 / (1 + most['draws']))}, and is not "
        "corrected for the number of sets. If only some filters of a set have controls, p, "
        '"their" effect and what is beyond the controls refer to these.',
    ]
