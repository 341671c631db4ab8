"""Whatever happens while a module is borrowed, its owner gets it back as it was."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao import quantization

from padscope.errors import PadscopeError
from padscope.models import as_found, wrap_module


class Tied(nn.Module):
    """One weight under two names, a gap in strides, a 4D buffer, and modes that disagree."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.twin = nn.Conv2d(3, 4, 3, padding=1)
        self.twin.weight = self.conv.weight
        self.gappy = nn.Conv2d(4, 4, 3, padding=1)
        self.gappy.weight = nn.Parameter(torch.randn(4, 4, 3, 6)[..., ::2])
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("window", torch.randn(1, 4, 3, 3))
        self.register_buffer("absent", None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x) + self.twin(x))
        out: Tensor = self.drop(self.up(self.gappy(x)))
        return out


def make() -> Tied:
    torch.manual_seed(0)
    module = Tied().train()
    module.norm.eval()
    module.gappy.bias.requires_grad_(False)
    module.conv.weight.grad = torch.ones_like(module.conv.weight)
    return module


def state(module: nn.Module) -> dict[str, Any]:
    """Everything the promise covers, in comparable form."""
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]
    return {
        "identity": {name: id(t) for name, t in tensors},
        "storage": {name: (t.data_ptr(), t.stride(), t.storage_offset()) for name, t in tensors},
        "values": {name: t.detach().clone().tolist() for name, t in tensors},
        "requires_grad": {name: t.requires_grad for name, t in tensors},
        "grad": {name: (id(t.grad), t.grad.tolist()) for name, t in tensors if t.grad is not None},
        "training": {name: child.training for name, child in module.named_modules()},
        "hooks": {
            path: {name: list(value) for name, value in vars(child).items() if "hooks" in name}
            for path, child in module.named_modules()
        },
    }


def meddle(module: nn.Module) -> None:
    """Do what a careless measurement might."""
    module.train()
    # As transformers does in a first pass, and notes in an attribute that it has.
    module.get_submodule("conv").register_forward_hook(lambda *_: None, with_kwargs=True)
    module(torch.randn(2, 3, 8, 8)).sum().backward()  # gradients, and running statistics
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.running_mean = torch.full((4,), 7.0)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_module_comes_back_as_it_was(
    channels_last: bool, error: type[BaseException] | None
) -> None:
    module = make()
    module.conv.register_forward_hook(lambda *_: None)
    before = state(module)
    try:
        with as_found(module, channels_last=channels_last) as borrowed:
            assert borrowed is module
            meddle(module)
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt) as caught:
        assert type(caught) is error
    assert state(module) == before


def test_inside_the_block_everything_is_in_eval_mode_and_channels_last() -> None:
    module = make()
    with as_found(module):
        assert not any(child.training for child in module.modules())
        for conv in (module.conv, module.twin, module.gappy, module.up):
            assert conv.weight.is_contiguous(memory_format=torch.channels_last)
        assert module.twin.weight is module.conv.weight
        assert all(parameter.grad is None for parameter in module.parameters())


def test_weights_keep_their_order_on_request() -> None:
    module = make()
    pointers = [parameter.data_ptr() for parameter in module.parameters()]
    with as_found(module, channels_last=False):
        assert [parameter.data_ptr() for parameter in module.parameters()] == pointers


def test_results_change_by_rounding_only() -> None:
    module, x = make(), torch.randn(2, 3, 8, 8)
    expected = copy.deepcopy(module).eval()(x)
    with as_found(module):
        torch.testing.assert_close(module(x), expected)


def test_a_forward_that_views_its_weight_still_runs() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
            flat = self.weight.view(self.out_channels, -1)  # impossible in channels-last order
            weight = (flat / flat.std(dim=1, keepdim=True)).view_as(self.weight)
            out: Tensor = self._conv_forward(input, weight, self.bias)
            return out

    with as_found(Standardised(3, 4, 3)) as module:
        module(torch.randn(1, 3, 8, 8))


def test_a_graph_the_owner_still_holds_stays_valid() -> None:
    module = make()
    loss = module(torch.randn(2, 3, 8, 8)).sum()
    with as_found(module), torch.no_grad():
        module(torch.randn(2, 3, 8, 8))
    loss.backward()  # raises if a saved tensor was written to


def test_gradients_flow_inside_even_under_inference_mode() -> None:
    module = make()
    with torch.inference_mode(), as_found(module), torch.inference_mode(mode=False):
        module(torch.randn(1, 3, 8, 8)).sum().backward()
        assert module.conv.weight.grad is not None


class Growing(nn.Module):
    """Makes, drops and replaces things in its passes."""

    absent: Tensor
    sized: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("once", torch.ones(4, 1, 1))
        self.register_buffer("absent", None)
        self.register_buffer("sized", torch.zeros(0))
        self.built = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.built:
            self.register_buffer("grid", torch.linspace(0, 1, x.shape[-1]), persistent=False)
            self.extra = nn.Conv2d(4, 4, 3, padding=1)
            self.scale = nn.Parameter(torch.rand(4, 1, 1))
            self.built = True
            del self.once
        self.absent = torch.zeros(3)
        self.sized.resize_(2).fill_(1)
        self.conv.weight = nn.Parameter(self.conv.weight.detach().clone())
        out: Tensor = self.scale * self.extra(self.conv(x) + self.grid)
        return out


def test_what_a_pass_makes_is_gone_afterwards_and_the_same_every_time() -> None:
    module, x = Growing(), torch.randn(2, 3, 8, 8)
    before = state(module)
    names, attributes = list(module.state_dict()), set(vars(module))
    generator = torch.get_rng_state()
    outs = []
    for _ in range(2):
        with as_found(module), torch.no_grad():
            outs.append(module(x))
        assert state(module) == before
        assert list(module.state_dict()) == names
        assert set(vars(module)) == attributes
        assert not module.built
        assert not module._non_persistent_buffers_set
        torch.rand(1)
    assert torch.equal(*outs)
    torch.set_rng_state(generator)
    with as_found(module):
        module(x)
    assert torch.equal(torch.get_rng_state(), generator)


def prepared() -> nn.Module:
    """A network that is trained for quantisation; its observers have seen nothing yet."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()).train()
    fused = quantization.fuse_modules_qat(module, [["0", "1", "2"]])
    fused.qconfig = quantization.get_default_qat_qconfig("qnnpack")
    out: nn.Module = quantization.prepare_qat(fused)
    return out


@pytest.mark.filterwarnings("ignore")
def test_fake_quantisation_keeps_its_ranges() -> None:
    module = prepared()
    module(torch.rand(2, 3, 8, 8))
    values = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    x = torch.rand(2, 3, 8, 8)
    with as_found(wrap_module(module).module):
        before = module(x)
        module(100 * x)
        assert torch.equal(module(x), before)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, values[name]), name


@pytest.mark.filterwarnings("ignore")
def test_fake_quantisation_without_a_range_is_named() -> None:
    with pytest.raises(PadscopeError, match=r"0\.weight_fake_quant of .* has seen no values"):
        wrap_module(prepared())
    module = prepared()
    module.apply(quantization.disable_fake_quant)
    wrap_module(module)
    module.apply(quantization.disable_observer)
    module.apply(quantization.enable_fake_quant)
    with pytest.raises(PadscopeError, match="run the model on some batches with its observers"):
        wrap_module(module)


def test_nested_borrowing() -> None:
    module = make()
    before = state(module)
    with as_found(module), as_found(module):
        meddle(module)
    assert state(module) == before


@pytest.mark.parametrize("frozen", [False, True])
def test_scripted_modules(frozen: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still in use
        script = torch.jit.script(make())
        module = torch.jit.freeze(script.eval()) if frozen else script.train()
    flags = [getattr(child, "training", None) for child in module.modules()]
    values = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with as_found(module):
        assert not any(getattr(child, "training", False) for child in module.modules())
        module(torch.randn(2, 3, 8, 8))
        if not frozen:
            module.train()
            module(torch.randn(2, 3, 8, 8))
    assert [getattr(child, "training", None) for child in module.modules()] == flags
    assert all(torch.equal(tensor, values[name]) for name, tensor in module.state_dict().items())


def test_exported_programs_alone_and_inside_a_module() -> None:
    x = torch.randn(2, 3, 8, 8)
    program = torch.export.export(make().eval(), (x,)).module()
    with pytest.raises(NotImplementedError):
        program.eval()
    outer = nn.Sequential(program, nn.Dropout(0.5))
    with as_found(outer):
        torch.testing.assert_close(outer(x), program(x))
    assert outer.training
    assert outer[1].training
