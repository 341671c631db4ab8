"""Where a crop's maps lie on a canvas's, how much margin that takes, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import Study, explain, scan
from padscope.errors import PadscopeError
from padscope.images import central
from padscope.measurements import (
    ContrastPlan,
    Verification,
    find_margin,
    plan_contrast,
    verify_alignment,
)
from padscope.regions import SampleSize
from padscope.running.model import as_input, observe_first
from padscope.settings import ExplainSettings
from padscope.sites import Alignment, Observation, align, observe


def conv(channels: int = 4, out: int = 4, kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, padding=options.pop("padding", kernel // 2), **options)


def strided(*strides: int, first: int = 3) -> nn.Sequential:
    layers: list[nn.Module] = [conv(first)]
    for stride in strides:
        layers += [conv(stride=stride), nn.ReLU()]
    return nn.Sequential(*layers, conv())


class Same(nn.Conv2d):
    """Pads by the size of its input."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as in torch
        pads: list[int] = []
        for n, k, s in zip(input.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            pads = [total // 2, total - total // 2, *pads]
        return F.conv2d(F.pad(input, pads), self.weight, self.bias, self.stride)


def observed(net: nn.Module, size: Sequence[int], channels: int = 3) -> Observation:
    return observe(net.eval(), torch.zeros(2, channels, *size), partial=True)


def aligned(
    net: nn.Module, size: Sequence[int], margin: int, channels: int = 3
) -> dict[str, Alignment | str]:
    margins = (margin,) * len(size)
    crop = observed(net, size, channels)
    canvas = observed(net, [n + 2 * margin for n in size], channels)
    on_canvas = {site.name: site for site in canvas.sites}
    return {site.name: align(site, on_canvas.get(site.name), margins) for site in crop.sites}


def shifts(found: Alignment | str) -> tuple[tuple[Fraction, ...], tuple[int, ...], tuple[int, ...]]:
    assert isinstance(found, Alignment), found
    return found.stride, found.shift_in, found.shift_out


# ------------------------------------------------------------------------------------ shifts


@pytest.mark.parametrize("size", [(32, 32), (33, 35), (31, 34)])
def test_strides_and_shifts_of_any_size(size: tuple[int, int]) -> None:
    found = aligned(strided(2, 2), size, 16)
    expected = {
        name: (Fraction(stride), first, last)
        for name, stride, first, last in
        (("0", 1, 16, 16), ("1", 2, 16, 8), ("3", 4, 8, 4), ("5", 4, 4, 4))
    }  # fmt: skip
    assert {name: (s[0][0], s[1][0], s[2][1]) for name, s in
            ((name, shifts(found[name])) for name in found)} == expected  # fmt: skip


@pytest.mark.parametrize("size", [(32, 32), (33, 36)])
def test_asymmetric_same_padding(size: tuple[int, int]) -> None:
    net = nn.Sequential(Same(3, 4, 3, 2), nn.ReLU(), Same(4, 4, 5, 2), Same(4, 4, 2))
    found = aligned(net, size, 24)
    assert [shifts(found[name])[2] for name in ("0", "2", "3")] == [(12, 12), (6, 6), (6, 6)]


def test_padding_that_depends_on_the_size_is_a_reason() -> None:
    class Dynamic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 9)

        def forward(self, x: Tensor) -> Tensor:
            wide = 4 if x.shape[-1] > 40 else 2
            out: Tensor = self.conv(F.pad(x, [wide] * 4))
            return out

    found = aligned(Dynamic(), (32, 32), 16)
    assert found == {"conv": "its padding depends on the size of the input"}


def test_other_operations_on_the_canvas_are_reasons() -> None:
    crop, canvas = (observed(strided(), (n, n)).sites[0] for n in (32, 64))
    assert align(crop, None, (16, 16)) == "it did not run on the canvas"
    other = replace(canvas, op="conv_transpose2d")
    assert align(crop, other, (16, 16)) == "it is another operation on the canvas"


def test_enlarged_maps_have_strides_below_one() -> None:
    net = nn.Sequential(
        conv(3, stride=2), nn.Upsample(scale_factor=2), conv(),
        nn.ConvTranspose2d(4, 4, 4, 2, padding=1), conv(), nn.Upsample(scale_factor=1.5), conv(),
    )  # fmt: skip
    found = aligned(net, (24, 28), 12)
    strides = [shifts(found[name])[0][0] for name in ("0", "2", "3", "4", "6")]
    assert strides == [2, 1, Fraction(1, 2), Fraction(1, 2), Fraction(1, 3)]
    assert shifts(found["3"])[1:] == ((12, 12), (24, 24))
    assert shifts(found["6"])[1:] == ((36, 36), (36, 36))


def test_maps_that_do_not_grow() -> None:
    net = nn.Sequential(
        conv(3), nn.AdaptiveAvgPool2d(12), conv(), nn.Upsample(scale_factor=2), conv()
    )
    found = aligned(net, (24, 24), 16)
    assert found["2"] == found["4"] == "its map does not grow with the input"


@pytest.mark.parametrize(("size", "margin"), [(33, 64), (34, 64), (32, 65), (30, 10)])
def test_a_margin_out_of_step_is_refused_even_if_the_map_grows_evenly(
    size: int, margin: int
) -> None:
    """Of 33 and 34 pixels, stride 3 makes maps that grow by an even number."""
    found = aligned(nn.Sequential(conv(3), nn.Conv2d(4, 4, 3, 3, padding=1)), (size, size), margin)
    assert isinstance(found["0"], Alignment)
    reason = f"its map does not grow alike at both ends, by a margin of {margin}×{margin}"
    assert found["1"] == reason


# ------------------------------------------------------------------------------------ margin


def margin_of(net: nn.Module, size: int, channels: int = 3) -> int | None:
    image = torch.zeros(1, channels, size, size)
    return find_margin(net.eval(), observe_first(net, image, None), image)


@pytest.mark.parametrize(
    ("strides", "margin"),
    [
        ((), 64), ((2, 2), 64), ((4, 4), 64), ((4, 4, 2), 128), ((4, 4, 4), 256), ((3,), 66),
        ((5,), 65),
    ],
)  # fmt: skip
def test_margins_by_total_stride(strides: tuple[int, ...], margin: int) -> None:
    torch.manual_seed(0)
    assert margin_of(strided(*strides), 64) == margin


@pytest.mark.parametrize(
    ("patch", "size", "margin"), [(7, 56, 70), (14, 56, 70), (3, 33, 66), (3, 34, 66)]
)
def test_a_patch_embedding_out_of_step_with_a_trial_is_noticed(
    patch: int, size: int, margin: int
) -> None:
    """At some trials the maps behind it grow evenly all the same."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, patch, patch), nn.GELU(), conv(), conv(groups=4))
    assert margin_of(net, size) == margin
    found = verified(net, size, margin)
    assert {check.problem for check in found.values()} == {""}


def test_padding_deeper_than_the_margin_enlarges_it() -> None:
    wide = nn.Sequential(conv(3, stride=4), conv(padding=24, dilation=24))
    assert margin_of(wide, 32) == 96
    narrow = nn.Sequential(conv(3, stride=4), conv(padding=12, dilation=12))
    assert margin_of(narrow, 32) == 64


def test_sites_that_never_align_do_not_decide() -> None:
    net = nn.Sequential(conv(3, stride=2), nn.AdaptiveAvgPool2d(6), conv())
    assert margin_of(net, 32) == 64


def test_a_network_of_one_input_size_has_no_margin() -> None:
    class Insists(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] != 32:
                raise ValueError("32 pixels, please")
            out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch has no type for it
            return out

    assert margin_of(Insists(conv(3)), 32) is None
    headed = nn.Sequential(conv(3), nn.Flatten(), nn.Linear(4 * 32 * 32, 2))
    assert margin_of(headed, 32) == 64


# ------------------------------------------------------------------------------ verification


def planned(net: nn.Module, canvas: Tensor, size: int, margin: int) -> ContrastPlan:
    crop = observe_first(net, central(canvas, (size, size), "the canvas"), None)
    seen = observe(net, as_input(net, canvas.repeat(2, 1, 1, 1)), partial=True)
    return plan_contrast(crop, seen, (size,) * 2, (margin,) * 2, SampleSize(0, None, 4, 8, 2), {})


def canvas_of(size: int, margin: int, channels: int = 3) -> Tensor:
    pixels = size + 2 * margin
    return torch.rand(1, channels, pixels, pixels, generator=torch.Generator().manual_seed(1))


def verified(net: nn.Module, size: int, margin: int) -> dict[str, Verification]:
    canvas = canvas_of(size, margin)
    return verify_alignment(net.eval(), canvas, planned(net.eval(), canvas, size, margin))


def test_a_network_that_keeps_to_its_windows_passes() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        conv(3, stride=2), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1),
        conv(groups=2), nn.ReLU6(inplace=True), nn.ConvTranspose2d(4, 4, 4, 2, padding=1),
        nn.Conv2d(4, 4, 1), conv(padding=4, dilation=4),
    )  # fmt: skip
    found = verified(net, 64, 32)
    assert set(found) == {"0", "4", "6", "7", "8"}
    for name, check in found.items():
        assert check.compared > 0, name
        assert check.difference <= 1e-5
        assert check.window_error <= 1e-5
        assert check.problem == ""


def test_where_padding_reaches_everything_the_windows_are_checked() -> None:
    torch.manual_seed(0)
    found = verified(nn.Sequential(conv(3), *[conv(kernel=5) for _ in range(8)]), 24, 32)
    assert found["8"].compared == 0
    assert found["8"].window_error <= 1e-5
    assert found["8"].problem == ""


class Excites(nn.Module):
    """Squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        out: Tensor = x * scale.sigmoid()
        return out


class Context(nn.Module):
    """Global context: a mean over all positions, weighted by attention."""

    def forward(self, x: Tensor) -> Tensor:
        weights = x.mean(1, keepdim=True).flatten(2).softmax(-1)
        mean: Tensor = (x.flatten(2) * weights).sum(-1)
        return x + mean[..., None, None]


GLOBAL = "it sees the whole frame, by global pooling or attention before it"


@pytest.mark.parametrize("module", [Excites, Context])
def test_what_sees_the_whole_frame_is_found(module: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(conv(3), nn.ReLU(), module(), conv(), nn.ReLU(), conv())
    found = verified(net, 24, 32)
    assert found["0"].problem == ""
    assert found["3"].problem == found["5"].problem == GLOBAL
    study = explained(net, 24, 64)
    context = dict(zip(study.sites["site"], study.sites["no_context"], strict=True))
    assert context == {"0": "", "3": GLOBAL, "5": GLOBAL}
    for site, expected in (("0", True), ("3", False), ("5", False)):
        rows = study.sides.filter(site=site)
        assert rows["real_context"].unique().to_list() == [expected]
        assert set(rows["label"]) <= {"confirmed", "grey", "rejected", "quiet"}


class Correlates(nn.Module):
    """Beside its head, a map for every position of every image, as optical flow has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = conv(3), conv()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        n, _, h, w = x.shape
        found: Tensor = self.head(x)
        beside = torch.einsum("ncij,nckl->nijkl", x, x).reshape(n * h * w, 1, h, w)
        nn.functional.avg_pool2d(beside, 2)
        return found


def test_as_many_maps_as_positions_are_not_compared() -> None:
    found = verified(Correlates(), 32, 16)
    assert list(found) == ["stem", "head"]
    assert not any(site.problem for site in found.values())


def test_what_sees_the_whole_frame_is_found_behind_any_number_of_windows() -> None:
    """Marks have long arrived everywhere by then."""
    torch.manual_seed(0)
    deep = [conv(kernel=7) for _ in range(14)]
    with torch.no_grad():
        for layer in deep:
            layer.weight *= 0.1
            layer.weight += nn.init.dirac_(torch.empty_like(layer.weight))
    net = nn.Sequential(conv(3), *deep, Context(), conv(), nn.ReLU(), conv(kernel=7))
    found = verified(net, 24, 32)
    assert found["14"].problem == ""
    assert found["16"].compared == found["18"].compared == 0
    assert "what lies before it depends on the size of the frame" in found["16"].problem
    assert found["18"].problem == (
        "crop and canvas differ at 16 before it, and padding reaches all of it"
    )


def explained(net: nn.Module, size: int, margin: int) -> Study:
    generator = torch.Generator().manual_seed(2)
    canvases = torch.rand(16, 3, size + 2 * margin, size + 2 * margin, generator=generator)
    crops = central(canvases, (size, size), "the canvases")
    settings = ExplainSettings(baselines=0, check=0, resamples=2)
    return explain(scan(net, crops), net, canvases, settings)


def test_an_alignment_that_is_off_by_one_is_found() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(conv(3), nn.ReLU(), conv(stride=2), nn.ReLU(), conv()).eval()
    canvas = canvas_of(32, 16)
    plan = planned(net, canvas, 32, 16)
    for moved in ("shift_out", "shift_in"):
        sites = {}
        for name, site in plan.sites.items():
            assert site.alignment is not None
            into, out = site.alignment.shift_in, site.alignment.shift_out
            wrong = (
                replace(site.alignment, shift_out=(out[0] + 1, out[1]))
                if moved == "shift_out"
                else replace(site.alignment, shift_in=(into[0] + 1, into[1]))
            )
            sites[name] = replace(site, alignment=wrong)
        found = verify_alignment(net, canvas, replace(plan, sites=sites))
        assert set(found) == {"0", "2", "4"}
        assert all(check.problem and check.window_error > 0.01 for check in found.values())


class Autocast(nn.Sequential):
    """Works in bfloat16 with weights in single precision."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            result: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch has no type for it
        return result


@pytest.mark.parametrize("kind", ["half", "bfloat16", "double", "autocast"])
def test_rounding_is_no_misalignment_but_a_shift_is(kind: str) -> None:
    for moves in (nn.Identity(), Moves()):
        torch.manual_seed(0)
        layers = [conv(3), nn.ReLU(), conv(stride=2), nn.ReLU(), moves, conv(), nn.ReLU(), conv()]
        sequence = Autocast if kind == "autocast" else nn.Sequential
        net = sequence(*layers).eval()
        net = net if kind == "autocast" else getattr(net, kind)()
        problems = {check.problem for check in verified(net, 64, 32).values()}
        assert (problems == {""}) is isinstance(moves, nn.Identity)


class Moves(nn.Module):
    """Shifts large inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(1, dims=2) if x.shape[-1] > 40 else x


class ByHand(nn.Module):
    """Padding that no operation tells of: zeros, or what stands at the other end."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        for axis in (2, 3):
            last, first = x.narrow(axis, x.shape[axis] - 1, 1), x.narrow(axis, 0, 1)
            x = torch.cat([last * self.factor, x, first * self.factor], dim=axis)
        return x


@pytest.mark.parametrize(
    "unseen", [Moves(), ByHand(0), ByHand(1)], ids=["moves", "zeros", "circular"]
)
def test_what_padscope_cannot_see_shows_as_a_difference(unseen: nn.Module) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.Tanh(), unseen, nn.Conv2d(4, 4, 3), nn.Tanh(), conv()
    )  # fmt: skip
    found = verified(net, 32, 16)
    assert found["0"].problem == ""
    for name in ("3", "5"):
        assert found[name].difference > 0.01
        assert "spreads where no padding reaches" in found[name].problem


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_differences_are_seen_in_values_of_any_size(scale: float) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 1, bias=False), Moves(), nn.Conv2d(4, 4, 3, padding=1, bias=False)]
    for net, right in ((nn.Sequential(*layers), False), (nn.Sequential(*layers[::2]), True)):
        canvas = canvas_of(32, 16) * scale
        found = verify_alignment(net.eval(), canvas, planned(net.eval(), canvas, 32, 16))
        assert {check.problem == "" for check in found.values()} == {True, right}


def test_padding_by_hand_within_the_reach_of_other_padding_does_no_harm() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(conv(3), nn.Tanh(), ByHand(0), nn.Conv2d(4, 4, 3), conv())
    assert {check.problem for check in verified(net, 32, 16).values()} == {""}


def test_behind_a_difference_what_cannot_be_compared_is_not_trusted() -> None:
    torch.manual_seed(0)
    tail = [conv(kernel=9) for _ in range(6)]
    net = nn.Sequential(conv(3), nn.Tanh(), Moves(), conv(), nn.Tanh(), *tail)
    found = verified(net, 32, 16)
    assert found["10"].compared == 0
    assert found["10"].problem == (
        "crop and canvas differ at 3 before it, and padding reaches all of it"
    )


def test_a_filter_that_gives_nan_says_nothing_of_the_alignment() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(conv(3), nn.ReLU(), conv())
    with torch.no_grad():
        net.get_parameter("2.bias")[1] = float("nan")
    found = verified(net, 32, 16)
    assert {check.problem for check in found.values()} == {""}
    assert found["2"].compared > 0
    with torch.no_grad():
        net.get_parameter("0.bias")[:] = float("nan")
    found = verified(net, 32, 16)
    assert {check.problem for check in found.values()} == {""}
    assert found["2"].compared == 0


class Fails(nn.Module):
    """Fails in one of its forward passes, or on what holds NaN."""

    def __init__(self, error: Callable[[], object], at: int = 0) -> None:
        super().__init__()
        self.error, self.at, self.passes = error, at, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        if self.passes == self.at or (not self.at and bool(x.isnan().any())):
            self.error()
        return x


def no_luck() -> None:
    raise ValueError("no luck")


def much_memory() -> Tensor:
    return torch.empty(2**50)


@pytest.mark.parametrize("at", [1, 4, 5])  # the crop, the canvas, and the replay on the crop
def test_the_context_of_a_site_that_could_not_be_checked_is_not_used(at: int) -> None:
    torch.manual_seed(0)
    failing = Fails(no_luck, at=10**9)
    net = nn.Sequential(conv(3), failing, conv()).eval()
    canvas = canvas_of(32, 16)
    plan = planned(net, canvas, 32, 16)
    failing.at = failing.passes + at
    found = verify_alignment(net, canvas, plan)
    assert list(found) == ["0", "2"]
    assert found["0"].problem == ""
    assert found["2"].problem == "its alignment could not be checked: ValueError: no luck"


def test_a_model_that_takes_no_nan_is_checked_window_by_window() -> None:
    torch.manual_seed(0)
    found = verified(nn.Sequential(conv(3), Fails(no_luck), conv()), 32, 16)
    assert {check.problem for check in found.values()} == {""}
    assert found["2"].compared == 0


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_memory_that_runs_out_says_nothing_of_the_alignment(at: int) -> None:
    failing = Fails(much_memory, at=10**9)
    net = nn.Sequential(conv(3), failing, conv()).eval()
    canvas = canvas_of(32, 16)
    plan = planned(net, canvas, 32, 16)
    failing.at = failing.passes + at
    with pytest.raises(PadscopeError, match="memory ran out on images of shape 1×3×"):
        verify_alignment(net, canvas, plan)
    with pytest.raises(PadscopeError, match="memory ran out on images of shape 1×3×64×64"):
        failing.at = failing.passes + 1
        observe(net, canvas, partial=True)
