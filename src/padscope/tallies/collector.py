"""The visitors that fill tallies: one fits the bins, one counts.

This is the hot path. During a forward pass the drawn activations are only copied out, position by
position, into rings of `SLOTS` images. When a ring is full it is binned and counted, region by
region. Counting is bound by memory, for every pass over the histograms streams all of them through
the cache: hence large rings, and passes as rare as can be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from padscope.regions import FOLDS, SLOTS, Positions
from padscope.sites import Call
from padscope.tallies.bins import Bins
from padscope.tallies.calibration import SiteCalibration, fit_bins
from padscope.tallies.gathering import Gathering, Look, gather_new
from padscope.tallies.maps import sum_maps
from padscope.tallies.tally import Tally, count_values


class Calibrator:
    """Visitor of the first images: keeps the drawn activations until bins can be fitted.

    Parameters
    ----------
    positions : mapping
        Site name → its drawn positions; other calls are not looked at.
    """

    def __init__(self, positions: Mapping[str, Positions]) -> None:
        self._positions = positions
        self._samples: dict[str, list[list[Tensor | None]]] = {name: [] for name in positions}
        self._maps: dict[str, Tensor] = {}
        self._batches: list[Sequence[int]] = []

    def begin(self, images: Sequence[int]) -> None:
        """Name the images of the next forward pass."""
        self._batches.append(images)

    def __call__(self, call: Call) -> None:
        """Keep the activations of a site."""
        if (positions := self._positions.get(call.name)) is None:
            return
        looks = [(draw, Look.at(self._batches[-1], draw)) for draw in positions.draws]
        self._samples[call.name].append(
            [gather_new(call.output, draw, look) if look.rows else None for draw, look in looks]
        )
        total = sum_maps(call.output)
        known = self._maps.get(call.name)
        self._maps[call.name] = total if known is None else known.add_(total)

    def fit(self) -> dict[str, SiteCalibration]:
        """Fit every site's bins to the regions that scores compare."""
        images = sum(map(len, self._batches))
        calibration = {}
        for name, batches in self._samples.items():
            compared = [draws[0].flatten(0, 1) for draws in batches if draws[0] is not None]
            mean_map = (self._maps[name] / images).float()
            calibration[name] = SiteCalibration(fit_bins(torch.cat(compared)), mean_map)
        return calibration

    def count_into(self, collector: Collector) -> None:
        """Hand the kept activations on to be counted, as if they had just been seen."""
        for batch, images in enumerate(self._batches):
            collector.begin(images)
            for name, batches in self._samples.items():
                for number, values in enumerate(batches[batch]):
                    if values is not None:
                        collector.keep(name, number, values)
            collector.commit()


class Collector:
    """Visitor that counts the drawn activations of every site.

    Parameters
    ----------
    positions : mapping
        Site name → its drawn positions; other calls are not looked at.
    bins : mapping
        Site name → bins of its filters.
    tallies : dict
        Site name → counts to add to, in place: everything up to the last `flush`.
    """

    def __init__(
        self,
        positions: Mapping[str, Positions],
        bins: Mapping[str, Bins],
        tallies: dict[str, Tally],
    ) -> None:
        self._positions = positions
        self._bins = bins
        self.tallies = tallies
        self._draws = {
            draw.every: draw for drawn in positions.values() for draw in drawn.draws
        }  # draws of one interval look at the same images, whatever their positions
        with torch.inference_mode(mode=False):  # whose tensors could not be written to later
            # Written to at once, so that memory is taken now and not as images come in.
            self._rings = {
                (name, draw.every): torch.empty(*draw.table.shape, len(bins[name].centre)).zero_()
                for name, drawn in positions.items()
                for draw in drawn.draws
            }
        self._filled = {every: np.zeros(SLOTS, dtype=bool) for every in self._draws}
        self._looks: dict[int, Look] = {}
        self._gatherings: dict[str, list[tuple[int, Gathering]]] = {}

    def begin(self, images: Sequence[int]) -> None:
        """Name the images of the next forward pass, and make room for them in the rings."""
        self._looks = {every: Look.at(images, draw) for every, draw in self._draws.items()}
        for every, look in self._looks.items():
            if self._filled[every][look.slots].any():
                self._flush(every)
        self._gatherings = {name: self._ready(name) for name in self._positions}

    def _ready(self, name: str) -> list[tuple[int, Gathering]]:
        """Make ready to copy a site's maps."""
        ready = []
        for draw in self._positions[name].draws:
            look = self._looks[draw.every]
            if look.rows:
                into = self._rings[name, draw.every][look.place]  # a copy if rows are not in a row
                area = math.prod(self._positions[name].layout.size)
                ready.append((draw.every, Gathering(draw, look, area, into)))
        return ready

    def commit(self) -> None:
        """Accept what was kept since `begin`; without it, a pass that failed leaves no trace."""
        for every, look in self._looks.items():
            self._filled[every][look.slots] = True

    def __call__(self, call: Call) -> None:
        """Copy out the activations of a site."""
        for every, gathering in self._gatherings.get(call.name, ()):
            gathering(call.output)
            place = self._looks[every].place
            if not isinstance(place, slice):
                self._rings[call.name, every][place] = gathering.into

    def keep(self, name: str, number: int, values: Tensor) -> None:
        """Take (M, P, C) activations of the current images for a site's draw of that number."""
        every = self._positions[name].draws[number].every
        self._rings[name, every][self._looks[every].place] = values

    def flush(self) -> None:
        """Count what waits in the rings."""
        for every in self._draws:
            self._flush(every)

    def _flush(self, every: int) -> None:
        filled = torch.from_numpy(np.flatnonzero(self._filled[every]))
        if not len(filled):
            return
        # Not in threads of their own: those slow the model's next passes by more than they save.
        for name, interval in self._rings:
            if interval == every:
                self._count(name, every, filled)
        self._filled[every][:] = False

    def _count(self, name: str, every: int, filled: Tensor) -> None:
        ring = self._rings[name, every]
        values = ring if len(filled) == len(ring) else ring.index_select(0, filled)
        folds = (filled % FOLDS).to(torch.int32)
        region = 0
        for draw in self._positions[name].draws:
            if draw.every == every:
                tally, bins = self.tallies[name], self._bins[name]
                count_values(tally, bins, values, folds, draw.lengths, region)
            region += len(draw.spans)
