"""Depth bounds against brute force, on random architectures of one to three axes.

What padding at one end of one axis holds is drawn anew, for every value of its own; what changes
depends on it. The last line that changes must be the last one of the bound.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.sites import Call, Interception
from padscope.sites.depth_bounds import EXACT, Bound, MapBounds, depth_bounds

CHANNELS, DRAWS = 6, 5
SIZES = {1: (24, 48, 96, 160), 2: (20, 32, 48), 3: (10, 16, 22)}  # the first that shows the depth
DEEPEST = {1: 5, 2: 4, 3: 2}  # layers in a row
_CONVOLVE = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
_LARGEST = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
End = tuple[int, bool]


@dataclass
class Redrawn:
    """The end at which padding is drawn anew; None for the network as it is."""

    end: End | None = None

    def strip(self, x: Tensor, axis: int, far: bool, lines: int, fill: float) -> Tensor:
        """Make padding of one end of one axis."""
        shape = [*x.shape]
        shape[axis + 2] = lines
        if (axis, far) != self.end:
            return x.new_full(shape, fill)
        return torch.randn(shape, dtype=x.dtype) * 20

    def pad(self, x: Tensor, pads: Sequence[tuple[int, int]], fill: float) -> Tensor:
        """Pad all axes; a corner is of the end that is drawn anew."""
        axes = sorted(
            range(len(pads)), key=lambda axis: self.end is not None and axis == self.end[0]
        )
        for axis in axes:
            before, after = pads[axis]
            parts = [self.strip(x, axis, False, before, fill), x,
                     self.strip(x, axis, True, after, fill)]  # fmt: skip
            x = torch.cat(parts, dim=axis + 2)
        return x


class Layer(nn.Module):
    """A window, padded by itself or beforehand, whose padding can be drawn anew."""

    def __init__(self, dims: int, redrawn: Redrawn, rng: random.Random) -> None:
        super().__init__()
        self.dims, self.redrawn = dims, redrawn
        self.kind = rng.choice(["conv", "conv", "conv", "transposed", "max", "nearest"])
        self.kernel = [rng.randint(1, 4) for _ in range(dims)]
        self.stride = [rng.choice([1, 1, 2, 3]) for _ in range(dims)]
        self.dilation = [rng.choice([1, 1, 2, 3]) for _ in range(dims)]
        reach = [d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True)]
        if self.kind == "transposed":
            self.crop = [rng.randint(0, r) for r in reach]
            self.extra = [rng.randint(0, max(s, d) - 1)
                          for s, d in zip(self.stride, self.dilation, strict=True)]  # fmt: skip
        most = [k // 2 if self.kind == "max" else r + 1
                for k, r in zip(self.kernel, reach, strict=True)]  # fmt: skip
        self.own = rng.random() < 0.5 or self.kind == "max"
        self.pads = [(a := rng.randint(0, m), a if self.own else rng.randint(0, m)) for m in most]
        self.weight = torch.randn(CHANNELS, CHANNELS, *self.kernel, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        """Run the layer."""
        at = self.dims - 1
        if self.kind == "nearest":
            return F.interpolate(x, scale_factor=[float(s) for s in self.stride], mode="nearest")
        if self.kind == "transposed":
            return self._transposed(x)
        own = [before for before, _ in self.pads]
        again = self.redrawn.end is not None
        if self.kind == "max":
            if again:
                x, own = self.redrawn.pad(x, self.pads, -torch.inf), [0] * self.dims
            return _LARGEST[at](x, self.kernel, self.stride, own, self.dilation)
        if again:
            x = self.redrawn.pad(x, self.pads, 0.0)
        elif not self.own:
            x = F.pad(x, [n for pair in reversed(self.pads) for n in pair])
        own = own if self.own and not again else [0] * self.dims
        return _CONVOLVE[at](x, self.weight, None, self.stride, own, self.dilation)

    def _transposed(self, x: Tensor) -> Tensor:
        at = self.dims - 1
        out = _TRANSPOSED[at](
            x, self.weight, None, self.stride, self.crop, self.extra, 1, self.dilation
        )
        if self.redrawn.end is None:
            return out
        axis, far = self.redrawn.end
        size, step = out.shape[2:], self.stride[axis]
        lines = self.dilation[axis] * (self.kernel[axis] - 1) // step + 1 + self.extra[axis]
        strip = [self.redrawn.strip(x, axis, far, lines, 0.0)]
        x = torch.cat([x, *strip] if far else [*strip, x], dim=axis + 2)
        whole = _TRANSPOSED[at](x, self.weight, None, self.stride, 0, self.extra, 1, self.dilation)
        for along, (n, crop) in enumerate(zip(size, self.crop, strict=True)):
            first = crop + (lines * step if along == axis and not far else 0)
            whole = whole.narrow(along + 2, first, n)
        return whole


class Network(nn.Module):
    """Layers in a row, some with a branch around them."""

    def __init__(self, dims: int, seed: int) -> None:
        super().__init__()
        rng = random.Random(seed)
        torch.manual_seed(seed)
        self.redrawn = Redrawn()
        count = rng.randint(1, DEEPEST[dims])
        self.layers = nn.ModuleList(Layer(dims, self.redrawn, rng) for _ in range(count))
        self.around = [rng.random() < 0.4 for _ in range(count)]

    def forward(self, x: Tensor) -> Tensor:
        """Run the layers."""
        for layer, around in zip(self.layers, self.around, strict=True):
            made = F.leaky_relu(layer(x), 0.3)
            # Where a layer keeps the size, what it was given may be added.
            x = made + x if around and made.shape == x.shape else made
        return x


def changed(net: Network, x: Tensor, base: Tensor, end: End) -> int:
    """Count the lines from one end on behind which nothing changes, by brute force."""
    net.redrawn.end = end
    try:
        again = net(x.expand(DRAWS, *x.shape[1:]))
    finally:
        net.redrawn.end = None
    axis, far = end
    differs = (again - base).abs() > 1e-9 * base.abs().max()
    lines = differs.movedim(axis + 2, 0).flatten(1).any(dim=1)
    lines = lines.flip(0) if far else lines
    return int(lines.nonzero().max()) + 1 if lines.any() else 0


def as_it_is(output: Tensor) -> Tensor:
    """Take the answer of a network that returns nothing else."""
    return output


def compare(dims: int, seed: int) -> list[tuple[Bound, int]] | None:
    """Compare the bound of a random network with brute force, at every end.

    Returns
    -------
    list of (bound, brute force), or None
        None if there is no such network, or padding reaches through all of its largest map.
    """
    net = Network(dims, seed)
    for size in SIZES[dims]:
        generator = torch.Generator().manual_seed(seed)
        shape = (1, CHANNELS, *(size + axis for axis in range(dims)))
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        sizes: dict[str, tuple[int, ...]] = {}

        def note(call: Call, sizes: dict[str, tuple[int, ...]] = sizes) -> None:
            sizes[call.name] = call.operation.window.out

        try:
            found = depth_bounds(net, x, as_it_is)
            with Interception(net, note):
                base = net(x)
        except RuntimeError:  # a window larger than its map
            continue
        bounds = found.output
        assert isinstance(bounds, MapBounds)
        # No map on the way may be so small that its other end comes into play.
        maps = [(found.sites[name], out) for name, out in sizes.items()]
        maps.append((bounds, tuple(base.shape[2:])))
        if all(_deeper(at, out) for at, out in maps):
            return [(bound, changed(net, x, base, end)) for end, bound in bounds.ends.items()]
    return None


def holds(bound: Bound, depth: int) -> bool:
    """Say whether a bound is what its status says, given the depth by brute force."""
    assert bound.lines is not None
    return bound.lines == depth if bound.status == EXACT else bound.lines >= depth


def _deeper(bounds: MapBounds, out: tuple[int, ...]) -> bool:
    return all((bound.lines or 0) < out[axis] for (axis, _), bound in bounds.ends.items())


def describe_depth_bounds(times: int = 500, seed: int = 0) -> None:
    """Compare so many random networks, and print where bound and brute force differ."""
    print("depth bounds against brute force (target: all hold, at every end of every network)")
    compared, ends, exact, apart, number = 0, 0, 0, list[object](), seed
    while compared < times:
        dims = 1 + number % 3
        found = compare(dims, number)
        number += 1
        if found is None:
            continue
        compared += 1
        ends += len(found)
        exact += sum(bound.status == EXACT for bound, _ in found)
        apart += [(number - 1, dims, *one) for one in found if not holds(*one)]
    told = f"{compared} networks, {ends} ends, {exact} bounds exact, {len(apart)} do not hold"
    print(f"  {told}", *apart[:20], sep="\n    ")
