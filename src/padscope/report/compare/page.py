"""The page of a comparison of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from padscope.evidence import CANDIDATE, CONFIRMED, RECOGNISED
from padscope.figures.scales import Scale, fitting
from padscope.findings.comparison import (
    Cells,
    Comparison,
    kinds_found,
    read_comparison,
    write_cells,
)
from padscope.findings.kinds import TITLES
from padscope.findings.measures import measure_of
from padscope.findings.words import NONE
from padscope.report.compare.profiles import draw_profiles
from padscope.report.impact.dots import Dot, dot_strip
from padscope.report.strips import Bar, Tick, end_of_scale, strip
from padscope.report.templates import content_hash, page_environment, style_sheet
from padscope.study.impact_result import LEVEL

STYLES = ("report", "strips", "explained", "impact", "compare")
_BASELINES = ("fresh_low", "fresh_high", "matched_low", "matched_high")
_DRAWN = ("used", "used_low", "used_high", "control", "control_low", "control_high", "matched_used")


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes
    ----------
    cells : Cells
    recognises : Markup
        Its share of recognising filters beside those of its baselines, drawn.
    used : Markup
        The effect of undoing them beside the controls, drawn.
    matched : str
        The effect of the filters that have controls; "" if all have.
    decided : bool
        Whether it goes beyond the controls.
    kinds : list of (str, Markup)
        Count of every kind, and its share of the confirmed filters, drawn.
    """

    cells: Cells
    recognises: Markup
    used: Markup
    matched: str
    decided: bool
    kinds: list[tuple[str, Markup]]


def render_comparison(comparison: Comparison) -> str:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    str
        A page that loads nothing from elsewhere and runs no script; the same for the same runs.
    """
    css = style_sheet(*STYLES)
    table = comparison.table
    shares = [_share(row, name) for row in table.iter_rows(named=True) for name in _BASELINES]
    shares += table["recognises_share"].to_list()
    end = end_of_scale([share for share in shares if share is not None])
    kinds = kinds_found(table)
    scales = _scales(table)
    rows = [_row(row, end, scales, kinds) for row in table.iter_rows(named=True)]
    profiles = [(run.name, run.profile) for run in comparison.runs if run.profile is not None]
    return page_environment().get_template("compare.html.jinja").render(
        css=css,
        css_hash=content_hash(css),
        sentences=read_comparison(table),
        rows=rows,
        end=end,
        measures=[(measure_of(name), scale) for name, scale in scales.items()],
        kinds=[TITLES[kind] for kind in kinds],
        charts=draw_profiles(profiles) if profiles else [],
        profiles=[(name, profile.to_dicts()) for name, profile in profiles],
        runs=comparison.runs,
        refused=comparison.refused,
        cautions=comparison.cautions,
        settings=comparison.settings,
        cuts={"candidate": CANDIDATE, "confirmed": CONFIRMED, "recognised": RECOGNISED,
              "decided": LEVEL},
        fresh=table["fresh_low"].count() > 0,
        kernels=table["matched_low"].count() > 0,
        partly=any(row.matched for row in rows),
    )  # fmt: skip


def _scales(table: pl.DataFrame) -> dict[str, Scale]:
    """One scale for each measure, as they cannot be compared with one another."""
    scales = {}
    for measure in table["measure"].drop_nulls().unique(maintain_order=True):
        own = table.filter(pl.col("measure") == measure).select(_DRAWN)
        scales[measure] = fitting([v for row in own.iter_rows() for v in row if v is not None])
    return scales


def _row(row: dict[str, Any], end: float, scales: dict[str, Scale], kinds: Sequence[str]) -> Row:
    measure = measure_of(row["measure"]) if row["measure"] else None
    # The effect of the filters that have controls, if those are not all.
    part = row["matched_used"] if row["draws"] and row["matched"] < row["caused"] else None
    return Row(
        write_cells(row),
        _draw_recognising(row, end),
        _draw_used(row, part, scales[measure.name]) if measure else Markup(""),
        measure.figure(part) if measure and part is not None else "",
        bool(row["beyond_controls"]),
        [_kind(row, kind) for kind in kinds],
    )


def _draw_used(row: dict[str, Any], part: float | None, scale: Scale) -> Markup:
    dot = Dot(
        row["used"], row["used_low"], row["used_high"], row["control"], row["control_low"],
        row["control_high"], part=part,
    )  # fmt: skip
    return dot_strip(dot, scale)


def _draw_recognising(row: dict[str, Any], end: float) -> Markup:
    if row["recognises_share"] is None:
        return Markup("")
    ticks = [
        Tick(name.partition("_")[0], share)
        for name in _BASELINES
        if (share := _share(row, name)) is not None
    ]
    return strip([Bar("full", 0, row["recognises_share"])], ticks, end)


def _share(row: dict[str, Any], name: str) -> float | None:
    return row[name] / row["measured"] if row[name] is not None and row["measured"] else None


def _kind(row: dict[str, Any], kind: str) -> tuple[str, Markup]:
    if row[kind] is None:
        return NONE, Markup("")
    share = row[kind] / row["caused"] if row["caused"] and kind != "corner" else 0.0
    return f"{row[kind]:,}", strip([Bar("full", 0, share)])
