"""Small drawn frames that show which sides of a 2D map a filter answers to, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from padscope.findings.kinds import INHIBITED

# A mitred bar along each side of a square of 32 units, and lines across it.
_BARS = {
    "top": "M2 2H30L23 9H9Z",
    "bottom": "M2 30H30L23 23H9Z",
    "left": "M2 2L9 9V23L2 30Z",
    "right": "M30 2L23 9V23L30 30Z",
}
_HATCHES = {
    "top": "M9 8l4-5M14 8l4-5M19 8l4-5",
    "bottom": "M9 29l4-5M14 29l4-5M19 29l4-5",
    "left": "M3 13l5-4M3 18l5-4M3 23l5-4",
    "right": "M24 13l5-4M24 18l5-4M24 23l5-4",
}
_CORNERS = {
    "top-left": "M2 2H11V11H2Z",
    "top-right": "M30 2H21V11H30Z",
    "bottom-left": "M2 30H11V21H2Z",
    "bottom-right": "M30 30H21V21H30Z",
}


def frame_glyph(signs: Mapping[str, str], corners: Iterable[str] = (), alt: str = "") -> Markup:
    """Draw a frame whose active sides are thick: filled if excited, hatched if inhibited.

    Parameters
    ----------
    signs : mapping
        Active side → ``excited``, ``inhibited`` or ``neither``.
    corners : iterable of str
        Active corners, such as ``top-left``.
    alt : str
        What it says, in words; "" where the words stand beside it.
    """
    parts = ['<rect class="map" x="4" y="4" width="24" height="24"/>']
    for side, sign in signs.items():
        parts.append(f'<path class="side {sign}" d="{_BARS[side]}"/>')
        if sign == INHIBITED:
            parts.append(f'<path class="hatch" d="{_HATCHES[side]}"/>')
    parts += [f'<path class="side neither" d="{_CORNERS[corner]}"/>' for corner in corners]
    inside = Markup("".join(parts))
    if not alt:
        return Markup('<svg class="glyph" viewBox="0 0 32 32" aria-hidden="true">{}</svg>').format(
            inside
        )
    return Markup(
        '<svg class="glyph" viewBox="0 0 32 32" role="img" aria-label="{}">{}</svg>'
    ).format(alt, inside)
