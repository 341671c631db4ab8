"""Shares of filters along the depth of several models, as overlaid lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from padscope.figures.scales import Scale, linear
from padscope.findings.words import visible

# Colours alone do not tell lines apart: each also has its dashes, in the style sheet, and its mark.
_MARKS = (
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0Z",
    "M-3.2-3.2H3.2V3.2H-3.2Z",
    "M0-4.3L4 3H-4Z",
    "M0-4.6L4.6 0L0 4.6L-4.6 0Z",
    "M0 4.3L4-3H-4Z",
    "M-1.3-4H1.3V-1.3H4V1.3H1.3V4H-1.3V1.3H-4V-1.3H-1.3Z",
)
PER_CHART = len(_MARKS)
HEIGHT, TOP, RIGHT_GAP, BOTTOM_GAP, LEFT = 300, 30.0, 14.0, 44.0, 46.0
MARKED = 80  # sites up to which each has its mark


@dataclass(frozen=True)
class Line:
    """One model's shares along its depth.

    Attributes
    ----------
    name : str
    style : int
        Which of the styles, from 0.
    profile : polars.DataFrame
        See `padscope.findings.depth.depth_profile`.
    """

    name: str
    style: int
    profile: pl.DataFrame

    @property
    def key(self) -> Markup:
        """The line and its mark, for a legend."""
        return Markup(
            '<svg class="profile-key" viewBox="0 0 36 12" aria-hidden="true">'
            '<path class="run s{0}" d="M0 6H36"/>'
            '<path class="mark s{0}" transform="translate(18 6)" d="{1}"/></svg>'
        ).format(self.style, _MARKS[self.style])


@dataclass(frozen=True)
class Chart:
    """Some models' lines in one chart, drawn for a wide page and for a telephone."""

    lines: list[Line]
    wide: Markup
    narrow: Markup


def draw_profiles(profiles: Sequence[tuple[str, pl.DataFrame]]) -> list[Chart]:
    """Draw models' profiles, at most `PER_CHART` in a chart, all on the same scale.

    Parameters
    ----------
    profiles : sequence of (str, polars.DataFrame)
        Name of a model and its `padscope.findings.depth.depth_profile`.
    """
    shares = [share for _, profile in profiles for share in profile["share"].drop_nulls()]
    scale = linear(100 * share for share in shares)
    lines = [
        Line(name, place % PER_CHART, profile) for place, (name, profile) in enumerate(profiles)
    ]
    parts = [lines[start : start + PER_CHART] for start in range(0, len(lines), PER_CHART)]
    return [Chart(part, _draw(part, scale, 860), _draw(part, scale, 360)) for part in parts]


def _draw(lines: Sequence[Line], scale: Scale, width: int) -> Markup:
    alt = "Share of recognising filters from the first site to the last. " + ". ".join(
        _describe(line) for line in lines
    )
    drawn = Markup("").join(_draw_line(line, scale, width) for line in reversed(lines))
    return Markup(
        '<svg class="chart profiles" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>'
    ).format(width, HEIGHT, alt, _axes(scale, width), drawn)


def _describe(line: Line) -> str:
    known = line.profile.drop_nulls("share")
    if known.is_empty():
        return f"{visible(line.name)}: no site is measured"
    most = known.sort("share", descending=True, maintain_order=True)
    site, share = most.select("site", "share").row(0)
    return f"{visible(line.name)}: at most {100 * share:.1f} %, at {visible(site)}"


def _draw_line(line: Line, scale: Scale, width: int) -> Markup:
    pieces: list[list[str]] = [[]]
    marks = []
    for x, y, told in _points(line, scale, width):
        if y is None:
            pieces.append([])
            continue
        pieces[-1].append(f"{x:.1f} {y:.1f}")
        if line.profile.height <= MARKED:
            marks.append(
                Markup(
                    '<path class="mark s{}" transform="translate({:.1f} {:.1f})" d="{}">'
                    "<title>{}</title></path>"
                ).format(line.style, x, y, _MARKS[line.style], told)
            )
    path = "".join(f"M{'L'.join(piece)}" for piece in pieces if piece)
    return Markup('<path class="run s{}" d="{}"/>{}').format(
        line.style, path, Markup("").join(marks)
    )


def _points(line: Line, scale: Scale, width: int) -> Iterator[tuple[float, float | None, str]]:
    bottom, right = HEIGHT - BOTTOM_GAP, width - RIGHT_GAP
    columns = ("site", "depth", "counted", "measured", "share")
    for site, depth, recognises, measured, share in line.profile.select(columns).iter_rows():
        y = None if share is None else bottom - (bottom - TOP) * scale.at(100 * share)
        yield (
            LEFT + (right - LEFT) * depth, y,
            f"{visible(line.name)}, {visible(site)}: {recognises:,} of {measured:,} filters",
        )  # fmt: skip


def _axes(scale: Scale, width: int) -> Markup:
    bottom, right = HEIGHT - BOTTOM_GAP, width - RIGHT_GAP
    ys = [bottom - (bottom - TOP) * scale.at(tick) for tick in scale.ticks]
    grid = "".join(f"M{LEFT:g} {y:.1f}H{right:g}" for y in ys[1:])
    text = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    parts = [
        Markup('<path class="grid" d="{}"/><path class="rule" d="M{:g} {:.1f}H{:g}"/>').format(
            grid, LEFT, bottom, right
        )
    ]
    for y, label in zip(ys, scale.labels, strict=True):
        parts.append(text.format(LEFT - 7, y + 4, "end", label))
    for depth, label in ((0.0, "first site"), (0.5, "half of the sites"), (1.0, "last")):
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[depth]
        parts.append(text.format(LEFT + (right - LEFT) * depth, bottom + 18, anchor, label))
    parts.append(text.format(0, 14, "start", "recognising filters, % of the measured ones"))
    return Markup("").join(parts)
