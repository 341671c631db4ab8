"""Copying activations at drawn positions out of the maps of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
    _places: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def at(cls, images: Sequence[int], draw: Draw) -> Look:
        """Choose the images that a draw looks at."""
        slots = [(row, draw.slot(image)) for row, image in enumerate(images)]
        chosen = [(row, slot) for row, slot in slots if slot is not None]
        return cls([row for row, _ in chosen], [slot for _, slot in chosen])

    @property
    def place(self) -> slice | list[int]:
        """The slots as a slice, which needs no second copy, where they are in a row."""
        first = self.slots[0]
        if self.slots == list(range(first, first + len(self.slots))):
            return slice(first, first + len(self.slots))
        return self.slots

    def places(self, draw: Draw, area: int) -> Tensor:
        """Find the drawn positions in a batch of maps of an area, image after image.

        Many sites share their draws; those of a batch are worked out once.
        """
        key = id(draw), area
        if key not in self._places:
            self._places[key] = flat_places(draw.table[self.slots], self.rows, area)
        return self._places[key]


def flat_places(table: NDArray[np.int64], rows: Sequence[int], area: int) -> Tensor:
    """Find positions on the maps of some rows of a batch, image after image.

    Parameters
    ----------
    table : (M, P) int64 array
        Flat positions on a map.
    rows : sequence of int
        The M maps.
    area : int
        Positions of a map.
    """
    return torch.from_numpy((table + np.array(rows)[:, None] * area).ravel())


def gather(output: Tensor, draw: Draw, look: Look, into: Tensor) -> None:
    """Copy out the activations at drawn positions.

    Parameters
    ----------
    output : (N, C, *spatial) Tensor
    draw : Draw
        P positions for each slot.
    look : Look
        M of the N images.
    into : (M, P, C) float32 Tensor
        Where to, on the CPU.
    """
    rows = output.movedim(1, -1)
    if not rows.is_contiguous():
        into.copy_(_from_maps(output, draw.table[look.slots], look.rows))
        return
    # Channels last: a position's filters lie side by side.
    places = look.places(draw, output[0, 0].numel())
    flat = rows.reshape(-1, rows.shape[-1])
    if (flat.dtype, flat.device) == (into.dtype, into.device) and into.is_contiguous():
        torch.index_select(flat, 0, places, out=into.view(-1, into.shape[-1]))
    else:
        into.copy_(flat.index_select(0, places.to(flat.device)).view(into.shape))


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


def gather_new(output: Tensor, draw: Draw, look: Look) -> Tensor:
    """Copy out, as `gather` does, to memory of its own: (M, P, C)."""
    values = torch.empty(len(look.rows), draw.table.shape[1], output.shape[1])
    gather(output, draw, look, values)
    return values
