"""The counts of one site. Integers only, so merging is exact, in any order and any split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from padscope.regions import FOLDS
from padscope.tallies.bins import COARSE_CODES, COARSE_SHIFT, CODES, Bins

# Values that are binned and counted together, and fewest filters: what is worked out of so many,
# and the histograms that they are counted into, mostly stay within a core's own cache.
CHUNK, NARROWEST = 2**18, 32


# Counts have 32 bits while they fit: half the memory, and half the time to count.
ROOM = 2**31 - 1


@dataclass(frozen=True)
class Tally:
    """Histograms of a site's filters.

    The regions that a score compares (line 0 of each side, and the core) are counted finely over
    all images. All regions are counted coarsely per image fold: enough for intervals over images
    and for the profile towards the core, at an eighth of the memory.

    Attributes
    ----------
    fine : (fine regions, C, CODES) int32 or int64 Tensor
    folds : (regions, F, C, COARSE_CODES) int32 or int64 Tensor
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
                torch.zeros(fine, filters, CODES, dtype=torch.int32),
                torch.zeros(coarse, folds, filters, COARSE_CODES, dtype=torch.int32),
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
        wide = self.greatest() + other.greatest() > ROOM
        one, two = (part.widened() if wide else part for part in (self, other))
        return Tally(one.fine + two.fine, one.folds + two.folds)

    def widened(self) -> Tally:
        """Return the same counts with 64 bits."""
        return Tally(self.fine.long(), self.folds.long(), self._most)

    def greatest(self) -> int:
        """Return the count of the fullest bin."""
        return max(
            (int(table.max()) for table in (self.fine, self.folds) if table.numel()), default=0
        )

    def with_room(self, values: int) -> Tally:
        """Return these counts so that any bin takes so many values more."""
        if not self._most or self._most[0] + values > ROOM:
            self._most[:] = [self.greatest()]
        self._most[0] += values
        wide = self.fine.dtype == self.folds.dtype == torch.int64  # in a file each has its own type
        return self if self._most[0] <= ROOM or wide else self.widened()

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
        regions = np.repeat(np.arange(region, region + len(lengths)), lengths)
        starts = (regions[:, None] * filters + np.arange(first, first + codes.shape[2])) * CODES
        places = codes + torch.from_numpy(starts.astype(np.int32))
        fine = int((regions < len(self.fine)).sum())
        coarse = int((regions < len(self.folds)).sum())
        if fine:
            _add_one(self.fine, places[:, :fine])
        if coarse:
            places = places[:, :coarse].bitwise_right_shift_(COARSE_SHIFT)
            # A region has one coarse table per fold; so far there was room for one.
            step, tables = filters * COARSE_CODES, self.folds.shape[1]
            apart = torch.from_numpy((regions[:coarse] * (tables - 1) * step).astype(np.int32))
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


def _add_one(table: Tensor, places: Tensor) -> None:
    """Add 1 at flat places of a table, as often as they occur."""
    places = places.flatten()
    table.view(-1).index_add_(0, places, torch.ones((), dtype=table.dtype).expand(len(places)))
