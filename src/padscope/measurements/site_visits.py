"""What is taken of one site, pass after pass: values copied out of its maps at drawn positions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.measurements.batch_rows import BatchRows
from padscope.measurements.first_images import FirstLook
from padscope.measurements.padding_parts import PaddingParts
from padscope.measurements.site_plan import SitePlan
from padscope.regions import FOLDS, Positions
from padscope.sites import Call
from padscope.tallies import OWN, ContrastCounter, PositionColumns
from padscope.tallies.names import INCOMING, PADDED, PSEUDO, REAL
from padscope.tallies.transfers import to_device


class Gathering:
    """Copies activations at drawn positions out of one batch of maps.

    Made ready before the maps are there: within a forward pass hardly anything of ours is in the
    caches, and every step takes ten times as long as in a loop of its own. Maps, table and values
    are on one device.

    Parameters
    ----------
    table : (SLOTS, P) int64 Tensor
        P positions for each slot.
    batch : BatchRows
        M images of the batch.
    area : int
        Positions of a map.
    into : (M, P, C) float32 Tensor
        Where to, contiguous.
    """

    def __init__(self, table: Tensor, batch: BatchRows, area: int, into: Tensor) -> None:
        self._table, self._batch = table, batch
        self.into = into
        self._places = batch.flat(table, area)
        self._rows = into.view(-1, into.shape[-1])

    def __call__(self, output: Tensor) -> None:
        """Copy from (N, C, *spatial) maps."""
        rows = output.movedim(1, -1)
        if not rows.is_contiguous():
            table = self._table[self._batch.place]
            self.into.copy_(values_at(output, table, self._batch.rows))
            return
        # Channels last: a position's filters lie side by side.
        flat = rows.view(-1, rows.shape[-1])
        if flat.dtype == self._rows.dtype:
            torch.index_select(flat, 0, self._places, out=self._rows)
        else:
            self._rows.copy_(flat.index_select(0, self._places))


def values_at(output: Tensor, table: Tensor, chosen: Sequence[int]) -> Tensor:
    """Copy out of the maps of some images: (N, C, *spatial) at flat (M, P) → (M, P, C)."""
    maps = output.flatten(2)
    if len(chosen) < len(maps):
        maps = maps[list(chosen)]
    return maps.gather(2, table[:, None, :].expand(-1, maps.shape[1], -1)).transpose(1, 2)


class SiteVisits:
    """Copies values of one site to where they wait to be counted.

    Everything that can be is made ready before the passes; see `Gathering`.

    Parameters
    ----------
    plan : SitePlan
    counter : ContrastCounter
    device : torch.device
        Of the maps.
    """

    def __init__(self, plan: SitePlan, counter: ContrastCounter, device: torch.device) -> None:
        self.plan = plan
        self._counter = counter
        self._parts = PaddingParts(plan) if plan.full else None
        drawn = (plan.positions, plan.on_canvas)
        draws = [draw for positions in drawn if positions for draw in positions.draws]
        draws += [plan.pseudo] if plan.pseudo is not None else []
        self._tables = {id(d): to_device(torch.from_numpy(d.table), device) for d in draws}
        self._padded: list[Gathering] = []
        self._real: list[Gathering] = []
        self._own: Tensor | None = None
        self._incoming: Tensor | None = None
        self._apart: Tensor | None = None  # line 0 on the crop without what its padding gave

    def prepare(self, rows: Mapping[int, BatchRows]) -> None:
        """Name the images to come, by interval of the draws, and make room for their values."""
        plan = self.plan
        size = plan.alignment.canvas.out if plan.alignment else plan.layout.size
        self._padded = self._gatherings(PADDED, plan.positions, plan.layout.size, rows)
        self._real = []
        if REAL in plan.conditions:
            self._real = self._gatherings(REAL, plan.on_canvas or plan.positions, size, rows)
        if self._parts is None:
            return
        self._parts.prepare(rows[1])
        if not plan.contextual or self._parts.follows_fill:
            self._own = self._place(OWN, plan.border, rows[1])
            if plan.contextual:
                self._incoming = self._place(INCOMING, plan.border, rows[1])
        if plan.pseudo is not None:
            place = self._place(PSEUDO, plan.inside, rows[1])
            area = math.prod(plan.layout.size)
            table = self._tables[id(plan.pseudo)]
            self._padded.append(Gathering(table, rows[1], area, place))

    def _gatherings(
        self,
        condition: str,
        positions: Positions,
        size: tuple[int, ...],
        rows: Mapping[int, BatchRows],
    ) -> list[Gathering]:
        return [
            Gathering(
                self._tables[id(draw)], rows[draw.fold_interval], math.prod(size),
                self._place(condition, columns, rows[draw.fold_interval]),
            )
            for draw, columns in zip(positions.draws, self.plan.columns, strict=True)
            if rows[draw.fold_interval].rows
        ]  # fmt: skip

    def _place(self, condition: str, columns: PositionColumns, rows: BatchRows) -> Tensor:
        site = self.plan.site
        folds: NDArray[np.int32] = np.array(rows.slots, dtype=np.int32) % FOLDS
        return self._counter.place(site.name, condition, columns, site.filters, folds)

    def on_crop(self, call: Call, first: FirstLook | None) -> None:
        """See the crop's maps; `first` of the first images."""
        for gathering in self._padded:
            gathering(call.output)
        if first is not None and self.plan.whole:
            first.add_map(call.name, PADDED, self._of_crop(call.output, canvas=False))
        if self._parts is None:
            return
        lines, given = self._lines(self._padded), self._parts.given(call)
        if self.plan.contextual:
            self._apart = lines if isinstance(given, float) else lines - given
        else:
            assert self._own is not None
            torch.sub(lines, given, out=self._own).add_(self._parts.reflected(call))

    def on_canvas(self, call: Call, first: FirstLook | None) -> None:
        """See the maps with real surroundings."""
        for gathering in self._real:
            gathering(call.output)
        if self._parts is None:
            return
        if first is not None:
            first.add_map(call.name, REAL, self._of_crop(call.output, canvas=True))
        if self._own is None or self._incoming is None or self._apart is None:
            return
        real, own = self._parts.real(call), self._parts.filled(call)
        torch.sub(self._lines(self._real), real, out=self._own)
        if not isinstance(own, float):
            self._own.add_(own)
        torch.add(self._apart, real, out=self._incoming)

    def on_replicated(self, name: str, output: Tensor, first: FirstLook | None) -> None:
        """See the crop's maps with all padding replicated."""
        for gathering in self._real:
            gathering(output)
        if first is not None and self._parts is not None:
            first.add_map(name, REAL, self._of_crop(output, canvas=False))

    def _lines(self, gatherings: list[Gathering]) -> Tensor:
        return gatherings[0].into[:, : self.plan.border.positions]

    def _of_crop(self, output: Tensor, *, canvas: bool) -> Tensor:
        """Cut a map down to the crop, and a batch to its images."""
        output = output[: len(self._padded[0].into)]
        if canvas and self.plan.alignment is not None:
            shifts = zip(self.plan.alignment.shift_out, self.plan.layout.size, strict=True)
            for axis, (shift, size) in enumerate(shifts, start=2):
                output = output.narrow(axis, shift, size)
        return output
