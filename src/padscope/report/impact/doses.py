"""Dose and response: the strongest filters undone, ever more of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.figures import effects
from padscope.figures.rendering import charted
from padscope.findings.measures import PRIMARY, Measure
from padscope.findings.words import chance
from padscope.study import Impact, Study
from padscope.study.impact_result import counted, drawn


@dataclass(frozen=True)
class Doses:
    """The figure, and what it shows.

    Attributes
    ----------
    measure : Measure
    counted : str
        Images, and the photographs that they come from.
    chart : Markup
    rows : list of (str, str, str, str, str, str)
        Filters undone, effect, its interval, mean of the controls, their range, p.
    """

    measure: Measure
    counted: str
    chart: Markup
    rows: list[tuple[str, str, str, str, str, str]]


def make_doses(study: Study, impact: Impact) -> Doses | None:
    """Draw dose and response by the answer's own measure; None if they were not measured."""
    if impact.doses.is_empty():
        return None
    measure = PRIMARY[impact.answer]
    rows = impact.doses.filter(pl.col("measure") == measure.name).to_dicts()
    if not rows:
        return None
    filters = [f"{row['filters']:,}" for row in rows]

    alt = f"{measure.heading} when ever more filters are undone. " + _told(rows, measure)
    return Doses(
        measure,
        f"{counted(rows[0])}; controls: {drawn(rows[0])}" if rows[0]["draws"] else counted(rows[0]),
        charted(effects.doses(study), alt),
        [
            (
                count, measure.figure(row["effect"]), measure.between(row, "low", "high"),
                measure.figure(row["control"]),
                measure.between(row, "control_low", "control_high"), chance(row["p"]),
            )
            for count, row in zip(filters, rows, strict=True)
        ],
    )  # fmt: skip


def _told(rows: Sequence[dict[str, Any]], measure: Measure) -> str:
    """Say where the figure begins and ends."""
    ends = dict.fromkeys((0, len(rows) - 1))
    return (
        "; ".join(
            f"{rows[end]['filters']:,}: {measure.figure(rows[end]['effect'])}, "
            f"controls {measure.figure(rows[end]['control'])}"
            for end in ends
        )
        + "."
    )
