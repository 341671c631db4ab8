"""`Sizes`: what other input sizes do to a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from padscope.study.beside import ComparedAnswers
from padscope.tables.schema import PARITY, SIZE_EFFECTS, Table

if TYPE_CHECKING:
    from padscope.images import Skipped


@dataclass(frozen=True)
class Sizes(ComparedAnswers):
    """What other input sizes do, and padding that a stride leaves uneven.

    Attributes
    ----------
    identity, model, images, labels, counted, answer
        See `ComparedAnswers`.
    size : tuple of int
        The wanted size, in pixels per axis.
    even : tuple of tuple of int
        Sizes near it at which no stride is uneven.
    table, parity : polars.DataFrame
        Described in `padscope.tables.schema`, and by ``padscope columns``.
    skipped : tuple of Skipped
    notes : tuple of str
        What could not be measured, and why, in sentences.
    """

    size: tuple[int, ...]
    even: tuple[tuple[int, ...], ...]
    table: pl.DataFrame
    parity: pl.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    FIELDS: ClassVar[dict[str, Table]] = {"table": SIZE_EFFECTS, "parity": PARITY}
