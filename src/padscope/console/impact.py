"""What undoing padding-aware neurons changes, as the command line shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from padscope.console.responses import skipped_lines
from padscope.report.impact_classes import MAIN, read_classes
from padscope.report.impact_words import PRIMARY, Measure, chance, measure_of
from padscope.study import Impact, Study

ESTIMATES_SHOWN = 3
DECIDED = 0.05


def effect_listing(impact: Impact) -> Table:
    """Draw one row per set of filters and change: the effect, and that of the controls."""
    measure = measure_of(PRIMARY[impact.answer])
    others = _other_measures(impact, measure)
    table = Table(box=None, pad_edge=False)
    table.add_column("set", overflow="fold")
    table.add_column("change")
    unit = f", {measure.unit}" if measure.unit else ""
    for name in ("filters", f"effect ({measure.name}{unit})", "controls", "p",
                 "beyond the controls"):  # fmt: skip
        table.add_column(name, justify="right")
    for other in others:
        table.add_column(other.heading.lower(), justify="right")
    if impact.effects.is_empty():
        return table
    found = {
        (row["set"], row["change"], row["measure"]): row
        for row in impact.effects.iter_rows(named=True)
    }
    for (chosen, change, name), row in found.items():
        if name == measure.name:
            rest = (found.get((chosen, change, other.name)) for other in others)
            table.add_row(
                Text(chosen), Text(change), *_cells(row, measure),
                *(
                    "–" if cell is None else other.figure(cell["effect"])
                    for other, cell in zip(others, rest, strict=True)
                ),
            )  # fmt: skip
    return table


def _other_measures(impact: Impact, measure: Measure) -> list[Measure]:
    if impact.effects.is_empty():
        return []
    names = impact.effects["measure"].unique(maintain_order=True)
    return [measure_of(name) for name in names if name != measure.name]


def _cells(row: dict[str, Any], measure: Measure) -> Iterable[str]:
    beside = bool(row["draws"])
    missing = row["filters"] - row["matched"]
    yield f"{row['filters']:,}" + (f" ({missing:,} unmatched)" if beside and missing else "")
    yield f"{measure.figure(row['effect'])} {measure.between(row, 'low', 'high')}".rstrip()
    if not beside:
        yield from ("–", "–", "–")
        return
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
        f"by {impact.fill}.",
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
        "sets."
    ]


def _class_lines(impact: Impact) -> list[str]:
    if impact.classes.is_empty():
        return []
    names = impact.classes["set"].unique(maintain_order=True).to_list()
    chosen = MAIN if MAIN in names else names[0]
    own = impact.classes.filter(pl.col("set") == chosen)
    return [f"Classes, {chosen} filters undone: {read_classes(own)}", *_most(own)]


def _most(table: pl.DataFrame) -> list[str]:
    """Name the classes that are decided, those that change most first."""
    decided = table.filter(pl.col("q") < DECIDED).sort(pl.col("change").abs(), descending=True)
    if decided.is_empty():
        return []
    named = ", ".join(
        f"{row['name'] or 'class {}'.format(row['class'])} {100 * row['change']:+.2g} points"
        for row in decided.head(ESTIMATES_SHOWN).iter_rows(named=True)
    )
    more = decided.height - ESTIMATES_SHOWN
    return [f"  {named}{f' and {more:,} more' if more > 0 else ''}"]


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
