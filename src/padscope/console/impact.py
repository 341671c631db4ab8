"""What undoing padding-aware neurons changes, as the command line shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from rich.table import Table

from padscope.console.terminal import shown
from padscope.findings.checks import skipped_lines
from padscope.findings.measures import PRIMARY, Measure, measures_in
from padscope.findings.words import NONE, chance, visible
from padscope.interventions.fills import tell_fill
from padscope.interventions.sets import headline_of
from padscope.report.impact.classes import read_classes
from padscope.study import Impact, Study

ESTIMATES_SHOWN = 3
DECIDED = 0.05


def effect_listing(impact: Impact) -> Table:
    """Draw one row per change and set of filters: the effect, and that of the controls."""
    measure = PRIMARY[impact.answer]
    unit = f", {measure.unit}" if measure.unit else ""
    table = Table(box=None, pad_edge=False)
    table.add_column("set", overflow="fold")
    for name in ("filters", f"effect ({measure.name}{unit})", "matched", "their", "controls", "p",
                 "beyond the controls"):  # fmt: skip
        table.add_column(name, justify="right")
    if impact.effects.is_empty():
        return table
    own = impact.effects.filter(pl.col("measure") == measure.name)
    for change in own["change"].unique(maintain_order=True):
        table.add_row(shown(f"{change}:"))
        for row in own.filter(pl.col("change") == change).iter_rows(named=True):
            table.add_row(shown(f"  {row['set']}"), *_cells(row, measure))
    return table


def measure_listing(impact: Impact) -> Table:
    """Draw one row per set of filters: effect and p by every measure but the answer's own."""
    table = Table(box=None, pad_edge=False)
    if impact.effects.is_empty():
        return table
    effects = impact.effects.filter(
        (pl.col("change") == f"refill {impact.fill}")
        & (pl.col("measure") != PRIMARY[impact.answer].name)
    )
    measures = measures_in(effects)
    table.add_column("set", overflow="fold")
    for measure in measures:
        table.add_column(measure.heading.lower(), justify="right")
    found = {(row["set"], row["measure"]): row for row in effects.iter_rows(named=True)}
    for chosen in effects["set"].unique(maintain_order=True):
        cells = (
            _short(found[chosen, measure.name], measure)
            if (chosen, measure.name) in found
            else NONE
            for measure in measures
        )
        table.add_row(shown(chosen), *cells)
    return table


def _short(row: dict[str, Any], measure: Measure) -> str:
    value = measure.figure(row["effect"])
    return f"{value} (p {chance(row['p'])})" if row["draws"] else value


def _cells(row: dict[str, Any], measure: Measure) -> Iterable[str]:
    yield f"{row['filters']:,}"
    yield f"{measure.figure(row['effect'])} {measure.between(row, 'low', 'high')}".rstrip()
    if not row["draws"]:
        yield from (NONE, NONE, NONE, NONE, NONE)
        return
    yield f"{row['matched']:,}"
    yield measure.figure(row["matched_effect"])
    yield f"{measure.figure(row['control'])} {measure.between(row, 'control_low', 'control_high')}"
    yield chance(row["p"])
    yield f"{measure.figure(row['excess'])} {measure.between(row, 'excess_low', 'excess_high')}"


def impact_lines(study: Study) -> list[str]:
    """Put the third rung, and what limits it, into sentences."""
    impact = study.impact
    assert impact is not None
    lines = [
        f"The answers to {impact.counted} images were compared ({impact.images}"
        f"{', ' + impact.labels if impact.labels else ', without labels'}); padding was refilled "
        f"{tell_fill(impact.fill)}.",
        *_control_lines(impact),
        *_class_lines(impact),
        *_estimate_lines(study, impact),
    ]
    skipped = skipped_lines("could not be used", impact.skipped)
    return [*lines, *impact.notes, *skipped]


def _control_lines(impact: Impact) -> list[str]:
    if impact.effects.is_empty():
        return []
    draws = int(max(impact.effects["draws"].to_list()))
    if not draws:
        return ["No set has controls, so nothing here can be called use."]
    return [
        f"Brackets: 95 % over images; of controls, the least and the greatest of {draws} draws. p "
        f"cannot be less than {chance(1 / (1 + draws))}, and is not corrected for the number of "
        "sets. Where not all filters of a set are matched, p and what is beyond the controls are "
        'of those that are; "their" effect stands beside the controls.'
    ]


def _class_lines(impact: Impact) -> list[str]:
    if impact.classes.is_empty():
        return []
    names = impact.classes["set"].unique(maintain_order=True).to_list()
    chosen = headline_of(names) or names[0]
    own = impact.classes.filter(pl.col("set") == chosen)
    return [f"Classes, {chosen} filters undone: {read_classes(own)}", *_most(own)]


def _most(table: pl.DataFrame) -> list[str]:
    """Name the classes that are decided, those that change most first."""
    decided = table.filter(pl.col("q") < DECIDED).sort(pl.col("change").abs(), descending=True)
    if decided.is_empty():
        return []
    named = ", ".join(
        f"{visible(row['name'] or _number(row['class']))} {100 * row['change']:+.2g} points"
        for row in decided.head(ESTIMATES_SHOWN).iter_rows(named=True)
    )
    more = decided.height - ESTIMATES_SHOWN
    return [f"  {named}{f' and {more:,} more' if more > 0 else ''}"]


def _number(place: int) -> str:
    return f"class {place}"


def _estimate_lines(study: Study, impact: Impact) -> list[str]:
    found = impact.agreement
    if "impact" not in study.filters.columns or not found:
        return []
    filters = study.filters["impact"].count()
    trusted = "" if found["reliable"] else "; they are unreliable for this model"
    line = (
        f"The impact of {filters:,} filters was estimated to first order; rank correlation with "
        f"exact effects {found['spearman']:.2f} ({found['low']:.2f} to {found['high']:.2f}, "
        f"{found['filters']:.0f} filters){trusted}."
    )
    first = study.filters.filter(pl.col("impact").is_not_null()).sort("impact_rank", "site")
    named = ", ".join(
        f"{row['site']}/{row['filter']} ({row['impact']:.2g})"
        for row in first.head(ESTIMATES_SHOWN).iter_rows(named=True)
    )
    return [line, f"  Greatest: {named}."]
