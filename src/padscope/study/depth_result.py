"""`Depth`: how deep padding reaches into a network's maps and its answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from padscope.counts import plural
from padscope.images.element import told_length
from padscope.measurements.output import OUTPUT
from padscope.study.beside import Beside
from padscope.tables.schema import DEPTH_CURVES, DEPTHS, Table

if TYPE_CHECKING:
    from padscope.images import Skipped


@dataclass(frozen=True)
class Depth(Beside):
    """How deep padding reaches.

    Attributes
    ----------
    identity, model, images
        See `Beside`.
    counted : int
        Images measured.
    size, margin : tuple of int
        Pixels of a crop, and of its real surroundings at each end, per axis.
    tolerance : float
        In spreads of a map.
    step : tuple of int
        Pixels that all maps move by whole positions, per axis: halos and tiles are in step with
        the strides if they are multiples of it.
    whole : str
        The first operation that looks at whole axes at once; "" if there is none.
    table, curves : polars.DataFrame
        Described in `padscope.tables.schema`, and by ``padscope columns``. The map of the answer is
        called ``(output)``.
    skipped : tuple of Skipped
    notes : tuple of str
        What could not be measured, and why, in sentences.
    """

    counted: int
    size: tuple[int, ...]
    margin: tuple[int, ...]
    tolerance: float
    step: tuple[int, ...]
    whole: str
    table: pl.DataFrame
    curves: pl.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    FIELDS: ClassVar[dict[str, Table]] = {"table": DEPTHS, "curves": DEPTH_CURVES}

    @property
    def last(self) -> str:
        """The answer if it is dense, else the last map."""
        return str(self.table["map"][-1]) if self.table.height else ""

    def of_map(self, name: str) -> pl.DataFrame:
        """Return the rows of a map, one per side."""
        return self.table.filter(pl.col("map") == name)

    @property
    def deepest(self) -> float:
        """Greatest depth into the last map, of all sides, in input pixels."""
        depths = self.of_map(self.last)["depth"].to_list()
        return float(max(depths, default=0.0))

    def sentences(self) -> Iterator[str]:
        """Say for every side how deep padding reaches, and how deep it can."""
        what = "the output" if self.last == OUTPUT else f"the last map ({self.last})"
        axes = len(self.size)
        for row in self.of_map(self.last).iter_rows(named=True):
            reached = f"padding reaches {_reached(row, axes)} into {what}{_bound(row, axes)}"
            yield f"From the {row['side']}, {reached}."
        if self.whole:
            yield (
                f"Its {self.whole} looks at the whole frame: no halo makes tiles equal to the "
                "whole, whatever the padding."
            )
        yield from self.notes

    def __repr__(self) -> str:
        """Say what was found."""
        lines = [
            f"Depth of padding in {self.model!r} on {plural(self.counted, 'image')}",
            *self.sentences(),
        ]
        return "\n".join(lines)


def _reached(row: dict[str, Any], axes: int) -> str:
    if not row["within"]:
        return f"at least {told_length(row['depth'], axes)}, as far as could be looked,"
    between = "" if row["low"] is None else f" [{row['low']:.3g} to {row['high']:.3g}]"
    return f"{told_length(row['depth'], axes)}{between}"


def _bound(row: dict[str, Any], axes: int) -> str:
    if row["status"] is None:
        return "; how deep it can is not known"
    if row["bound"] is None:
        return f"; it can reach everywhere, by {row['reason']}"
    most = "it can reach" if row["status"] == "exact" else "it can reach no more than"
    part = "" if row["ratio"] is None else f", {row['ratio']:.0%} of that"
    return f"; {most} {told_length(row['bound'], axes)}{part}"
