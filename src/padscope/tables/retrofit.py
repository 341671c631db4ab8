"""How near networks come at their border to what they give with real surroundings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from padscope.tables.schema import RETROFITS

if TYPE_CHECKING:
    from padscope.effects.resampling import Bootstrap, FloatArray


@dataclass(frozen=True)
class ComparedNetwork:
    """A network, and what was found of it on n images.

    Attributes
    ----------
    network : {"given", "swapped", "tuned"}
    padding : str
    error, answer : (n,) float64 array
    interior : (n,) float64 array or None
    counts : mapping
        ``filters``, ``responds`` and ``recalled``, or nothing.
    """

    network: str
    padding: str
    error: FloatArray
    answer: FloatArray
    interior: FloatArray | None
    counts: Mapping[str, int]


def retrofit_table(
    networks: Sequence[ComparedNetwork], measure: str, bootstrap: Bootstrap
) -> pl.DataFrame:
    """Return one row per network: the given one first, the retrofit last.

    Columns are those of `schema.RETROFITS`. Differences are taken image by image.
    """
    given, retrofit = networks[0].error, networks[-1].error
    rows = []
    for each in networks:
        compared: dict[str, tuple[str, str, FloatArray | None]] = {
            "error": ("low", "high", each.error),
            "change": ("change_low", "change_high", each.error - given),
            "behind": ("behind_low", "behind_high", each.error - retrofit),
            "interior": ("interior_low", "interior_high", each.interior),
            "answer": ("answer_low", "answer_high", each.answer),
        }
        row: dict[str, object] = {
            "network": each.network, "padding": each.padding, "measure": measure, **each.counts,
        }  # fmt: skip
        for name, (low, high, values) in compared.items():
            if values is None:
                continue
            found, (images, photographs) = bootstrap.mean(values)
            numbers = (None if np.isnan(value) else float(value) for value in found)
            row |= dict(zip((name, low, high), numbers, strict=True))
            if name == "error":
                row |= {"images": images, "photographs": photographs}
        rows.append(row)
    return RETROFITS.frame(rows)
