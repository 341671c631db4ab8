"""Change of a dense answer by its distance from the border."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from padscope.figures import effects
from padscope.figures.rendering import charted
from padscope.findings.distances import MAIN_SETS, reach_sentence
from padscope.study import Impact, Study


@dataclass(frozen=True)
class Distances:
    """The figure, and what it shows.

    Attributes
    ----------
    chart : Markup
    readings : list of (str, str)
        Set of filters, and a sentence on how far the change reaches.
    """

    chart: Markup
    readings: list[tuple[str, str]]


def make_distances(study: Study, impact: Impact) -> Distances | None:
    """Draw the change by distance for the main sets; None for answers that are no maps."""
    table = impact.distances
    if table.is_empty():
        return None
    present = table["set"].unique(maintain_order=True).to_list()
    readings = [
        (name, reach_sentence(table.filter(pl.col("set") == name).sort("distance")))
        for name in [name for name in MAIN_SETS if name in present] or present
    ]
    told = " ".join(f"{name}: {sentence}" for name, sentence in readings)
    alt = f"Change of the answer by distance from the border. {told}"
    return Distances(charted(effects.distances(study), alt), readings)
