"""A planted network: a module, and the truth about all its filters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from padscope.planted.canvases import MEAN, canvases
from padscope.planted.layers import Layer, PadAndConv2d, assemble
from padscope.planted.plant import Plant
from padscope.planted.truth import plants_of
from padscope.regions import sides_of


@dataclass(frozen=True, eq=False)
class FramedNetwork:
    """A network in eval mode, and the canvases to look at it on.

    Attributes
    ----------
    module : nn.Module
    channels : int
        Input channels.
    size : tuple of int
        Spatial input size.
    margin : tuple of int
        Real context per end that leaves the frame's outputs untouched by padding beyond it; a
        multiple of the total stride.
    mean : float
        Of its inputs.
    """

    module: nn.Module
    channels: int
    size: tuple[int, ...]
    margin: tuple[int, ...]
    mean: float

    @property
    def sides(self) -> tuple[str, ...]:
        """Names of the sides of its maps."""
        return tuple(side.name for side in sides_of(len(self.size)))

    def images(self, count: int, seed: int = 0) -> Tensor:
        r"""Draw canvases: the frame and a margin of real context at each end.

        Returns
        -------
        (count, channels, \*size + 2 margin) float32 Tensor
            Stationary, so only padding makes a border special. `crop` cuts out the frame.
        """
        sizes = zip(self.size, self.margin, strict=True)
        drawn = canvases(count, self.channels, tuple(n + 2 * m for n, m in sizes), seed)
        return drawn + (self.mean - MEAN)

    def crop(self, canvas: Tensor) -> Tensor:
        """Cut the frame out of canvases of `images`."""
        for axis, (n, margin) in enumerate(zip(self.size, self.margin, strict=True), start=2):
            canvas = canvas.narrow(axis, margin, n)
        return canvas


@dataclass(frozen=True, eq=False)
class PlantedNetwork(FramedNetwork):
    """A network and the truth about all its filters, on images of positive values.

    Attributes
    ----------
    plants : tuple of Plant
        One per filter of every convolution, padded or not.
    """

    plants: tuple[Plant, ...]

    def null_twin(self) -> PlantedNetwork:
        """Build the same network without any padding, in which no filter can see a border."""
        module = copy.deepcopy(self.module)
        for part in module.modules():
            _strip(part)
        plants = (
            replace(p, causes=(), faint=frozenset(), corners=frozenset()) for p in self.plants
        )
        return replace(self, module=module, plants=tuple(plants))


def plant(
    layers: Sequence[Layer], channels: int = 1, size: tuple[int, ...] = (32, 32)
) -> PlantedNetwork:
    """Make a network of layers, and derive the truth about it."""
    margin = (8 if len(size) < 3 else 4,) * len(size)  # volumes grow fast, and theirs reach less
    plants = tuple(plants_of(layers, channels, size))
    return PlantedNetwork(assemble(layers), channels, size, margin, MEAN, plants)


def _strip(part: nn.Module) -> None:
    """Take the padding out of one module."""
    if isinstance(part, _ConvTransposeNd):
        # Outputs that miss a neighbour at the ends are cropped away.
        reach = zip(part.dilation, part.kernel_size, strict=True)
        part.padding = tuple(d * (k - 1) for d, k in reach)
    elif isinstance(part, _ConvNd):
        part.padding, part.padding_mode = (0,) * len(part.kernel_size), "zeros"
    if isinstance(part, PadAndConv2d):
        part.pads = (0,) * len(part.pads)
    elif isinstance(part, nn.ConstantPad2d):
        part.padding = (0, 0, 0, 0)
