"""The window: what of an array becomes one input of the model, and with which surroundings."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.errors import PadscopeError

MOST_WINDOWS = 4096  # of one array

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Window:
    """Windows of the model's input size, at random places in arrays; nothing is resized.

    An array is divided into as many equal cells as windows fit into it, and every cell gives one
    window, at a place drawn uniformly from where it fits. So windows do not overlap, and what lies
    at a border of one is no more special than what lies in its middle.

    Parameters
    ----------
    size : tuple of int
        Of the model's input, per spatial axis.
    mean, std : tuple of C floats
        The model's normalisation.
    seed : int
        Of the places.

    Raises
    ------
    PadscopeError
        The settings contradict each other.
    """

    size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings, which may come from a model's file or from the command line."""
        if len(self.mean) != len(self.std):
            raise PadscopeError(f"mean {self.mean} and std {self.std} differ in length")
        if min(self.std) <= 0 or min(self.size) < 1 or self.seed < 0:
            raise PadscopeError(
                f"std {self.std} and size {self.size} must be positive and seed {self.seed} "
                "must not be negative"
            )

    @property
    def channels(self) -> int:
        """Channels of the model's input."""
        return len(self.mean)

    @property
    def no_photograph(self) -> PadscopeError:
        """What is said where photographs are given."""
        shape = "×".join(map(str, (self.channels, *self.size)))
        return PadscopeError(
            f"the model takes input of {shape}, which photographs cannot give; give arrays (.npy, "
            ".npz, .zarr, .wav, .flac, .nii), or tensors from Python"
        )

    def cells(self, extent: Sequence[int]) -> tuple[int, ...]:
        """Return into how many cells an array is divided along each axis; 1 if it is too small.

        Examples
        --------
        >>> Window((100,), (0.0,), (1.0,)).cells([1050])
        (10,)
        """
        most = int(MOST_WINDOWS ** (1 / len(self.size)) + 1e-9)
        pairs = zip(extent, self.size, strict=True)
        return tuple(min(most, max(1, there // wanted)) for there, wanted in pairs)

    def count(self, extent: Sequence[int]) -> int:
        """Return how many windows an array gives."""
        return prod(self.cells(extent))

    def box(
        self, index: int, cell: int, extent: Sequence[int], margin: Sequence[int] | None = None
    ) -> Box:
        """Place the window of a cell, or its canvas.

        Parameters
        ----------
        index : int
            The image's number, which the place depends on.
        cell : int
            Of `count`, in row-major order.
        extent : sequence of int
            Of the array, per spatial axis; no smaller than the window, or the canvas.
        margin : sequence of int, optional
            Surroundings at each end of each axis. A canvas that would leave the array is moved
            into it.
        """
        cells = self.cells(extent)
        chosen = np.random.default_rng([self.seed, index]).random(len(cells))
        around = margin or [0] * len(cells)
        places = []
        for axis, number in enumerate(np.unravel_index(cell, cells)):
            there, wanted = extent[axis], self.size[axis]
            width = there / cells[axis]
            start = int(number * width + chosen[axis] * (width - wanted))
            whole = wanted + 2 * around[axis]
            start = min(max(0, start - around[axis]), there - whole)
            places.append(slice(start, start + whole))
        return tuple(places)

    def normalised(self, values: NDArray[Any]) -> Tensor:
        """Normalise what was cut out.

        Parameters
        ----------
        values : (C, *spatial) array
            Unsigned numbers of 8 and 16 bits stand for 0 … 1, as those of photographs do; all
            others for themselves.

        Returns
        -------
        (C, *spatial) float32 tensor
        """
        if values.dtype in (np.uint8, np.uint16):
            values = values / np.float32(np.iinfo(values.dtype).max)
        shape = (-1, *(1 for _ in self.size))
        mean, std = (np.array(each, np.float32).reshape(shape) for each in (self.mean, self.std))
        return torch.from_numpy((values.astype(np.float32) - mean) / std)
