"""`Retrofit`: a network whose padding was tuned, beside what it is to replace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from padscope.study.beside import Beside
from padscope.tables.schema import RETROFITS, Table

if TYPE_CHECKING:
    from torch import Tensor

    from padscope.images import Skipped


@dataclass(frozen=True)
class Retrofit(Beside):
    """A network whose padding is tuned to give at its border what real surroundings give.

    Attributes
    ----------
    identity, model, images
        See `Beside`.
    fitted, counted : int
        Images tuned on, and images compared on.
    size, margin : tuple of int
        Pixels of a crop, and of its real surroundings at each end, per axis.
    compared : str
        Name of the map that is compared; ``(output)`` for the answer.
    fill, own : str
        What it pads with, and what the given network does ("mixed" if it has several).
    weights : dict
        The state dict to load: all of the given network's as it is, and the scales and shifts of
        `padscope.models.tuned_padding`.
    modes : dict
        Path of every convolution whose padding is tuned → the mode that it pads with.
    table : polars.DataFrame
        Described in `padscope.tables.schema`, and by ``padscope columns``.
    skipped : tuple of Skipped
    notes : tuple of str
        What could not be done, and why, in sentences.
    """

    fitted: int
    counted: int
    size: tuple[int, ...]
    margin: tuple[int, ...]
    compared: str
    fill: str
    own: str
    weights: dict[str, Tensor]
    modes: dict[str, str]
    table: pl.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    UNKEPT: ClassVar[tuple[str, ...]] = ("weights", "modes")
    FIELDS: ClassVar[dict[str, Table]] = {"table": RETROFITS}
