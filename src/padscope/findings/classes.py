"""Which classes gain and lose probability when filters are undone, in sentences."""

from __future__ import annotations

import polars as pl

from padscope.counts import plural
from padscope.findings.listing import Listing
from padscope.findings.measures import Measure
from padscope.findings.words import chance, number, shorten, visible
from padscope.interventions.sets import headline_of
from padscope.study import Impact

LEVEL = 0.05  # false discovery rate
LONGEST = 60
ONE_SIDED = 10  # times as many gain as lose: no class stands out
NAMED = 3  # classes named in a sentence
SHOWN = 10  # classes that gain most, and as many that lose most
POINTS = Measure(
    "probability", "Probability", "points", signed=True, percent=True, told="its mean change"
)


def headline_classes(impact: Impact) -> tuple[str, pl.DataFrame]:
    """Return the set whose classes are told, and its rows; there must be some."""
    names = impact.classes["set"].unique(maintain_order=True).to_list()
    chosen = headline_of(names) or names[0]
    return chosen, impact.classes.filter(pl.col("set") == chosen)


def extremes(own: pl.DataFrame) -> pl.DataFrame:
    """Select the classes of one set that gain most, and those that lose most, in this order."""
    known = own.drop_nulls("change").sort("change", "class", descending=[True, False])
    return known if known.height <= 2 * SHOWN else pl.concat([known.head(SHOWN), known.tail(SHOWN)])


def class_listing(impact: Impact) -> Listing:
    """List the classes whose probability gains and loses most."""
    rows = extremes(headline_classes(impact)[1]).iter_rows(named=True)
    return Listing(
        ("class", "points", "controls", "q"),
        tuple(
            (
                name_of(row["class"], row["name"]),
                f"{POINTS.figure(row['change'])} {POINTS.between(row, 'low', 'high')}".rstrip(),
                POINTS.figure(row["control"]), chance(row["q"]),
            )
            for row in rows
        ),
    )  # fmt: skip


def class_lines(impact: Impact) -> list[str]:
    """Say which classes change beyond the controls, those that change most first."""
    if impact.classes.is_empty():
        return []
    chosen, own = headline_classes(impact)
    told = f"Classes, {chosen} filters undone: {read_classes(own)}"
    clear = own.filter(pl.col("q") < LEVEL).sort(pl.col("change").abs(), descending=True)
    if clear.is_empty():
        return [told]
    named = ", ".join(
        f"{visible(name_of(row['class'], row['name']))} {_points(row['change'])}"
        for row in clear.head(NAMED).iter_rows(named=True)
    )
    more = clear.height - NAMED
    return [told, f"  {named}{f' and {more:,} more' if more > 0 else ''}"]


def _points(change: float) -> str:
    return f"{'+' if change > 0 else ''}{number(100 * change, 2)} points"


def read_classes(table: pl.DataFrame) -> str:
    """Say how many classes of one set gain or lose, or how many images it would take to know.

    Parameters
    ----------
    table : polars.DataFrame
        Rows of `Impact.classes`, of one set.
    """
    found = decided(table)
    images = int(table["images"][0])
    if found is None:
        return (
            "Without controls, or on one independent image alone, no class can be told from chance."
        )
    gain, lose = found
    if gain or lose:
        told = (
            f"{plural(gain, 'class gains', 'classes gain')} and {lose:,} "
            f"{'loses' if lose == 1 else 'lose'} probability beyond the controls at q < {LEVEL} "
            f"(of {table.height:,}, on {plural(images, 'image')})."
        )
        if gain >= ONE_SIDED * max(lose, 1):
            told += (
                " This is lost confidence: all other classes share what the first class of an "
                "image loses, so it says nothing about them."
            )
        return told
    none = (
        f"On {plural(images, 'image')} no class of {table.height:,} gains or loses probability "
        f"beyond the controls at q < {LEVEL}"
    )
    needed = table["images_needed"][0]
    if needed is None or needed <= images:
        return f"{none}."
    return (
        f"{none}. If the clearest change and its spread stayed as they are, it would take about "
        f"{plural(_rounded(needed), 'image')}."
    )


def decided(table: pl.DataFrame) -> tuple[int, int] | None:
    """Count the classes of a set that gain and lose; None if none could be tested."""
    if table["q"].null_count() == table.height:
        return None
    gains = table.filter(pl.col("q") < LEVEL)["excess"] > 0
    return int(gains.sum()), int((~gains).sum())


def _rounded(count: int) -> int:
    """Round up to two digits: the estimate is no finer."""
    digits = str(count)
    unit = int("1".ljust(max(len(digits) - 1, 1), "0"))
    return -(-count // unit) * unit


def name_of(number: int, name: str | None) -> str:
    """Name a class for people; one without a name by its number."""
    return shorten(name, LONGEST) if name else f"class {number}"
