"""Which images of a batch a draw looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from padscope.regions import Draw


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
