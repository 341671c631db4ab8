"""Change of a dense answer by its distance from the border."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from padscope.findings.distances import MAIN_SETS, reach_sentence
from padscope.report.impact.lines import Series, line_chart
from padscope.study import Impact

SHOWN = 4  # sets with a chart


@dataclass(frozen=True)
class Distance:
    """One set of filters.

    Attributes
    ----------
    chosen : str
    chart : Markup
    reading : str
        A sentence on how far the change reaches.
    """

    chosen: str
    chart: Markup
    reading: str


def make_distances(impact: Impact) -> list[Distance]:
    """Draw the change by distance for the main sets; empty for answers that are no maps."""
    if impact.distances.is_empty():
        return []
    present = impact.distances["set"].unique(maintain_order=True).to_list()
    chosen = [name for name in MAIN_SETS if name in present] or present
    return [
        _distance(name, impact.distances.filter(pl.col("set") == name).sort("distance"))
        for name in chosen[:SHOWN]
    ]


def _distance(chosen: str, table: pl.DataFrame) -> Distance:
    change = table["change"].to_list()
    series = [Series("undone", change, table["low"].to_list(), table["high"].to_list())]
    if table["control"].null_count() < table.height:
        series.append(Series("controls", table["control"].to_list()))
    reading = reach_sentence(table)
    chart = line_chart(
        [str(place) for place in table["distance"]],
        series,
        "distance from the border, output positions",
        "change, in spreads of the answer",
        f"Change of the answer by distance from the border, {chosen} undone. {reading}",
    )
    return Distance(chosen, chart, reading)
