"""The network along its depth: who recognises the border where, beside its baselines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import polars as pl

from padscope.errors import PadscopeError
from padscope.figures import vega as vl
from padscope.figures.theme import BORDER, FAINT, INK, MUTED, PAPER
from padscope.findings.depth import depth_profile
from padscope.findings.words import listed, shorten, visible
from padscope.regions import sides_of
from padscope.study import Study

WIDTH, HEIGHT, ROW = 760, 200, 13  # pixels: of the bars, and of a row of sides
STEP, LENGTH = 22, 190  # of a site, and of its bar, where the network is drawn downwards
LINE = 110  # letters of a title's line
LONGEST_NAME = 18  # characters of a block
LARGEST = 40  # sites that have their names at the axis; of more every second, third, … has
# Of an axis that is seen by its labels alone.
QUIET: dict[str, Any] = {"ticks": False, "domain": False, "labelColor": MUTED}
# With the length of their lines, which are one colour in daylight and in the dark.
BASELINES = {
    "matched_share": ("matched kernels (long)", 0.9), "fresh_share": ("fresh weights (short)", 0.5),
}  # fmt: skip


def depth(study: Study, *, downwards: bool = False, titled: bool = True) -> vl.Spec:
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
    parts = [_bars(profile, downwards=downwards), _sides(profile, downwards=downwards)]
    drawn = {"hconcat" if downwards else "vconcat": parts, "spacing": 6, "bounds": "flush"}
    return drawn | ({"title": wrap(caption(study), LINE)} if titled else {})


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


def _along(profile: pl.DataFrame, *, downwards: bool, named: bool) -> vl.Spec:
    """Give the axis along the network, with the names of its blocks."""
    axis = None
    if named:
        every = -(-profile.height // LARGEST)
        names = profile.select("place", "block").iter_rows()
        label = "".join(
            f"datum.value=={place}?{json.dumps(shorten(visible(name), LONGEST_NAME))}:"
            for place, name in names
            if place % every == 0
        )
        axis = QUIET | {
            "title": None, "labelExpr": f"{label}''", "labelAngle": 0 if downwards else -40,
            "labelOverlap": False,
        }  # fmt: skip
    return {"field": "place", "type": "ordinal", "axis": axis, "scale": {"paddingInner": 0.15}}


def _turned(names: Sequence[str], along: Any, across: Any, *, downwards: bool) -> vl.Spec:
    """Name what holds along the network and across it, for a chart of either direction."""
    return dict(zip(names[::-1] if downwards else names, (along, across), strict=True))


def _width(profile: pl.DataFrame) -> int:
    return max(WIDTH, 9 * profile.height)


def _bars(profile: pl.DataFrame, *, downwards: bool) -> vl.Spec:
    along = _along(profile, downwards=downwards, named=downwards)
    axis = QUIET | {
        "format": "%", "tickCount": 4, "gridColor": FAINT, "orient": "top" if downwards else "left",
    }  # fmt: skip

    def at(column: str) -> dict[str, vl.Spec]:
        across = {"field": column, "type": "quantitative", "title": None, "axis": axis}
        return _turned("xy", along, across, downwards=downwards)

    layers = [vl.mark("bar", {"color": BORDER}, **at("share"))]
    for column, (_, length) in BASELINES.items():
        if profile[column].is_not_null().any():
            step = STEP if downwards else _width(profile) / profile.height
            tick = {"color": INK, "opacity": 1, "thickness": 2, "size": length * step}
            layers.append(vl.mark("tick", tick, **at(column)))
    box: Any = ({"step": STEP}, LENGTH) if downwards else (_width(profile), HEIGHT)
    size = _turned(("width", "height"), *box, downwards=downwards)
    return vl.data(profile.drop("site", "block")) | {"layer": layers} | size


def _sides(profile: pl.DataFrame, *, downwards: bool) -> vl.Spec:
    """Draw one row a side: the stronger, the more of the site's filters are so there."""
    names = [side.name for side in sides_of(3) if side.name in profile.columns]
    names += [name for name in ("start", "end") if name in profile.columns and name not in names]
    table = profile.unpivot(
        names, index=["place", "measured"], variable_name="side", value_name="count"
    ).with_columns(share=pl.col("count").fill_null(0) / pl.col("measured").clip(1))
    along = _along(profile, downwards=downwards, named=not downwards)
    axis = QUIET | {
        "title": None, "orient": "top" if downwards else "left",
        "labelAngle": -90 if downwards else 0,
    }  # fmt: skip
    across = vl.nominal("side", sort=names, axis=axis)
    channels = _turned("xy", along, across, downwards=downwards)
    strength = {"field": "share", "type": "quantitative", "legend": None,
                "scale": {"type": "sqrt", "range": [0, 1]}}  # fmt: skip
    layers = [
        vl.mark("rect", {"fill": FAINT, "opacity": 0.35, "stroke": PAPER}, **channels),
        vl.mark("rect", {"fill": BORDER, "stroke": PAPER}, **channels, opacity=strength),
    ]
    length: Any = {"step": STEP} if downwards else _width(profile)
    size = _turned(("width", "height"), length, {"step": ROW}, downwards=downwards)
    return vl.data(table) | {"layer": layers} | size
