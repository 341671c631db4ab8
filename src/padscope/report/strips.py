"""Bars and ticks on one line of a table, as SVG that takes the width it is given.

The drawings are hidden from screen readers: what they show stands beside them in figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

HEIGHT = 12  # of the drawing's own units; its width is 100
LANES = {"whole": (1, 10), "upper": (0.5, 5), "lower": (6.5, 5)}  # top and height
ENDS_OF_SCALE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Bar:
    """Part of a strip.

    Attributes
    ----------
    style : str
        Class of the page's style sheet.
    start, stop : float
        In units of the scale.
    lane : {"whole", "upper", "lower"}
    """

    style: str
    start: float
    stop: float
    lane: str = "whole"


@dataclass(frozen=True)
class Tick:
    """A mark across a strip, or across one lane of it."""

    style: str
    at: float
    lane: str = ""


def strip(bars: Iterable[Bar], ticks: Iterable[Tick] = (), end: float = 1.0) -> Markup:
    """Draw bars, and ticks over them, on a scale from 0 to `end`.

    Examples
    --------
    >>> str(strip([Bar("full", 0, 0.25)], end=0.5))[-61:]
    '<rect class="full" x="0" y="1" width="50" height="10"/></svg>'
    """
    parts = []
    for bar in bars:
        if bar.stop > bar.start:
            top, height = LANES[bar.lane]
            parts.append(
                f'<rect class="{bar.style}" x="{_place(bar.start, end)}" y="{top}" '
                f'width="{_place(bar.stop - bar.start, end)}" height="{height}"/>'
            )
    for tick in ticks:
        top, height = LANES.get(tick.lane, (0, HEIGHT))
        parts.append(
            f'<path class="tick {tick.style}" d="M{_place(tick.at, end)} {top}v{height}"/>'
        )
    return Markup(
        f'<svg class="strip" viewBox="0 0 100 {HEIGHT}" preserveAspectRatio="none" '
        f'aria-hidden="true">{"".join(parts)}</svg>'
    )


def end_of_scale(values: Sequence[float]) -> float:
    """Give the least round number that is no smaller than any of the values.

    Examples
    --------
    >>> end_of_scale([0.03, 0.17]), end_of_scale([])
    (0.2, 0.01)
    """
    return next(end for end in ENDS_OF_SCALE if end >= max(values, default=0.0) or end == 1)


def _place(value: float, end: float) -> str:
    return f"{100 * value / end:.2f}".rstrip("0").rstrip(".")
