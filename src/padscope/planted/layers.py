"""Planted convolutions before they become modules: kernels written by hand, one per filter."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from padscope.planted.kernels import across, taps
from padscope.planted.plant import Cause

Mirror = Literal["reflect", "replicate"]
Fill = float | Mirror  # a constant, or a way to repeat real values

ONE = ((1, 1), (1, 1))  # one position at every end
NONE = ((0, 0), (0, 0))

_CONV: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_CONV_T: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@dataclass(frozen=True)
class Filter:
    """One filter.

    Attributes
    ----------
    family : str
    weight : (C_in / groups, *kernel) Tensor
    bias : float
    dedicated : bool
    corners : frozenset of str
        See `Plant`.
    known : tuple of Cause or None
        Its causes where means cannot tell them; see `padscope.planted.truth`.
    """

    family: str
    weight: Tensor
    bias: float = 0.0
    dedicated: bool = True
    corners: frozenset[str] = frozenset()
    known: tuple[Cause, ...] | None = None


@dataclass(frozen=True)
class Layer:
    """One convolution, and a ReLU behind it unless it is the last.

    Attributes
    ----------
    filters : tuple of Filter
    padding : tuple of (int, int)
        Per axis, at its first and last end. Of a transposed convolution: cropped positions.
    stride, dilation : int
        On every axis.
    groups : int
    fill : float or {"reflect", "replicate"}
    transposed : bool
    """

    filters: tuple[Filter, ...]
    padding: tuple[tuple[int, int], ...]
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    fill: Fill = 0.0
    transposed: bool = False

    @property
    def kernel(self) -> tuple[int, ...]:
        """Spatial size of its kernels."""
        return tuple(self.filters[0].weight.shape[1:])

    def inputs(self, index: int) -> range:
        """Input channels of one filter."""
        each = self.filters[0].weight.shape[0]
        group = index // (len(self.filters) // self.groups)
        return range(group * each, (group + 1) * each)

    def outputs(self, size: Sequence[int]) -> tuple[int, ...]:
        """Output size for an input size."""
        out = []
        for n, k, (before, after) in zip(size, self.kernel, self.padding, strict=True):
            reach = self.dilation * (k - 1)
            if self.transposed:
                out.append((n - 1) * self.stride - before - after + reach + 1)
            else:
                out.append((n + before + after - reach - 1) // self.stride + 1)
        return tuple(out)


class PadAndConv2d(nn.Conv2d):
    """Convolution that pads in its forward, unequally, where no attribute of torch's shows it."""

    pads: tuple[int, ...] = ()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Pad with zeros, then convolve."""
        return super().forward(F.pad(input, self.pads))


def single(kernels: dict[str, Tensor], ordinary: Collection[str] = ()) -> tuple[Filter, ...]:
    """Make filters that read one channel; the `ordinary` ones were not made to watch borders."""
    return tuple(
        Filter(name, kernel[None], dedicated=name not in ordinary)
        for name, kernel in kernels.items()
    )


def copy_of(one: Filter, channel: int, channels: int, kernel: tuple[int, ...]) -> Filter:
    """Hand a channel on, by the centre tap of a kernel."""
    centre = taps({tuple(n // 2 for n in kernel): 1.0}, kernel)
    weight = across({channel: centre}, channels)
    family = f"copy of {one.family.removeprefix('copy of ')}"
    return Filter(family, weight, dedicated=one.dedicated)


def assemble(layers: Sequence[Layer]) -> nn.Sequential:
    """Make the network of some layers: ``conv1``, ``relu1``, ``conv2``, …."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, layer in enumerate(layers, start=1):
        if isinstance(layer.fill, float) and layer.fill:
            left, right, top, bottom = _pads(layer)
            parts[f"pad{number}"] = nn.ConstantPad2d((left, right, top, bottom), layer.fill)
        parts[f"conv{number}"] = _convolution(layer)
        if number < len(layers):
            parts[f"relu{number}"] = nn.ReLU()
    return nn.Sequential(parts).eval().requires_grad_(requires_grad=False)


def _pads(layer: Layer) -> tuple[int, ...]:
    """List the padding as `F.pad` wants it: last axis first."""
    return tuple(chain.from_iterable(reversed(layer.padding)))


def _convolution(layer: Layer) -> nn.Module:
    dims = len(layer.kernel)
    unequal = any(before != after for before, after in layer.padding)
    apart = unequal or (isinstance(layer.fill, float) and bool(layer.fill))
    kinds: dict[int, Any] = {2: PadAndConv2d} if unequal else _CONV
    kind = (_CONV_T if layer.transposed else kinds)[dims]
    module: _ConvNd = kind(
        layer.groups * layer.filters[0].weight.shape[0],
        len(layer.filters),
        layer.kernel,
        layer.stride,
        0 if apart else tuple(before for before, _ in layer.padding),
        groups=layer.groups,
        dilation=layer.dilation,
        padding_mode=layer.fill if isinstance(layer.fill, str) else "zeros",
    )
    if isinstance(module, PadAndConv2d):
        module.pads = _pads(layer)
    weight = torch.stack([one.weight for one in layer.filters])
    if layer.transposed:  # keeps input channels first
        weight = weight.transpose(0, 1)
    with torch.no_grad():
        module.weight.copy_(weight)
        assert module.bias is not None
        module.bias.copy_(torch.tensor([one.bias for one in layer.filters]))
    return module
