"""A value with its interval before a band of controls, on one line of a table.

Like other strips it takes the width it is given and is hidden from screen readers: what it shows
stands beside it in figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from padscope.figures.scales import Scale
from padscope.report.strips import HEIGHT


@dataclass(frozen=True)
class Dot:
    """What is drawn; what is None is left out.

    Attributes
    ----------
    value, low, high : float or None
        The dot, and the line through it.
    control, control_low, control_high : float or None
        The tick of the controls, and their band.
    other : float or None
        A second, dashed tick.
    part : float or None
        A ring: the value of the part that the controls stand beside.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    control: float | None = None
    control_low: float | None = None
    control_high: float | None = None
    other: float | None = None
    part: float | None = None


def dot_strip(dot: Dot, scale: Scale) -> Markup:
    """Draw a dot on a scale, with faint lines at its ticks and a darker one at 0.

    Examples
    --------
    >>> str(dot_strip(Dot(0.5), Scale((0.0, 1.0))))[-41:]
    '<path class="dot" d="M50 6h0.001"/></svg>'
    """
    middle = HEIGHT / 2

    def x(value: float) -> str:
        return f"{100 * scale.at(value):.2f}".rstrip("0").rstrip(".")

    lines = "".join(f"M{x(tick)} 0v{HEIGHT}" for tick in scale.ticks)
    parts = [f'<path class="grid" d="{lines}"/>']
    if not scale.log and scale.ticks[0] < 0:
        parts.append(f'<path class="zero" d="M{x(0)} 0v{HEIGHT}"/>')
    if dot.control_low is not None and dot.control_high is not None:
        left, right = scale.at(dot.control_low), scale.at(dot.control_high)
        # A band no wider than a line would not be seen.
        width = max(100 * (right - left), 0.4)
        parts.append(
            f'<rect class="controls" x="{x(dot.control_low)}" y="1" width="{width:.2f}" '
            f'height="{HEIGHT - 2}"/>'
        )
    if dot.control is not None:
        parts.append(f'<path class="tick control" d="M{x(dot.control)} 1v{HEIGHT - 2}"/>')
    if dot.other is not None:
        parts.append(f'<path class="tick other" d="M{x(dot.other)} 0v{HEIGHT}"/>')
    if dot.low is not None and dot.high is not None:
        parts.append(f'<path class="span" d="M{x(dot.low)} {middle:g}H{x(dot.high)}"/>')
    # Round caps: circles would be stretched with the strip.
    if dot.value is not None:
        parts.append(f'<path class="dot" d="M{x(dot.value)} {middle:g}h0.001"/>')
    if dot.part is not None:
        place = f"M{x(dot.part)} {middle:g}h0.001"
        parts.append(f'<path class="dot" d="{place}"/><path class="hole" d="{place}"/>')
    return Markup(
        f'<svg class="strip dots" viewBox="0 0 100 {HEIGHT}" preserveAspectRatio="none" '
        f'aria-hidden="true">{"".join(parts)}</svg>'
    )
