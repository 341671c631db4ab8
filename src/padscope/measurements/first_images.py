"""What is kept to be looked at: mean maps, small photographs, and how borders fire on each.

All of it is of the first images, those that the bins are fitted to: a run of many images keeps no
more than one of few. Maps are rounded: `as_pictured`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from padscope.tallies.maps import as_pictured, sum_maps
from padscope.tallies.transfers import to_host

PHOTO = 64  # pixels of a small photograph's longest side


@dataclass(frozen=True)
class FirstImages:
    """The first N images that are explained.

    Attributes
    ----------
    maps : dict
        (site name, condition) → (C, *spatial) float32 Tensor, the mean map: ``padded`` of the crop
        as it is, ``real`` of the same positions with real surroundings (of a site without a canvas,
        with its border replicated). Long axes are thinned: `kept_lines`.
    borders : dict
        Site name → (N, sides, C) float32 Tensor, each image's mean activation at the positions
        drawn on line 0.
    photos : (N, 1 or 3, height, width) uint8 Tensor or None
        The crops, made small; None of inputs that are no pictures.
    """

    maps: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    borders: dict[str, Tensor] = field(default_factory=dict)
    photos: Tensor | None = None


class FirstLook:
    """Gathers `FirstImages` while they run."""

    def __init__(self) -> None:
        self._pixels: list[Tensor] = []
        self._sums: dict[tuple[str, str], Tensor] = {}
        self._crop: Tensor | None = None
        self._new: dict[tuple[str, str], Tensor] = {}

    def begin(self, crop: Tensor) -> None:
        """Begin with the (M, C, *spatial) crops of a batch; what is not committed is dropped."""
        self._crop, self._new = crop, {}

    def add_map(self, name: str, condition: str, maps: Tensor) -> None:
        """Add the (M, C, *spatial) maps of a batch at a site, under one condition."""
        self._new[name, condition] = sum_maps(maps)

    def commit(self) -> None:
        """Keep what was added since `begin`."""
        assert self._crop is not None
        self._pixels.append(self._crop)
        for key, total in self._new.items():
            self._sums[key] = self._sums[key].add_(total) if key in self._sums else total

    def finish(self, images: int, borders: dict[str, Tensor]) -> FirstImages:
        """Average over so many images, and let go of what was gathered."""
        maps = {key: to_host(as_pictured(total / images)) for key, total in self._sums.items()}
        photos = small_photos(self._pixels) if borders else None
        self._pixels.clear()
        self._sums.clear()
        return FirstImages(maps, borders, photos)


def mean_of_lines(values: Tensor, spans: Sequence[slice]) -> Tensor:
    """Average the values of every line, image by image.

    Parameters
    ----------
    values : (N, P, C) Tensor
    spans : sequence of slice
        Columns of each line.

    Returns
    -------
    (N, lines, C) Tensor
    """
    return torch.stack([values[:, span].mean(dim=1) for span in spans], dim=1)


def small_photos(pixels: Sequence[Tensor]) -> Tensor | None:
    """Make photographs small, and give them the range of a picture's values.

    Parameters
    ----------
    pixels : sequence of (M, C, *spatial) Tensor
        As the model takes them, batch after batch. Of more than three channels the first three are
        shown, of two the first.

    Returns
    -------
    (N, 1 or 3, height, width) uint8 Tensor or None
        Each channel runs from its least to its greatest value over all images; None if the inputs
        have not two spatial axes.
    """
    if not pixels or pixels[0].ndim != 4:
        return None
    height, width = pixels[0].shape[2:]
    scale = min(1.0, PHOTO / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    channels = 3 if pixels[0].shape[1] >= 3 else 1
    photos = torch.cat(
        [F.adaptive_avg_pool2d(each[:, :channels].float(), size).cpu() for each in pixels]
    ).nan_to_num(0.0, 0.0, 0.0)
    low, high = photos.amin(dim=(0, 2, 3), keepdim=True), photos.amax(dim=(0, 2, 3), keepdim=True)
    return ((photos - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)
