"""Families of 3×3 kernels that several planted networks share."""

from __future__ import annotations

import torch
from torch import Tensor

from padscope.planted.kernels import BOTTOM, CENTRE, LEFT, ONE_SIDED, RIGHT, TOP, grid, taps

SIGHTLESS = {"centre tap": taps({CENTRE: 1.0}), "centre tap, negative": taps({CENTRE: -1.0})}

PAIRS = {
    "top against bottom": taps({TOP: 1, BOTTOM: -1}),
    "left against right": taps({LEFT: 1, RIGHT: -1}),
    "top and bottom": taps({TOP: 1, BOTTOM: 1, CENTRE: -2}),
    "left and right, negative": taps({LEFT: -1, RIGHT: -1, CENTRE: 2}),
    "top against left": taps({TOP: 1, LEFT: -1}),
    "bottom and right": taps({BOTTOM: 1, RIGHT: 1, CENTRE: -2}),
    "all but bottom": taps({TOP: 1, LEFT: 1, RIGHT: 1, CENTRE: -3}),
    "all but left, negative": taps({TOP: -1, BOTTOM: -1, RIGHT: -1, CENTRE: 3}),
}
FRAMES = {
    "frame": grid("1 1 1 / 1 -8 1 / 1 1 1"),
    "frame, negative": grid("-1 -1 -1 / -1 8 -1 / -1 -1 -1"),
    "frame blur": grid("1 2 1 / 2 0 2 / 1 2 1") / 12,
    "top row": grid("1 2 1 / 0 0 0 / 0 0 0") / 4,
    "right column, negative": grid("0 0 -1 / 0 0 -2 / 0 0 -1") / 4,
}
BLURS = {
    "blur": torch.full((3, 3), 1 / 9),
    "Gaussian": grid("1 2 1 / 2 4 2 / 1 2 1") / 16,
    "horizontal blur": grid("0 0 0 / 1 2 1 / 0 0 0") / 4,
}


def one_sided(weight: float, suffix: str = "") -> dict[str, Tensor]:
    """Make a kernel for each side, of one tap there."""
    return {f"{side} tap{suffix}": taps({tap: weight}) for side, tap in ONE_SIDED.items()}
