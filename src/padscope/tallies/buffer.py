"""Values that wait to be counted."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.tallies.transfers import to_host

Folds = NDArray[np.int32]


class ValueBuffer:
    """Values of C filters at P positions, image after image, on the device they come from.

    In memory that is taken once: small tensors kept between the large ones of a forward pass would
    break the free memory into pieces, and the process would grow with the number of images.
    """

    def __init__(self, images: int, positions: int, filters: int, device: torch.device) -> None:
        self._shape, self._device = (positions, filters), device
        self._values, self._folds = self._room_for(images)
        self._filled = self._placed = 0

    def _room_for(self, images: int) -> tuple[Tensor, Folds]:
        with torch.inference_mode(mode=False):  # whose tensors could not be written to later
            # Written to at once, so that memory is taken now and not as images come in.
            values = torch.empty(images, *self._shape, device=self._device).zero_()
        return values, np.zeros(images, dtype=np.int32)

    @property
    def images(self) -> int:
        """How many were committed."""
        return self._filled

    @property
    def values(self) -> Tensor:
        """What was committed: (N, P, C) float32, on the CPU."""
        return to_host(self._values[: self._filled])

    @property
    def folds(self) -> Tensor:
        """Folds of the images: (N,) int32."""
        return torch.from_numpy(self._folds[: self._filled])

    def has_room(self, images: int) -> bool:
        """Whether so many more images find room."""
        return self._filled + images <= len(self._folds)

    def place(self, folds: Folds) -> Tensor:
        """Give room for the values of one image per fold: (M, P, C)."""
        self._placed = len(folds)
        end = self._filled + self._placed
        if end > len(self._folds):  # nothing can be counted yet
            values, known = self._values[: self._filled], self._folds[: self._filled]
            self._values, self._folds = self._room_for(2 * end)
            self._values[: self._filled], self._folds[: self._filled] = values, known
        self._folds[self._filled : end] = folds
        return self._values[self._filled : end]

    def commit(self) -> None:
        """Keep what was placed."""
        self._filled, self._placed = self._filled + self._placed, 0

    def drop(self) -> None:
        """Forget what was placed."""
        self._placed = 0

    def clear(self) -> None:
        """Forget everything."""
        self._filled = self._placed = 0
