"""Kernels made for all sorts of things, on inputs of positive mean or of mean zero.

Which of them recognise a border is not known by construction: `padscope.planted.recall` finds it
out by brute force. What is made to see a border may fail to, as a missing row does on inputs whose
mean is that of the padding, and what is made for edges or colours may see it well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from padscope.planted.canvases import MEAN
from padscope.planted.kernels import CENTRE, ONE_SIDED, across, gabor, grid, taps
from padscope.planted.layers import ONE, Filter, Layer, assemble
from padscope.planted.network import FramedNetwork

_SIZE, _MARGIN = (48, 48), (8, 8)
_RANDOM = 24  # filters in each layer
_GREY = {0: 1.0, 1: 1.0, 2: 1.0}  # weight by channel
_COLOURS = {
    "red against green": {0: 1.0, 1: -1.0},
    "blue against yellow": {0: -0.5, 1: -0.5, 2: 1.0},
    "red": {0: 1.0},
    "green": {1: 1.0},
    "blue": {2: 1.0},
}
_ENERGY = ("red", "green", "blue", "red, negative", "green, negative", "blue, negative")


@dataclass(frozen=True, eq=False)
class DetectorNetwork(FramedNetwork):
    """Two layers of filters of all sorts.

    Attributes
    ----------
    families : dict
        What each filter was made for, by site and filter.
    """

    families: dict[tuple[str, int], str]


def detectors(*, positive: bool, seed: int = 0) -> DetectorNetwork:
    """Mix random, Sobel, Gabor, blob, colour and border kernels in two layers.

    Parameters
    ----------
    positive : bool
        Whether inputs are positive throughout, or have mean zero as after a usual normalisation.
    seed : int
        Of the random kernels.

    Examples
    --------
    >>> from padscope.planted import raw_recalls
    >>> network = detectors(positive=False)
    >>> recalls = raw_recalls(network.module, network.crop(network.images(16)))
    >>> [network.families[site, n] for (site, n, side), recall in recalls.items() if recall > 0.9]
    ['no energy at top', 'no energy at bottom', 'no energy at left', 'no energy at right']
    """
    generator = torch.Generator().manual_seed(seed)
    first = _first(generator)
    second = _second([one.family for one in first], generator)
    module = assemble([Layer(first, ((3, 3), (3, 3))), Layer(second, ONE)])
    families = {
        (f"conv{number}", index): one.family
        for number, layer in enumerate((first, second), start=1)
        for index, one in enumerate(layer)
    }
    return DetectorNetwork(module, 3, _SIZE, _MARGIN, MEAN if positive else 0.0, families)


def _first(generator: torch.Generator) -> tuple[Filter, ...]:
    """Make filters of pixels, 7×7."""
    sobel, centre = grid("-1 -2 -1 / 0 0 0 / 1 2 1"), taps({CENTRE: 1.0})
    small, large = _gaussian(1.0), _gaussian(2.0)
    grey = {
        "Sobel, vertical": sobel,
        "Sobel, horizontal": sobel.T,
        "blob": small,
        "large blob": large,
        "spot": small - large,
        **{f"Gabor {angle}°": gabor(angle, phase=math.pi / 2) for angle in (0, 45, 90, 135)},
        **{f"even Gabor {angle}°": gabor(angle, phase=0) for angle in (0, 45, 90, 135)},
        **{f"{side} tap": taps({tap: 1.0}) for side, tap in ONE_SIDED.items()},
    }
    kernels = {name: _over(_GREY, kernel) for name, kernel in grey.items()}
    kernels |= {name: _over(weights, centre) for name, weights in _COLOURS.items()}
    kernels |= {f"{name}, blob": _over(weights, small) for name, weights in _COLOURS.items()}
    kernels |= {f"{name}, Sobel": _over(weights, sobel) for name, weights in _COLOURS.items()}
    signed = kernels | {f"{name}, negative": -kernel for name, kernel in kernels.items()}
    return (
        *(Filter(name, kernel) for name, kernel in signed.items()),
        *_random(3, 7, generator),
    )


def _second(inputs: list[str], generator: torch.Generator) -> tuple[Filter, ...]:
    """Make filters of the first layer's channels, 3×3."""
    # Of the three colours and their negatives, one is above 0 wherever a pixel is not 0: a row
    # without any is a row of padding, whatever the mean of the inputs.
    energy = [inputs.index(name) for name in _ENERGY]
    watching = (
        Filter(
            f"no energy at {side}",
            across({channel: -_row_of(side) for channel in energy}, len(inputs)),
        )
        for side in ONE_SIDED
    )
    return (*watching, *_random(len(inputs), 3, generator))


def _over(weights: dict[int, float], kernel: Tensor) -> Tensor:
    """Weigh a kernel by channel, in the middle of 7×7."""
    wider = F.pad(kernel, ((7 - len(kernel)) // 2,) * 4)
    return across({channel: weight * wider for channel, weight in weights.items()}, 3)


def _gaussian(width: float) -> Tensor:
    steps = torch.arange(-3.0, 4.0)
    profile = torch.exp(-steps.square() / (2 * width**2))
    return torch.outer(profile, profile) / profile.sum().square()


def _row_of(side: str) -> Tensor:
    """Three taps along a side."""
    row, column = ONE_SIDED[side]
    kernel = torch.zeros(3, 3)
    if column == 1:
        kernel[row] = 1.0
    else:
        kernel[:, column] = 1.0
    return kernel


def _random(channels: int, size: int, generator: torch.Generator) -> tuple[Filter, ...]:
    spread = (channels * size**2) ** -0.5
    weights = torch.randn(_RANDOM, channels, size, size, generator=generator) * spread
    return tuple(Filter("random", weight, dedicated=False) for weight in weights)
