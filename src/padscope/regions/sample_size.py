"""How many positions of a map are looked at when crop and canvas are compared.

More images tell more than more positions in each, for values along a line of one image are alike.
How many of them tell something new grows with the length of the line: from 4 to 16 positions on the
lines of VDSR, 120 long, a second sample of photographs gave the same kind for 83 % of filters
instead of 79 %. Counting in proportion to the length also keeps the cost below a fixed part of the
forward pass, which grows with the area. A position costs as much as the site has filters: where
these are few, all positions are looked at. On two samples of 290 photographs that made the kinds of
ResNet-44, whose sites have 16 to 64 filters, agree for 93 % of filters instead of 88 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from padscope.regions.sampling import (
    DEEPER_EVERY,
    Draw,
    Positions,
    draw_lines,
    draw_positions,
    draw_pseudo_borders,
)

if TYPE_CHECKING:
    from padscope.regions.layout import Layout

SPACING = 8  # positions of a line for each that is looked at
ENOUGH, LEAST = 2000, 192  # values of a line, over all images
ROOM = 512  # values of a line in each image that are looked at whatever the number of images
CORE_LEAST = 16  # positions of the core in each image: the threshold of recall rests on its tail
FEW = 96  # values of deeper lines, of corners, and of operations without padding, likewise


@dataclass(frozen=True)
class SampleSize:
    """Positions to look at per image.

    Attributes
    ----------
    seed : int
        Of the draws.
    images : int or None
        How many there are, if that is known.
    per_line, per_core, per_deeper : int or None
        Positions per image on line 0 of each side, in the core, and on each deeper line and
        corner. None: on line 0 one in `SPACING`, but as many as bring about `LEAST` values over
        all images, and no more than bring about `ENOUGH`, unless the site's filters are so few that
        more make less than `ROOM` values in each image; twice as many in the core,
        and at least `CORE_LEAST`; on a deeper
        line and in a corner one, in all images or in as small a part, down to a quarter, as brings
        about `FEW` values. Of operations without padding likewise.
    fold_interval : int or None
        Part of the images in which deeper lines and corners are looked at, see `Draw`. None: as
        above, or all if `per_deeper` is given.

    Examples
    --------
    >>> from padscope.regions import Layout
    >>> large, small = (Layout((n, n), ((1, 1), (1, 1))) for n in (112, 14))
    >>> few, many = SampleSize(seed=0, images=96), SampleSize(seed=0, images=1000)
    >>> few.on_line(large), few.on_line(small), many.on_line(large), many.on_line(small)
    (13, 2, 2, 1)
    >>> few.on_line(small, filters=128), many.on_line(small, filters=128)
    (4, 4)
    """

    seed: int
    images: int | None
    per_line: int | None = None
    per_core: int | None = None
    per_deeper: int | None = None
    fold_interval: int | None = None

    def on_line(self, layout: Layout, filters: int | None = None) -> int:
        """Positions per image on line 0 of a side, of an operation with padding."""
        if self.per_line:
            return self.per_line
        longest = max((len(layout.positions(line)) for line in layout.compared[:-1]), default=1)
        spaced = min(longest // SPACING, self._bringing(ENOUGH))
        cheap = min(longest, ROOM // filters) if filters else 0
        return max(self._bringing(LEAST), spaced, cheap)

    def _bringing(self, values: int) -> int:
        return -(-values // self.images) if self.images else 1

    def draw(self, layout: Layout, filters: int | None = None) -> Positions:
        """Draw positions from every region of the maps of an operation with padding."""
        per_line = self.on_line(layout, filters)
        per_core = self.per_core or max(2 * per_line, CORE_LEAST)
        per_deeper = self.per_deeper or 1
        fold_interval = self.fold_interval or (1 if self.per_deeper else self._every())
        return draw_positions(layout, self.seed, per_line, per_core, per_deeper, fold_interval)

    def _every(self) -> int:
        if not self.images:
            return DEEPER_EVERY
        return max(1, min(self.images // FEW, DEEPER_EVERY))

    def draw_lines(self, layout: Layout) -> Positions:
        """Draw positions from line 0 of every side alone, of an operation without padding."""
        if self.per_line:
            return draw_lines(layout, self.seed, self.per_line)
        fold_interval = self._every()
        return draw_lines(layout, self.seed, self._bringing(FEW * fold_interval), fold_interval)

    def draw_pseudo_borders(self, layout: Layout, filters: int | None = None) -> Draw:
        """Draw positions from the outermost lines of the core."""
        return draw_pseudo_borders(layout, self.seed, self.on_line(layout, filters))
