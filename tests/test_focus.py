"""Looking only into the modules that run windowed operations: nothing else is seen, or changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, cast

import pytest
import timm
import torch
from torch import Tensor, nn
from torch._C import _len_torch_function_stack
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from padscope.images import Batch
from padscope.measurements import contrast_units, plan_contrast
from padscope.regions import SampleSize
from padscope.running.model import observe_first
from padscope.sites import Call, Interception, StopAfter, StopForward, observe
from padscope.sites.focus import active_within


class Same(nn.Conv2d):
    """Pads by itself, as TensorFlow's convolutions do."""

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (0, 1, 0, 1))
        return torch.as_tensor(self._conv_forward(padded, self.weight, self.bias))


class Block(nn.Module):
    """Runs one convolution as a function, and one as a module within."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 4, 3, 3))
        self.inner = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.inner(F.conv2d(x, self.weight, padding=1)))


class Idle(nn.Sequential):
    """Has a convolution that the first half of all images never meets."""

    def forward(self, x: Tensor) -> Tensor:
        found = self[0](x)
        return torch.as_tensor(self[1](found) if x.mean() > 100 else found)


def conv(padding_mode: Literal["zeros", "reflect"] = "zeros") -> nn.Conv2d:
    return nn.Conv2d(4, 4, 3, padding=1, padding_mode=padding_mode)


def first() -> nn.Conv2d:
    return nn.Conv2d(3, 4, 3, padding=1)


class Pads(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (1, 1, 1, 1))


class Functional(nn.Module):
    """Runs its convolution itself: the whole model would be looked into."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=1)


CONTAINED: list[tuple[Callable[[], nn.Module], set[str]]] = [
    (lambda: nn.Sequential(first(), nn.BatchNorm2d(4), nn.ReLU(), conv()), {"0", "3"}),
    (lambda: nn.Sequential(Same(3, 4, 2), nn.ReLU(), Same(4, 4, 2)), {"0", "2"}),
    (lambda: nn.Sequential(first(), Block()), {"0", "1", "1.inner"}),
    (lambda: nn.Sequential(first(), nn.MaxPool2d(3, 1, 1), conv()), {"0", "1", "2"}),
    (lambda: Idle(first(), conv()), {"0", "1"}),
    (lambda: nn.Sequential(first(), *[shared := conv(), nn.ReLU(), shared]), {"0", "1"}),
    (lambda: nn.Sequential(first(), nn.Identity(), conv(padding_mode="reflect")), {"0", "2"}),
]


@pytest.mark.parametrize(("build", "homes"), CONTAINED)
def test_homes_show_all_that_is_seen_without_them(
    build: Callable[[], nn.Module], homes: set[str]
) -> None:
    torch.manual_seed(0)
    net = build().eval()
    example = torch.rand(2, 3, 12, 12)
    assert observe(net, example).homes == frozenset(homes)
    assert_same_calls(net, example)


def assert_same_calls(net: nn.Module, example: Tensor) -> None:
    observed = observe(net, example)
    assert observed.homes is not None
    seen: dict[bool, list[tuple[object, ...]]] = {True: [], False: []}
    for focus, calls in seen.items():

        def look(call: Call, calls: list[tuple[object, ...]] = calls) -> Tensor:
            calls.append((call.name, call.operation, call.input.sum(), call.output.sum()))
            return call.output + 1  # what is put in place reaches the rest of the model

        within = observed.homes if focus else None
        with torch.no_grad(), Interception(
            net, look, below_autograd=False, every_module=False, within=within
        ):  # fmt: skip
            calls.append((net(example).sum(),))
    assert seen[True] == seen[False] and len(seen[True]) > 1


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "convnext_atto", "vgg11"])
def test_homes_of_known_networks_show_the_same(name: str) -> None:
    net = timm.create_model(name, num_classes=3).eval()
    assert_same_calls(net, torch.rand(2, 3, 64, 64))


def compiled(net: nn.Module) -> nn.Module:
    net.compile()
    return net


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3)),
        lambda: nn.Sequential(Pads(), nn.ReLU(), nn.Conv2d(3, 4, 3)),
        lambda: nn.Sequential(first(), torch.jit.script(nn.Sequential(conv()))),
        lambda: compiled(nn.Sequential(first(), conv())),
        lambda: nn.Sequential(first(), cast(nn.Module, torch.compile(conv()))),
        Functional,
    ],
)
def test_there_are_no_homes_where_modules_do_not_contain_all(
    build: Callable[[], nn.Module],
) -> None:
    observed = observe(build().eval(), torch.rand(2, 3, 12, 12))
    assert observed.sites and observed.homes is None


def test_a_canvas_that_is_padded_elsewhere_has_no_homes() -> None:
    """Padding up to a multiple, which only some sizes need."""

    class Multiple(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(first(), nn.ReLU(), conv())

        def forward(self, x: Tensor) -> Tensor:
            surplus = -x.shape[-1] % 16
            return torch.as_tensor(self.body(F.pad(x, (0, surplus, 0, surplus))))

    net = Multiple().eval()
    canvases = torch.rand(4, 3, 40, 40)
    crop = observe_first(net, canvases[:1, :, 12:28, 12:28], None)
    assert crop.homes == frozenset({"body.0", "body.2"})
    for size, homes in ((40, None), (32, crop.homes)):
        canvas = observe(net, canvases[:2, :, :size, :size])
        margin = (size - 16) // 2
        plan = plan_contrast(crop, canvas, (16, 16), (margin,) * 2, SampleSize(0, 4), {})
        assert plan.homes == homes


def test_forwards_are_as_they_were_however_a_pass_ends() -> None:
    net = nn.Sequential(first(), nn.ReLU(), conv(), conv()).eval()
    own = net[2].forward
    net[2].forward = own
    before = [dict(vars(module)) for module in net]
    seen: list[str] = []
    stop = StopAfter()
    stop.expect({"2"})

    def look(call: Call) -> None:
        seen.append(call.name)
        assert _len_torch_function_stack() == 0  # a visitor's calls are not seen
        stop.see(call)

    homes = observe(net, torch.rand(2, 3, 8, 8)).homes
    assert homes == frozenset({"0", "2", "3"})
    with Interception(net, look, within=homes, below_autograd=False, every_module=False):
        for _ in range(2):
            with suppress(StopForward):
                net(torch.rand(1, 3, 8, 8))
            assert _len_torch_function_stack() == 0
            F.conv2d(torch.rand(1, 3, 8, 8), torch.rand(2, 3, 3, 3))
        with pytest.raises(RuntimeError):
            net(torch.rand(1, 5, 8, 8))
        assert _len_torch_function_stack() == 0
    assert seen == ["0", "2", "0"]  # nothing was awaited any more
    assert [dict(vars(module)) for module in net] == before


def test_a_mode_is_entered_once_where_modules_lie_in_one_another() -> None:
    class Counting(TorchFunctionMode):
        calls = 0

        def __torch_function__(
            self,
            func: Callable[..., Any],
            types: object,
            args: tuple[Any, ...] = (),
            kwargs: dict[str, Any] | None = None,
        ) -> Any:
            self.calls += func is torch.conv2d
            return func(*args, **(kwargs or {}))

    block, mode = Block(), Counting()
    with active_within([block, block.inner, block], mode):
        block(torch.rand(1, 4, 8, 8))
        assert mode.calls == 2
        block.inner(torch.rand(1, 4, 8, 8))
    assert mode.calls == 3
    block(torch.rand(1, 4, 8, 8))
    assert mode.calls == 3


def test_an_image_that_takes_another_path_meets_no_wrapped_module_unseen() -> None:
    """Other convolutions are looked into as well, though they did not run at first."""
    net = Idle(first(), Same(4, 4, 2)).eval()
    homes = observe(net, torch.rand(2, 3, 8, 8)).homes
    seen: list[str] = []
    with Interception(
        net,
        lambda call: seen.append(call.name),
        within=homes,
        below_autograd=False,
        every_module=False,
    ):
        net(torch.full((2, 3, 8, 8), 1000.0))
    assert seen == ["0", "1"]


def test_contrasting_counts_the_same_with_and_without_homes() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(first(), nn.ReLU(), Block(), conv()).eval()
    canvases = torch.rand(8, 3, 24, 24)
    crop = observe_first(net, canvases[:1, :, 8:16, 8:16], None)
    plan = plan_contrast(crop, observe(net, canvases[:2]), (8, 8), (8, 8), SampleSize(0, 8), {})
    assert plan.homes == frozenset({"0", "2", "2.inner", "3"})

    def counted(homes: frozenset[str] | None) -> dict[tuple[str, str], Tensor]:
        chosen = type(plan)(
            plan.observation, plan.size, plan.margin, plan.sites, plan.elsewhere, None, homes
        )
        found = contrast_units(net, [Batch(0, tuple(range(8)), canvases)], chosen, 1)
        return {key: tally.fine for key, tally in (found.tallies or {}).items()}

    with_homes, without = counted(plan.homes), counted(None)
    assert with_homes.keys() == without.keys() and len(with_homes) > 8
    for key, fine in with_homes.items():
        assert torch.equal(fine, without[key])
    assert sum(int(fine.sum()) for fine in with_homes.values()) > 0
