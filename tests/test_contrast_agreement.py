"""Contrasts against a slow twin: plain forwards of crop and canvas, conditions by definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from types import EllipsisType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import explain, scan
from padscope.images import Batch, central
from padscope.measurements import ContrastPlan, contrast_units, plan_contrast
from padscope.regions import SLOTS, Draw, SampleSize
from padscope.regions.sample_size import FEW
from padscope.running.model import observe_first
from padscope.settings import ExplainSettings, ScanSettings
from padscope.sites import observe
from padscope.tallies import ContrastCounter, PositionColumns
from padscope.tallies.contrast import Folds

POSITIONS: dict[str, Any] = {"per_line": 3, "per_core": 6, "per_deeper": 2}
SAMPLE = SampleSize(0, None, **POSITIONS)
CONDITIONS = ("padded", "real", "own", "incoming")


class Same(nn.Conv2d):
    """Pads as TensorFlow does: by the size of its input, the odd position at the far end."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as in torch
        pads: list[int] = []
        for n, k, s in zip(input.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            pads = [total // 2, total - total // 2, *pads]
        return F.conv2d(
            F.pad(input, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )


class Residual(nn.Module):
    """Two convolutions beside a shortcut, as in a ResNet."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.short = nn.Conv2d(channels, out, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu(y + self.short(x))
        return out


def depthwise(channels: int, out: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        Same(channels, channels, kernel, stride, groups=channels, bias=False),
        nn.BatchNorm2d(channels), nn.ReLU6(inplace=True), nn.Conv2d(channels, out, 1),
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A network, and where the crop's first position stands on the canvas at every operation.

    Attributes
    ----------
    net : nn.Module
    shape, margin : int
        Channels and pixels of the crop, and pixels of surroundings at every end.
    strides : dict
        Module that pads and convolves → total stride of its input and of its output.
    names : dict
        The same module → name of its site, where that is another.
    unpadded : dict
        As `strides`, of convolutions without padding.
    """

    net: nn.Module
    shape: tuple[int, ...]
    margin: int
    strides: Mapping[str, tuple[float, float]]
    names: Mapping[str, str] = field(default_factory=dict)
    unpadded: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, ...]:
        return self.shape[1:]

    def canvases(self, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(5)
        sizes = [n + 2 * self.margin for n in self.size]
        small = (count, self.shape[0], *(-(-n // 3) for n in sizes))
        mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(sizes)]
        smooth = F.interpolate(torch.rand(small, generator=generator), sizes, mode=mode)
        return smooth + 0.2 * torch.rand(smooth.shape, generator=generator)


def resnet() -> Case:
    net = nn.Sequential(
        nn.Conv2d(3, 6, 7, 2, padding=3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 1, padding=1), Residual(6, 6, 1), Residual(6, 8, 2),
    )  # fmt: skip
    strides = {
        "0": (1, 2), "4.conv1": (2, 2), "4.conv2": (2, 2), "5.conv1": (2, 4), "5.conv2": (4, 4),
    }  # fmt: skip
    return Case(net, (3, 38, 40), 24, strides, unpadded={"4.short": (2, 2), "5.short": (2, 4)})


def mobilenet() -> Case:
    net = nn.Sequential(
        Same(3, 6, 3, 2), nn.BatchNorm2d(6), nn.ReLU6(inplace=True), depthwise(6, 8, 3, 1),
        depthwise(8, 8, 5, 2), nn.Hardswish(), depthwise(8, 8, 3, 1),
    )  # fmt: skip
    strides = {"0": (1, 2), "3.0": (2, 2), "4.0": (2, 4), "6.0": (4, 4)}
    unpadded = {"3.3": (2, 2), "4.3": (4, 4), "6.3": (4, 4)}
    return Case(net, (3, 35, 42), 24, strides, unpadded=unpadded)


def mixture() -> Case:
    net = nn.Sequential(
        nn.Conv2d(2, 8, 5, padding=2, padding_mode="reflect"), nn.GELU(),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, padding_mode="replicate"), nn.SiLU(),
        nn.Sequential(nn.ConstantPad2d((2, 1, 1, 2), 0.7), nn.Conv2d(8, 6, 4, 2)), nn.ReLU(),
        nn.ConvTranspose2d(6, 8, 4, 2, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(8, 6, 3, padding=1, padding_mode="circular"),
        nn.ConvTranspose2d(6, 6, 3, 2, padding=1, output_padding=1, dilation=2, groups=3),
    )  # fmt: skip
    strides = {
        "0": (1, 1), "2": (1, 1), "4": (1, 2), "6": (2, 1), "8": (1, 1), "9": (1, 0.5),
    }  # fmt: skip
    return Case(net, (2, 20, 22), 12, strides, names={"4": "4.1"})


def uneven() -> Case:
    net = nn.Sequential(
        nn.Conv2d(3, 6, 4, padding="same", groups=3), nn.Tanh(),
        nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(6, 6, 3, stride=2)), nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=4, dilation=4),
        nn.Upsample(scale_factor=2), nn.Conv2d(6, 4, 3, padding=1),
    )  # fmt: skip
    strides = {"0": (1, 1), "2": (1, 2), "4": (2, 2), "6": (1, 1)}
    return Case(net, (3, 24, 26), 16, strides, names={"2": "2.1"})


def one_axis() -> Case:
    net = nn.Sequential(
        nn.Conv1d(2, 6, 5, 2, padding=2), nn.ReLU(),
        nn.Conv1d(6, 6, 3, padding=3, dilation=3, groups=2, padding_mode="reflect"), nn.Tanh(),
        nn.ConvTranspose1d(6, 4, 5, 3, padding=1), nn.Conv1d(4, 4, 3, padding=1),
    )  # fmt: skip
    strides = {"0": (1, 2), "2": (2, 2), "4": (2, 2 / 3), "5": (2 / 3, 2 / 3)}
    return Case(net, (2, 41), 20, strides)


def three_axes() -> Case:
    net = nn.Sequential(
        nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(inplace=True),
        nn.Conv3d(4, 4, 3, 2, padding=1, groups=2), nn.ReLU(),
        nn.Conv3d(4, 4, 3, padding=1, groups=4, padding_mode="replicate"),
        nn.ConvTranspose3d(4, 3, 2, 2), nn.Conv3d(3, 2, 3, padding=1),
    )  # fmt: skip
    strides = {"0": (1, 1), "3": (1, 2), "5": (2, 2), "7": (1, 1)}
    return Case(net, (1, 12, 10, 14), 6, strides)


CASES = [resnet, mobilenet, mixture, uneven, one_axis, three_axes]


def prepared(build: Callable[[], Case]) -> Case:
    torch.manual_seed(3)
    case = build()
    for module in case.net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            for values in (module.running_mean, module.bias):
                nn.init.normal_(values, std=0.2)  # type: ignore[arg-type]  # a tensor
            for values in (module.running_var, module.weight):
                nn.init.uniform_(values, 0.5, 1.5)  # type: ignore[arg-type]  # a tensor
    case.net.eval()
    return case


def inputs_of(net: nn.Module, pixels: Tensor, paths: Sequence[str]) -> dict[str, Tensor]:
    """Input of each module in one plain forward."""
    kept: dict[str, Tensor] = {}
    modules = dict(net.named_modules())
    handles = [
        modules[path].register_forward_pre_hook(
            lambda _, given, path=path: kept.update({path: given[0].clone()})
        )
        for path in paths
    ]
    with torch.no_grad():
        net(pixels)
    for handle in handles:
        handle.remove()
    return kept


def region(margin: int, stride: float, size: Sequence[int]) -> tuple[EllipsisType | slice, ...]:
    """Where the crop's map lies on the canvas's."""
    first = Fraction(margin) / Fraction(stride).limit_denominator(100)
    assert first.denominator == 1
    return (..., *(slice(int(first), int(first) + n) for n in size))


def slow_twin(case: Case, canvases: Tensor) -> dict[str, dict[str, Tensor]]:
    """Whole maps under every condition: site → condition → (N, C, *spatial)."""
    strides = {**case.strides, **case.unpadded}
    on_crop = inputs_of(case.net, central(canvases, case.size, "the canvases"), list(strides))
    on_canvas = inputs_of(case.net, canvases, list(strides))
    modules, maps = dict(case.net.named_modules()), {}
    with torch.no_grad():
        for path, (stride_in, stride_out) in strides.items():
            apply, given, real = modules[path], on_crop[path], on_canvas[path]
            frame = region(case.margin, stride_in, given.shape[2:])
            padded = apply(given)
            place = region(case.margin, stride_out, padded.shape[2:])
            surrounded = real.clone()
            surrounded[frame] = given
            maps[case.names.get(path, path)] = {
                "padded": padded,
                "real": apply(real)[place],
                "own": apply(real[frame]),
                "incoming": apply(surrounded)[place],
            }
    return maps


Part = tuple[Tensor, tuple[slice, ...]]
Seen = dict[tuple[str, str], list[Part]]


@contextmanager
def spied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Note what the counter is given."""
    seen: Seen = {}

    class Spy(ContrastCounter):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.placed: list[tuple[str, str, PositionColumns, Tensor]] = []

        def place(
            self, name: str, condition: str, sheet: PositionColumns, filters: int, folds: Folds
        ) -> Tensor:
            place = super().place(name, condition, sheet, filters, folds)
            self.placed.append((name, condition, sheet, place))
            return place

        def commit(self) -> None:
            for name, condition, sheet, values in self.placed:
                for part, spans in sheet.parts.items():
                    key = name, f"{condition}/{part}"
                    seen.setdefault(key, []).append((values.clone(), spans))
            self.placed.clear()
            super().commit()

    with monkeypatch.context() as patch:
        patch.setattr("padscope.measurements.contrast.ContrastCounter", Spy)
        yield seen


def plan_of(
    case: Case, canvases: Tensor, *, real_context: bool = True, sample: SampleSize = SAMPLE
) -> ContrastPlan:
    crop = observe_first(case.net, central(canvases[:1], case.size, "the canvas"), None)
    canvas = observe(case.net, canvases[:2]) if real_context else None
    margin = (case.margin if real_context else 0,) * len(case.size)
    return plan_contrast(crop, canvas, case.size, margin, sample, unusable={})


def kept_by(
    case: Case, plan: ContrastPlan, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> Seen:
    batches = [
        Batch(unit, tuple(range(4 * unit, 4 * unit + len(part))), part)
        for unit, part in enumerate(torch.split(images, 4))
    ]
    with spied(monkeypatch) as seen:
        contrast_units(case.net, batches, plan, 1)
    return seen


def assert_kept(
    seen: Seen, name: str, key: str, plan: ContrastPlan, maps: Tensor, draw: int = 0
) -> int:
    """Compare what was kept under one key with whole maps; return how many columns."""
    return assert_values(seen[name, key], plan.plans[name].positions.draws[draw], maps)


def assert_values(parts: list[Part], draw: Draw, maps: Tensor) -> int:
    values, spans = torch.cat([part for part, _ in parts]), parts[0][1]
    looked_at = [image for image in range(len(maps)) if image // 8 % draw.fold_interval == 0]
    columns = [column for span in spans for column in range(span.start, span.stop)]
    tolerance = 2e-5 * max(1.0, float(maps.abs().max()))
    for image, found in zip(looked_at, values, strict=True):
        row = (image // 8 // draw.fold_interval * 8 + image % 8) % SLOTS
        expected = maps[image].flatten(1)[:, draw.table[row, columns]].T
        torch.testing.assert_close(found[columns], expected, atol=tolerance, rtol=1e-4)
    return len(columns)


@pytest.mark.parametrize("build", CASES, ids=lambda build: build.__name__)
def test_every_value_equals_the_twins(
    build: Callable[[], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = prepared(build)
    canvases = case.canvases(10)
    plan = plan_of(case, canvases)
    twin = slow_twin(case, canvases)
    seen = kept_by(case, plan, canvases, monkeypatch)
    assert set(plan.sites) == {case.names.get(path, path) for path in case.strides}
    assert set(plan.elsewhere) == set(case.unpadded)
    for name, site in plan.sites.items():
        assert site.contextual
        compared = len(site.layout.compared)
        for condition in CONDITIONS[:2]:
            maps = twin[name][condition]
            assert assert_kept(seen, name, f"{condition}/near", plan, maps) >= compared
            assert site.deeper or max(site.layout.size) < 8
            for part in (part for sheet in site.deeper for part in sheet.parts):
                assert_kept(seen, name, f"{condition}/{part}", plan, maps, draw=1)
        for condition in CONDITIONS[2:]:
            kept = assert_kept(seen, name, f"{condition}/lines", plan, twin[name][condition])
            assert kept == site.lines[-1].stop >= compared - 1
    for name in plan.elsewhere:
        for condition in CONDITIONS[:2]:
            assert assert_kept(seen, name, f"{condition}/lines", plan, twin[name][condition])


def test_deeper_lines_are_looked_at_in_a_part_of_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = prepared(resnet)
    canvases = case.canvases(29)  # runs of 8: the first and the third are looked at
    plan = plan_of(case, canvases, sample=SampleSize(0, 2 * FEW))
    twin = slow_twin(case, canvases)
    seen = kept_by(case, plan, canvases, monkeypatch)
    for name, site in plan.sites.items():
        assert [draw.fold_interval for draw in site.positions.draws] == [1, 2]
        for condition in CONDITIONS[:2]:
            maps = twin[name][condition]
            assert_kept(seen, name, f"{condition}/near", plan, maps)
            for part in ("deep", "corners"):
                assert assert_kept(seen, name, f"{condition}/{part}", plan, maps, draw=1)
                assert sum(len(values) for values, _ in seen[name, f"{condition}/{part}"]) == 16


def test_bins_wait_for_images_of_every_draw() -> None:
    """Of the first images none is looked at where there is no padding: they cannot be read."""
    case = prepared(resnet)
    canvases = case.canvases(20)
    plan = plan_of(case, canvases, sample=SampleSize(0, 4 * FEW))
    assert {site.near.fold_interval for site in plan.elsewhere.values()} == {4}
    indices = [range(8, 12), range(12, 16), range(30, 34), range(64, 68), range(68, 72)]
    batches = [
        Batch(unit, tuple(images), canvases[4 * unit : 4 * unit + 4])
        for unit, images in enumerate(indices)
    ]
    contrasted = contrast_units(case.net, batches, plan, 1)
    assert contrasted.images == 20 and contrasted.bins and contrasted.tallies
    for name in plan.elsewhere:
        assert (contrasted.bins[name].spread > 1e-3).all()
        # Images 32 and 33, and 64 to 71, of which there are eight.
        counted = contrasted.tallies[name, "padded/lines"].fine
        assert (counted.sum(dim=2) == 10).all()
    near = next(iter(plan.sites))
    assert (contrasted.tallies[near, "padded/near"].folds.sum(dim=(1, 3)) >= 20).all()


@pytest.mark.parametrize("build", [resnet, mixture, one_axis], ids=lambda build: build.__name__)
def test_without_a_canvas_the_border_is_replicated_and_refilled(
    build: Callable[[], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`real` is the network with all its convolutions replicating, `own` the site reflecting."""
    case = prepared(build)
    crops = central(case.canvases(6), case.size, "the canvases")
    plan = plan_of(case, crops, real_context=False)
    seen = kept_by(case, plan, crops, monkeypatch)
    paths = [path for path in case.strides if path not in case.names]
    given, originals = inputs_of(case.net, crops, paths), dict(case.net.named_modules())
    twin = prepared(build)
    for module in twin.net.modules():
        if isinstance(module, nn.Sequential) and isinstance(module[0], nn.ConstantPad2d):
            module[0] = nn.ReplicationPad2d(module[0].padding)
        elif isinstance(module, nn.Conv1d | nn.Conv2d):
            module.padding_mode = "replicate"
    replicated = inputs_of(twin.net, crops, paths)
    modules, checked = dict(twin.net.named_modules()), 0
    for path in paths:
        with torch.no_grad():
            padded, real = originals[path](given[path]), modules[path](replicated[path])
        for condition, maps in (("padded", padded), ("real", real)):
            assert_kept(seen, path, f"{condition}/near", plan, maps)
        pseudo = plan.sites[path].pseudo
        assert pseudo is not None
        assert_values(seen[path, "pseudo/lines"], pseudo, padded)
        module = modules[path]
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            module.padding_mode = "reflect"
            with torch.no_grad():
                refilled = module(given[path])
            assert_kept(seen, path, "own/lines", plan, refilled)
            checked += 1
    assert checked >= 3


@pytest.mark.parametrize("build", [resnet, mobilenet, one_axis], ids=lambda build: build.__name__)
def test_scores_equal_scipys_on_the_twins_values(build: Callable[[], Case]) -> None:
    case, count = prepared(build), 500 if build is one_axis else 160
    canvases = case.canvases(count)
    settings = ExplainSettings(
        limit=count, margin=case.margin, baselines=0, check=0, resamples=2, **POSITIONS
    )
    crops = central(canvases, case.size, "the canvases")
    study = explain(scan(case.net, crops, ScanSettings()), case.net, canvases, settings)
    assert study.explanation and not study.explanation.notes
    plan, twin = plan_of(case, canvases), slow_twin(case, canvases)
    apart: dict[str, list[float]] = {"own_ks": [], "incoming_ks": []}
    for row in study.sides.iter_rows(named=True):
        site, index = plan.sites[row["site"]], row["filter"]
        number = [side.name for side in site.layout.sides].index(row["side"])
        places = site.positions.draws[0].table[np.arange(count) % SLOTS, site.lines[number]]
        samples = {
            condition: np.take_along_axis(
                maps[:, index].flatten(1).double().numpy(), places, axis=1
            ).ravel()
            for condition, maps in twin[row["site"]].items()
        }
        if row["causal_ks"] is None:
            assert max(map(np.ptp, samples.values())) < 1e-4  # a dead filter
            continue
        exact = {
            condition: stats.ks_2samp(values, samples["real"]).statistic
            for condition, values in samples.items()
        }
        assert abs(exact["padded"] - row["causal_ks"]) <= max(0.01, row["causal_ks_bound"] + 1e-6)
        apart["own_ks"].append(abs(exact["own"] - row["own_ks"]))
        apart["incoming_ks"].append(abs(exact["incoming"] - row["incoming_ks"]))
    for differences in map(np.array, apart.values()):
        assert differences.max() <= 0.03  # no bound is kept of these
        assert (differences <= 0.01).mean() >= 0.9
