"""What a visitor sees of a forward pass, and what it can change."""

from __future__ import annotations

import errno
import gc
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
import torch.nn.modules.module as torch_modules
from timm.layers.std_conv import StdConv2d
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import scan
from padscope.errors import PadscopeError
from padscope.interventions import repad
from padscope.sites import Call, Interception, observe, run_partly

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Using .torch.compile:UserWarning"),
]


def make_net(mode: Any = "zeros", *, inplace: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1, padding_mode=mode),
        nn.ReLU(inplace=inplace),
        nn.Conv2d(5, 4, 3, padding=1, stride=2, padding_mode=mode),
        nn.ReLU(inplace=inplace),
        nn.ConvTranspose2d(4, 3, 3, stride=2),
    ).eval()


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 8, 9, generator=torch.Generator().manual_seed(1))


def trace(model: nn.Module) -> nn.Module:
    traced = torch.jit.trace(model, images())
    assert isinstance(traced, nn.Module)
    return traced


def compile_eagerly(model: nn.Module) -> nn.Module:
    compiled = torch.compile(model, backend="eager")
    assert isinstance(compiled, nn.Module)
    return compiled


FORMS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "eager": lambda model: model,
    "scripted": torch.jit.script,
    "traced": trace,
    "exported": lambda model: torch.export.export(model, (images(),)).module(),
    "compiled": compile_eagerly,
}

in_every_form = pytest.mark.parametrize("form", FORMS)
with_or_without_modules = pytest.mark.parametrize("every_module", [True, False])


def look_only(call: Call) -> None:
    """See a call, change nothing."""


def pad_by_reflection(call: Call) -> Tensor | None:
    """Compute a plain convolution again, its padding filled by reflection."""
    if call.operation.window.transposed:
        return None
    source = F.pad(call.input, (1, 1, 1, 1), mode="reflect")
    assert call.weight is not None
    return F.conv2d(source, call.weight, call.bias, stride=call.operation.window.stride)


def names_seen(
    model: nn.Module, *, every_module: bool = True, below_autograd: bool = True
) -> list[str]:
    names: list[str] = []
    watching = Interception(
        model,
        lambda call: names.append(call.name),
        every_module=every_module,
        below_autograd=below_autograd,
    )
    with torch.no_grad(), watching:
        model(images())
    return names


@in_every_form
@with_or_without_modules
def test_looking_changes_nothing(form: str, every_module: bool) -> None:
    model, x = FORMS[form](make_net()), images()
    with torch.no_grad():
        untouched = model(x)
        with Interception(model, look_only, every_module=every_module):
            seen = model(x)
        afterwards = model(x)
    assert torch.equal(seen, untouched)
    assert torch.equal(afterwards, untouched)


@in_every_form
@with_or_without_modules
def test_a_replaced_output_is_what_the_rest_of_the_model_gets(
    form: str, every_module: bool
) -> None:
    model, x = FORMS[form](make_net()), images()
    with torch.no_grad():
        with Interception(model, pad_by_reflection, every_module=every_module):
            replaced = model(x)
        assert torch.equal(replaced, make_net("reflect")(x))
        assert torch.equal(model(x), make_net()(x))


@in_every_form
def test_every_call_is_shown_once_even_if_the_visitor_convolves(form: str) -> None:
    names: list[str] = []

    def visit(call: Call) -> Tensor | None:
        names.append(call.name)
        return pad_by_reflection(call)

    model = FORMS[form](make_net())
    with torch.no_grad(), Interception(model, visit):
        model(images())
    assert [name.removeprefix("_orig_mod.") for name in names] == ["0", "2", "4"]


def test_what_a_call_holds() -> None:
    calls: list[Call] = []
    model, x = make_net(inplace=False), images()
    with torch.no_grad(), Interception(model, calls.append):
        result = model(x)
    first, second, last = calls
    assert first.input is x
    assert first.weight is model[0].weight
    assert first.bias is model[0].bias
    assert torch.equal(first.output, model[0](x))
    assert torch.equal(second.input, first.output.relu())
    assert last.output is result
    assert [call.operation.op for call in calls] == ["conv2d", "conv2d", "conv_transpose2d"]
    assert not any(call.below_autograd for call in calls)


def test_the_input_of_a_call_holds_its_explicit_padding() -> None:
    calls: list[Call] = []
    model = nn.Sequential(nn.ConstantPad2d(1, 7.0), nn.Conv2d(3, 4, 3))
    with torch.no_grad(), Interception(model, calls.append):
        model(images())
    assert torch.equal(calls[0].input, F.pad(images(), (1, 1, 1, 1), value=7.0))


def test_replacing_one_output_of_a_pooling_keeps_its_indices() -> None:
    model = nn.MaxPool2d(3, 1, 1, return_indices=True)
    with Interception(model, lambda call: call.output + 1):
        values, indices = model(images())
    expected = model(images())
    assert torch.equal(values, expected[0] + 1)
    assert torch.equal(indices, expected[1])


# Gradients


def keep(gradients: dict[str, Tensor], name: str) -> Callable[[Tensor], None]:
    return lambda gradient: gradients.update({name: gradient.clone()})


def gradients_by_module_hooks(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    gradients: dict[str, Tensor] = {}

    def tap(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            output.register_hook(keep(gradients, name))

        return hook

    convolutions = nn.Conv2d | nn.ConvTranspose2d
    named = [(name, m) for name, m in model.named_modules() if isinstance(m, convolutions)]
    hooks = [module.register_forward_hook(tap(name)) for name, module in named]
    model(x).square().sum().backward()
    for handle in hooks:
        handle.remove()
    return gradients


def gradients_by_interception(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    gradients: dict[str, Tensor] = {}

    def visit(call: Call) -> None:
        call.output.register_hook(keep(gradients, call.name))

    with Interception(model, visit):
        model(x).square().sum().backward()
    return gradients


@pytest.mark.parametrize("inplace", [True, False])
def test_gradients_at_sites_are_those_of_autograd(inplace: bool) -> None:
    expected = gradients_by_module_hooks(make_net(inplace=inplace), images())
    gradients = gradients_by_interception(make_net(inplace=inplace), images())
    assert gradients.keys() == expected.keys() == {"0", "2", "4"}
    assert all(torch.equal(gradients[name], expected[name]) for name in expected)
    assert all(gradient.any() for gradient in gradients.values())


def test_gradients_at_sites_of_an_exported_program() -> None:
    expected = gradients_by_module_hooks(make_net(), images())
    gradients = gradients_by_interception(FORMS["exported"](make_net()), images())
    assert gradients.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(gradients[name], expected[name])


def test_gradients_of_parameters_flow_through_a_replaced_output() -> None:
    model, twin, x = make_net(), make_net("reflect"), images()
    with Interception(model, pad_by_reflection):
        model(x).square().sum().backward()
    twin(x).square().sum().backward()
    for mine, its in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("form", ["eager", "scripted", "exported"])
def test_calls_are_seen_with_and_without_gradients(
    context: Callable[[], AbstractContextManager[None]], form: str
) -> None:
    names: list[str] = []
    model = FORMS[form](make_net())
    with context(), Interception(model, lambda call: names.append(call.name)):
        model(images())
    assert names == ["0", "2", "4"]


# Names


class Twice(nn.Module):
    """Calls one convolution twice, and raises in between if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))
        self.fails = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(F.pad(self.block(x), (1, 1)))
        if self.fails:
            raise InterruptedError
        return torch.as_tensor(self.block(x))


@with_or_without_modules
def test_call_order_begins_anew_with_every_forward(every_module: bool) -> None:
    names: list[str] = []
    model = Twice()
    with Interception(model, lambda call: names.append(call.name), every_module=every_module):
        model(images())
        model(images())
    assert names == ["block.0", "block.0#1", "block.0#2"] * 2


@with_or_without_modules
def test_call_order_begins_anew_after_a_forward_that_raised(every_module: bool) -> None:
    names: list[str] = []
    model = Twice()
    with Interception(model, lambda call: names.append(call.name), every_module=every_module):
        model.fails = True
        with pytest.raises(InterruptedError):
            model(images())
        model.fails = False
        names.clear()
        model(images())
    assert names == ["block.0", "block.0#1", "block.0#2"]


class Raising(nn.Module):
    """Hands its input on, but for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = True

    def forward(self, x: Tensor) -> Tensor:
        if self.fails:
            self.fails = False
            raise InterruptedError
        return x


def test_a_module_that_raised_names_no_later_call() -> None:
    names: list[str] = []
    raising = nn.Sequential(Raising())
    model = nn.Sequential(StdConv2d(3, 3, 3, padding=1), raising, nn.MaxPool2d(3, 1, 1))
    with Interception(model, lambda call: names.append(call.name)):
        with pytest.raises(InterruptedError):
            model(images())
        model(images())
    assert names == ["0", "0", "2"]


def test_pads_of_a_forward_that_raised_are_forgotten() -> None:
    model = nn.Sequential(nn.ZeroPad2d(1), nn.Sequential(Raising()), nn.Conv2d(3, 4, 3))
    with Interception(model, look_only) as seen:
        with pytest.raises(InterruptedError):
            model(images())
        assert [pad.name for pad in seen.padded.unfollowed.values()] == ["0"]
        model(images())
        assert not seen.padded.unfollowed


@pytest.mark.parametrize(
    "build",
    [
        make_net,
        Twice,
        lambda: nn.Sequential(make_net(), nn.Conv2d(3, 3, 3, padding=1), make_net()),
        lambda: torch.jit.script(make_net()),
        lambda: FORMS["exported"](make_net()),
        lambda: FORMS["compiled"](make_net()),
        lambda: nn.Sequential(torch.jit.script(make_net()), make_net()),
    ],
)
def test_names_by_weight_are_the_same_without_following_modules(
    build: Callable[[], nn.Module],
) -> None:
    model = build()
    assert observe(model, images()).named_by_weight
    assert names_seen(model, every_module=False) == names_seen(model, every_module=True)


def test_computed_and_shared_weights_need_the_running_module() -> None:
    first, second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
    second.weight = first.weight
    for model in (nn.Sequential(StdConv2d(3, 3, 3)), nn.Sequential(first, second)):
        assert not observe(model, images()).named_by_weight
        assert names_seen(model) == [name for name, _ in model.named_children()]
        assert names_seen(model, every_module=False) != names_seen(model)


# Scripted code


@pytest.mark.parametrize("form", ["scripted", "traced"])
def test_scripted_sites_are_seen_only_below_autograd(form: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), FORMS[form](make_net()))
    calls: list[Call] = []
    with torch.no_grad(), Interception(model, calls.append):
        model(images())
    assert [call.below_autograd for call in calls] == [False, True, True, True]
    assert [call.name for call in calls] == ["0", "1.0", "1.2", "1.4"]
    assert names_seen(model, below_autograd=False) == ["0"]


@pytest.mark.parametrize("form", ["eager", "exported", "compiled"])
@with_or_without_modules
def test_all_else_is_seen_without_looking_below_autograd(form: str, every_module: bool) -> None:
    prefix = "_orig_mod." if form == "compiled" else ""
    names = names_seen(FORMS[form](make_net()), every_module=every_module, below_autograd=False)
    assert names == [prefix + name for name in ("0", "2", "4")]


# Nesting, and what is left behind


def test_nested_interceptions_see_the_same_calls() -> None:
    model, outer, inner = make_net(), list[str](), list[str]()
    with (
        Interception(model, lambda call: outer.append(call.name)),
        Interception(model, lambda call: inner.append(call.name)),
    ):
        model(images())
    assert outer == inner == ["0", "2", "4"]


def test_the_inner_interception_sees_what_the_outer_one_put_in_place() -> None:
    model, x, outputs = make_net(inplace=False), images(), list[Tensor]()
    with (
        torch.no_grad(),
        Interception(model, pad_by_reflection),
        Interception(model, lambda call: outputs.append(call.output)),
    ):
        result = model(x)
    assert torch.equal(result, make_net("reflect")(x))
    assert torch.equal(outputs[0], make_net("reflect")[0](x))


def test_leaving_the_inner_interception_leaves_the_outer_one_in_place() -> None:
    model, outer, inner = make_net(), list[str](), list[str]()
    with Interception(model, lambda call: outer.append(call.name)):
        with Interception(model, lambda call: inner.append(call.name)):
            model(images())
        model(images())
    model(images())
    assert outer == ["0", "2", "4"] * 2
    assert inner == ["0", "2", "4"]


@pytest.mark.parametrize("make", [lambda model: Interception(model, look_only), repad])
def test_one_that_is_entered_already_is_refused_and_leaves_nothing_behind(
    make: Callable[[nn.Module], AbstractContextManager[object]],
) -> None:
    model = make_net()
    once = make(model)
    with once, pytest.raises(PadscopeError, match="is already active; create another one"), once:
        pass
    assert not model._forward_pre_hooks
    assert not torch_modules._global_forward_pre_hooks
    with once:  # one after another is fine
        model(images())
    assert not torch_modules._global_forward_hooks


def test_compiled_modules_compile_again_afterwards() -> None:
    graphs: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    model = nn.Sequential(make_net())
    model.compile(backend=backend)
    with torch.no_grad():
        with Interception(model, look_only, below_autograd=False):
            model(images())
        assert not graphs
        model(images())
    assert len(graphs) == 1


class DropsItsPad(nn.Module):
    """Pads, convolves, and notes whether the padded tensor is gone when it lets go of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gone: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1))
        alive = weakref.ref(padded)
        x = self.conv(padded)
        del padded
        self.gone.append(alive() is None)
        return x


@with_or_without_modules
def test_padded_tensors_are_not_kept_alive(every_module: bool) -> None:
    model = DropsItsPad()
    gc.disable()  # nothing may need the collector to be freed
    try:
        with torch.no_grad(), Interception(model, look_only, every_module=every_module) as seen:
            model(images())
            assert not seen.padded
    finally:
        gc.enable()
    assert model.gone == [True]


def test_a_tensor_that_takes_the_place_of_a_padded_one_is_not_padded() -> None:
    model, paddings = DropsItsPad(), list[tuple[int, ...]]()
    chain = nn.Sequential(model, *(nn.Conv2d(4, 4, 3) for _ in range(3)))
    with (
        torch.no_grad(),
        Interception(chain, lambda call: paddings.append(call.operation.window.before)),
    ):
        chain(images())
    assert paddings == [(1, 1), (0, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize("form", ["as it is", "scripted"])
def test_what_a_visitor_raises_is_not_taken_for_the_models(form: str) -> None:
    def fail(call: Call) -> None:
        raise LookupError(call.name)

    net: nn.Module = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())
    if form == "scripted":
        net = torch.jit.script(net)
    with pytest.raises(LookupError), Interception(net, fail) as seen:
        run_partly(seen, torch.zeros(1, 1, 5, 5))
    with pytest.raises(LookupError), Interception(net, fail):
        try:
            net(torch.zeros(1, 1, 5, 5))
        except Exception as error:
            raise PadscopeError("the model failed") from error


def test_an_error_of_the_model_is_its_own() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(1, 1))
    with Interception(net, lambda call: None) as seen:
        assert isinstance(run_partly(seen, torch.zeros(1, 1, 5, 5)), RuntimeError)


@pytest.mark.parametrize("form", ["as it is", "scripted"])
def test_what_a_visitor_works_out_is_not_cast_as_the_model_is(form: str) -> None:
    found = []

    def multiply(call: Call) -> None:
        values = torch.ones(2, 2)
        found.append((call.output.dtype, (values @ values).dtype))

    net: nn.Module = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1))
    if form == "scripted":
        net = torch.jit.script(net)
    with torch.no_grad(), Interception(net, multiply), torch.autocast("cpu", torch.bfloat16):
        net(torch.zeros(1, 1, 5, 5))
        assert torch.is_autocast_enabled("cpu")
    assert found == [(torch.bfloat16, torch.float32)] * 2


class Exhausting(nn.Module):
    """Runs out of memory after some passes."""

    def __init__(self, error: Exception, passes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.error, self.left = error, passes

    def forward(self, x: Tensor) -> Tensor:
        if not self.left:
            raise self.error
        self.left -= 1
        out: Tensor = self.conv(x)
        return out


@pytest.mark.parametrize(("passes", "where"), [(0, r"of shape 2×3×9×9 .*"), (1, "0 to 15")])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "MemoryError"),
        (RuntimeError("std::bad_alloc"), "std::bad_alloc"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), ".*Cannot allocate memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "CUDA out of memory. Tried"),
    ],
)
def test_memory_that_runs_out_is_not_called_the_fault_of_the_images(
    passes: int, where: str, error: Exception, told: str
) -> None:
    with pytest.raises(PadscopeError, match=f"^memory ran out on images {where}: {told}; give"):
        scan(Exhausting(error, passes), torch.rand(20, 3, 9, 9))
