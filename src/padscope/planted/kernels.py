"""Kernels of planted filters, as single-channel tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

# Taps of a 3×3 kernel.
TOP, BOTTOM, LEFT, RIGHT, CENTRE = (0, 1), (2, 1), (1, 0), (1, 2), (1, 1)
ONE_SIDED = {"top": TOP, "bottom": BOTTOM, "left": LEFT, "right": RIGHT}
CORNERS = {
    "top-left": (0, 0), "top-right": (0, 2), "bottom-left": (2, 0), "bottom-right": (2, 2),
}  # fmt: skip


def grid(rows: str) -> Tensor:
    """Read a kernel from rows of numbers.

    Examples
    --------
    >>> grid("0 1 / -1 0")
    tensor([[ 0.,  1.],
            [-1.,  0.]])
    """
    return torch.tensor([[float(number) for number in row.split()] for row in rows.split("/")])


def taps(weights: Mapping[tuple[int, ...], float], size: tuple[int, ...] = (3, 3)) -> Tensor:
    """Make a kernel that is zero but for some taps."""
    kernel = torch.zeros(size)
    for place, weight in weights.items():
        kernel[place] = weight
    return kernel


def across(kernels: Mapping[int, Tensor], channels: int) -> Tensor:
    """Stack kernels over input channels; zero for channels without one."""
    weight = torch.zeros(channels, *next(iter(kernels.values())).shape)
    for channel, kernel in kernels.items():
        weight[channel] = kernel
    return weight


def pointwise(weights: Mapping[int, float], channels: int, dims: int = 2) -> Tensor:
    """Make a 1×1 kernel."""
    one = {channel: torch.full((1,) * dims, weight) for channel, weight in weights.items()}
    return across(one, channels)


def gabor(degrees: float, phase: float, size: int = 7, wavelength: float = 5.0) -> Tensor:
    """Sine wave under a Gaussian, of mean zero; `degrees` turn its direction away from rows."""
    half = size // 2
    steps = torch.arange(-half, half + 1, dtype=torch.float32)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    angle = math.radians(degrees)
    along = x * math.cos(angle) + y * math.sin(angle)
    envelope = torch.exp(-(x.square() + y.square()) / (2 * (size / 4) ** 2))
    wave = envelope * torch.cos(2 * math.pi * along / wavelength + phase)
    return wave - envelope * (wave.sum() / envelope.sum())
