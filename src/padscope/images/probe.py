"""The probe: one seeded random crop per image, its centre, or a wider canvas."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from padscope.errors import PadscopeError

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the photograph; (0, 0) is its top left corner."""

CANVAS_SCALE = (0.7, 1.0)
"""Extent of a canvas, relative to the largest box of its aspect in the photograph.

Larger than that of a crop, because a canvas has to hold a crop and its surroundings.
"""

EVALUATION_SCALE = (0.875, 0.875)
"""Extent of the crop that models are usually evaluated on: 224 pixels of a short side of 256."""


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
            raise PadscopeError(f"scale {self.scale} must be ascending, between 0 and 1")

    def box(self, index: int, width: int, height: int) -> Box:
        """Return the crop of image `index`, whose photograph has `width` × `height` pixels."""
        return _draw_box(self.size, width, height, self.scale, [self.seed, index])

    def canvas_size(self, margin: tuple[int, int]) -> tuple[int, int]:
        """Return the (H, W) of a crop with `margin` pixels more at each end of each axis."""
        (rows, columns), (down, across) = self.size, margin
        return rows + 2 * down, columns + 2 * across

    def canvas_box(self, index: int, width: int, height: int, margin: tuple[int, int]) -> Box:
        """Return the canvas of image `index`, whose photograph has `width` × `height` pixels.

        It is drawn like the crop, with its own aspect ratio and an extent from `CANVAS_SCALE`, but
        independently of it: the canvas does not surround the place where `box` lies.

        Parameters
        ----------
        index : int
            The image's number, which its canvas depends on.
        width, height : int
            Pixels of the photograph.
        margin : (down, across)
            Pixels of the model's input around the crop, at each end of each axis.
        """
        size = self.canvas_size(margin)
        return _draw_box(size, width, height, CANVAS_SCALE, [self.seed, index, 1])

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
        return self._cut(image, self.box(index, image.width, image.height), self.size)

    def canvas(self, image: Image.Image, index: int, margin: tuple[int, int]) -> Tensor:
        """Cut out a crop with its surroundings, resize and normalise them.

        Parameters
        ----------
        image : PIL.Image.Image
            In mode ``L`` or ``RGB``. It is enlarged as far as it takes.
        index : int
            The image's number, which its canvas depends on.
        margin : (down, across)
            Pixels around the crop, at each end of each axis.

        Returns
        -------
        (C, H + 2·down, W + 2·across) float32 tensor
            The crop is its exact centre. Its channels lie innermost in memory (channels last).
        """
        box = self.canvas_box(index, image.width, image.height, margin)
        return self._cut(image, box, self.canvas_size(margin))

    def _cut(self, image: Image.Image, box: Box, size: tuple[int, int]) -> Tensor:
        """Resize a box of a photograph to `size` and normalise it."""
        rows, columns = size
        pixels = image.resize(
            (columns, rows),
            Image.Resampling.BICUBIC,
            box=box,
            reducing_gap=3.0,  # large photographs faster, with no visible difference
        ).convert("L" if self.channels == 1 else "RGB")
        return self._normalised(np.asarray(pixels).reshape(rows, columns, self.channels))

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


@dataclass(frozen=True)
class CentralCrop(Probe):
    """The centre of each photograph, as models are evaluated.

    Evaluation resizes the short side to 256 pixels and cuts out the central 224: the extent is
    .875 of the photograph. Other sizes get a box of their own aspect and the extent `scale`.
    The canvases are those of `Probe`: random ones, which do not surround the crop.

    Parameters
    ----------
    size, mean, std, channels, seed
        As for `Probe`; `seed` is that of the canvases.
    scale : (extent, extent)
        One number twice: nothing is drawn. timm's configurations call it ``crop_pct``.

    Raises
    ------
    PadscopeError
        The settings contradict each other.
    """

    scale: tuple[float, float] = EVALUATION_SCALE

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        if self.scale[0] != self.scale[1]:
            raise PadscopeError(f"a central crop has one extent, and scale {self.scale} has two")

    @classmethod
    def like(cls, probe: Probe, scale: float = EVALUATION_SCALE[0]) -> Self:
        """Take the centre instead of a random crop, of the same size and normalisation."""
        return cls(probe.size, probe.mean, probe.std, probe.channels, probe.seed, (scale, scale))

    def box(self, index: int, width: int, height: int) -> Box:  # noqa: ARG002 - all are alike
        """Return the crop of any image whose photograph has `width` × `height` pixels."""
        rows, columns = self.size
        zoom = min(width / columns, height / rows) * self.scale[0]
        left = max(0.0, (width - columns * zoom) / 2)
        top = max(0.0, (height - rows * zoom) / 2)
        return left, top, min(left + columns * zoom, width), min(top + rows * zoom, height)


def _draw_box(
    size: tuple[int, int], width: int, height: int, scale: tuple[float, float], seed: list[int]
) -> Box:
    """Draw a box of the aspect of `size`, with a uniform extent and a uniform place."""
    rows, columns = size
    largest = min(width / columns, height / rows)
    extent, across, down = np.random.default_rng(seed).random(3).tolist()
    low, high = scale
    zoom = largest * (low + (high - low) * extent)
    # Rounding may carry either corner past the photograph by one unit in the last place.
    left = max(0.0, across * (width - columns * zoom))
    top = max(0.0, down * (height - rows * zoom))
    return left, top, min(left + columns * zoom, width), min(top + rows * zoom, height)
