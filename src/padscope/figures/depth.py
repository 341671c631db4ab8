"""The network along its depth: who recognises the border where, beside its baselines."""

from __future__ import annotations

import json
from textwrap import wrap
from typing import Any, cast

import altair as alt
import polars as pl

from padscope.errors import PadscopeError
from padscope.figures.marks import Chart, data
from padscope.figures.theme import BORDER, FAINT, INK, MUTED, PAPER
from padscope.findings.depth import depth_profile
from padscope.findings.words import listed, visible
from padscope.regions import sides_of
from padscope.study import Study

WIDTH, HEIGHT, ROW = 760, 200, 13  # pixels: of the bars, and of a row of sides
STEP, LENGTH = 22, 190  # of a site, and of its bar, where the network is drawn downwards
LINE = 110  # letters of a title's line
LARGEST = 40  # sites that have their names at the axis; of more every second, third, … has
# With the length of their lines, which are one colour in daylight and in the dark.
BASELINES = {
    "matched_share": ("matched kernels (long)", 0.9), "fresh_share": ("fresh weights (short)", 0.5),
}  # fmt: skip


def depth(study: Study, *, downwards: bool = False, titled: bool = True) -> Chart:
    """Draw the share of every site's filters that recognise the border, and on which sides.

    Before a study is explained, the share that responds.

    Parameters
    ----------
    study : Study
    downwards : bool
        From top to bottom, for narrow screens, instead of from left to right.
    titled : bool
        Whether it says what it shows; on a page the caption does.

    Raises
    ------
    PadscopeError
        No site was scored.
    """
    profile = depth_profile(study).with_row_index("place")
    if profile.is_empty():
        raise PadscopeError("no site was scored")
    bars = _bars(profile, downwards=downwards)
    sides = _sides(profile, downwards=downwards)
    beside = alt.hconcat if downwards else alt.vconcat
    drawn: Chart = beside(bars, sides, spacing=6, bounds="flush")
    return drawn.properties(title=wrap(caption(study), LINE)) if titled else drawn


def caption(study: Study) -> str:
    """Say what the figure shows."""
    what = "recognise the border" if study.explanation else "respond to the border"
    told = f"Share of each site's filters that {what}, along the depth of the network"
    if study.explanation is None:
        return f"{told}, and at which sides."
    profile = depth_profile(study)
    beside = [name for column, (name, _) in BASELINES.items() if profile[column].count()]
    lines = f" Lines: mean of networks with {listed(beside)}, on crops." if beside else ""
    return f"{told}.{lines} Below: at which sides."


def _along(profile: pl.DataFrame, *, downwards: bool, named: bool) -> alt.X | alt.Y:
    """Give the axis along the network, with the names of its blocks."""
    if not named:
        axis = None
    else:
        every = -(-profile.height // LARGEST)
        names = profile.select("place", "block").iter_rows()
        written = {place: visible(name) for place, name in names if place % every == 0}
        label = "".join(
            f"datum.value=={place}?{json.dumps(name)}:" for place, name in written.items()
        )
        axis = alt.Axis(
            title=None, labelExpr=f"{label}''", labelAngle=0 if downwards else -40, ticks=False,
            domain=False, labelColor=MUTED, labelLimit=110, labelOverlap=False,
        )  # fmt: skip
    kind: Any = alt.Y if downwards else alt.X
    along: alt.X | alt.Y = kind("place:O", axis=axis, scale=alt.Scale(paddingInner=0.15))
    return along


def _bars(profile: pl.DataFrame, *, downwards: bool) -> alt.LayerChart:
    along = _along(profile, downwards=downwards, named=downwards)
    axis = alt.Axis(
        format="%", tickCount=4, gridColor=FAINT, domain=False, ticks=False, labelColor=MUTED,
        orient="top" if downwards else "left",
    )  # fmt: skip
    kind: Any = alt.X if downwards else alt.Y
    channel, across = ("y", "x") if downwards else ("x", "y")

    def at(column: str) -> dict[str, Any]:
        return {channel: along, across: kind(f"{column}:Q", title=None, axis=axis)}

    base = data(profile.drop("site", "block"))
    layers = [base.mark_bar(color=BORDER).encode(**at("share"))]
    for column, (_, length) in BASELINES.items():
        if profile[column].is_not_null().any():
            size = STEP if downwards else _size(profile)["width"] / profile.height
            tick = base.mark_tick(color=INK, opacity=1, thickness=2, size=length * size)
            layers.append(tick.encode(**at(column)))
    size = {"width": LENGTH, "height": alt.Step(STEP)} if downwards else _size(profile)
    return cast("alt.LayerChart", alt.layer(*layers)).properties(**size)


def _size(profile: pl.DataFrame) -> dict[str, Any]:
    return {"width": max(WIDTH, 9 * profile.height), "height": HEIGHT}


def _sides(profile: pl.DataFrame, *, downwards: bool) -> alt.LayerChart:
    """Draw one row a side: the stronger, the more of the site's filters are so there."""
    names = [side.name for side in sides_of(3) if side.name in profile.columns]
    names += [name for name in ("start", "end") if name in profile.columns and name not in names]
    table = profile.unpivot(
        names, index=["place", "measured"], variable_name="side", value_name="count"
    ).with_columns(share=pl.col("count").fill_null(0) / pl.col("measured").clip(1))
    along = _along(profile, downwards=downwards, named=not downwards)
    axis = alt.Axis(
        title=None, ticks=False, domain=False, labelColor=MUTED,
        orient="top" if downwards else "left", labelAngle=-90 if downwards else 0,
    )  # fmt: skip
    kind: Any = alt.X if downwards else alt.Y
    across = kind("side:N", sort=names, axis=axis)
    channels = {"y": along, "x": across} if downwards else {"x": along, "y": across}
    opacity = alt.Opacity("share:Q", legend=None, scale=alt.Scale(type="sqrt", range=[0, 1]))
    base = data(table)
    empty = base.mark_rect(fill=FAINT, opacity=0.35, stroke=PAPER).encode(**channels)
    rows = base.mark_rect(fill=BORDER, stroke=PAPER).encode(**channels, opacity=opacity)
    size = (
        {"width": alt.Step(ROW), "height": alt.Step(STEP)}
        if downwards
        else {"width": _size(profile)["width"], "height": alt.Step(ROW)}
    )
    return cast("alt.LayerChart", alt.layer(empty, rows)).properties(**size)
