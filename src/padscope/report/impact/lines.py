"""Line charts: some series over the same places, each with its interval as a ribbon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from padscope.figures.scales import Scale, fitting

WIDTH, HEIGHT = 400, 272
LEFT, RIGHT, TOP, BOTTOM = 48.0, 392.0, 28.0, 226.0
MOST_LABELS = 9
MARKED = 16  # up to so many places, each is marked by a point


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes
    ----------
    style : str
        Class of the page's style sheet.
    values : sequence of float or None
        One per place; the line is interrupted at None.
    low, high : sequences of float or None
        The ribbon; empty for none.
    """

    style: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


def line_chart(
    places: Sequence[str], series: Sequence[Series], x_title: str, y_title: str, alt: str
) -> Markup:
    """Draw series over evenly spaced places.

    Parameters
    ----------
    places : sequence of str
        What stands below each place; some are left out if there are many.
    series : sequence of Series
        The first is drawn last, on top.
    x_title, y_title : str
        The latter is followed by a word on the scale if that is logarithmic.
    alt : str
        What the chart says, in words.
    """
    drawn = [
        value
        for one in series
        for values in (one.values, one.low, one.high)
        for value in values
        if value is not None
    ]
    scale = fitting(drawn)
    xs = _places(len(places))
    lines = Markup("").join(_draw(one, xs, scale) for one in reversed(series))
    title = f"{y_title} (log scale)" if scale.log else y_title + scale.factor
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>'
    ).format(WIDTH, HEIGHT, alt, _axes(places, xs, scale, x_title, title), lines)


def _places(count: int) -> list[float]:
    if count == 1:
        return [(LEFT + RIGHT) / 2]
    inset = 14 if count <= MARKED else 4
    step = (RIGHT - LEFT - 2 * inset) / (count - 1)
    return [LEFT + inset + place * step for place in range(count)]


def _y(value: float, scale: Scale) -> float:
    return BOTTOM - (BOTTOM - TOP) * scale.at(value)


def _draw(series: Series, xs: Sequence[float], scale: Scale) -> Markup:
    parts = []
    if series.low and series.high:
        ends = [
            (x, _y(low, scale), _y(high, scale))
            for x, low, high in zip(xs, series.low, series.high, strict=True)
            if low is not None and high is not None
        ]
        if ends:
            there = "L".join(f"{x:.1f} {high:.1f}" for x, _, high in ends)
            back = "L".join(f"{x:.1f} {low:.1f}" for x, low, _ in reversed(ends))
            parts.append(f'<path class="ribbon {series.style}" d="M{there}L{back}Z"/>')
    pieces: list[list[str]] = [[]]
    for x, value in zip(xs, series.values, strict=True):
        if value is not None:
            pieces[-1].append(f"{x:.1f} {_y(value, scale):.1f}")
        elif pieces[-1]:
            pieces.append([])
    path = "".join(f"M{'L'.join(piece)}" for piece in pieces if piece)
    parts.append(f'<path class="run {series.style}" d="{path}"/>')
    if len(xs) <= MARKED:
        points = "".join(f"M{point}h0.001" for piece in pieces for point in piece)
        parts.append(f'<path class="point {series.style}" d="{points}"/>')
    return Markup("".join(parts))


def _axes(
    places: Sequence[str], xs: Sequence[float], scale: Scale, x_title: str, y_title: str
) -> Markup:
    ys = [_y(tick, scale) for tick in scale.ticks]
    grid = "".join(f"M{LEFT:g} {y:.1f}H{RIGHT:g}" for y in ys)
    parts = [Markup('<path class="grid" d="{}"/>').format(grid)]
    if not scale.log:
        parts.append(
            Markup('<path class="rule" d="M{:g} {:.1f}H{:g}"/>').format(LEFT, _y(0, scale), RIGHT)
        )
    text = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    for y, label in zip(ys, scale.labels, strict=True):
        parts.append(text.format(LEFT - 6, y + 4, "end", label))
    every = -(-len(places) // MOST_LABELS)
    for x, place in list(zip(xs, places, strict=True))[::every]:
        parts.append(text.format(x, BOTTOM + 16, "middle", place))
    parts.append(text.format((LEFT + RIGHT) / 2, BOTTOM + 37, "middle", x_title))
    parts.append(text.format(0, 12, "start", y_title))
    return Markup("").join(parts)
