"""Figures of what could be changed about padding: other values, and other input sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.figures import vega as vl
from padscope.figures.drawings import SEQUENTIAL
from padscope.figures.marks import WIDTH, basis, intervals, pictured
from padscope.figures.theme import BLUE, GREY, ORANGE
from padscope.findings.gains import gain_of, judge_of
from padscope.findings.measures import PRIMARY, measure_of
from padscope.findings.words import number, shorten, size
from padscope.measurements.output import OUTPUT
from padscope.study import Study

WORDS = {1: "better", -1: "worse", 0: "open"}
COLOURS = {"better": BLUE, "worse": ORANGE, "open": GREY}


def swaps(study: Study) -> vl.Spec:
    """Draw what other padding changes, by the measure that judges it."""
    if study.swaps is None:
        raise PadscopeError("it needs swaps; run padscope swaps first")
    rows = study.swaps.table.with_columns(label=pl.col("swap"))
    return _changes(rows, study.swaps.answer)


def border(study: Study) -> vl.Spec:
    """Draw where the border is wrong: one picture a padding, all in the same colours."""
    if study.swaps is None or study.swaps.maps.is_empty():
        raise PadscopeError("it needs borders with real surroundings; run padscope swaps")
    maps = study.swaps.maps
    first = maps.row(0, named=True)
    shape = len(first["rows"]) - 1, len(first["columns"]) - 1
    most = max(map(max, maps["error"].to_list()))
    parts = [
        pictured(
            np.array(row["error"]).reshape(shape), 0.0, most, SEQUENTIAL, shorten(row["swap"], 24)
        )
        for row in maps.iter_rows(named=True)
    ]
    pixels = size([round(first[axis][-1]) for axis in ("rows", "columns")][-len(study.size) :])
    what = "the output" if study.swaps.border == OUTPUT else study.swaps.border
    words = [
        f"Mean difference of {what} from real surroundings, at {pixels}: dark 0, bright "
        f"{number(most)} spreads.",
        f"Lines near the sides one by one, the middle thinned. {plural(first['images'], 'image')}.",
    ]
    return {"concat": parts, "columns": 3, "spacing": 14, "title": words}


def sizes(study: Study) -> vl.Spec:
    """Draw what other input sizes change, and padding at the other end."""
    if study.sizes is None:
        raise PadscopeError("it needs sizes; run padscope sizes first")
    rows = study.sizes.table
    labels = [f"{size(row['size'])}, {row['change']}" for row in rows.iter_rows(named=True)]
    return _changes(rows.with_columns(label=pl.Series(labels, dtype=pl.String)), study.sizes.answer)


def _changes(table: pl.DataFrame, answer: str) -> vl.Spec:
    """Draw one row a change: its effect, with its interval, beside the network as it is."""
    name = judge_of(table) or PRIMARY[answer].name
    rows = [row for row in table.iter_rows(named=True) if row["measure"] == name]
    if not rows:
        raise PadscopeError("nothing was measured")
    measure = measure_of(name, rows[0]["unit"])
    scale = 100 if measure.percent else 1
    drawn = pl.DataFrame([_row(row, scale) for row in rows])
    x = vl.quantity("effect", f"change of {measure.heading[0].lower()}{measure.heading[1:]}")
    y = vl.category("label", drawn["label"])
    used = {word: colour for word, colour in COLOURS.items() if word in drawn["judged"]}
    marks = intervals(drawn, x, "effect", "own", y, vl.coloured("judged", used))
    words = f"95 % over independent images; tick: the network as it is. {basis(table)}"
    return marks | {"width": WIDTH, "title": words}


def _row(row: dict[str, Any], scale: int) -> dict[str, Any]:
    values = {end: None if row[end] is None else scale * row[end] for end in ("low", "high")}
    judged = "open"
    if row["higher_is_better"] is not None:
        judged = WORDS[gain_of(row, row["label"]).sign]
    return {"label": row["label"], "effect": scale * row["effect"], **values, "own": 0.0,
            "judged": judged}  # fmt: skip
