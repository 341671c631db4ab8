"""Random canvases in which no position is special: what is special at a border is padding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOWEST, HIGHEST = 0.2, 0.95  # so far above 0 that zeros stand out as they do in photographs
MEAN = (LOWEST + HIGHEST) / 2
CONTRAST = 3.2  # of the noise before it is squeezed into the range
LENS = 12.0  # how fast amplitudes fall near the sampling limit
SHARED = 0.8  # correlation of the channels, as in photographs


def canvases(count: int, channels: int, size: tuple[int, ...], seed: int) -> Tensor:
    """Draw stationary noise with the spectrum of natural images.

    Amplitudes fall with spatial frequency as f^(-d/2 - 1/4) in d dimensions, and faster near the
    sampling limit, as lenses make them. The canvas wraps around, so it has no ends.

    Parameters
    ----------
    count, channels : int
    size : tuple of int
        Spatial size.
    seed : int

    Returns
    -------
    (count, channels, *size) float32 Tensor
        Strictly between `LOWEST` and `HIGHEST`, symmetric around `MEAN`.

    Examples
    --------
    >>> canvases(2, 3, (16, 16), seed=0).shape
    torch.Size([2, 3, 16, 16])
    """
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(count, channels + 1, *size, generator=generator)
    axes = tuple(range(2, white.ndim))
    noise = torch.fft.ifftn(torch.fft.fftn(white, dim=axes) * _amplitudes(size), dim=axes).real
    mixed = math.sqrt(SHARED) * noise[:, :1] + math.sqrt(1 - SHARED) * noise[:, 1:]
    return LOWEST + (HIGHEST - LOWEST) * torch.sigmoid(CONTRAST * mixed)


def _amplitudes(size: tuple[int, ...]) -> Tensor:
    """Gain per frequency; white noise of variance 1 keeps it."""
    frequencies = torch.meshgrid([torch.fft.fftfreq(n) for n in size], indexing="ij")
    radius = torch.stack(frequencies).square().sum(dim=0).sqrt().clamp_min(1 / max(size))
    gain = radius ** (-len(size) / 2 - 0.25) * torch.exp(-LENS * radius.square())
    return gain / gain.square().mean().sqrt()
