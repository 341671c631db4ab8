"""What undoing padding-aware neurons changes, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from padscope.findings.measures import MEASURES
from padscope.findings.words import chance, interval, number, plural
from padscope.study import Impact
from padscope.study.impact_result import (
    UNITS,
    beyond_controls,
    cannot_show,
    counted,
    effect_of_matched,
)

NOT_MEASURED = "What undoing these filters changes was not measured."


def use_sentence(impact: Impact) -> str:
    """Say whether undoing the headline set changes the answer, beside the same of others."""
    row = impact.use
    if row is None:
        return NOT_MEASURED
    told = (
        f"undoing the {row['filters']:,} {impact.headline} filters changes the answer by "
        f"{spelt(row, 'effect', 'low', 'high')} {UNITS[impact.answer]}, on {counted(row)}"
    )
    part = effect_of_matched(row)
    if part is not None:
        told += f"; undoing the {row['matched']:,} of them that have controls, by {number(part)}"
    if row["draws"]:
        told += (
            f"; undoing matched filters, by {number(row['control'])} "
            f"({plural(row['draws'], 'draw')}, at most {number(row['control_high'])}; "
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
