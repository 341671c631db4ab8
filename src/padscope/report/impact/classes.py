"""Which classes gain and lose probability when filters are undone."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from padscope.figures.scales import Scale, linear
from padscope.findings.classes import LEVEL, decided, headline_classes, name_of, read_classes
from padscope.findings.measures import Measure
from padscope.findings.words import chance
from padscope.report.impact.dots import Dot, dot_strip
from padscope.study import Impact

SHOWN = 10  # classes that gain most, and as many that lose most
PROBABILITY = Measure(
    "probability", "Probability", "points", signed=True, percent=True, told="its mean change"
)


@dataclass(frozen=True)
class ClassChange:
    """One class of one set.

    Attributes
    ----------
    number : int
    name : str
        Its name, or "class" and its number.
    change, span, control, p, q : str
    decided : bool
        Whether q is below `LEVEL`.
    drawn : Markup
    """

    number: int
    name: str
    change: str
    span: str
    control: str
    p: str
    q: str
    decided: bool
    drawn: Markup


@dataclass(frozen=True)
class SetOfClasses:
    """All classes of one set, in short.

    Attributes
    ----------
    chosen : str
    gain, lose : int or None
        Classes with q below `LEVEL`; None if no class could be tested.
    most, least : str
        The greatest gain and loss, with the name of the class.
    """

    chosen: str
    gain: int | None
    lose: int | None
    most: str
    least: str


@dataclass(frozen=True)
class Classes:
    """What the page shows of classes.

    Attributes
    ----------
    chosen : str
        The set whose classes are listed.
    scale : Scale
        In probability.
    gaining, losing : list of ClassChange
        Those of it that gain and lose most.
    reading : str
        How many are decided, or what it would take.
    sets : list of SetOfClasses
    count, images : int
        Classes, and images.
    """

    chosen: str
    scale: Scale
    gaining: list[ClassChange]
    losing: list[ClassChange]
    reading: str
    sets: list[SetOfClasses]
    count: int
    images: int


def make_classes(impact: Impact) -> Classes | None:
    """List the classes that gain and lose; None for answers without classes."""
    table = impact.classes
    if table.is_empty():
        return None
    names = table["set"].unique(maintain_order=True).to_list()
    chosen, own = headline_classes(impact)
    ordered = own.sort("change", "class", descending=[True, False])
    gaining = ordered.filter(pl.col("change") > 0).head(SHOWN)
    losing = ordered.filter(pl.col("change") < 0).tail(SHOWN).reverse()
    scale = linear(
        value
        for shown in (gaining, losing)
        for column in ("change", "low", "high", "control")
        for value in shown[column].drop_nulls()
    )
    return Classes(
        chosen,
        scale,
        _changes(gaining, scale),
        _changes(losing, scale),
        read_classes(own),
        [_set(name, table.filter(pl.col("set") == name)) for name in names],
        own.height,
        int(own["images"][0]),
    )


def _changes(table: pl.DataFrame, scale: Scale) -> list[ClassChange]:
    return [
        ClassChange(
            row["class"],
            name_of(row["class"], row["name"]),
            PROBABILITY.figure(row["change"]),
            PROBABILITY.between(row, "low", "high"),
            PROBABILITY.figure(row["control"]),
            chance(row["p"]),
            chance(row["q"]),
            row["q"] is not None and row["q"] < LEVEL,
            dot_strip(Dot(row["change"], row["low"], row["high"], control=row["control"]), scale),
        )
        for row in table.iter_rows(named=True)
    ]


def _set(chosen: str, table: pl.DataFrame) -> SetOfClasses:
    ordered = table.drop_nulls("change").sort("change", "class", descending=[True, False])

    def told(place: int) -> str:
        if ordered.is_empty():
            return ""
        row = ordered.row(place, named=True)
        return f"{name_of(row['class'], row['name'])} {PROBABILITY.figure(row['change'])}"

    gain, lose = decided(table) or (None, None)
    return SetOfClasses(chosen, gain, lose, told(0), told(-1))
