"""Several processes under `torch.distributed`, each with its share of the units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from padscope.engines.local import Counted, no_counts
from padscope.engines.plan import Plan
from padscope.images import Skipped
from padscope.tallies import Bins, SiteCalibration
from padscope.tallies.maps import kept_shape


@dataclass(frozen=True)
class Processes:
    """The process group that this process belongs to.

    Attributes
    ----------
    rank, count : int
        This process's number, and how many there are; 0 and 1 outside `torch.distributed`.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> Processes:
        """Return the initialised default group, or this process alone."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def share(self, units: range) -> range:
        """Units of this process: neighbours, so that its ring of images fills up."""
        first, last = (rank * len(units) // self.count for rank in (self.rank, self.rank + 1))
        return units[first:last]

    def share_calibration(self, plan: Plan, mine: Counted | None) -> Counted:
        """Give every process the calibration of the first one.

        Parameters
        ----------
        plan : Plan
            The same in every process.
        mine : Counted or None
            What process 0 has counted to calibrate; None in the others.

        Returns
        -------
        Counted
            In process 0 its own; in the others no counts, to go on from.
        """
        calibration = self._broadcast_calibration(plan, mine.calibration if mine else None)
        units = int(_broadcast(torch.tensor(mine.units if mine else 0)))
        return mine or Counted(units, 0, (), calibration, no_counts(plan))

    def _broadcast_calibration(
        self, plan: Plan, mine: Mapping[str, SiteCalibration] | None
    ) -> dict[str, SiteCalibration]:
        filters = {site.name: site.filters for site in plan.observation.sites}
        shared = {}
        for name, positions in plan.positions.items():
            count, kept = filters[name], kept_shape(positions.layout.size)
            site = mine[name] if mine else None
            centre = _broadcast(site.bins.centre if site else torch.empty(count))
            spread = _broadcast(site.bins.spread if site else torch.empty(count))
            mean_map = _broadcast(site.mean_map if site else torch.empty(count, *kept))
            shared[name] = SiteCalibration(Bins(centre, spread), mean_map)
        return shared

    def merge(self, mine: Counted) -> Counted:
        """Add up what every process has counted; each gets the whole."""
        for tally in mine.tallies.values():
            dist.all_reduce(tally.fine)
            dist.all_reduce(tally.folds)
        seen = torch.tensor([mine.images])
        dist.all_reduce(seen)
        parts: list[tuple[int, tuple[Skipped, ...]]] = [(0, ())] * self.count
        dist.all_gather_object(parts, (mine.units, mine.skipped))
        skipped = tuple(skip for _, skips in parts for skip in skips)
        units = max(done for done, _ in parts)
        return Counted(units, int(seen), skipped, mine.calibration, mine.tallies)


def _broadcast(tensor: Tensor) -> Tensor:
    tensor = tensor.contiguous()
    dist.broadcast(tensor, src=0)
    return tensor
