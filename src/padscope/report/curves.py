"""Distributions and distances as small SVG drawings.

Colours are classes of the page's style sheet, so that they follow its light and dark modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from padscope.evidence import RECOGNISED
from padscope.findings.recall_curve import RecallCurve
from padscope.findings.words import number

FloatArray = NDArray[np.float64]
Profile = Sequence[float | None]


@dataclass(frozen=True)
class Cumulative:
    """One cumulative distribution.

    Attributes
    ----------
    edges : (E,) float64 array
        Upper edges of bins, ascending, finite.
    share : (E,) float64 array
        Share of values up to each edge.
    count : int
        Values.
    """

    edges: FloatArray
    share: FloatArray
    count: int


@dataclass(frozen=True)
class Curves:
    """Two cumulative distributions and where they lie farthest apart.

    Attributes
    ----------
    edges : (E,) float64 array
        Upper edges of bins, ascending, finite.
    border, core : (E,) float64 array
        Share of values up to each edge.
    counts : tuple of int
        Values at the border and in the core.
    real : Cumulative or None
        A third one: the border's positions with real surroundings.
    """

    edges: FloatArray
    border: FloatArray
    core: FloatArray
    counts: tuple[int, int]
    real: Cumulative | None = None

    @property
    def gap(self) -> int:
        """Index of the edge with the greatest gap: the best threshold of a border detector."""
        return int(np.abs(self.border - self.core).argmax())

    @property
    def ks(self) -> float:
        """The gap there."""
        return float(np.abs(self.border - self.core)[self.gap])

    @property
    def threshold(self) -> float:
        """The activation there."""
        return float(self.edges[self.gap])

    def window(self) -> tuple[float, float]:
        """Activations to draw: nearly all of the distributions, and the threshold."""
        drawn = [(self.edges, self.border), (self.edges, self.core)]
        if self.real:
            drawn.append((self.real.edges, self.real.share))
        seen = [
            edges[np.searchsorted(share, level).clip(max=len(share) - 1)]
            for edges, share in drawn
            for level in (0.005, 0.995)
        ]
        low, high = min(*seen, self.threshold), max(*seen, self.threshold)
        margin = 0.06 * (high - low) or 1.0
        return low - margin, high + margin


def accumulate(
    border: NDArray[np.int64], core: NDArray[np.int64], edges: FloatArray
) -> Curves | None:
    """Cumulate two histograms over shared bins; None if there is nothing to draw.

    Parameters
    ----------
    border, core : (B,) array
        Counts.
    edges : (B - 1,) float64 array
        Upper edge of every bin but the last; infinite ones are left out.

    Examples
    --------
    >>> curves = accumulate(np.array([3, 1, 0]), np.array([0, 1, 3]), np.array([0.0, 1.0]))
    >>> curves.border.tolist(), curves.core.tolist(), curves.ks
    ([0.75, 1.0], [0.0, 0.25], 0.75)
    """
    totals = int(border.sum()), int(core.sum())
    finite = np.isfinite(edges)
    if not all(totals) or not finite.any():
        return None
    below_border, below_core = (
        (counts.cumsum()[:-1] / total)[finite]
        for counts, total in zip((border, core), totals, strict=True)
    )
    return Curves(edges[finite], below_border, below_core, totals)


def cumulate(counts: NDArray[np.int64], edges: FloatArray) -> Cumulative | None:
    """Cumulate one histogram as `accumulate` does two."""
    total = int(counts.sum())
    finite = np.isfinite(edges)
    if not total or not finite.any():
        return None
    return Cumulative(edges[finite], (counts.cumsum()[:-1] / total)[finite], total)


LEFT, RIGHT, TOP, BOTTOM = 26, 314, 8, 112  # the plot within its 320 × 132 units


def curve_plot(curves: Curves, alt: str) -> Markup:
    """Draw two cumulative distributions, and their greatest gap as a bracket."""
    low, high = curves.window()
    scale = (RIGHT - LEFT) / (high - low)

    def path(edges: FloatArray, share: FloatArray) -> str:
        inside = (edges > low) & (edges < high)
        x = LEFT + scale * (np.array([low, *edges[inside], high]) - low)
        first, last = np.interp([low, high], edges, share)
        y = BOTTOM - (BOTTOM - TOP) * np.array([first, *share[inside], last])
        points = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
        return "M" + "L".join(dict.fromkeys(points))

    at = LEFT + scale * (curves.threshold - low)
    ends = [BOTTOM - (BOTTOM - TOP) * share[curves.gap] for share in (curves.border, curves.core)]
    upper, lower = min(ends), max(ends)
    bracket = f"M{at - 3:.1f} {upper:.1f}h6m-3 0V{lower:.1f}m-3 0h6"
    right = at < (LEFT + RIGHT) / 2
    text = (
        (LEFT, BOTTOM + 14, "start", number(low)),
        ((LEFT + RIGHT) / 2, BOTTOM + 14, "middle", "activation"),
        (RIGHT, BOTTOM + 14, "end", number(high)),
        (LEFT - 5, BOTTOM + 1, "end", "0"),
        (LEFT - 5, TOP + 8, "end", "1"),
    )
    words = Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(*item) for item in text
    )
    third = Markup("")
    if curves.real:
        drawn = path(curves.real.edges, curves.real.share)
        third = Markup('<path class="real" d="{}"/>').format(drawn)
    return Markup(
        '<svg class="curves" viewBox="0 0 320 132" role="img" aria-label="{}">'
        '<path class="rule" d="M{} {}V{}H{}"/><path class="core" d="{}"/>{}'
        '<path class="border" d="{}"/><path class="gap" d="{}"/>'
        '<text class="ks" x="{:.1f}" y="{:.1f}" text-anchor="{}">KS {:.2f}</text>{}</svg>'
    ).format(
        alt, LEFT, TOP, BOTTOM, RIGHT, path(curves.edges, curves.core), third,
        path(curves.edges, curves.border), bracket,
        at + (8 if right else -8), (upper + lower) / 2 + 4, "start" if right else "end",
        curves.ks, words,
    )  # fmt: skip


def recall_plot(curve: RecallCurve) -> Markup:
    """Draw border recall against the share of content that passes, on a logarithmic axis."""
    top, bottom = 8, 62

    def place(at: float, value: float) -> str:
        return f"{LEFT + (RIGHT - LEFT) * at:.1f} {bottom - (bottom - top) * value:.1f}"

    line = "L".join(place(at, value) for at, value, _ in curve.points)
    dot = "".join(f"M{place(at, value)}h.01" for at, value, asked in curve.points if asked)
    text: list[tuple[float, int, str, str]] = [
        (LEFT - 5, bottom + 1, "end", "0"),
        (LEFT - 5, top + 8, "end", "1"),
    ]
    for at, anchor, label in curve.ticks:
        text.append((round(LEFT + (RIGHT - LEFT) * at, 1), bottom + 14, anchor, label))
    words = Markup("").join(
        Markup('<text x="{:g}" y="{}" text-anchor="{}">{}</text>').format(*item) for item in text
    )
    return Markup(
        '<svg class="recall" viewBox="0 0 320 80" role="img" aria-label="{}">'
        '<path class="rule" d="M{} {}V{}H{}"/><path class="cut" d="M{}H{}"/>'
        '<path class="border" d="{}"/><path class="dot" d="{}"/>{}</svg>'
    ).format(
        curve.words, LEFT, top, bottom, RIGHT, place(0, RECOGNISED), RIGHT, line and f"M{line}",
        dot, words,
    )  # fmt: skip


def side_plot(sides: Sequence[tuple[str, Profile]], strongest: str) -> Markup:
    """Draw the KS of every side as bars, one for each line from the border inwards."""
    width = 320 / len(sides)
    bar = min(11.0, (width - 14) / 4 - 2)
    parts, words = [], []
    for place, (name, profile) in enumerate(sides):
        left = place * width + (width - 4 * bar - 6) / 2
        for d, ks in enumerate(profile):
            if ks is not None and np.isfinite(ks):
                kind = ("first" if d == 0 else "deeper") + (" best" if name == strongest else "")
                parts.append(
                    f'<rect class="{kind}" x="{left + d * (bar + 2):.1f}" y="{60 - 44 * ks:.1f}" '
                    f'width="{bar:.1f}" height="{44 * ks:.1f}"/>'
                )
        first = profile[0]
        value = "–" if first is None or not np.isfinite(first) else f"{first:.2f}"
        middle = place * width + width / 2
        parts.append(f'<text x="{middle:.1f}" y="11" text-anchor="middle">{value}</text>')
        parts.append(
            f'<text x="{middle:.1f}" y="74" text-anchor="middle">{escape(name)}</text>'
            f'<path class="rule" d="M{left - 3:.1f} 60.5h{4 * bar + 12:.1f}"/>'
            f'<path class="cut" d="M{left - 3:.1f} 38h{4 * bar + 12:.1f}"/>'
        )
        listed = ", ".join(f"{k:.2f}" for k in profile if k is not None and np.isfinite(k))
        words.append(f"{name} {listed or 'not measured'}")
    alt = "KS by side, on lines 0 to 3 from the border: " + "; ".join(words)
    return Markup(
        '<svg class="sides" viewBox="0 0 320 80" role="img" aria-label="{}">{}</svg>'
    ).format(alt, Markup("".join(parts)))
