"""What undoing padding-aware neurons changes, as the command line shows it."""

from __future__ import annotations

from rich.table import Table

from padscope.console.terminal import shown
from padscope.findings.checks import skipped_lines
from padscope.findings.classes import class_lines
from padscope.findings.effects import Effect, control_lines, effects
from padscope.findings.estimates import estimate_lines
from padscope.findings.measures import PRIMARY
from padscope.findings.words import NONE
from padscope.interventions.fill_told import tell_fill
from padscope.study import Impact, Study


def effect_listing(impact: Impact) -> Table:
    """Draw one row per change and set of filters: the effect, and that of the controls."""
    measure = PRIMARY[impact.answer]
    unit = f", {measure.unit}" if measure.unit else ""
    table = Table(box=None, pad_edge=False)
    table.add_column("set", overflow="fold")
    for name in ("filters", f"effect ({measure.name}{unit})", "matched", "their", "controls", "p",
                 "beyond the controls"):  # fmt: skip
        table.add_column(name, justify="right")
    found = effects(impact)
    for change, rows in found.blocks if found else []:
        table.add_row(shown(f"{change}:"))
        for row in rows:
            few = f", {row.images}" if row.images else ""
            table.add_row(shown(f"  {row.chosen}{few}"), *_cells(row))
    return table


def measure_listing(impact: Impact) -> Table:
    """Draw one row per set of filters: effect and p by every measure but the answer's own."""
    table = Table(box=None, pad_edge=False)
    found = effects(impact)
    if found is None:
        return table
    table.add_column("set", overflow="fold")
    for measure in found.others:
        table.add_column(measure.heading.lower(), justify="right")
    for chosen, cells in found.rows:
        table.add_row(shown(chosen), *map(_short, cells))
    return table


def _short(effect: Effect | None) -> str:
    if effect is None:
        return NONE
    return f"{effect.value} (p {effect.p})" if effect.draws else effect.value


def _cells(effect: Effect) -> tuple[str, ...]:
    beside = bool(effect.draws)
    return (
        f"{effect.filters:,}",
        f"{effect.value} {effect.span}".rstrip(),
        f"{effect.matched:,}" if beside else NONE,
        (effect.matched_value or effect.value) if beside else NONE,
        f"{effect.control} {effect.control_span}".rstrip(),
        effect.p,
        f"{effect.excess} {effect.excess_span}".rstrip(),
    )


def impact_lines(study: Study) -> list[str]:
    """Put what undoing does, and what limits it, into sentences."""
    impact = study.impact
    assert impact is not None
    return [
        f"The answers to {impact.counted} images were compared ({impact.images}"
        f"{', ' + impact.labels if impact.labels else ', without labels'}); padding was refilled "
        f"{tell_fill(impact.fill)}.",
        *control_lines(impact),
        *class_lines(impact),
        *estimate_lines(study),
        *impact.notes,
        *skipped_lines("could not be used", impact.skipped),
    ]
