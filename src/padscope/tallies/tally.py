"""The counts of one site. Integers only, so merging is exact, in any order and any split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from padscope.regions import FOLDS
from padscope.tallies.bins import Bins
from padscope.tallies.names import COARSE_CODES, COARSE_SHIFT, CODES

# Values that are binned and counted together, and fewest filters: what is worked out of so many,
# and the histograms that they are counted into, mostly stay within a core's own cache.
CHUNK, NARROWEST = 2**18, 32


# Of a count, the first while all of them fit: they are the most that a measurement holds.
WIDTHS = torch.int16, torch.int32, torch.int64


@dataclass(frozen=True)
class Tally:
    """Histograms of a site's filters.

    The regions that a score compares (line 0 of each side, and the core) are counted finely over
    all images. All regions are counted coarsely per image fold: enough for intervals over images
    and for the profile towards the core, at an eighth of the memory.

    Attributes
    ----------
    fine : (fine regions, C, CODES) Tensor of one of `WIDTHS`
    folds : (regions, F, C, COARSE_CODES) Tensor of one of `WIDTHS`
        F is `FOLDS`, or 1 where folds do not matter. Both are widened before they can overflow.
    """

    fine: Tensor
    folds: Tensor
    _most: list[int] = field(default_factory=list, repr=False, compare=False)  # in any bin, at most

    @classmethod
    def zeros(cls, filters: int, fine: int, coarse: int, folds: int = FOLDS) -> Tally:
        """Make the counts of no image, the identity of merging, for fine and coarse regions."""
        # Outside inference mode, whose tensors could not be counted into later.
        with torch.inference_mode(mode=False):
            return cls(
                torch.zeros(fine, filters, CODES, dtype=WIDTHS[0]),
                torch.zeros(coarse, folds, filters, COARSE_CODES, dtype=WIDTHS[0]),
                [0],
            )

    def merge(self, other: Tally) -> Tally:
        """Add up the counts of both.

        Raises
        ------
        ValueError
            The two count different regions or filters.
        """
        if self.fine.shape != other.fine.shape or self.folds.shape != other.folds.shape:
            raise ValueError(
                f"tallies of {tuple(self.folds.shape)} and {tuple(other.folds.shape)} "
                "(regions, folds, filters, bins) count different things"
            )
        width = _width_for(self.greatest() + other.greatest())
        one, two = self.of_width(width), other.of_width(width)
        return Tally(one.fine + two.fine, one.folds + two.folds)

    def of_width(self, width: torch.dtype) -> Tally:
        """Return the same counts in an integer type, which must hold them."""
        return Tally(self.fine.to(width), self.folds.to(width), self._most)

    def at_least(self, width: torch.dtype) -> Tally:
        """Return the same counts in an integer type, or in the wider one that they have."""
        have = torch.promote_types(self.fine.dtype, self.folds.dtype)
        return self.of_width(torch.promote_types(have, width))

    def narrowest(self) -> Tally:
        """Return the same counts in the first of `WIDTHS` that holds them."""
        if self.fine.dtype == self.folds.dtype == WIDTHS[0]:
            return self
        return self.of_width(_width_for(self.greatest()))

    def greatest(self) -> int:
        """Return the count of the fullest bin."""
        return max(
            (int(table.max()) for table in (self.fine, self.folds) if table.numel()), default=0
        )

    def with_room(self, values: int) -> Tally:
        """Return these counts so that any bin takes so many values more."""
        # What comes from elsewhere may have two types.
        limit = min(torch.iinfo(table.dtype).max for table in (self.fine, self.folds))
        if not self._most or self._most[0] + values > limit:
            self._most[:] = [self.greatest()]
        self._most[0] += values
        return self if self._most[0] <= limit else self.of_width(_width_for(self._most[0]))

    def count(
        self, codes: Tensor, folds: Tensor, lengths: Sequence[int], region: int = 0, first: int = 0
    ) -> None:
        """Count the codes of some filters at the positions of some regions.

        No bin may be full; see `with_room`.

        Parameters
        ----------
        codes : (N, P, K) int32 Tensor
            Of K filters at P positions in each of N images.
        folds : (N,) int32 Tensor
            Fold of each image.
        lengths : sequence of int
            How many of the P positions lie in each region, region after region.
        region : int
            The first of them. Below the number of fine regions they are counted finely, below that
            of all regions coarsely: usually the first ones are both.
        first : int
            The first of the K filters.
        """
        filters = self.folds.shape[2]
        regions = np.repeat(np.arange(region, region + len(lengths), dtype=np.int32), lengths)
        columns = np.arange(first, first + codes.shape[2], dtype=np.int32)
        places = codes + torch.from_numpy((regions * filters)[:, None] * CODES + columns * CODES)
        fine = int((regions < len(self.fine)).sum())
        coarse = int((regions < len(self.folds)).sum())
        if fine:
            _add_one(self.fine, places[:, :fine])
        if coarse:
            places = places[:, :coarse].bitwise_right_shift_(COARSE_SHIFT)
            # A region has one coarse table per fold; so far there was room for one.
            step, tables = filters * COARSE_CODES, self.folds.shape[1]
            if tables > 1:
                apart = torch.from_numpy(regions[:coarse] * np.int32((tables - 1) * step))
                places += (apart + (folds % tables * step)[:, None])[:, :, None]
            _add_one(self.folds, places)


def count_values(
    tally: Tally,
    bins: Bins,
    values: Tensor,
    folds: Tensor,
    lengths: Sequence[int],
    region: int = 0,
    *,
    snap_to_centre: bool = False,
) -> None:
    """Bin the values of a site, and count them: part by part, while they are in the cache.

    Parameters
    ----------
    tally : Tally
        Counted into, in place; see `Tally.with_room`.
    bins : Bins
        Of the C filters.
    values : (N, P, C) float32 Tensor
    folds, lengths, region
        As of `Tally.count`.
    snap_to_centre : bool
        Take values that are the bins' centre but for rounding for the centre; see `Bins.codes`.
    """
    images, positions, filters = values.shape
    together = max(NARROWEST, CHUNK // max(1, images * positions))
    for first in range(0, filters, together):
        part = slice(first, first + together)
        codes = bins.of(part).codes(values[..., part], snap_to_centre=snap_to_centre)
        tally.count(codes, folds, lengths, region, first)


def _width_for(most: int) -> torch.dtype:
    return next(width for width in WIDTHS if most <= torch.iinfo(width).max)


def _add_one(table: Tensor, places: Tensor) -> None:
    """Add 1 at flat places of a table, as often as they occur."""
    places = places.flatten()
    table.view(-1).index_add_(0, places, torch.ones((), dtype=table.dtype).expand(len(places)))
