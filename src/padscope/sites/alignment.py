"""Where the positions of a crop's maps lie on the maps of a canvas around it.

A canvas is a crop with a margin of real surroundings. If a network walks over both in the same
steps, a margin of m pixels becomes one of m / s positions on a map of total stride s, and each
position of the crop's map has its counterpart on the canvas's. Strides are not computed from the
network's structure: they are read off how much the maps grow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from padscope.sites.discovery import Observation
from padscope.sites.geometry import Window
from padscope.sites.operations import Operation
from padscope.sites.site import Site

# Pixels of real context that settle the scores: of sites up to a total stride of 16, and of 32.
NEAR_MARGIN, NEAR_STRIDE = 64, 16
FAR_MARGIN, FAR_STRIDE = 128, 32


@dataclass(frozen=True)
class Alignment:
    """How a site's maps on the canvas lie around those on the crop.

    Attributes
    ----------
    crop, canvas : Window
        The same operation on both.
    stride : tuple of Fraction
        Total stride per axis: input pixels per output position; below 1 where maps are enlarged.
    shift_in, shift_out : tuple of int
        Per axis, where the crop's first position stands on the canvas: of the operation's input
        and of its output.
    """

    crop: Window
    canvas: Window
    stride: tuple[Fraction, ...]
    shift_in: tuple[int, ...]
    shift_out: tuple[int, ...]


def align(
    crop: Site | Operation, canvas: Site | Operation | None, margin: Sequence[int]
) -> Alignment | str:
    """Align one site, or say why it cannot be.

    Parameters
    ----------
    crop, canvas : Site or Operation
        The site as it ran on the crop, and on the canvas (None if it did not).
    margin : sequence of int
        Pixels between the two, per axis, at each end.
    """
    if canvas is None:
        return "it did not run on the canvas"
    a, b = crop.window, canvas.window
    if crop.op != canvas.op or len(a.out) != len(b.out) or len(margin) != len(a.out):
        return "it is another operation on the canvas"
    fixed = ("kernel", "stride", "dilation", "before", "after")
    if differing := [name for name in fixed if getattr(a, name) != getattr(b, name)]:
        parts = ("padding" if name in ("before", "after") else name for name in differing)
        names = ", ".join(dict.fromkeys(parts))
        return f"its {names} depends on the size of the input"
    grown_in = [y - x for x, y in zip(a.size, b.size, strict=True)]
    grown_out = [y - x for x, y in zip(a.out, b.out, strict=True)]
    if min(*grown_in, *grown_out, 1) <= 0:
        return "its map does not grow with the input"
    uneven = any(grown % 2 for grown in (*grown_in, *grown_out))
    if uneven or not _in_step(a, grown_in, grown_out):
        pixels = "×".join(map(str, margin))
        return f"its map does not grow alike at both ends, by a margin of {pixels}"
    stride = tuple(Fraction(2 * m, grown) for m, grown in zip(margin, grown_out, strict=True))
    shifts = (tuple(grown // 2 for grown in both) for both in (grown_in, grown_out))
    return Alignment(a, b, stride, *shifts)


def _in_step(window: Window, grown_in: Sequence[int], grown_out: Sequence[int]) -> bool:
    """Whether the window walks over both inputs in the same steps.

    A margin that is no multiple of the stride can lengthen a map by an even number all the same.
    """
    walks = zip(grown_in, grown_out, window.stride, strict=True)
    if window.transposed:
        return all(longer == s * shorter for shorter, longer, s in walks)
    return all(longer == s * shorter for longer, shorter, s in walks)


def total_strides(crop: Observation, canvas: Observation, margin: Sequence[int]) -> set[Fraction]:
    """Every total stride that a network's maps have, on any axis, as far as they align."""
    on_canvas = {site.name: site for site in (*canvas.sites, *canvas.unpadded)}
    found: set[Fraction] = set()
    for site in (*crop.sites, *crop.unpadded):
        aligned = align(site, on_canvas.get(site.name), margin)
        if isinstance(aligned, Alignment):
            found.update(aligned.stride)
            ends = zip(margin, aligned.shift_in, strict=True)
            found.update(Fraction(m, shift) for m, shift in ends)
    return found


def choose_margin(crop: Observation, canvas: Observation, trial: Sequence[int]) -> int:
    """Choose how much real context a network needs, from a trial canvas.

    Parameters
    ----------
    crop, canvas : Observation
        Of the crop and of a canvas around it.
    trial : sequence of int
        That canvas's margin.

    Returns
    -------
    int
        Pixels: a multiple of every total stride, at least `NEAR_MARGIN` up to a total stride of
        `NEAR_STRIDE`, `FAR_MARGIN` up to `FAR_STRIDE` and four times a larger one; and no less
        than the deepest padding of any window.
    """
    strides = total_strides(crop, canvas, trial) or {Fraction(1)}
    deepest = max(strides)
    base: Fraction | int = 4 * deepest
    if deepest <= FAR_STRIDE:
        base = NEAR_MARGIN if deepest <= NEAR_STRIDE else FAR_MARGIN
    base = max(base, _deepest_padding(crop, canvas, trial))
    step = math.lcm(*(stride.numerator for stride in strides))
    return math.ceil(base / step) * step


def _deepest_padding(crop: Observation, canvas: Observation, trial: Sequence[int]) -> Fraction:
    """Pixels that the widest padding of any site stands for."""
    on_canvas = {site.name: site for site in canvas.sites}
    deepest = Fraction(0)
    for site in crop.sites:
        aligned = align(site, on_canvas.get(site.name), trial)
        if isinstance(aligned, Alignment):
            ends = zip(trial, aligned.shift_in, site.window.before, site.window.after, strict=True)
            deepest = max(deepest, *(Fraction(m, s) * max(b, a) for m, s, b, a in ends))
    return deepest
