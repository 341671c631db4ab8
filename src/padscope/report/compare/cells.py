"""A row of a comparison as its tables write it, wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.evidence import CANDIDATE, CONFIRMED, KINDS
from padscope.report.impact.words import NONE, Measure, chance, measure_of
from padscope.report.words import percent, plural
from padscope.study.impact_result import LEVEL
from padscope.tables.comparison import standing

HEADINGS = (
    "model", "filters", f"responds (KS ≥ {CANDIDATE:g})", f"caused (causal KS ≥ {CONFIRMED:g})",
    "fresh weights", "weights shuffled", "used: change if undone", "controls", "p", "images",
)  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """One model's row in words; "–" for what was not measured.

    Attributes
    ----------
    name, filters : str
    responds, caused : str
        Counts, and shares of the measured filters.
    fresh, shuffled : str
        Shares of confirmed filters in the baselines.
    used, used_span, control, control_span, p : str
        Spans are intervals in brackets; "" for none.
    images : str
        Of the scan, the explanation and the impact.
    """

    name: str
    filters: str
    responds: str
    caused: str
    fresh: str
    shuffled: str
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
            self.name, self.filters, self.responds, self.caused, self.fresh, self.shuffled,
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
        fresh=_range(row["fresh_low"], row["fresh_high"]),
        shuffled=share(row["shuffled"]),
        used=_used(row, measure),
        used_span=measure.between(row, "used_low", "used_high") if measure else "",
        control=measure.figure(row["control"]) if measure and row["draws"] else NONE,
        control_span=measure.between(row, "control_low", "control_high") if measure else "",
        p=chance(row["p"]),
        images=" / ".join(f"{images:,}" if images else NONE for images in stages),
    )


def _count(part: int | None, whole: int | None) -> str:
    return NONE if part is None or whole is None else f"{part:,} ({percent(part, whole)})"


def share(value: float | None) -> str:
    r"""Write a share.

    Examples
    --------
    >>> share(0.1234), share(None)
    ('12.3\xa0%', '–')
    """
    return NONE if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return NONE
    return share(low) if share(low) == share(high) else f"{100 * low:.1f}–{share(high)}"


def _used(row: Mapping[str, Any], measure: Measure | None) -> str:
    if measure is None:
        return NONE
    return f"{measure.figure(row['used'])} {measure.unit}".rstrip()


def kinds_found(table: pl.DataFrame) -> list[str]:
    """Name the kinds that any model has filters of, in display order."""
    return [kind for kind in KINDS if table[kind].sum()]


def read_comparison(table: pl.DataFrame) -> list[str]:
    """Put a comparison into sentences: what padding causes, and what is used.

    Examples
    --------
    >>> from padscope.tables.comparison import comparison_table
    >>> read_comparison(comparison_table([{"name": "vdsr", "measured": None}]))
    ['None of these runs is explained: nothing is known of what padding causes.']
    """
    explained = table.filter(pl.col("caused_share").is_not_null()).sort("caused_share", "name")
    if explained.is_empty():
        return ["None of these runs is explained: nothing is known of what padding causes."]
    return [_read_caused(explained.to_dicts()), *_read_used(table)]


def _read_caused(rows: Sequence[Mapping[str, Any]]) -> str:
    least, most = rows[0], rows[-1]
    if len(rows) == 1:
        shares = f"{share(most['caused_share'])} of the measured filters"
    else:
        shares = (
            f"Between {share(least['caused_share'])} ({least['name']}) and "
            f"{share(most['caused_share'])} ({most['name']}) of the measured filters"
        )
    beside = [row for row in rows if row["fresh_high"] is not None]
    if not beside:
        return f"{shares} respond because of padding. No untrained network stands beside them."
    found = [standing(row["caused_share"], row) for row in beside]
    # Of one fresh network alone nobody knows how far another would lie.
    more = [
        one for one, row in zip(found, beside, strict=True)
        if one.fresh == "larger" and row["fresh"] > 1
    ]  # fmt: skip
    beyond = sum(one.shuffled == "larger" for one in more)
    also = f", and also larger than with its own weights shuffled in {beyond}" if more else ""
    return (
        f"{shares} respond because of padding. The share is larger than in networks of the same "
        f"architecture with fresh weights, by more than these differ among themselves, in "
        f"{len(more)} of {plural(len(beside), 'run')}{also}."
    )


def _read_used(table: pl.DataFrame) -> list[str]:
    measured = table.filter(pl.col("used").is_not_null())
    tested = measured["beyond_controls"].drop_nulls()
    told = []
    if len(tested):
        told.append(
            f"Undoing those filters changes the answers more than undoing matched ones (p ≤ "
            f"{LEVEL:g}, and the interval of what is beyond them above 0) in {tested.sum()} of "
            f"{plural(len(tested), 'run')} tested."
        )
    if open_ := measured.height - len(tested):
        told.append(f"In {plural(open_, 'run')} controls are lacking or too few to show it.")
    return told
