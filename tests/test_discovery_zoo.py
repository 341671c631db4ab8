"""Sites of well-known networks, beside a slow twin that reads the modules' attributes.

Attributes tell the truth for these networks only: all their padding is the modules' own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from padscope.sites import Observation, Site, observe

models = torchvision.models
OPS = {nn.Conv2d: "conv2d", nn.MaxPool2d: "max_pool2d", nn.AvgPool2d: "avg_pool2d"}


@dataclass(frozen=True)
class Listed:
    """What hooks on modules can tell of a site."""

    name: str
    op: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    map_size: tuple[int, ...]
    groups: int
    filters: int
    scored: bool

    @classmethod
    def of(cls, site: Site) -> Listed:
        window = site.window
        assert window.before == window.after
        return cls(
            site.name, site.op, window.kernel, window.stride, window.dilation, window.before,
            site.map_size, site.groups, site.filters, site.scored,
        )  # fmt: skip


class SlowTwin:
    """Forward hooks on every convolution and pooling whose `padding` is not zero."""

    def __init__(self, model: nn.Module) -> None:
        self.listed: list[Listed] = []
        self._model = model
        self._calls: Counter[str] = Counter()

    def run(self, x: Tensor) -> list[Listed]:
        hooks = [
            module.register_forward_hook(self._hook(name))
            for name, module in self._model.named_modules()
            if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
        ]
        with torch.no_grad():
            self._model(x)
        for hook in hooks:
            hook.remove()
        return self.listed

    def _hook(self, path: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            assert isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
            padding = _pair(module.padding)
            order = self._calls[path]
            self._calls[path] += 1
            if not any(padding):
                return
            size = tuple(output.shape[2:])
            filters = output.shape[1] if isinstance(module, nn.Conv2d) else 0
            listed = Listed(
                f"{path}#{order}" if order else path, OPS[type(module)],
                _pair(module.kernel_size), _pair(module.stride),
                _pair(getattr(module, "dilation", 1)), padding, size,
                getattr(module, "groups", 1), filters, bool(filters) and max(size) >= 3,
            )  # fmt: skip
            self.listed.append(listed)

        return hook


ZOO: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    # How it is built, the size of its images, and how many padded convolutions and poolings it has.
    "resnet18": (lambda: models.resnet18(), 96, 18),
    "vgg11_bn": (lambda: models.vgg11_bn(init_weights=False), 64, 8),
    "googlenet": (lambda: models.googlenet(init_weights=False), 96, 29),
    "densenet121": (lambda: models.densenet121(), 64, 60),
    "squeezenet1_0": (lambda: models.squeezenet1_0(), 96, 8),
    "squeezenet1_1": (lambda: models.squeezenet1_1(), 96, 8),
    "mobilenet_v3_small": (lambda: models.mobilenet_v3_small(), 96, 12),
    "shufflenet_v2_x0_5": (lambda: models.shufflenet_v2_x0_5(), 96, 21),
    "convnext_tiny": (lambda: models.convnext_tiny(), 64, 18),
    "efficientnet_v2_s": (lambda: models.efficientnet_v2_s(), 64, 41),
    "fcn_resnet50": (
        lambda: models.segmentation.fcn_resnet50(weights=None, weights_backbone=None), 64, 19,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=ZOO)
def observed(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Observation, list[Listed]]:
    build, size, _ = ZOO[request.param]
    model, x = build().eval(), torch.randn(2, 3, size, size)
    return request.param, model, observe(model, x), SlowTwin(model).run(x)


Observed = tuple[str, nn.Module, Observation, list[Listed]]


def test_sites_are_those_of_the_slow_twin(observed: Observed) -> None:
    _, _, seen, twin = observed
    assert [Listed.of(site) for site in seen.sites] == twin


def test_the_slow_twin_is_not_empty(observed: Observed) -> None:
    name, _, _, twin = observed
    assert len(twin) == ZOO[name][2]


def test_every_convolution_is_named_by_its_weight(observed: Observed) -> None:
    _, model, seen, _ = observed
    convolutions = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    ran = {name: seen.weights[name] for name in convolutions if name in seen.weights}
    assert seen.named_by_weight
    assert seen.weights.keys() == ran.keys()
    assert all(weight is convolutions[name].weight for name, weight in ran.items())


def test_all_fills_are_what_the_modules_write(observed: Observed) -> None:
    _, _, seen, _ = observed
    fills = {(site.op, site.fill) for site in seen.sites}
    assert fills <= {("conv2d", "zeros"), ("max_pool2d", "-inf"), ("avg_pool2d", "zeros")}
    assert not any(site.below_autograd for site in seen.sites)


def test_efficientnet_lite0_pads_seventeen_convolutions_though_their_padding_is_zero() -> None:
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    sites = observe(model, torch.randn(2, 3, 224, 224)).sites
    assert len(sites) == 17
    assert all(site.scored for site in sites)
    assert sum(site.filters for site in sites) == 8992
    # The five with stride 2 get their padding from `forward`, and on even maps at the far end only.
    strided = [site for site in sites if site.window.stride == (2, 2)]
    assert [dict(model.named_modules())[site.name].padding for site in strided] == [(0, 0)] * 5
    assert [site.contact[0][0] for site in strided] == [(), (), (0,), (), (0,)]
