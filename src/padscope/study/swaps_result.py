"""`Swaps`: what other padding does to a network, with its weights as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from padscope.study.beside import ComparedAnswers
from padscope.tables.schema import BORDER_MAPS, SWAP_EFFECTS, Table

if TYPE_CHECKING:
    from padscope.images import Skipped


REESTIMATED = ", re-estimated"  # how swaps are called with batch norms estimated anew under them
AS_IS = f"as it is{REESTIMATED}"  # and the unchanged network with these


@dataclass(frozen=True)
class Swaps(ComparedAnswers):
    """What other padding does.

    Attributes
    ----------
    identity, model, images, labels, counted, answer
        See `ComparedAnswers`.
    held : tuple of str
        What its padding holds.
    border : str
        The map whose border was compared with that of real surroundings; "" for none.
    table, maps : polars.DataFrame
        Described in `padscope.tables.schema`, and by ``padscope columns``.
    skipped : tuple of Skipped
    notes : tuple of str
        What could not be measured, and why, in sentences.
    """

    held: tuple[str, ...]
    border: str
    table: pl.DataFrame
    maps: pl.DataFrame = field(default_factory=BORDER_MAPS.empty)
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    FIELDS: ClassVar[dict[str, Table]] = {"table": SWAP_EFFECTS, "maps": BORDER_MAPS}
