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
    def at(cls, images: Sequence[int], draw: Draw) -> Look:
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

    def flat(self, table: NDArray[np.int64], area: int) -> Tensor:
        """Find what a table says of the images on their maps, one after the other in memory.

        Parameters
        ----------
        table : (SLOTS, …) int64 array
            Flat positions on a map.
        area : int
            Positions of a map.
        """
        of_images: NDArray[np.int64] = table[self.place].reshape(len(self.rows), -1)
        return torch.from_numpy((of_images + self._rows * area).ravel())

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.array(self.rows, dtype=np.int64)[:, None]


class Gathering:
    """Copies activations at drawn positions out of one batch of maps.

    Made ready before the maps are there: within a forward pass hardly anything of ours is in the
    caches, and every step takes ten times as long as in a loop of its own.

    Parameters
    ----------
    draw : Draw
        P positions for each slot.
    look : Look
        M images of the batch.
    area : int
        Positions of a map.
    into : (M, P, C) float32 Tensor
        Where to, on the CPU, contiguous.
    """

    def __init__(self, draw: Draw, look: Look, area: int, into: Tensor) -> None:
        self._draw, self._look = draw, look
        self.into = into
        self._places = look.flat(draw.table, area)
        self._rows = into.view(-1, into.shape[-1])

    def __call__(self, output: Tensor) -> None:
        """Copy from (N, C, *spatial) maps."""
        rows = output.movedim(1, -1)
        if not rows.is_contiguous():
            look = self._look
            self.into.copy_(_from_maps(output, self._draw.table[look.slots], look.rows))
            return
        # Channels last: a position's filters lie side by side.
        flat = rows.view(-1, rows.shape[-1])
        if (flat.dtype, flat.device) == (self._rows.dtype, self._rows.device):
            torch.index_select(flat, 0, self._places, out=self._rows)
        else:
            self._rows.copy_(flat.index_select(0, self._places.to(flat.device)))


def gather_new(output: Tensor, draw: Draw, look: Look) -> Tensor:
    """Copy (N, C, *spatial) maps at drawn positions to memory of its own: (M, P, C)."""
    values = torch.empty(len(look.rows), draw.table.shape[1], output.shape[1])
    Gathering(draw, look, output[0, 0].numel(), values)(output)
    return values


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
    return _from_maps(output, places, range(len(output))).float().cpu()


def _from_maps(output: Tensor, table: NDArray[np.int64], chosen: Sequence[int]) -> Tensor:
    maps = output.flatten(2)
    if len(chosen) < len(maps):
        maps = maps[list(chosen)]
    index = torch.from_numpy(table)[:, None, :].expand(-1, maps.shape[1], -1).to(maps.device)
    return maps.gather(2, index).transpose(1, 2)
