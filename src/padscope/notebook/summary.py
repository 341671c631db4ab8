"""What a study found as HTML that stands in a notebook: sentences, and bars along the depth."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from padscope.counts import plural
from padscope.findings.depth import depth_profile
from padscope.findings.headline import opening
from padscope.findings.words import percent
from padscope.notebook.card import text
from padscope.study import Study

WIDTH, HEIGHT = 520, 72


def draw_summary(study: Study) -> str:
    """Draw the summary of a study."""
    said = "".join(f'<p style="margin:4px 0">{text(line)}</p>' for line in opening(study))
    drawn = _draw(depth_profile(study), explained=study.explanation is not None)
    return (
        '<div style="font:13px/1.45 system-ui,sans-serif;max-width:46rem;overflow-wrap:anywhere">'
        f'<div style="font-weight:600"><bdi>{text(study.model)}</bdi></div>'
        f'<div style="opacity:.7"><bdi>{text(study.images)}</bdi></div>{said}{drawn}'
        '<div style="opacity:.7">study.card(site, filter) shows one filter; '
        "padscope.render_report(study) writes the whole page.</div></div>"
    )


def _draw(profile: pl.DataFrame, *, explained: bool) -> str:
    most = profile.sort("share", descending=True, nulls_last=True).row(0, named=True)
    what = "recognise the border" if explained else "respond to the border"
    words = (
        f"Filters that {what}, along the depth: at most "
        f"{percent(most['counted'], most['measured'])} of a site's measured filters"
    )
    return (
        f'<figure style="margin:8px 0"><figcaption style="opacity:.7">{text(words)}</figcaption>'
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{text(words)}" style="max-width:100%;height:auto">'
        f"{''.join(_columns(profile, most['share'] or 1.0))}"
        f'<path d="M0 {HEIGHT - 0.5}H{WIDTH}" stroke="currentColor" stroke-opacity=".5"/>'
        "</svg></figure>"
    )


def _columns(profile: pl.DataFrame, most: float) -> Iterator[str]:
    step = WIDTH / max(profile.height, 1)
    for place, row in enumerate(profile.iter_rows(named=True)):
        height = (HEIGHT - 2) * (row["share"] or 0.0) / most
        yield (
            f'<rect x="{place * step:.1f}" y="{HEIGHT - height:.1f}" '
            f'width="{max(step - 2, 0.5 * step):.1f}" height="{height:.1f}" fill="#0b7fc4">'
            f"<title>{text(row['site'])}: {row['counted']:,} of {plural(row['measured'], 'filter')}"
            "</title></rect>"
        )
