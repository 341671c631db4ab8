"""Figures of the third rung: what undoing filters changes in the answers."""

from __future__ import annotations

import polars as pl

from padscope.figures import vega as vl
from padscope.figures.marks import (
    LONGEST_NAME,
    WIDTH,
    basis,
    impact_of,
    intervals,
    measured,
    order,
    ribbons,
    wide,
)
from padscope.figures.theme import BLUE, GREY
from padscope.findings.classes import LEVEL, extremes
from padscope.findings.distances import MAIN_SETS
from padscope.findings.measures import PRIMARY
from padscope.findings.words import shorten, visible
from padscope.interventions.sets import headline_of
from padscope.study import Study
from padscope.study.impact_result import ANSWER_MEASURE, UNITS, drawn, effect_of_matched

UNDONE, CONTROLS = "undone", "matched controls"
COLOURS = {UNDONE: BLUE, CONTROLS: GREY}
CHECKED = {"estimate": "estimated", "exact": "exact"}


def effects(study: Study) -> vl.Spec:
    """Effect of undoing each set of filters, beside matched control draws."""
    impact = impact_of(study)
    measure, change = ANSWER_MEASURE[impact.answer], f"refill {impact.fill}"
    rows = measured(impact.effects, "effect", measure=measure, change=change)
    title = f"change of the answer, {UNITS[impact.answer]}"
    y = vl.category("set", order(rows, "set"))
    part = pl.Series("matched_effect", [effect_of_matched(row) for row in rows.to_dicts()])
    table = rows.select("set", "effect", "low", "high", "control", part.cast(pl.Float64))
    values = [value for row in table.drop("set").rows() for value in row]
    log = wide(values)
    if log:  # what is 0 has no place on it
        above = [pl.when(pl.col(name) > 0).then(name) for name in table.columns[1:]]
        table, title = table.with_columns(above), f"{title} (log scale)"
    x = vl.quantity("effect", title, **(vl.logarithmic(values) if log else {}))
    drawn = intervals(table, x, "effect", "control", y)
    words = [
        f"Blue: refilled ({impact.fill}), 95 % over images. Orange: matched control draws.",
        basis(rows),
    ]
    if part.count():
        words.append("Ring: those filters of a set that have controls, where not all have.")
        ring, part_x = {"size": 60, "color": BLUE}, x | {"field": "matched_effect"}
        rings = vl.data(table.drop_nulls("matched_effect")) | vl.mark("point", ring, x=part_x, y=y)
        drawn = {"layer": [drawn, rings]}
    return drawn | {"width": WIDTH, "title": words}


def _beside(rows: pl.DataFrame, index: list[str], value: str) -> pl.DataFrame:
    """Stack a value with its interval on that of the controls with theirs."""
    own = rows.select(*index, "low", "high", value=value, what=pl.lit(UNDONE))
    if "control_low" in rows.columns:
        low, high = pl.col("control_low"), pl.col("control_high")
    else:
        low, high = pl.col("control"), pl.col("control")
    controls = rows.drop_nulls("control").select(
        *index, low.alias("low"), high.alias("high"), value="control", what=pl.lit(CONTROLS)
    )
    return pl.concat([own, controls]).drop_nulls("value")


def doses(study: Study) -> vl.Spec:
    """Effect of undoing ever more filters, strongest first."""
    impact = impact_of(study)
    measure = PRIMARY[impact.answer]
    rows = measured(impact.doses, "dose", measure=measure.name)
    table = _beside(rows, ["filters"], "effect")
    beside = rows.filter(pl.col("draws") > 0).head(1).to_dicts()
    controls = f"; of controls, {drawn(beside[0])}" if beside else ""
    x = vl.ordinal("filters", "filters undone, strongest first")
    log = wide(table["value"])
    bands = ribbons(table, x, "value", measure.heading, vl.coloured("what", COLOURS), log=log)
    words = f"Bands: 95 % over images{controls}. {basis(rows)}"
    return bands | {"width": WIDTH, "height": WIDTH // 2, "title": words}


def distances(study: Study) -> vl.Spec:
    """Change of a dense answer by its distance from the border, by set of filters."""
    rows = measured(impact_of(study).distances, "change by distance")
    present = order(rows, "set")
    chosen = [name for name in MAIN_SETS if name in present] or present
    rows = rows.filter(pl.col("set").is_in(chosen))
    table = _beside(rows, ["set", "distance"], "change")
    x = vl.quantity("distance", "distance from the border, output positions")
    title = "change, in spreads of the answer"
    log = wide(table["value"])
    drawn = ribbons(table, x, "value", title, vl.coloured("what", COLOURS), log=log)
    row = vl.category("set", chosen) | {"header": vl.ABOVE}
    return {
        "data": drawn.pop("data"), "facet": {"row": row},
        "spec": drawn | {"width": WIDTH, "height": WIDTH // 4},
        "title": f"Bands: 95 % over images. {basis(rows)}",
    }  # fmt: skip


def classes(study: Study) -> vl.Spec:
    """Classes whose probability gains and loses most when filters are undone."""
    table = measured(impact_of(study).classes, "change of a class")
    sets = order(table, "set")
    chosen = headline_of(sets) or sets[0]
    own = table.filter(pl.col("set") == chosen)
    shown = extremes(own)
    names = [
        f"{shorten(visible(name), LONGEST_NAME)} ({number})" if name else f"class {number}"
        for name, number in shown.select("name", "class").iter_rows()
    ]
    decided = pl.when(pl.col("q") < LEVEL).then(pl.lit(f"q < {LEVEL}")).otherwise(pl.lit("open"))
    table = shown.select("change", "low", "high", "control", decided=decided).with_columns(
        pl.Series("name", names)
    )
    x = vl.share("change", f"change of probability, {chosen} undone")
    colour = vl.coloured("decided", {f"q < {LEVEL}": BLUE, "open": GREY})
    drawn = intervals(table, x, "change", "control", vl.category("name", names), colour)
    words = f"95 % over images. Orange: the same done to matched control draws. {basis(own)}"
    return drawn | {"width": WIDTH, "title": words}


def estimates(study: Study) -> vl.Spec:
    """Exact against estimated impact of the filters checked."""
    rows = measured(impact_of(study).checks, "check of an estimate")
    table = rows.drop_nulls(["estimate", "exact"]).select("estimate", "exact")
    table = table.filter((pl.col("estimate") > 0) & (pl.col("exact") > 0))
    measured(table, "check of an estimate")
    values = [*table["estimate"], *table["exact"]]
    ends = [min(values), max(values)]
    axis = vl.logarithmic(values)
    axis["scale"] |= {"domain": ends, "nice": True}
    x, y = (vl.quantity(name, f"{told} impact", **axis) for name, told in CHECKED.items())
    points = vl.mark("point", {"filled": True, "size": 40, "color": BLUE}, x=x, y=y)
    line = vl.mark("line", {"color": GREY, "strokeDash": [4, 4]}, x=x, y=y)
    same = vl.data(pl.DataFrame(dict.fromkeys(CHECKED, ends)))
    layers = [same | line, vl.data(table) | points]
    return {"layer": layers, "width": WIDTH, "height": WIDTH, "title": basis(rows)}
