"""What a change gains by the measure that judges it, and whether its interval carries that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.findings.measures import Measure, measure_of
from padscope.findings.words import interval, number

# By which measure a change is called better, the first that there is.
JUDGES = ("metric", "accuracy", "border_error")


@dataclass(frozen=True)
class Gain:
    """What a change gains by the measure that it is judged by; a loss is below 0.

    Attributes
    ----------
    name : str
        Of the change.
    measure : Measure
    value : float
    low, high : float or None
        Of its 95 % interval; None for a single photograph.
    """

    name: str
    measure: Measure
    value: float
    low: float | None
    high: float | None

    @property
    def sign(self) -> int:
        """1 for a gain, −1 for a loss, 0 where the interval spans zero or there is none."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    @property
    def direction(self) -> str:
        """Whether it is a gain, in a word."""
        return "gained" if self.value > 0 else "lost"

    @property
    def written(self) -> str:
        """Size, interval and unit, without its sign: ``7 [3 to 12] points``."""
        scale = (-1 if self.value < 0 else 1) * (100 if self.measure.percent else 1)
        between = ""
        if self.low is not None and self.high is not None:
            # 0 is added so that none is written as less than nothing.
            low, high = sorted((scale * self.low + 0.0, scale * self.high + 0.0))
            between = f" {interval(low, high)}"
        unit = f" {self.measure.unit}" if self.measure.unit else ""
        return f"{number(scale * self.value + 0.0)}{between}{unit}"


def gain_of(row: dict[str, Any], name: str) -> Gain:
    """Turn a row, which tells whether more of its measure is better, into a gain."""
    better = 1 if row["higher_is_better"] else -1
    ends = (row["low"], row["high"])
    low, high = (None, None) if None in ends else sorted(better * end for end in ends)
    return Gain(name, measure_of(row["measure"], row["unit"]), better * row["effect"], low, high)


def judge_of(table: pl.DataFrame) -> str | None:
    """Name the measure by which changes are judged; None where none tells good from bad."""
    judging = set(table.filter(pl.col("higher_is_better").is_not_null())["measure"])
    return next((name for name in JUDGES if name in judging), None)


def gains_of(table: pl.DataFrame, name: str) -> list[Gain]:
    """Give what every change of a table gains, the best first; none where no measure judges.

    Parameters
    ----------
    table : polars.DataFrame
        With a row per change and measure.
    name : str
        The column that names the change.
    """
    judge = judge_of(table)
    rows = [row for row in table.iter_rows(named=True) if row["measure"] == judge]
    return sorted((gain_of(row, row[name]) for row in rows), key=lambda gain: -gain.value)
