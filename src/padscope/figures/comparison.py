"""Figures of several runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from padscope.figures import vega as vl
from padscope.figures.marks import LONGEST_NAME, WIDTH, intervals, wide
from padscope.figures.theme import BORDER, INK, MUTED
from padscope.findings.measures import measure_of
from padscope.findings.words import share as told_share
from padscope.findings.words import shorten, visible

TOGETHER = 6  # runs in one chart; more are drawn in several, on the same scale
DASHES = ([1, 0], [8, 3], [2, 2], [10, 3, 2, 3], [5, 2], [12, 3, 2, 3, 2, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
BASELINES = {"fresh": MUTED, "matched": INK}  # colours


def labels(names: Sequence[str]) -> list[str]:
    """Shorten names, and show every character of them; what then reads the same is numbered."""
    found = [shorten(visible(name), LONGEST_NAME) for name in names]
    return [
        f"{place + 1}: {name}" if found.count(name) > 1 else name
        for place, name in enumerate(found)
    ]


def profiles(runs: Sequence[tuple[str, pl.DataFrame]]) -> Iterator[tuple[vl.Spec, str]]:
    """Overlay the shares of recognising filters along the depth of runs.

    Parameters
    ----------
    runs : sequence of (str, polars.DataFrame)
        Name of a run and its `padscope.findings.depth.depth_profile`.

    Yields
    ------
    chart : dict
        Of `TOGETHER` runs at most.
    told : str
        What it shows, in words.
    """
    names = labels([name for name, _ in runs])
    tables = [
        profile.select("depth", "share", run=pl.lit(name))
        for name, (_, profile) in zip(names, runs, strict=True)
    ]
    most = max((value for table in tables for value in table["share"].drop_nulls()), default=1.0)
    for start in range(0, len(runs), TOGETHER):
        here, present = tables[start : start + TOGETHER], names[start : start + TOGETHER]
        told = "; ".join(_tell(*each) for each in zip(present, here, strict=True))
        yield _profile(pl.concat(here), present, most or 1.0), f"Along the depth: {told}."


def _tell(name: str, table: pl.DataFrame) -> str:
    known = table.drop_nulls("share").sort("share", descending=True, maintain_order=True)
    if known.is_empty():
        return f"{name}: no site is measured"
    depth, most = known.row(0)[:2]
    return f"{name}: at most {told_share(most)}, at {told_share(depth)} of the depth"


def _profile(table: pl.DataFrame, names: list[str], most: float) -> vl.Spec:
    colour = vl.coloured("run", names)
    dashes, shapes = (
        colour | {"scale": {"domain": names, "range": list(signs[: len(names)])}}
        for signs in (DASHES, SHAPES)
    )
    lines = vl.mark(
        "line",
        {"strokeWidth": 2, "invalid": "break-paths-show-domains",
         "point": {"size": 40, "filled": True}},
        x=vl.share("depth", "depth: share of the sites", scale={"domain": [0, 1]}),
        y=vl.share("share", "filters that recognise the border", scale={"domain": [0, most]}),
        color=colour, strokeDash=dashes, shape=shapes,
    )  # fmt: skip
    return vl.data(table) | lines | {"width": WIDTH, "height": WIDTH // 2}


def _labelled(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Name the runs that have a value."""
    return table.with_columns(label=pl.Series(labels(table["name"].to_list()))).drop_nulls(column)


def shares(table: pl.DataFrame) -> Iterator[vl.Spec]:
    """Share of recognising filters by run, beside the least and the greatest baseline."""
    known = _labelled(table, "recognises_share")
    if known.is_empty():
        return
    y = vl.category("label", known["label"])
    title = "share of measured filters that recognise the border; lines: baselines"
    bars = vl.mark("bar", {"color": BORDER}, x=vl.share("recognises_share", title), y=y)
    layers = [vl.data(known.select("label", "recognises_share")) | bars]
    for kind, colour in BASELINES.items():
        ends = known.select(
            "label",
            value=pl.concat_list(f"{kind}_low", f"{kind}_high") / pl.col("measured"),
        )
        ends = ends.explode("value").drop_nulls("value")
        if ends.height:
            tick = {"color": colour, "thickness": 2}
            layers.append(vl.data(ends) | vl.mark("tick", tick, x=vl.share("value", title), y=y))
    yield {"layer": layers, "width": WIDTH}


def used(table: pl.DataFrame) -> Iterator[vl.Spec]:
    """Effect of undoing the recognising filters by run, beside controls; one chart a measure."""
    known = _labelled(table, "used")
    for name in known["measure"].drop_nulls().unique(maintain_order=True):
        own = known.filter(pl.col("measure") == name).select(
            "label", "used", "control", low="used_low", high="used_high"
        )
        values = [value for row in own.drop("label").rows() for value in row]
        title = f"{measure_of(name).heading}, recognising filters undone; ticks: controls"
        x = vl.quantity("used", title, scale={"type": "log"} if wide(values) else {})
        drawn = intervals(own, x, "used", "control", vl.category("label", own["label"]))
        yield drawn | {"width": WIDTH}
