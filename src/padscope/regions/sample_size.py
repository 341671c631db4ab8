"""How many positions of a map are looked at when crop and canvas are compared.

More images tell more than more positions in each: values on one line of one image are alike, the
more so the shorter the line. On the long lines of large maps more positions do tell more; but the
operations with large maps are those with few filters, where a position costs little.
"""

from __future__ import annotations

from dataclasses import dataclass

from padscope.regions.layout import Layout
from padscope.regions.sampling import (
    DEEPER_EVERY,
    Draw,
    Positions,
    draw_lines,
    draw_positions,
    draw_pseudo_borders,
)

ENOUGH, LEAST = 1000, 192  # values of a line, over all images
LEAST_DEEPER = 96  # values of a deeper line or a corner, likewise
SHARE = 1000  # values of a line in one image, over all filters of a site


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
        corner. None: on line 0 as many as bring about `ENOUGH` values of it together, of these
        not more than `SHARE` values of all filters in one image, and not fewer than bring about
        `LEAST`; twice as many in the core; one on a deeper line and in a corner, in all images or
        in as small a part, down to a quarter, as brings about `LEAST_DEEPER` values.

    Examples
    --------
    >>> few, many = SampleSize(seed=0, images=96), SampleSize(seed=0, images=1000)
    >>> [few.on_line(filters) for filters in (16, 200, 1000)], many.on_line(16)
    ([11, 5, 2], 1)
    """

    seed: int
    images: int | None
    per_line: int | None = None
    per_core: int | None = None
    per_deeper: int | None = None

    def on_line(self, filters: int) -> int:
        """Positions per image on line 0 of a side, of a site with so many filters."""
        if self.per_line or not self.images:
            return self.per_line or 1
        enough, least = -(-ENOUGH // self.images), -(-LEAST // self.images)
        return max(least, min(enough, SHARE // filters))

    def draw(self, layout: Layout, filters: int) -> Positions:
        """Draw positions from every region of a padded site's maps."""
        per_line = self.on_line(filters)
        per_core, per_deeper = self.per_core or 2 * per_line, self.per_deeper or 1
        every = 1 if self.per_deeper else self._deeper_every()
        return draw_positions(layout, self.seed, per_line, per_core, per_deeper, every)

    def _deeper_every(self) -> int:
        if self.images is None:
            return DEEPER_EVERY
        return max(1, min(self.images // LEAST_DEEPER, DEEPER_EVERY))

    def draw_lines(self, layout: Layout, filters: int) -> Positions:
        """Draw positions from line 0 of every side alone."""
        return draw_lines(layout, self.seed, self.on_line(filters))

    def draw_pseudo_borders(self, layout: Layout, filters: int) -> Draw:
        """Draw positions from the outermost lines of the core."""
        return draw_pseudo_borders(layout, self.seed, self.on_line(filters))
