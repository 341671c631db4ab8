"""Matched weights: random kernels, and every filter with the mean and spread that it was given."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.std_conv import ScaledStdConv2d
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torchvision.ops import DeformConv2d

from padscope.errors import PadscopeError
from padscope.models import matched_weights, wrap_module
from padscope.models.loaded import hash_weights

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose2d, DeformConv2d)


def given(net: nn.Module) -> nn.Module:
    """Give a network weights and statistics that it might have been trained to."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        drawn = torch.randn(tensor.shape, generator=generator)
        if tensor.is_floating_point():
            drawn = drawn.to(tensor)
            tensor.data = drawn.abs() + 0.5 if name.endswith("var") else drawn * 0.5
    return net.eval()


def crops(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 0.5


def outputs(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Slow twin: what each layer's filters give in the core, (C, n) as float64, by plain hooks."""
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for name, child in net.named_modules():
        if isinstance(child, LAYERS):

            def keep(layer: nn.Module, _: object, output: Tensor, name: str = name) -> None:
                if not isinstance(layer, nn.Linear):
                    central = (slice(-(-n // 4), n - -(-n // 4)) if n > 2 else slice(n)
                               for n in output.shape[2:])  # fmt: skip
                    output = output[:, :, *central].movedim(1, -1)
                seen.setdefault(name, []).append(output.flatten(0, -2).T.double())

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
        constant = spread <= 1e-7 * values.abs().amax(dim=1)  # behind a dead channel, say
        assert int(constant.sum()) <= len(constant) // 4, name
        assert not own_spread[constant].any(), name
        scale = torch.where(constant, values.abs().amax(dim=1).clamp_min(1e-30), spread)
        assert float(((own_spread - spread) / scale).abs().max()) < 1e-3, name
        assert float(((own_mean - mean) / scale).abs().max()) < 1e-3, name


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
        Conv2dSame(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(),
        nn.ZeroPad2d((0, 1, 0, 1)), Conv2dSame(6, 6, 3, groups=6),
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
        self.head = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.stem(x))
        return [self.head(F.avg_pool2d(x, size)) for size in (1, 2, 3)]


class OneByOne(nn.Module):
    """Splits its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.net = folded()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.net(image) for image in torch.split(x, 1)])


class Functional(nn.Module):
    """Calls its convolutions by keyword, and those of another module."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 6, 3, bias=False)
        self.two = nn.ConvTranspose2d(6, 4, 3, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(bias=self.one.bias, weight=self.one.weight, input=x, padding="same")
        out: Tensor = self.two(F.pad(F.relu(x), (1, 0), value=0.5))
        return out


class MadeInFirstPass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if not hasattr(self, "later"):
            self.later = nn.Conv2d(4, 4, 3)
        return self.later(x)  # type: ignore[no-any-return]  # torch says Any


class Deformed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Conv2d(3, 18, 3, padding=1)
        self.deformed = DeformConv2d(3, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.deformed(x, self.offset(x))  # type: ignore[no-any-return]  # torch says Any


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (plain, (8, 3, 12, 12)),
    "folded": (folded, (6, 3, 10, 10)),
    "same": (same, (6, 3, 11, 11)),
    "grouped": (grouped, (6, 3, 11, 11)),
    "transposed": (transposed, (6, 3, 6, 6)),
    "branches": (Branches, (6, 3, 10, 10)),
    "recurrent": (Recurrent, (6, 3, 10, 10)),
    "double": (lambda: folded().double(), (6, 3, 10, 10)),
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
    images = images.to(next(net.parameters()).dtype)
    weights = hash_weights(net)
    matched = matched_weights(wrap_module(net), 1, torch.split(images, 4))
    assert matched.unmatched == {}
    assert_alike(outputs(net, images), outputs(matched.module, images))
    assert hash_weights(net) == weights
    own = dict(net.named_parameters())
    for name, parameter in matched.module.named_parameters():
        if name in own and parameter.ndim > 1:
            both = torch.stack([parameter.detach(), own[name].detach()]).flatten(1)
            assert float(both.corrcoef()[0, 1]) < 0.7
    norms = {key: value for key, value in net.state_dict().items() if "running" in key}
    theirs = matched.module.state_dict()
    assert all(torch.equal(theirs[key], value) for key, value in norms.items())


def test_a_layer_that_the_first_pass_makes_is_matched() -> None:
    net, images = MadeInFirstPass().eval(), crops(6, 3, 9, 9)
    matched = matched_weights(wrap_module(net), 1, [images])
    assert matched.unmatched == {}
    assert not hasattr(net, "later")
    layers = {"stem", "later"}
    assert {name for name, _ in matched.module.named_children()} == layers


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    loaded, images = wrap_module(given(plain()).train()), crops(8, 3, 12, 12)
    state = torch.get_rng_state()
    one, again, two = (matched_weights(loaded, seed, [images]).module for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert len({loaded.weights_hash, *map(hash_weights, (one, again, two))}) == 3
    assert hash_weights(one) == hash_weights(again)
    assert hash_weights(loaded.module) == loaded.weights_hash
    assert all(child.training for child in loaded.module.modules())
    assert not any(child.training for child in one.modules())


def test_a_layer_without_bias_gets_one_only_where_it_can_take_it() -> None:
    net = given(plain())
    module = matched_weights(wrap_module(net), 1, [crops(8, 3, 12, 12)]).module
    assert module.state_dict().keys() - net.state_dict().keys() == {"0.bias", "6.bias"}
    module(crops(2, 3, 12, 12)).sum().backward()
    assert module.get_parameter("0.bias").grad is not None


def test_in_half_precision_what_can_be_is_matched() -> None:
    net, images = given(folded()).bfloat16(), crops(8, 3, 12, 12).bfloat16()
    matched = matched_weights(wrap_module(net), 1, [images])
    assert matched.unmatched == {}
    assert {p.dtype for p in matched.module.parameters()} == {torch.bfloat16}
    theirs, ours = outputs(net, images), outputs(matched.module, images)
    for name, values in theirs.items():
        torch.testing.assert_close(ours[name].std(1), values.std(1), rtol=0.05, atol=0)


def test_a_program_of_ones_own_runs_a_part() -> None:
    net, images = given(plain()), crops(6, 3, 12, 12)
    matched = matched_weights(wrap_module(net), 1, [images], lambda m, x: m[:5](x))
    assert matched.unmatched == {}
    own, theirs = matched.module.state_dict(), net.state_dict()
    assert torch.equal(own["9.weight"], theirs["9.weight"])
    assert_alike(outputs(net[:5], images), outputs(matched.module[:5], images))


# What cannot be matched


class Quantised(nn.Module):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv = torch.ao.nn.quantized.Conv2d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.quantize_per_tensor(x, 0.02, 64, torch.quint8)).dequantize()  # type: ignore[no-any-return]  # torch says Any


class Overflowing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x / 0)  # type: ignore[no-any-return]  # torch says Any


class Made(nn.Module):
    """One weight is made in forward, one belongs to two layers, one is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.normed = parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
        self.standardised = ScaledStdConv2d(4, 4, 3)
        self.one, self.two = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
        self.two.weight = self.one.weight
        self.blur = nn.Buffer(torch.full((4, 1, 3, 3), 1 / 9))
        self.kernel = nn.Parameter(torch.rand(4, 4, 1, 1))
        self.last = nn.Conv2d(4, 4, 1)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(F.relu(self.one(self.standardised(F.relu(self.normed(x))))))
        x = F.conv2d(F.conv2d(x, self.blur, groups=4), self.kernel)
        x = self.last(x).flatten(2).mT
        return self.attention(x, x, x)[0]  # type: ignore[no-any-return]  # torch says Any


def test_what_cannot_be_matched_is_named_and_the_rest_is_matched() -> None:
    net, images = Made().eval(), crops(6, 3, 14, 14)
    matched = matched_weights(wrap_module(net), 1, [images])
    made = "its weight is made in forward: what it is made of is drawn, not rescaled"
    tied = "its weight is tied (one.weight, two.weight): it is drawn, not rescaled"
    assert matched.unmatched == {
        "normed": made,
        "standardised": made,
        "one": tied,
        "blur": "its weight is no parameter: it is left as given",
        "kernel": "it takes no bias: the spread of its outputs is matched, the mean is not",
        "attention.in_proj_weight": "no convolution takes it: it is left as given",
    }
    theirs, ours = outputs(net, images), outputs(matched.module, images)
    assert_alike({"last": theirs["last"]}, {"last": ours["last"]})
    own, state = net.state_dict(), matched.module.state_dict()
    same = {name for name, tensor in own.items() if torch.equal(tensor, state[name])}
    assert {"blur", "attention.in_proj_weight", "standardised.gain"} <= same
    assert not same & {"one.weight", "standardised.weight", "kernel"}
    assert "normed.parametrizations.weight.original1" not in same


def test_quantised_layers_are_named() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), Quantised(), nn.Conv2d(4, 2, 3)).eval()
    matched = matched_weights(wrap_module(net), 1, [crops(6, 3, 9, 9)])
    assert matched.unmatched == {"1.conv": "quantized::conv2d computes with quantised values"}


class NoBias(nn.Conv2d):
    """Has a place for a bias, which it takes no notice of."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight)


def test_a_layer_that_takes_no_notice_of_its_bias_is_named() -> None:
    net = given(nn.Sequential(nn.Conv2d(3, 4, 3), NoBias(4, 4, 3, bias=False), nn.Conv2d(4, 4, 3)))
    images = crops(6, 3, 12, 12)
    matched = matched_weights(wrap_module(net), 1, [images])
    assert set(matched.unmatched) == {"1"}
    assert re.fullmatch(r"its outputs stay off by up to .* of their spread", matched.unmatched["1"])
    theirs, ours = outputs(net, images), outputs(matched.module, images)
    assert_alike({"2": theirs["2"]}, {"2": ours["2"]})


def test_a_constant_filter_stays_constant() -> None:
    net, images = given(folded()), crops(6, 3, 10, 10)
    weight, bias = net.get_parameter("0.weight"), net.get_parameter("0.bias")
    with torch.no_grad():
        weight[1:3] = 0
        bias[1] = 0
    matched = matched_weights(wrap_module(net), 1, [images])
    assert matched.unmatched == {}
    assert not matched.module.get_parameter("0.weight")[1:3].any()
    torch.testing.assert_close(matched.module.get_parameter("0.bias")[1:3], bias[1:3])


def border_strength(net: nn.Module, images: Tensor) -> Tensor:
    """How far line 0 lies from the core, in spreads of the core; logarithm, mean of the filters."""
    maps = net(images).detach().transpose(0, 1)
    line, core = (part.flatten(1) for part in (maps[:, :, 0, 2:4], maps[:, :, 2:4, 2:4]))
    return torch.log((line.mean(1) - core.mean(1)).abs() / core.std(1)).mean()


def test_random_kernels_in_place_of_random_ones_see_the_border_as_well() -> None:
    widths = [3, *[24] * 8]
    convolutions = [
        nn.Conv2d(*channels, 3, padding=1, bias=False) for channels in itertools.pairwise(widths)
    ]
    net = nn.Sequential(*(part for layer in convolutions for part in (layer, nn.ReLU())))[:-1]
    images, stronger = crops(32, 3, 6, 6) + 0.5, []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        for weight in net.parameters():
            nn.init.kaiming_normal_(weight, generator=generator)
        for other in (4, 5):
            matched = matched_weights(wrap_module(net), other, [images]).module
            stronger.append(border_strength(matched, images) - border_strength(net, images))
    assert 0.8 < float(torch.stack(stronger).mean().exp()) < 1.3


def test_a_channel_that_carries_the_border_alone_still_does() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, groups=16)
    )
    with torch.no_grad():
        net[0].weight.fill_(-1)
        net[0].bias.fill_(3.9)
    images = crops(8, 1, 9, 9) / 4 + 0.75
    matched = matched_weights(wrap_module(net), 1, [images])
    for module in (net, matched.module):
        maps = module(images).detach()
        assert (maps[:, :, 3:6, 3:6] == maps[:1, :, 4:5, 4:5]).all()
        assert (maps.amax((2, 3)) > maps.amin((2, 3))).any()
    assert matched.unmatched == {}


def test_filters_that_any_kernel_leaves_constant_are_counted() -> None:
    # Only rare pixels come through: random kernels of the same spread do not reach so high.
    net = nn.Sequential(nn.Conv2d(9, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1, groups=2))
    images = crops(6, 9, 20, 20)
    images[:, 0] = (images[:, 0] > 1.494).float()
    with torch.no_grad():
        net.get_parameter("0.weight").copy_(torch.eye(2, 9)[:, :, None, None])
        net.get_parameter("0.bias").copy_(torch.tensor([-0.5, 2]))
    matched = matched_weights(wrap_module(net.eval()), 1, [images])
    assert matched.unmatched == {"2": "2 of 4 filters give one value, whatever their kernels"}
    theirs, ours = outputs(net, images)["2"], outputs(matched.module, images)["2"]
    torch.testing.assert_close(ours.mean(1), theirs.mean(1))


@pytest.mark.parametrize(
    ("build", "count", "message"),
    [
        (plain, 0, "Sequential needs two or more images: give a few dozen"),
        (plain, 1, "Sequential needs two or more images: give a few dozen"),
        (lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3))), 4,
         r"no filter of .*Sequential can be matched \(0: its weight is made in forward: .*out$"),
        (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()), 4, "holds no weights to replace"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Overflowing()), 4,
         "the outputs of 1.conv in .*Sequential are not finite on these images with the given"),
    ],
)  # fmt: skip
def test_refusals(build: Callable[[], nn.Module], count: int, message: str) -> None:
    loaded = wrap_module(build().eval())
    with pytest.raises(PadscopeError, match=message) as caught:
        matched_weights(loaded, 1, [crops(1, 3, 9, 9)] * count)
    assert "\n" not in str(caught.value)
    assert hash_weights(loaded.module) == loaded.weights_hash


def test_an_error_of_the_model_leaves_no_mode_behind() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        matched_weights(wrap_module(plain()), 1, [crops(4, 5, 9, 9)])
    assert not torch._C._len_torch_function_stack()
    assert not nn.modules.module._global_forward_pre_hooks
