"""Matched weights: random kernels, and every filter with the mean and spread that it was given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from timm.layers import StdConv2d, create_conv2d
from torch import Tensor, nn
from torch.ao.nn.quantized import Conv2d as QuantizedConv2d
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torchvision.ops import DeformConv2d

from padscope.errors import PadscopeError
from padscope.models import Matched, matched_weights, wrap_module
from padscope.models.loaded import hash_weights

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose2d, DeformConv2d)


def given(net: nn.Module) -> nn.Module:
    """Give a network weights and statistics that it might have been trained to."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        drawn = torch.randn(tensor.shape, generator=generator)
        if tensor.is_floating_point():
            tensor.data = drawn.abs() + 0.5 if name.endswith("var") else drawn * 0.5
    return net.eval()


def crops(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 0.5


def outputs(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Slow twin: all that each layer's filters give, (C, n) in double precision, by plain hooks."""
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for name, child in net.named_modules():
        if isinstance(child, LAYERS):

            def keep(layer: nn.Module, _: object, output: Tensor, name: str = name) -> None:
                last = isinstance(layer, nn.Linear)
                rows = output.movedim(-1 if last else 1, 0).flatten(1).double()
                seen.setdefault(name, []).append(rows)

            hooks.append(child.register_forward_hook(keep))
    with torch.no_grad():
        net(images)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(rows, dim=1) for name, rows in seen.items()}


def assert_alike(theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> None:
    assert theirs.keys() == ours.keys()
    for name, values in theirs.items():
        spread, mean = torch.std_mean(values, dim=1, correction=0)
        own_spread, own_mean = torch.std_mean(ours[name], dim=1, correction=0)
        assert bool((spread > 0).all()), name
        assert float(((own_spread - spread) / spread).abs().max()) < 1e-3, name
        assert float(((own_mean - mean) / spread).abs().max()) < 1e-3, name


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 4, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5),
    )  # fmt: skip


def folded() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU6()
    )


def same() -> nn.Module:
    return nn.Sequential(
        create_conv2d(3, 6, 3, stride=2, padding="same"), nn.BatchNorm2d(6), nn.ReLU(),
        nn.ZeroPad2d((0, 1, 0, 1)), create_conv2d(6, 6, 3, stride=2, padding="same", depthwise=True),
    )  # fmt: skip


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, groups=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8),
        nn.SiLU(), nn.Conv2d(8, 12, 3, groups=4, padding=1, bias=False),
    )  # fmt: skip


def transposed() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 3, groups=2, padding=1, bias=False), nn.Conv2d(6, 4, 3),
    )  # fmt: skip


class Branches(nn.Module):
    """Two branches, one after the other in memory but not in the forward pass, and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(12, 6, 3, padding=1, bias=False)
        self.narrow = nn.Conv2d(6, 6, 1)
        self.wide = nn.Conv2d(6, 6, 5, padding=2)
        self.stem = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        both = torch.cat([self.narrow(x), self.wide(x)], dim=1)
        out: Tensor = x + self.last(F.relu(both))
        return out


class Recurrent(nn.Module):
    """A block of two layers, run several times, each time on what it gave."""

    def __init__(self, times: int = 2) -> None:
        super().__init__()
        self.times = times
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.one = nn.Conv2d(6, 6, 3, padding=1)
        self.two = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for _ in range(self.times):
            x = F.relu(self.norm(self.two(F.relu(self.one(x)))))
        return x


class SharedHead(nn.Module):
    """One head on three sizes, as in detectors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.head = nn.Sequential(*[nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()] * 1, nn.Conv2d(6, 4, 3))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.stem(x))
        return [self.head(F.avg_pool2d(x, size)) for size in (1, 2, 3)]


class OneByOne(nn.Module):
    """Splits its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.net = folded()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.net(image) for image in x.split(1)])


class Functional(nn.Module):
    """Calls its convolutions by keyword, and those of another module."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 6, 3, bias=False)
        self.two = nn.ConvTranspose2d(6, 4, 3, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(bias=self.one.bias, weight=self.one.weight, input=x, padding="same")
        return self.two(F.pad(F.relu(x), (1, 0), value=0.5))


class MadeInFirstPass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if not hasattr(self, "later"):
            self.later = nn.Conv2d(4, 4, 3)
        return self.later(x)  # type: ignore[no-any-return]


class Deformed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Conv2d(3, 18, 3, padding=1)
        self.deformed = DeformConv2d(3, 5, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.deformed(x, self.offset(x))  # type: ignore[no-any-return]


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (plain, (8, 3, 12, 12)),
    "folded": (folded, (6, 3, 10, 10)),
    "same": (same, (6, 3, 11, 11)),
    "grouped": (grouped, (6, 3, 11, 11)),
    "transposed": (transposed, (6, 3, 6, 6)),
    "branches": (Branches, (6, 3, 10, 10)),
    "recurrent": (Recurrent, (6, 3, 10, 10)),
    "recurrent 4": (lambda: Recurrent(4), (6, 3, 10, 10)),
    "shared head": (SharedHead, (6, 3, 12, 12)),
    "one by one": (OneByOne, (6, 3, 10, 10)),
    "functional": (Functional, (6, 3, 10, 10)),
    "deformed": (Deformed, (6, 3, 8, 8)),
    "1D": (lambda: nn.Sequential(nn.Conv1d(2, 6, 5, padding=2), nn.ELU(), nn.Conv1d(6, 4, 3)),
           (6, 2, 40)),
    "3D": (lambda: nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 4, 3)),
           (5, 1, 6, 6, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_every_filter_keeps_its_mean_and_spread(name: str) -> None:
    build, shape = NETS[name]
    net, images = given(build()), crops(*shape)
    weights = hash_weights(net)
    matched = matched_weights(wrap_module(net), 1, images.split(4))
    assert matched.unmatched == {}
    assert_alike(outputs(net, images), outputs(matched.module, images))
    assert hash_weights(net) == weights
    own = dict(net.named_parameters())
    drawn = {name for name, p in matched.module.named_parameters()
             if name in own and p.ndim > 1 and not torch.equal(p, own[name])}  # fmt: skip
    assert drawn == {name for name, p in own.items() if p.ndim > 1}
