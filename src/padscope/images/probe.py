"""The probe: one seeded random crop per image."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from padscope.errors import PadscopeError

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the photograph; (0, 0) is its top left corner."""


@dataclass(frozen=True)
class Probe:
    """Uniform random crops of natural photographs.

    A crop has the aspect ratio of the model's input, an extent drawn uniformly from `scale` and a
    place drawn uniformly from where it fits. So what lies at a border of the crop is no more
    special than what lies in its middle, and only padding can tell them apart.

    Parameters
    ----------
    size : (H, W)
        Pixels of the model's input.
    mean, std : tuple of C floats
        The model's normalisation, for pixels in 0..1.
    channels : 1 or 3
        1 means luma.
    seed : int
        The crop of image i depends on (seed, i) and on nothing else.
    scale : (low, high)
        Extent of the crop, relative to the largest box of its aspect in the photograph.

    Raises
    ------
    PadscopeError
        The settings contradict each other.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: Literal[1, 3]
    seed: int = 0
    scale: tuple[float, float] = (0.45, 0.95)

    def __post_init__(self) -> None:
        """Check the settings, which may come from a model's file or from the command line."""
        if self.channels not in (1, 3):
            raise PadscopeError(
                f"photographs have 1 or 3 channels and the model takes {self.channels}; "
                "give tensors made for it instead"
            )
        if not len(self.mean) == len(self.std) == self.channels:
            raise PadscopeError(
                f"mean {self.mean} and std {self.std} need {self.channels} numbers each, "
                "one per channel"
            )
        if min(self.std) <= 0 or min(self.size) < 1 or self.seed < 0:
            raise PadscopeError(
                f"std {self.std} and size {self.size} must be positive and seed {self.seed} "
                "must not be negative"
            )
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise PadscopeError(f"scale {self.scale} must ascend within 0 and 1")

    def box(self, index: int, width: int, height: int) -> Box:
        """Return the crop of image `index`, whose photograph has `width` × `height` pixels."""
        rows, columns = self.size
        largest = min(width / columns, height / rows)
        extent, across, down = np.random.default_rng([self.seed, index]).random(3).tolist()
        low, high = self.scale
        zoom = largest * (low + (high - low) * extent)
        left = across * (width - columns * zoom)
        top = down * (height - rows * zoom)
        # Rounding may carry the far corner past the photograph by one unit in the last place.
        return left, top, min(left + columns * zoom, width), min(top + rows * zoom, height)

    def apply(self, image: Image.Image, index: int) -> Tensor:
        """Crop, resize and normalise a photograph.

        Parameters
        ----------
        image : PIL.Image.Image
            In mode ``L`` or ``RGB``.
        index : int
            The image's number, which its crop depends on.

        Returns
        -------
        (C, H, W) float32 tensor
            Its channels lie innermost in memory (channels last).
        """
        rows, columns = self.size
        crop = image.resize(
            (columns, rows),
            Image.Resampling.BICUBIC,
            box=self.box(index, image.width, image.height),
            reducing_gap=3.0,  # large photographs faster, with no visible difference
        ).convert("L" if self.channels == 1 else "RGB")
        return self._normalised(np.asarray(crop).reshape(rows, columns, self.channels))

    def _normalised(self, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
        rows, columns, _ = pixels.shape
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        # NumPy, whose loops stay in the calling thread, with mean and std repeated along the row:
        # an inner loop over three channels would take thrice the time.
        values = np.multiply(
            pixels.reshape(rows, -1), np.tile(1 / (255 * std), columns), dtype=np.float32
        )
        values -= np.tile(mean / std, columns)
        return torch.from_numpy(values.reshape(pixels.shape)).permute(2, 0, 1)
