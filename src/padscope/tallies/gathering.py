"""Copying activations at drawn positions out of the maps of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.regions import Draw
from padscope.tallies.transfers import to_host


@dataclass(frozen=True)
class BatchRows:
    """The images of a batch that a draw looks at.

    Attributes
    ----------
    rows : list of int
        Their places in the batch.
    slots : list of int
        Their rows in the draw's table.
    """

    rows: list[int]
    slots: list[int]

    @classmethod
    def at(cls, images: Sequence[int], draw: Draw) -> BatchRows:
        """Choose the images that a draw looks at."""
        slots = [(row, draw.slot(image)) for row, image in enumerate(images)]
        chosen = [(row, slot) for row, slot in slots if slot is not None]
        return cls([row for row, _ in chosen], [slot for _, slot in chosen])

    @cached_property
    def place(self) -> slice | list[int]:
        """The slots as a slice, which needs no copy, where they are in a row."""
        first = self.slots[0]
        if self.slots == list(range(first, first + len(self.slots))):
            return slice(first, first + len(self.slots))
        return self.slots

    def flat(self, table: Tensor, area: int) -> Tensor:
        """Find what a table says of the images on their maps, one after the other in memory.

        Parameters
        ----------
        table : (SLOTS, …) int64 Tensor
            Flat positions on a map, on any device.
        area : int
            Positions of a map.
        """
        of_images = table[self.place].reshape(len(self.rows), -1)
        starts = torch.tensor(self.rows, device=table.device)[:, None] * area
        return (of_images + starts).flatten()


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
            self.into.copy_(_from_maps(output, table, self._batch.rows))
            return
        # Channels last: a position's filters lie side by side.
        flat = rows.view(-1, rows.shape[-1])
        if flat.dtype == self._rows.dtype:
            torch.index_select(flat, 0, self._places, out=self._rows)
        else:
            self._rows.copy_(flat.index_select(0, self._places))


def gather_all(output: Tensor, places: NDArray[np.int64]) -> Tensor:
    """Copy out the activations at given positions of every image.

    Parameters
    ----------
    output : (N, C, *spatial) Tensor
    places : (N, P) int64 array
        Flat positions.

    Returns
    -------
    (N, P, C) float32 Tensor
        On the CPU.
    """
    table = torch.from_numpy(places).to(output.device)
    return to_host(_from_maps(output, table, range(len(output))).float())


def _from_maps(output: Tensor, table: Tensor, chosen: Sequence[int]) -> Tensor:
    maps = output.flatten(2)
    if len(chosen) < len(maps):
        maps = maps[list(chosen)]
    return maps.gather(2, table[:, None, :].expand(-1, maps.shape[1], -1)).transpose(1, 2)
