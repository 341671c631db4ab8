"""The visitors that fill tallies: one fits the bins, one counts.

This is the hot path. During a forward pass the drawn activations are only copied out, position by
position, into a ring of `SLOTS` images. When the ring is full they are binned and counted, region
by region so that one region's histograms stay in cache, in as many threads as the model uses.
Counting every batch at once would stream all histograms through the cache each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from padscope.regions import SLOTS, Draw, Positions
from padscope.sites import Call
from padscope.tallies.bins import Bins
from padscope.tallies.calibration import SiteCalibration, fit_bins
from padscope.tallies.maps import sum_maps
from padscope.tallies.tally import FOLDS, Tally


@dataclass(frozen=True)
class Look:
    """The images of a batch that a draw looks at.

    Attributes
    ----------
    rows : list of int
        Their places in the batch.
    slots : list of int
        Their rows in the draw's table, and in its ring.
    """

    rows: list[int]
    slots: list[int]

    @classmethod
    def at(cls, images: Sequence[int], every: int) -> Look:
        """Choose the images whose index is a multiple of `every`."""
        rows = [row for row, image in enumerate(images) if image % every == 0]
        return cls(rows, [images[row] % SLOTS // every for row in rows])

    @property
    def place(self) -> slice | list[int]:
        """The slots as a slice, which needs no second copy, where they are in a row."""
        first = self.slots[0]
        if self.slots == list(range(first, first + len(self.slots))):
            return slice(first, first + len(self.slots))
        return self.slots


def gather(output: Tensor, draw: Draw, look: Look, into: Tensor | None = None) -> Tensor:
    """Copy out the activations at drawn positions.

    Parameters
    ----------
    output : (N, C, *spatial) Tensor
    draw : Draw
        P positions for each slot.
    look : Look
        M of the N images.
    into : (M, P, C) Tensor, optional
        Contiguous memory to copy to.

    Returns
    -------
    (M, P, C) Tensor
    """
    table = draw.table[look.slots]  # (M, P)
    area = output[0, 0].numel()
    rows = output.movedim(1, -1)
    if rows.is_contiguous():  # channels last: a position's filters lie side by side
        index = torch.from_numpy(table + np.array(look.rows)[:, None] * area).flatten()
        flat = rows.reshape(-1, rows.shape[-1])
        index = index.to(flat.device)
        if into is not None and (into.dtype, into.device) == (flat.dtype, flat.device):
            return torch.index_select(flat, 0, index, out=into.view(-1, into.shape[-1]))
        return flat.index_select(0, index).view(*table.shape, -1)
    maps = output.flatten(2)
    if len(look.rows) < len(maps):
        maps = maps[look.rows]
    index = torch.from_numpy(table)[:, None, :].expand(-1, maps.shape[1], -1).to(maps.device)
    return maps.gather(2, index).transpose(1, 2)


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
        looks = [(draw, Look.at(self._batches[-1], draw.every)) for draw in positions.draws]
        self._samples[call.name].append(
            [
                gather(call.output, draw, look).float().cpu() if look.rows else None
                for draw, look in looks
            ]
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
    threads : int
        Threads that count when the ring is full.
    """

    def __init__(
        self,
        positions: Mapping[str, Positions],
        bins: Mapping[str, Bins],
        tallies: dict[str, Tally],
        threads: int,
    ) -> None:
        self._positions = positions
        self._bins = bins
        self._threads = threads
        self.tallies = tallies
        with torch.inference_mode(mode=False):  # whose tensors could not be written to later
            self._rings = {
                name: [
                    torch.empty(*draw.table.shape, len(bins[name].centre)) for draw in drawn.draws
                ]
                for name, drawn in positions.items()
            }
        self._filled = np.zeros(SLOTS, dtype=bool)
        self._images: Sequence[int] = ()
        self._looks: dict[int, Look] = {}

    def begin(self, images: Sequence[int]) -> None:
        """Name the images of the next forward pass, and make room for them in the ring."""
        self._images = images
        self._looks = {every: Look.at(images, every) for every in self._intervals()}
        if self._filled[[image % SLOTS for image in images]].any():
            self.flush()

    def _intervals(self) -> set[int]:
        return {draw.every for drawn in self._positions.values() for draw in drawn.draws}

    def commit(self) -> None:
        """Accept what was kept since `begin`; without it, a pass that failed leaves no trace."""
        self._filled[[image % SLOTS for image in self._images]] = True

    def __call__(self, call: Call) -> None:
        """Copy out the activations of a site."""
        if (positions := self._positions.get(call.name)) is None:
            return
        for ring, draw in zip(self._rings[call.name], positions.draws, strict=True):
            look = self._looks[draw.every]
            if not look.rows:
                continue
            place = look.place
            into = ring[place] if isinstance(place, slice) else None
            values = gather(call.output, draw, look, into)
            if into is None or values.data_ptr() != into.data_ptr():
                ring[place] = values.float()

    def keep(self, name: str, number: int, values: Tensor) -> None:
        """Take (M, P, C) activations of the current images for a site's draw of that number."""
        draw = self._positions[name].draws[number]
        self._rings[name][number][self._looks[draw.every].place] = values

    def flush(self) -> None:
        """Count what waits in the ring."""
        if not self._filled.any():
            return
        largest_first = sorted(self._rings, key=lambda name: -self._rings[name][0].numel())
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(self._count, largest_first))
        self._filled[:] = False

    def _count(self, name: str) -> None:
        region = 0
        for ring, draw in zip(self._rings[name], self._positions[name].draws, strict=True):
            filled = torch.from_numpy(np.flatnonzero(self._filled[:: draw.every]))
            values = ring if len(filled) == len(ring) else ring.index_select(0, filled)
            folds = (filled * draw.every % FOLDS).to(torch.int32)
            for span in draw.spans:
                codes = self._bins[name].codes(values[:, span])
                self.tallies[name].count(region, codes, folds)
                region += 1
