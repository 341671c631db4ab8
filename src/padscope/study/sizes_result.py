"""`Sizes`: what other input sizes do to a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from padscope.study.beside import Beside
from padscope.tables.schema import PARITY, SIZE_EFFECTS, Table

if TYPE_CHECKING:
    from padscope.images import Skipped


@dataclass(frozen=True)
class Sizes(Beside):
    """What other input sizes do, and padding that a stride leaves uneven.

    Attributes
    ----------
    identity : dict
        Model, images, settings and versions: what it depends on.
    model, images, labels : str
        A line for people about each; no labels: "".
    counted : int
        Images whose answers were compared; 0 where nothing is uneven.
    answer : {"classes", "dense", "values"}
        What the model answers with.
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

    identity: dict[str, Any]
    model: str
    images: str
    labels: str
    counted: int
    answer: str
    size: tuple[int, ...]
    even: tuple[tuple[int, ...], ...]
    table: pl.DataFrame
    parity: pl.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    FIELDS: ClassVar[dict[str, Table]] = {"table": SIZE_EFFECTS, "parity": PARITY}
