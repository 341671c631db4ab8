"""Measures of impact: what they are called, and how their values are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from padscope.findings.words import NONE, number


@dataclass(frozen=True)
class Measure:
    """A way to measure how an answer changes.

    Attributes
    ----------
    name : str
        As the tables call it.
    title, unit : str
        As the page calls it; no unit: "".
    signed : bool
        Whether it can fall as well as rise.
    told : str
        What it is, for a caption.
    percent : bool
        Whether it is a share, written in hundredths.
    """

    name: str
    title: str
    unit: str
    signed: bool
    told: str
    percent: bool = False

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def figure(self, value: float | None) -> str:
        """Write a value, without its unit.

        Examples
        --------
        >>> MEASURES["accuracy"].figure(-0.0123), MEASURES["kl"].figure(0.0655)
        ('−1.23', '0.0655')
        """
        if value is None or math.isnan(value):
            return NONE
        text = number(100 * value if self.percent else value)
        return f"+{text}" if self.signed and value > 0 else text

    def between(self, row: Mapping[str, Any], low: str, high: str) -> str:
        """Write an interval; "" if there is none."""
        if row[low] is None or row[high] is None:
            return ""
        return f"[{self.figure(row[low])} to {self.figure(row[high])}]"


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("kl", "Change of the answer", "nats", signed=False,
                told="the Kullback–Leibler divergence of the changed from the unchanged answer"),
        Measure("change", "Change of the answer", "", signed=False,
                told="the root mean square change of the answer, relative to its spread"),
        Measure("flip", "Flips", "%", signed=False, percent=True,
                told="the share of images whose first class becomes another"),
        Measure("confidence", "Confidence", "points", signed=True, percent=True,
                told="the change in probability of the class that came first"),
        Measure("ece", "Calibration error", "points", signed=True, percent=True,
                told="the change of the expected calibration error (Guo et al., 2017)"),
        Measure("accuracy", "Accuracy", "points", signed=True, percent=True,
                told="the change of the share of images answered rightly"),
        Measure("nll", "Log loss", "nats", signed=True,
                told="the change of the negative log likelihood of the right class"),
        Measure("border_error", "Border error", "spreads", signed=True,
                told="the change of the mean difference of the map's border from what it is with "
                "real surroundings, relative to the map's spread"),
        Measure("metric", "Your metric", "", signed=True,
                told="the change of the metric that was given"),
    )
}  # fmt: skip

PRIMARY = {
    "classes": MEASURES["kl"],
    "dense": MEASURES["change"],
    "values": replace(
        MEASURES["change"], told="the mean absolute change of the answer, in its own units"
    ),
}
"""The measure of each kind of answer that figures are drawn by."""


def measure_of(name: str, unit: str | None = None) -> Measure:
    """Look a measure up, in a unit of its own if it has one; an unknown one goes by its name."""
    found = MEASURES.get(name) or Measure(name, name, "", signed=True, told=name)
    return replace(found, unit=unit) if unit else found


def measures_in(effects: pl.DataFrame) -> list[Measure]:
    """Look up the measures of some rows of `Impact.effects`, in their order."""
    named = effects.select("measure", "unit").unique("measure", maintain_order=True)
    return [measure_of(*row) for row in named.iter_rows()]


# Of views of an image: title, what its amounts are, and how one is written.
VIEWS = {
    "shift": ("Moved", "offset from the centre", "{:g}"),
    "size": ("Another input size", "size, relative to the usual one", "× {:g}"),
    "crop": ("Cropped otherwise", "extent of the crop, relative to the usual one", "× {:g}"),
}
