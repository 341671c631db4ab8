"""The figure of responses along the depth of the network."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl
import vl_convert
from markupsafe import Markup

from padscope.evidence import CANDIDATE, SMALL_MAP, STRONG
from padscope.findings.words import shorten, size, visible
from padscope.study import Study
from padscope.tables import MEASURED

ENDS_OF_SCALE = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
TIGHT = 60  # a panel narrower than this has room for one label
TWO_LINES = 30  # up to so many sites, the map size stands below the site's name
Panel = alt.LayerChart | alt.FacetChart  # what altair calls layers
INK, MUTED, FAINT, ACCENT = (f"var(--{name})" for name in ("ink", "muted", "rule", "accent"))


def side_shares(study: Study) -> pl.DataFrame:
    """Share of filters that respond, by site and side, in the order of the forward pass.

    Columns: ``row`` (of the site), ``site``, ``map_size``, ``side``, ``filters``, ``contact``
    (lines that touch padding there), ``candidate``, ``strong`` (shares of the site's measured
    filters; a strong one is a candidate too).
    """
    measured = study.filters.select("site", "filter", measured=MEASURED.fill_null(value=False))
    sides = study.sides.join(measured, on=["site", "filter"], how="left", maintain_order="left")
    counts = sides.group_by("site", "side", maintain_order=True).agg(
        pl.col("contact").first(),
        pl.col("measured").sum(),
        candidate=(pl.col("measured") & (pl.col("ks") >= CANDIDATE)).sum(),
        strong=(pl.col("measured") & (pl.col("ks") >= STRONG)).sum(),
    )
    rows = study.sites.filter("scored").select("site", "map_size", "filters").with_row_index("row")
    return rows.join(counts, on="site", how="inner", maintain_order="left_right").with_columns(
        pl.col("candidate", "strong") / pl.col("measured").clip(1)
    )


def depth_chart(study: Study, *, narrow: bool = False) -> Markup:
    """Draw the share of responding filters per site, one panel a side.

    Parameters
    ----------
    narrow : bool
        For the width of a telephone: names stand above the bars, not beside them.

    Returns
    -------
    Markup
        An SVG whose colours are variables of the page's style sheet; empty without scored sites.
    """
    shares = side_shares(study)
    if shares.is_empty():
        return Markup("")
    sides = shares["side"].unique(maintain_order=True).to_list()
    rows = shares["row"].n_unique()
    step = 40 if narrow else 30 if rows <= TWO_LINES else 19
    share: Any = shares["candidate"].max()
    end = next(end for end in ENDS_OF_SCALE if end >= share)
    width = (316 - 10 * len(sides)) // len(sides) if narrow else max(110, 640 // len(sides))
    panels: list[Panel] = [_panel(shares, side, width, step, end, narrow=narrow) for side in sides]
    if narrow:
        panels[0] = alt.layer(panels[0], *_names(shares, 0, 0))
    else:
        maps = 7 * max(len(size(shape)) + 2 for shape in shares["map_size"]) + 14
        longest = 7 * max(map(len, _labels(shares)))
        edge = longest + maps if rows > TWO_LINES else max(longest, maps)
        names = alt.layer(*_names(shares, edge, edge - maps))
        panels.insert(0, names.properties(width=edge, height=rows * step))
    gap = 10 if narrow else 28
    chart = alt.hconcat(*panels, spacing=gap, bounds="flush", background="transparent", padding=4)
    return _svg(chart.configure(aria=False).configure_view(stroke=None))


def _labels(shares: pl.DataFrame) -> list[str]:
    return [shorten(visible(name), 34) for name in shares["site"].unique(maintain_order=True)]


def _names(shares: pl.DataFrame, edge: int, before: int) -> list[alt.Chart]:
    """Names of the sites and sizes of their maps as text: up to an edge, or from 0."""
    sites = shares.unique("row", maintain_order=True)
    values = [
        {"row": row, "name": name, "map": size(shape) + (" †" if min(shape) < SMALL_MAP else "")}
        for row, shape, name in zip(sites["row"], sites["map_size"], _labels(shares), strict=True)
    ]
    data = alt.Chart(alt.InlineData(values=values))

    def text(field: str, colour: str, x: int, dy: int) -> alt.Chart:
        align: Any = "right" if x else "left"
        y: Any = alt.Y("row:O", axis=None)
        mark = data.mark_text(color=colour, fontSize=12, limit=0, align=align, x=x, dy=dy)
        named: alt.Chart = mark.encode(y=y, text=f"{field}:N")
        return named

    if not edge:
        for value in values:
            value["name"] = f"{value['name']}  {value['map']}"
        return [text("name", INK, 0, -10)]
    if len(values) <= TWO_LINES:
        return [text("name", INK, edge, -6), text("map", MUTED, edge, 8)]
    return [text("name", INK, before, 0), text("map", MUTED, edge, 0)]


def _panel(
    shares: pl.DataFrame, side: str, width: int, step: int, end: float, *, narrow: bool
) -> Panel:
    here = shares.filter(pl.col("side") == side)
    columns = here.select("row", "candidate", "strong", "contact").to_dicts()
    base = alt.Chart(alt.InlineData(values=columns))
    bar: dict[str, Any] = {"height": 12, "yOffset": 8 if narrow else 0}
    rows = alt.Scale(domain=list(range(shares["row"].n_unique())))
    axis = _axis(end, width, narrow=narrow)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=None, axis=axis, scale=alt.Scale(domain=[0, end]))

    y: Any = alt.Y("row:O", axis=None, scale=rows)
    wide = base.mark_bar(fill="var(--accent-wash)", stroke=ACCENT, strokeWidth=1, **bar)
    dark = base.mark_bar(fill=ACCENT, **bar)
    track = base.mark_bar(fill=FAINT, opacity=0.5, **bar)  # in place of the grid, under the names
    apart = base.transform_filter("datum.contact == 0").mark_point(
        shape="circle", size=22, stroke=MUTED, strokeWidth=1, xOffset=-5, yOffset=bar["yOffset"]
    )
    title = alt.TitleParams(
        side, color=INK, fontSize=11 if width < TIGHT else 13, anchor="start", frame="group"
    )
    return alt.layer(
        *([track.encode(x=alt.datum(0), x2=alt.datum(end), y=y)] if narrow else []),
        wide.transform_filter("datum.candidate > 0").encode(x=x("candidate"), y=y),
        dark.transform_filter("datum.strong > 0").encode(x=x("strong"), y=y),
        apart.encode(x=alt.datum(0), y=y),
    ).properties(width=width, height=step * shares["row"].n_unique(), title=title)


def _axis(end: float, width: int, *, narrow: bool) -> alt.Axis:
    values = [0, end / 2, end]
    if narrow:
        values = [end] if width < TIGHT else [0, end]
    return alt.Axis(
        values=values, orient="top", grid=not narrow, gridColor=FAINT, domain=False, ticks=False,
        labelExpr="format(100 * datum.value, '~r') + '\u00a0%'", labelColor=MUTED,
        labelFontSize=11, labelFlush=True,
    )  # fmt: skip


def _svg(chart: alt.HConcatChart) -> Markup:
    svg = vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[])
    return Markup(svg)  # vega has escaped the texts
