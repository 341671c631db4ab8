"""Where on the map: sides, lines, corners, core, and the positions drawn from each."""

from padscope.regions.layout import Layout, Region
from padscope.regions.sampling import (
    FOLDS,
    SLOTS,
    Draw,
    Positions,
    draw_positions,
    draw_pseudo_borders,
)
from padscope.regions.sides import Side, sides_of

__all__ = [
    "FOLDS",
    "SLOTS",
    "Draw",
    "Layout",
    "Positions",
    "Region",
    "Side",
    "draw_positions",
    "draw_pseudo_borders",
    "sides_of",
]
