"""`Tiles`: what inference in tiles takes to be that of the whole, what it costs, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from padscope.study.beside import Beside
from padscope.tables.schema import HALOS, TILE_COSTS, TILE_SHARES, Table

if TYPE_CHECKING:
    from padscope.images import Skipped


@dataclass(frozen=True)
class Tiles(Beside):
    """What tiles take.

    Attributes
    ----------
    identity, model, images
        See `Beside`.
    counted : int
        Images that were run whole and in tiles.
    size : tuple of int
        Their pixels per axis.
    tolerance : float
        Greatest difference of any value that is none, in spreads of the answer.
    step : int
        Pixels between tiles and halos that are in step with the strides.
    tried : int
        Pixels of the tiles that halos were tried with.
    halo : int or None
        The smallest with which tiles equal the whole; None if no finite one does.
    whole : str
        The first operation that looks at whole axes at once; "" if there is none.
    memory, best : int or None
        Bytes that a tile may hold, and the largest tile that holds no more.
    difference : float
        Root of the mean squared difference of tiles without a halo, in spreads of the answer.
    offset : int
        By how many pixels these began out of step.
    statistics : tuple of str
        What the network computes over all positions.
    table, halos, shares : polars.DataFrame
        Described in `padscope.tables.schema`, and by ``padscope columns``.
    skipped : tuple of Skipped
    notes : tuple of str
        What could not be measured, and why, in sentences.
    """

    counted: int
    size: tuple[int, ...]
    tolerance: float
    step: int
    tried: int
    halo: int | None
    whole: str
    memory: int | None
    best: int | None
    difference: float | None
    offset: int
    statistics: tuple[str, ...]
    table: pl.DataFrame
    halos: pl.DataFrame
    shares: pl.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    FIELDS: ClassVar[dict[str, Table]] = {
        "table": TILE_COSTS, "halos": HALOS, "shares": TILE_SHARES
    }  # fmt: skip

    def error(self, halo: int | None) -> float | None:
        """Return the greatest difference of tiles with a halo that was tried."""
        found = dict(self.halos.select("halo", "error").iter_rows())
        return None if halo is None else found.get(halo)
