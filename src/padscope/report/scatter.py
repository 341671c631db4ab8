"""Observation against cause: every filter and side, counted in squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup
from numpy.typing import NDArray

from padscope.evidence import CANDIDATE, CONFIRMED, GREY, SMALL_MAP
from padscope.findings.words import plural
from padscope.study import Study

CELLS = 50  # squares per axis: the cuts lie between two of them
DENSITIES = (1, 2, 4, 10, 30, 100)  # least count of each step of darkness
LEFT, BOTTOM, SIDE = 46.0, 312.0, 300.0  # the plot within its 356 × 346 units


@dataclass(frozen=True)
class Panel:
    """Filter-sides of small or of larger maps.

    Attributes
    ----------
    title : str
    small : bool
    measured : int
        Filter-sides with both scores.
    respond : int
        Those at the candidates' cut.
    confirmed, grey, rejected : int
        Labels of those that respond.
    unasked : int
        Confirmed ones that do not respond.
    apart : int
        Filter-sides without real context.
    plot : Markup
    """

    title: str
    small: bool
    measured: int
    respond: int
    confirmed: int
    grey: int
    rejected: int
    unasked: int
    apart: int
    plot: Markup


def make_panels(study: Study) -> list[Panel]:
    """Count and draw an explained study's filter-sides; maps under `SMALL_MAP` apart."""
    sizes = study.sites.select("site", small=pl.col("map_size").list.min() < SMALL_MAP)
    sides = study.sides.drop_nulls(["ks", "causal_ks"]).join(
        sizes, on="site", how="left", maintain_order="left"
    )
    panels = [
        _panel(title, sides.filter(pl.col("small") == small), small=small)
        for title, small in (
            (f"Maps of {SMALL_MAP} px and more", False),
            (f"Maps under {SMALL_MAP} px", True),
        )
    ]
    return [panel for panel in panels if panel.measured]


def _panel(title: str, sides: pl.DataFrame, *, small: bool) -> Panel:
    responding = sides.filter(pl.col("ks") >= CANDIDATE)
    labels = dict(responding.group_by("label").len().iter_rows())
    caused = sides.filter(pl.col("label") == "confirmed")
    counts = count_cells(sides["ks"].to_numpy(), sides["causal_ks"].to_numpy())
    alt = (
        f"{title}: causal KS against KS of {plural(sides.height, 'filter-side')}, in squares whose "
        "darkness is their number. The table holds the counts."
    )
    return Panel(
        title, small, sides.height, responding.height, labels.get("confirmed", 0),
        labels.get("grey", 0), labels.get("rejected", 0),
        caused.filter(pl.col("ks") < CANDIDATE).height,
        sides.filter(~pl.col("real_context")).height, draw_cells(counts, alt),
    )  # fmt: skip


def count_cells(ks: NDArray[np.float64], causal: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count points of the unit square in `CELLS` × `CELLS` squares.

    Returns
    -------
    (CELLS, CELLS) int64 array
        By KS, then causal KS. A square has its lower bounds in it; the last ones have 1 too.

    Examples
    --------
    >>> counts = count_cells(np.array([0.5, 1.0]), np.array([0.3, 0.0]))
    >>> np.argwhere(counts).tolist()
    [[25, 15], [49, 0]]
    """
    places = [np.minimum((values * CELLS).astype(np.int64), CELLS - 1) for values in (ks, causal)]
    counts = np.zeros((CELLS, CELLS), dtype=np.int64)
    np.add.at(counts, tuple(places), 1)
    return counts


def draw_cells(counts: NDArray[np.int64], alt: str) -> Markup:
    """Draw counted squares, with lines at the cuts."""
    width = SIDE / CELLS
    steps = np.searchsorted(DENSITIES, counts, side="right")
    paths = []
    for step in range(1, len(DENSITIES) + 1):
        squares = "".join(
            f"M{LEFT + x * width:g} {BOTTOM - (y + 1) * width:g}h{width:g}v{width:g}h-{width:g}z"
            for x, y in np.argwhere(steps == step).tolist()
        )
        if squares:
            paths.append(f'<path class="d{step}" d="{squares}"/>')
    return Markup(
        '<svg class="scatter" viewBox="0 0 356 346" role="img" aria-label="{}">{}{}</svg>'
    ).format(alt, _axes(), Markup("".join(paths)))


def _axes() -> Markup:
    top, right = BOTTOM - SIDE, LEFT + SIDE
    lines = "".join(
        f'<path class="cut" d="M{LEFT:g} {BOTTOM - cut * SIDE:g}H{right:g}"/>'
        for cut in (GREY, CONFIRMED)
    )
    at = LEFT + CANDIDATE * SIDE
    lines += f'<path class="cut" d="M{at:g} {top:g}V{BOTTOM:g}"/>'
    lines += f'<path class="rule" d="M{LEFT:g} {top:g}V{BOTTOM:g}H{right:g}"/>'
    words = [
        (LEFT + value * SIDE, BOTTOM + 15, "middle" if value else "start", f"{value:g}")
        for value in (0, CANDIDATE, 1)
    ] + [
        (LEFT - 6, BOTTOM - value * SIDE + (4 if value < 1 else 9), "end", f"{value:g}")
        for value in (0, GREY, CONFIRMED, 1)
    ]
    text = "".join(
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{word}</text>'
        for x, y, anchor, word in words
    )
    middle = BOTTOM - SIDE / 2
    text += (
        f'<text class="name" x="{LEFT + SIDE / 2:g}" y="{BOTTOM + 31:g}" text-anchor="middle">'
        "KS, border against core</text>"
        f'<text class="name" text-anchor="middle" transform="translate(11 {middle:g}) '
        'rotate(-90)">causal KS</text>'
    )
    for value, word in ((0.53, "confirmed"), (0.33, "grey"), (0.03, "rejected")):
        text += (
            f'<text class="zone" x="{right - 4:g}" y="{BOTTOM - value * SIDE + 4:g}" '
            f'text-anchor="end">{word}</text>'
        )
    return Markup(lines + text)
