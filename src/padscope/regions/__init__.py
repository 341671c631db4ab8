"""Where on the map: sides, lines, corners, core, and the positions drawn from each."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.regions.layout import Layout, Region
    from padscope.regions.sample_size import SampleSize
    from padscope.regions.sampling import FOLDS, SLOTS, Draw, Positions, draw_positions, lengths_of
    from padscope.regions.sides import Side, sides_of

__all__ = [
    "FOLDS",
    "SLOTS",
    "Draw",
    "Layout",
    "Positions",
    "Region",
    "SampleSize",
    "Side",
    "draw_positions",
    "lengths_of",
    "sides_of",
]

__getattr__, __dir__ = lazily(__name__)
