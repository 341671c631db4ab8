"""Which positions of a region are looked at, image by image.

Fresh positions for every image slot, from a table drawn once: fixed positions for all images would
make the scores depend on them (mean error of KS .018 against .011, at the same count). The deeper
lines and the corners, which no score of a side rests on, may be looked at in a part of the images
only, the same number of every fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from padscope.regions.layout import CORE, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 8  # image i belongs to fold i mod FOLDS
SLOTS = 256  # images looked at after which the table of positions repeats
DEEPER_EVERY = 4


@dataclass(frozen=True)
class Draw:
    """Positions drawn from some regions.

    Attributes
    ----------
    fold_interval : int
        Of so many runs of `FOLDS` images the first is looked at.
    table : (SLOTS, P) int64 array
        Flat indices, region after region; which row is an image's, says `slot`.
    spans : tuple of slice
        Columns of each region.
    """

    fold_interval: int
    table: NDArray[np.int64]
    spans: tuple[slice, ...]

    @property
    def lengths(self) -> list[int]:
        """Columns of each region, in number."""
        return lengths_of(self.spans)

    def slot(self, image: int) -> int | None:
        """Row of the table for an image; None if it is not looked at.

        An image of fold f has a row that is f modulo `FOLDS`.

        Examples
        --------
        >>> draw = Draw(2, np.zeros((SLOTS, 1), dtype=np.int64), (slice(0, 1),))
        >>> draw.slot(7), draw.slot(8), draw.slot(16), draw.slot(2 * SLOTS)
        (7, None, 8, 0)
        """
        run, fold = divmod(image, FOLDS)
        return (
            None if run % self.fold_interval else (run // self.fold_interval * FOLDS + fold) % SLOTS
        )


def lengths_of(spans: Sequence[slice]) -> list[int]:
    """Count the columns of each span."""
    return [span.stop - span.start for span in spans]


@dataclass(frozen=True)
class Positions:
    """Positions to look at on maps of one layout.

    Attributes
    ----------
    layout : Layout
    draws : tuple of Draw
        From the compared regions, and from the others; together in the order of `layout.regions`.
        Layouts without deeper lines and corners have one draw.
    """

    layout: Layout
    draws: tuple[Draw, ...]


def draw_positions(
    layout: Layout,
    seed: int,
    per_line: int,
    per_core: int,
    per_deeper: int | None = None,
    fold_interval: int = DEEPER_EVERY,
) -> Positions:
    """Draw positions without replacement from every region.

    Parameters
    ----------
    layout : Layout
        Size and regions of the maps.
    seed : int
        Together with the map's size it fixes the draw.
    per_line, per_core : int
        Positions per image on line 0 of a side, and in the core. A smaller region gives all it
        has.
    per_deeper : int, optional
        Positions on each deeper line and corner; `per_line` if not given.
    fold_interval : int
        Part of the images in which deeper lines and corners are looked at; see `Draw`.

    Returns
    -------
    Positions
    """
    rng = np.random.default_rng([seed, *layout.size])
    compared = [
        (region, per_core if region.name == CORE else per_line) for region in layout.compared
    ]
    deeper = [(region, per_deeper or per_line) for region in layout.regions[len(compared) :]]
    draws = [_draw(rng, [(layout.positions(r), n) for r, n in compared], fold_interval=1)]
    if deeper:
        draws.append(_draw(rng, [(layout.positions(r), n) for r, n in deeper], fold_interval))
    return Positions(layout, tuple(draws))


def draw_lines(layout: Layout, seed: int, per_line: int, fold_interval: int = 1) -> Positions:
    """Draw positions from line 0 of every side alone, as `draw_positions` does."""
    rng = np.random.default_rng([seed, *layout.size])
    lines = [(layout.positions(line), per_line) for line in layout.compared[: len(layout.sides)]]
    return Positions(layout, (_draw(rng, lines, fold_interval),))


def draw_pseudo_borders(layout: Layout, seed: int, per_line: int) -> Draw:
    """Draw positions from the outermost lines of the core: borders where there is none."""
    rng = np.random.default_rng([seed, 1, *layout.size])
    lines = [(layout.core_line(side), per_line) for side in layout.sides]
    return _draw(rng, lines, fold_interval=1)


def _draw(
    rng: np.random.Generator, wanted: list[tuple[NDArray[np.int64], int]], fold_interval: int
) -> Draw:
    columns, spans, start = [], [], 0
    for candidates, count in wanted:
        count = min(count, len(candidates))
        # The places of the smallest of random keys: draws without replacement, all slots at once.
        keys = rng.random((SLOTS, len(candidates)))
        drawn = np.argpartition(keys, count - 1, axis=1)[:, :count]
        columns.append(candidates[np.sort(drawn, axis=1)])
        spans.append(slice(start, start + count))
        start += count
    return Draw(fold_interval, np.concatenate(columns, axis=1), tuple(spans))
