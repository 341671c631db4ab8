"""What undoing padding-aware neurons changes: a sentence, and every effect beside controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.findings.measures import MEASURES, PRIMARY, Measure, measures_in
from padscope.findings.words import NONE, chance, interval, number, plural
from padscope.study import Impact
from padscope.study.impact_result import (
    UNITS,
    beyond_controls,
    cannot_show,
    counted,
    drawn,
    effect_of_matched,
)

NOT_MEASURED = "What undoing these filters changes was not measured."


@dataclass(frozen=True)
class Effect:
    """One set of filters, undone in one way, by one measure.

    Attributes
    ----------
    chosen : str
        The set.
    images : str
        How many it is of, where there are fewer than elsewhere; else "".
    filters, sites, matched : int
        Of the set; those that have controls.
    value, span : str
        The effect and its interval over images.
    matched_value : str
        The effect of those that have controls; "" if all have, or none.
    control, control_span : str
        Mean of the draws of controls, the least and the greatest of them.
    draws : int
    p : str
    excess, excess_span : str
        Beyond the mean of the controls, paired over images.
    disturbance : str
        Effect of a disturbance of the same size in the core.
    row : dict
        The numbers: of `Impact.effects`.
    """

    chosen: str
    images: str
    filters: int
    sites: int
    matched: int
    value: str
    span: str
    matched_value: str
    control: str
    control_span: str
    draws: int
    p: str
    excess: str
    excess_span: str
    disturbance: str
    row: dict[str, Any]


@dataclass(frozen=True)
class Effects:
    """Effects by the answer's own measure, and by all others, written.

    Attributes
    ----------
    measure : Measure
    blocks : list of (str, list of Effect)
        By what was changed, in the order of the table.
    others : list of Measure
    rows : list of (str, list of (Effect or None))
        Set, and its effects by the other measures, of the first change.
    change : str
        That change.
    counted : str
        Images compared, and the photographs that they come from.
    draws : str
        The most draws of controls for any set, and on how many images each is; "" without controls.
    least_p : str
        The least that p can be with so many draws; "" without controls.
    disturbed, partly : bool
        Whether anything was disturbed in the core, and whether some filters have no controls.
    """

    measure: Measure
    blocks: list[tuple[str, list[Effect]]]
    others: list[Measure]
    rows: list[tuple[str, list[Effect | None]]]
    change: str
    counted: str
    draws: str
    least_p: str
    disturbed: bool
    partly: bool


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


def effects(impact: Impact) -> Effects | None:
    """Write the effects; None if none were measured by the answer's own measure."""
    if impact.effects.is_empty():
        return None
    measure = PRIMARY[impact.answer]
    own = impact.effects.filter(pl.col("measure") == measure.name)
    if own.is_empty():
        return None
    rows = own.to_dicts()
    most = max(rows, key=lambda row: row["draws"])
    images = max(row["images"] for row in rows)
    change = f"refill {impact.fill}"
    others = [other for other in measures_in(impact.effects) if other.name != measure.name]
    return Effects(
        measure,
        [
            (name, [_effect(row, measure, images) for row in rows if row["change"] == name])
            for name in own["change"].unique(maintain_order=True)
        ],
        others,
        _by_other_measures(impact.effects.filter(pl.col("change") == change), others),
        change,
        counted(max(rows, key=lambda row: row["images"])),
        drawn(most) if most["draws"] else "",
        chance(1 / (1 + most["draws"])) if most["draws"] else "",
        any(row["disturbance"] is not None for row in rows),
        any(effect_of_matched(row) is not None for row in rows),
    )


def _effect(row: dict[str, Any], measure: Measure, images: int = 0) -> Effect:
    # Without controls there is nothing to exceed.
    beside, part = bool(row["draws"]), effect_of_matched(row)
    return Effect(
        chosen=row["set"],
        images=f"{row['images']:,} images" if row["images"] < images else "",
        filters=row["filters"],
        sites=row["sites"],
        matched=row["matched"],
        value=measure.figure(row["effect"]),
        span=measure.between(row, "low", "high"),
        matched_value="" if part is None else measure.figure(part),
        control=measure.figure(row["control"]) if beside else NONE,
        control_span=measure.between(row, "control_low", "control_high") if beside else "",
        draws=row["draws"],
        p=chance(row["p"]) if beside else NONE,
        excess=measure.figure(row["excess"]) if beside else NONE,
        excess_span=measure.between(row, "excess_low", "excess_high") if beside else "",
        disturbance=measure.figure(row["disturbance"]),
        row=row,
    )


def _by_other_measures(
    effects: pl.DataFrame, measures: Sequence[Measure]
) -> list[tuple[str, list[Effect | None]]]:
    found = {(row["set"], row["measure"]): row for row in effects.iter_rows(named=True)}
    sets = effects["set"].unique(maintain_order=True)
    rows = []
    for chosen in sets:
        cells = [
            _effect(found[chosen, measure.name], measure)
            if (chosen, measure.name) in found
            else None
            for measure in measures
        ]
        if any(cells):
            rows.append((chosen, cells))
    return rows


def control_lines(impact: Impact) -> list[str]:
    """Say how to read what stands beside the effects."""
    found = effects(impact)
    if found is None:
        return []
    if not found.draws:
        return ["No set has controls, so nothing here can be called use."]
    return [
        "Brackets: 95 % over images; of controls, the least and the greatest of "
        f"{found.draws}. p cannot be less than {found.least_p}, and is not "
        "corrected for the number of sets. Where not all filters of a set are matched, p and what "
        'is beyond the controls are of those that are; "their" effect stands beside the controls.'
    ]
