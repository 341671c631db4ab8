"""Figures of several runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import altair as alt
import polars as pl

from padscope.figures.marks import (
    LONGEST_NAME,
    PALETTE,
    WIDTH,
    Chart,
    coloured,
    data,
    intervals,
    share_axis,
    wide,
)
from padscope.figures.theme import BORDER, INK, MUTED
from padscope.findings.measures import measure_of
from padscope.findings.words import share, shorten, visible

TOGETHER = 6  # runs in one chart; more are drawn in several, on the same scale
DASHES = ([1, 0], [8, 3], [2, 2], [10, 3, 2, 3], [5, 2], [12, 3, 2, 3, 2, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
BASELINES = {"fresh": ("fresh weights", MUTED), "matched": ("matched kernels", INK)}


def labels(names: Sequence[str]) -> list[str]:
    """Shorten names, and show every character of them; what then reads the same is numbered."""
    found = [shorten(visible(name), LONGEST_NAME) for name in names]
    return [
        f"{place + 1}: {name}" if found.count(name) > 1 else name
        for place, name in enumerate(found)
    ]


def profiles(runs: Sequence[tuple[str, pl.DataFrame]]) -> Iterator[tuple[Chart, str]]:
    """Overlay the shares of recognising filters along the depth of runs.

    Parameters
    ----------
    runs : sequence of (str, polars.DataFrame)
        Name of a run and its `padscope.findings.depth.depth_profile`.

    Yields
    ------
    chart : Chart
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
    return f"{name}: at most {share(most)}, at {share(depth)} of the depth"


def _profile(table: pl.DataFrame, names: list[str], most: float) -> Chart:
    colour = coloured("run", dict(zip(names, PALETTE, strict=False)))
    lines = data(table).mark_line(
        strokeWidth=2, invalid="break-paths-show-domains", point={"size": 40, "filled": True}
    )
    drawn: Chart = lines.encode(
        x=alt.X(
            "depth:Q", title="depth: share of the sites", axis=alt.Axis(format="%"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        y=alt.Y(
            "share:Q", title="filters that recognise the border", axis=alt.Axis(format="%"),
            scale=alt.Scale(domain=[0, most]),
        ),
        color=colour,
        strokeDash=alt.StrokeDash(
            "run:N", title=None, scale=alt.Scale(domain=names, range=[*DASHES[: len(names)]])
        ),
        shape=alt.Shape(
            "run:N", title=None, scale=alt.Scale(domain=names, range=[*SHAPES[: len(names)]])
        ),
    ).properties(width=WIDTH, height=WIDTH // 2)  # fmt: skip
    return drawn


def shares(table: pl.DataFrame) -> Iterator[Chart]:
    """Share of recognising filters by run, beside the least and the greatest baseline."""
    known = table.with_columns(label=pl.Series(labels(table["name"].to_list())))
    known = known.filter(pl.col("recognises_share").is_not_null())
    if known.is_empty():
        return
    y = alt.Y("label:N", title=None, sort=known["label"].to_list())
    title = "share of measured filters that recognise the border; lines: baselines"
    x = share_axis("recognises_share", title)
    layers = [
        data(known.select("label", "recognises_share")).mark_bar(color=BORDER).encode(x=x, y=y)
    ]
    for kind, (_, colour) in BASELINES.items():
        ends = known.select(
            "label",
            value=pl.concat_list(f"{kind}_low", f"{kind}_high") / pl.col("measured"),
        )
        ends = ends.explode("value").drop_nulls("value")
        if ends.height:
            ticks = data(ends).mark_tick(color=colour, thickness=2)
            layers.append(ticks.encode(x=share_axis("value", title), y=y))
    yield cast("alt.LayerChart", alt.layer(*layers)).properties(width=WIDTH)


def used(table: pl.DataFrame) -> Iterator[Chart]:
    """Effect of undoing the recognising filters by run, beside controls; one chart a measure."""
    known = table.with_columns(label=pl.Series(labels(table["name"].to_list())))
    known = known.filter(pl.col("used").is_not_null())
    for name in known["measure"].drop_nulls().unique(maintain_order=True):
        own = known.filter(pl.col("measure") == name).select(
            "label", "used", "control", low="used_low", high="used_high"
        )
        values = [value for row in own.drop("label").rows() for value in row]
        title = f"{measure_of(name).heading}, recognising filters undone; ticks: controls"
        x = alt.X(
            "used:Q", title=title,
            scale=alt.Scale(type="log") if wide(values) else alt.Scale(),
        )  # fmt: skip
        y = alt.Y("label:N", title=None, sort=own["label"].to_list())
        yield intervals(own, x, "used", "control", y).properties(width=WIDTH)
