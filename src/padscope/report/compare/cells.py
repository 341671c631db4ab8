"""A row of a comparison as its tables write it, wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.evidence import CANDIDATE, CONFIRMED, KINDS, RECOGNISED
from padscope.findings.measures import Measure, measure_of
from padscope.findings.words import NONE, chance, percent, plural, share
from padscope.study.impact_result import LEVEL

HEADINGS = (
    "model", "filters", f"responds (KS ≥ {CANDIDATE:g})", f"caused (causal KS ≥ {CONFIRMED:g})",
    f"recognises (recall ≥ {RECOGNISED:g})", "fresh weights", "matched kernels",
    "used: change if undone", "controls", "p", "images",
)  # fmt: skip
_ANSWERS = {"more": "more", "as many": "about as many", "fewer": "fewer"}


@dataclass(frozen=True)
class Cells:
    """One model's row in words; "–" for what was not measured.

    Attributes
    ----------
    name, filters : str
    responds, caused, recognises : str
        Counts, and shares of the measured filters.
    fresh, matched : str
        Counts of filters that recall the border in the baselines, least to greatest.
    used, used_span, control, control_span, p : str
        Spans are intervals in brackets; "" for none.
    images : str
        Of the scan, the explanation and the impact.
    """

    name: str
    filters: str
    responds: str
    caused: str
    recognises: str
    fresh: str
    matched: str
    used: str
    used_span: str
    control: str
    control_span: str
    p: str
    images: str

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, in the order of `HEADINGS`."""
        return (
            self.name, self.filters, self.responds, self.caused, self.recognises,
            self.fresh, self.matched,
            f"{self.used} {self.used_span}".rstrip(),
            f"{self.control} {self.control_span}".rstrip(), self.p, self.images,
        )  # fmt: skip


def write_cells(row: Mapping[str, Any]) -> Cells:
    """Write a row of a comparison."""
    measure = measure_of(row["measure"]) if row["measure"] else None
    stages = (row["scanned"], row["explained"], row["tested"])
    return Cells(
        name=row["name"],
        filters=f"{row['filters']:,}",
        responds=_count(row["responds"], row["measured"]),
        caused=_count(row["caused"], row["measured"]),
        recognises=_count(row["recognises"], row["measured"]),
        fresh=_range(row["fresh_low"], row["fresh_high"]),
        matched=_range(row["matched_low"], row["matched_high"]),
        used=_used(row, measure),
        used_span=measure.between(row, "used_low", "used_high") if measure else "",
        control=measure.figure(row["control"]) if measure and row["draws"] else NONE,
        control_span=measure.between(row, "control_low", "control_high") if measure else "",
        p=chance(row["p"]),
        images=" / ".join(f"{images:,}" if images else NONE for images in stages),
    )


def _count(part: int | None, whole: int | None) -> str:
    return NONE if part is None or whole is None else f"{part:,} ({percent(part, whole)})"


def _range(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return NONE
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _used(row: Mapping[str, Any], measure: Measure | None) -> str:
    if measure is None:
        return NONE
    return f"{measure.figure(row['used'])} {measure.unit}".rstrip()


def kinds_found(table: pl.DataFrame) -> list[str]:
    """Name the kinds that any model has filters of, in display order."""
    return [kind for kind in KINDS if table[kind].sum()]


def read_comparison(table: pl.DataFrame) -> list[str]:
    """Put a comparison into sentences: who recognises the border, why, and what is used.

    Examples
    --------
    >>> from padscope.tables.comparison import comparison_table
    >>> read_comparison(comparison_table([{"name": "vdsr", "measured": None}]))
    ['None of these runs is explained: nothing is known of what padding causes.']
    """
    explained = table.filter(pl.col("recognises_share").is_not_null())
    if explained.is_empty():
        return ["None of these runs is explained: nothing is known of what padding causes."]
    rows = explained.sort("recognises_share", "name").to_dicts()
    return [_read_recognising(rows), *_read_origins(rows), *_read_used(table)]


def _read_recognising(rows: Sequence[Mapping[str, Any]]) -> str:
    least, most = rows[0], rows[-1]
    if len(rows) == 1:
        shares = f"{share(most['recognises_share'])} of the measured filters"
    else:
        shares = (
            f"Between {share(least['recognises_share'])} ({least['name']}) and "
            f"{share(most['recognises_share'])} ({most['name']}) of the measured filters"
        )
    return f"{shares} recognise the border."


def _read_origins(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    told = []
    for question, others in (("training", "untrained networks"),
                             ("kernels", "random kernels on the same channels")):  # fmt: skip
        answers = [row[question] for row in rows if row[question]]
        if not answers:
            continue
        found = [(w, answers.count(answer)) for answer, w in _ANSWERS.items() if answer in answers]
        (first, count), *rest = found
        counts = ", ".join(
            [
                f"{first} in {count} of {plural(len(answers), 'run')}",
                *(f"{w} in {n}" for w, n in rest),
            ]
        )
        told.append(f"Beside {others} they are {counts}.")
    return told or [
        "No answer of baselines stands beside them: nothing here can be called learned."
    ]


def _read_used(table: pl.DataFrame) -> list[str]:
    measured = table.filter(pl.col("used").is_not_null())
    tested = measured["beyond_controls"].drop_nulls()
    told = []
    if len(tested):
        told.append(
            "Undoing these filters changes the answers more than undoing matched ones "
            f"(p ≤ {LEVEL:g}, and the interval of what is beyond them above 0) "
            f"in {tested.sum()} of {plural(len(tested), 'run')} tested."
        )
    if open_ := measured.height - len(tested):
        told.append(f"In {plural(open_, 'run')} controls are lacking or too few to show it.")
    return told
