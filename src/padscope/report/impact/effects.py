"""Effects of undoing sets of filters, beside the same done to controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.findings.measures import PRIMARY, Measure, measures_in
from padscope.findings.words import NONE, chance
from padscope.report.impact.dots import Dot, dot_strip
from padscope.report.impact.scales import Scale, fitting
from padscope.study import Impact
from padscope.study.impact_result import counted, effect_of_matched

DRAWN = (
    "effect", "low", "high", "control", "control_low", "control_high", "disturbance",
    "matched_effect",
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """One set of filters, undone in one way, by one measure.

    Attributes
    ----------
    chosen : str
        The set.
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
    drawn : Markup
    """

    chosen: str
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
    drawn: Markup


@dataclass(frozen=True)
class Effects:
    """Effects by the answer's own measure, drawn, and by all others, in figures.

    Attributes
    ----------
    measure : Measure
    scale : Scale
    blocks : list of (str, list of Effect)
        By what was changed, in the order of the table.
    others : list of Measure
    rows : list of (str, list of (Effect or None))
        Set, and its effects by the other measures, of the first change.
    change : str
        That change.
    counted : str
        Images compared, and the photographs that they come from.
    draws : int
        The most draws of controls for any set.
    least_p : str
        The least that p can be with so many draws; "" without controls.
    disturbed, partly : bool
        Whether anything was disturbed in the core, and whether some filters have no controls.
    """

    measure: Measure
    scale: Scale
    blocks: list[tuple[str, list[Effect]]]
    others: list[Measure]
    rows: list[tuple[str, list[Effect | None]]]
    change: str
    counted: str
    draws: int
    least_p: str
    disturbed: bool
    partly: bool


def make_effects(impact: Impact) -> Effects | None:
    """Draw the effects; None if none were measured by the answer's own measure."""
    if impact.effects.is_empty():
        return None
    measure = PRIMARY[impact.answer]
    own = impact.effects.filter(pl.col("measure") == measure.name)
    if own.is_empty():
        return None
    rows = own.to_dicts()
    scale = fitting([row[name] for row in rows for name in DRAWN if row[name] is not None])
    draws = max(row["draws"] for row in rows)
    change = f"refill {impact.fill}"
    others = [other for other in measures_in(impact.effects) if other.name != measure.name]
    return Effects(
        measure,
        scale,
        [
            (name, [_effect(row, measure, scale) for row in rows if row["change"] == name])
            for name in own["change"].unique(maintain_order=True)
        ],
        others,
        _by_other_measures(impact.effects.filter(pl.col("change") == change), others),
        change,
        counted(rows[0]),
        draws,
        chance(1 / (1 + draws)) if draws else "",
        any(row["disturbance"] is not None for row in rows),
        any(effect_of_matched(row) is not None for row in rows),
    )


def _effect(row: dict[str, Any], measure: Measure, scale: Scale | None = None) -> Effect:
    # Without controls there is nothing to exceed.
    beside = bool(row["draws"])
    part = effect_of_matched(row)
    dot = Dot(
        row["effect"], row["low"], row["high"], row["control"], row["control_low"],
        row["control_high"], row["disturbance"], part,
    )  # fmt: skip
    return Effect(
        chosen=row["set"],
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
        drawn=dot_strip(dot, scale) if scale else Markup(""),
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
