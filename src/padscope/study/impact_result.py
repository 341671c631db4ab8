"""`Impact`, what the third rung adds to a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

import polars as pl

from padscope.counts import plural
from padscope.interventions.sets import headline_of
from padscope.settings import FEWEST_IMAGES
from padscope.tables.schema import (
    BANDS,
    CHECKS,
    CLASSES,
    COSTS,
    DISTANCES,
    DOSES,
    EFFECTS,
    FIRING,
    IMPACT,
    READOUT,
    VIEWS,
    tables_of,
)

if TYPE_CHECKING:
    from padscope.images import Skipped

# By the kind of answer: the measure of its change, and that measure's unit.
ANSWER_MEASURE = {"classes": "kl", "dense": "change", "values": "change"}
LEVEL = 0.05  # of p, to say that an effect goes beyond that of controls
FEWEST_DRAWS = ceil(1 / LEVEL) - 1  # of controls, with which p can be so small
IMPACT_TABLES = tuple(table.name for table in tables_of(IMPACT))
UNITS = {"classes": "nats (KL)", "dense": "standard deviations", "values": "(in its own units)"}


@dataclass(frozen=True)
class Impact:
    """What undoing padding-aware neurons changes in a model's answers, beside controls.

    A part that could not be measured has an empty table, and `notes` says why. Columns of the
    tables are described in `padscope.tables.schema`, and by ``padscope columns``.

    Attributes
    ----------
    identity : dict
        Images, labels, settings and versions: what the impact depends on.
    images, labels : str
        A line for people about each; no labels: "".
    counted : int
        Images whose answers were compared.
    answer : {"classes", "dense", "values"}
        What the model answers with; see `padscope.effects.kind_of_answer`.
    fill : str
        What padding was filled with to undo it.
    effects, doses, distances : polars.DataFrame
        Sets of filters undone, beside controls.
    classes : polars.DataFrame
        Which classes gain and lose.
    views, readout : polars.DataFrame
        Shifted, cropped and enlarged images.
    bands, firing : polars.DataFrame
        False borders.
    checks : polars.DataFrame
        Filters whose estimated impact was checked exactly.
    costs : polars.DataFrame
        Filters, parameters and multiply-adds of sets of filters.
    agreement : dict
        How well estimates and exact effects agree; empty if nothing was estimated.
    skipped : tuple of Skipped
        Images that could not be read.
    notes : tuple of str
        What could not be done, and why, in sentences.
    """

    identity: dict[str, Any]
    images: str
    labels: str
    counted: int
    answer: str
    fill: str
    effects: pl.DataFrame = field(default_factory=EFFECTS.empty)
    doses: pl.DataFrame = field(default_factory=DOSES.empty)
    distances: pl.DataFrame = field(default_factory=DISTANCES.empty)
    classes: pl.DataFrame = field(default_factory=CLASSES.empty)
    views: pl.DataFrame = field(default_factory=VIEWS.empty)
    readout: pl.DataFrame = field(default_factory=READOUT.empty)
    bands: pl.DataFrame = field(default_factory=BANDS.empty)
    firing: pl.DataFrame = field(default_factory=FIRING.empty)
    checks: pl.DataFrame = field(default_factory=CHECKS.empty)
    costs: pl.DataFrame = field(default_factory=COSTS.empty)
    agreement: Mapping[str, float] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say what it rests on."""
        return (
            f"Impact({self.images!r}, {plural(self.counted, 'image')}, answer {self.answer!r}, "
            f"fill {self.fill!r}, {plural(self.effects.height, 'effect')})"
        )

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """All tables, by name."""
        return {name: getattr(self, name) for name in IMPACT_TABLES}

    @property
    def headline(self) -> str | None:
        """Name of the set that use is judged by; None without one.

        ``recognising``, or ``confirmed`` if no filter recognises the border. Its filters are also
        those of `doses`, `views`, `readout` and `firing`, and of the sets by kind and side.
        """
        return None if self.effects.is_empty() else headline_of(self.effects["set"].to_list())

    @property
    def use(self) -> dict[str, Any] | None:
        """Row of `effects` that tells whether the filters of `headline` are used."""
        return self.headline_effect(ANSWER_MEASURE[self.answer])

    def headline_effect(self, measure: str) -> dict[str, Any] | None:
        """Row of `effects` for undoing the filters of `headline`; None if it was not measured."""
        if self.headline is None:
            return None
        return self.effect(self.headline, measure, f"refill {self.fill}")

    def effect(self, chosen: str, measure: str, change: str) -> dict[str, Any] | None:
        """Row of `effects` for one set, measure and change; None if it was not measured."""
        if self.effects.is_empty():
            return None
        rows = self.effects.filter(
            (pl.col("set") == chosen)
            & (pl.col("measure") == measure)
            & (pl.col("change") == change)
        )
        return rows.row(0, named=True) if rows.height else None


def effect_of_matched(row: Mapping[str, Any]) -> float | None:
    """Effect of the filters that have controls, which alone compares with these.

    Parameters
    ----------
    row : mapping
        Of `Impact.effects`.

    Returns
    -------
    float or None
        None if all filters of the set have controls, or none: there is no second effect then.
    """
    partly = bool(row["draws"]) and row["matched"] < row["filters"]
    return row["matched_effect"] if partly else None


def beyond_controls(row: Mapping[str, Any]) -> bool:
    """Whether an effect goes beyond that of matched controls: by p, and by its interval.

    Parameters
    ----------
    row : mapping
        Of `Impact.effects`.
    """
    return not cannot_show(row) and row["p"] <= LEVEL and row["excess_low"] > 0


def cannot_show(row: Mapping[str, Any]) -> str:
    """Say why controls cannot show that an effect goes beyond theirs; "" if they can.

    Parameters
    ----------
    row : mapping
        Of `Impact.effects`.

    Examples
    --------
    >>> cannot_show({"draws": 10, "shared": 0.0, "excess_low": 0.1})
    'with 10 draws of controls p cannot fall below 0.091, and 19 or more are needed'
    """
    draws = row["draws"]
    if not draws:
        return "no controls could be drawn"
    if 1 / (1 + draws) > LEVEL:
        least = (
            f"with {plural(draws, 'draw')} of controls p cannot fall below {1 / (1 + draws):.2g}"
        )
        return f"{least}, and {FEWEST_DRAWS} or more are needed"
    if row["shared"] is not None and row["shared"] >= 1:
        return "all draws of controls are of the same filters"
    return no_interval(row, "excess_low")


def counted(row: Mapping[str, Any]) -> str:
    """Say what a value rests on: images, and how many of them are independent.

    Parameters
    ----------
    row : mapping
        Of a table of `Impact` with ``images`` and ``photographs``.

    Examples
    --------
    >>> counted({"images": 48, "photographs": 48})
    '48 images'
    >>> counted({"images": 20, "photographs": 8})
    '20 images, 8 of them independent, fewer than the 20 that an interval needs'
    """
    images, photographs = row["images"], row["photographs"]
    told = plural(images, "image")
    if photographs < images:
        told += f", {photographs:,} of them independent"
    few = f", fewer than the {FEWEST_IMAGES} that an interval needs"
    return told + (few if photographs < FEWEST_IMAGES else "")


def drawn(row: Mapping[str, Any]) -> str:
    """Say how many draws of controls there are, and on how many images each is run, if not on all.

    Parameters
    ----------
    row : mapping
        Of a table of effects or doses with controls.

    Examples
    --------
    >>> drawn({"draws": 20, "images": 48, "control_images": 5})
    '20 draws, each on 5 of the images'
    """
    told = plural(row["draws"], "draw")
    each = row.get("control_images") or row["images"]  # not said by runs of before
    return told if each >= row["images"] else f"{told}, each on {each:,} of the images"


def no_interval(row: Mapping[str, Any], end: str) -> str:
    """Say that a value has no interval over images, if it has none; else ""."""
    return "" if row[end] is not None else "one independent image alone gives no interval"
