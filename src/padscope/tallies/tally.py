"""The counts of one site. Integers only, so merging is exact, in any order and any split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from padscope.regions import FOLDS, Layout
from padscope.tallies.bins import COARSE_CODES, COARSE_SHIFT, CODES

BLOCK = 256  # filters counted together: their histograms of a region fit into a core's own cache


@dataclass(frozen=True)
class Tally:
    """Histograms of a site's filters.

    The regions that a score compares (line 0 of each side, and the core) are counted finely over
    all images. All regions are counted coarsely per image fold: enough for intervals over images
    and for the profile towards the core, at an eighth of the memory.

    Attributes
    ----------
    fine : (fine regions, C, CODES) int32 Tensor
    folds : (regions, F, C, COARSE_CODES) int32 Tensor
        F is `FOLDS`, or 1 where folds do not matter.
    """

    fine: Tensor
    folds: Tensor

    @classmethod
    def empty(cls, layout: Layout, filters: int) -> Tally:
        """Make the counts of no image: the identity of merging."""
        return cls.zeros(filters, len(layout.compared), len(layout.regions))

    @classmethod
    def zeros(cls, filters: int, fine: int, coarse: int, folds: int = FOLDS) -> Tally:
        """Make the counts of no image for so many fine and coarse regions."""
        # Outside inference mode, whose tensors could not be counted into later.
        with torch.inference_mode(mode=False):
            return cls(
                torch.zeros(fine, filters, CODES, dtype=torch.int32),
                torch.zeros(coarse, folds, filters, COARSE_CODES, dtype=torch.int32),
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
        return Tally(self.fine + other.fine, self.folds + other.folds)

    def count(self, region: int, codes: Tensor, folds: Tensor) -> None:
        """Count the codes of one region.

        Parameters
        ----------
        region : int
            Below the number of fine regions it is counted finely, below that of all regions
            coarsely: usually the first ones are both.
        codes : (N, K, C) int32 or uint8 Tensor
            Of C filters at K positions in each of N images.
        folds : (N,) int32 Tensor
            Fold of each image.
        """
        filters = torch.arange(codes.shape[-1], dtype=torch.int32)
        fold_starts = (folds % self.folds.shape[1])[:, None, None] * (len(filters) * COARSE_CODES)
        for first in range(0, len(filters), BLOCK):
            block, part = filters[first : first + BLOCK], codes[..., first : first + BLOCK]
            if region < len(self.fine):
                _count(self.fine[region], part + block * CODES)
            if region < len(self.folds):
                coarse = (part >> COARSE_SHIFT) + block * COARSE_CODES
                _count(self.folds[region], coarse.add_(fold_starts))


_ONE = torch.ones((), dtype=torch.int32)


def _count(table: Tensor, places: Tensor) -> None:
    """Add 1 at flat places of a table, as often as they occur."""
    places = places.flatten()
    table.view(-1).index_add_(0, places, _ONE.expand(len(places)))
