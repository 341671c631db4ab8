"""How deep padding reaches: planted networks of known depth, tables, stages and the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.conftest import Command, write_photo
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import RunDirectory, depth, load_study, measure_depth, render_report, scan
from padscope.effects.resampling import Bootstrap, FloatArray
from padscope.errors import Interrupted, PadscopeError
from padscope.figures.rendering import figure_spec
from padscope.findings.depth import depth_lines
from padscope.settings import DepthSettings, ScanSettings
from padscope.study import Depth
from padscope.tables.depth import MeasuredMap, depth_tables

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
OUTPUT = "(output)"


def planted(dims: int, kernels: Sequence[int], dilations: Sequence[int] | None = None) -> nn.Module:
    """Average windows, one after the other: padding reaches as deep as they do together."""
    layers = []
    for kernel, dilation in zip(kernels, dilations or [1] * len(kernels), strict=True):
        padding = dilation * (kernel // 2)
        layer = CONVOLUTIONS[dims - 1](1, 1, kernel, padding=padding, dilation=dilation, bias=False)
        nn.init.constant_(layer.weight, 1 / kernel**dims)
        layers.append(layer)
    return nn.Sequential(*layers).eval()


def noise(count: int, *size: int, seed: int = 0) -> Tensor:
    # Far from zero, so that padding is far from the content.
    return 3 + torch.rand(count, 1, *size, generator=torch.manual_seed(seed))


def measured(net: nn.Module, images: Tensor, *size: int, **settings: Any) -> Depth:
    return measure_depth(net, images, DepthSettings(size=size, **settings))


def depths(found: Depth, name: str = OUTPUT) -> list[float]:
    return found.of_map(name)["depth"].to_list()


@pytest.mark.parametrize(
    ("dims", "kernels", "dilations", "expected"),
    [
        (1, (3, 5), None, 3), (1, (3, 3, 3), (1, 2, 4), 7), (2, (3, 3), None, 2),
        (2, (5, 3), (2, 1), 5), (3, (3, 3), None, 2),
    ],
)  # fmt: skip
def test_planted_networks_have_their_depth(
    dims: int, kernels: Sequence[int], dilations: Sequence[int] | None, expected: int
) -> None:
    size, margin = {1: (48, 16), 2: (32, 16), 3: (16, 8)}[dims]
    net = planted(dims, kernels, dilations)
    images = noise(4, *[size + 2 * margin] * dims)
    found = measured(net, images, *[size] * dims, margin=margin, limit=4)
    assert depths(found) == [expected] * 2 * dims
    output = found.of_map(OUTPUT)
    assert output["bound"].to_list() == [expected] * 2 * dims
    assert output["ratio"].to_list() == [1.0] * 2 * dims
    assert set(output["status"]) == {"exact"}
    assert output["within"].all()
    assert output.select("low", "high").rows() == [(expected, expected)] * 2 * dims
    assert found.last == OUTPUT
    assert found.deepest == expected


class Causal(nn.Module):
    """Looks back alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 9, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 9)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(F.pad(x, [8, 0]))
        return made


def test_a_causal_network_has_depth_on_one_side() -> None:
    found = measured(Causal(), noise(4, 64), 12, margin=16)
    output = found.of_map(OUTPUT)
    assert output.select("side", "depth", "bound").rows() == [("start", 8, 8), ("end", 0, 0)]
    # More than half of it: nothing comes from the other side.
    assert output["lines"].to_list() == [12, 4]


def test_depth_is_in_input_pixels_behind_strides() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 1, 3, 2, padding=1, bias=False), nn.Conv2d(1, 1, 3, 2, padding=1, bias=False),
        nn.Upsample(scale_factor=4), nn.Conv2d(1, 1, 3, padding=1, bias=False),
    )  # fmt: skip
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / 9)
    found = measured(net.eval(), noise(4, 96, 96), 64, 64, margin=16)
    assert depths(found, "1") == [4, 0, 4, 0]
    assert found.of_map("1")["stride"].to_list() == [4] * 4
    assert depths(found) == found.of_map(OUTPUT)["bound"].to_list() == [5, 1, 5, 1]
    assert found.step == (4, 4)


def test_what_falls_below_the_tolerance_is_no_depth() -> None:
    net = planted(1, (3,) * 6)
    images = noise(8, 96)
    found = [depths(measured(net, images, 48, margin=16, tolerance=t)) for t in (1e-4, 0.3, 0.9)]
    assert found[0] == [6, 6]
    assert found[0] > found[1] >= found[2]
    output = measured(net, images, 48, margin=16, tolerance=0.3).of_map(OUTPUT)
    assert (output["ratio"] < 1).all()
    assert (output["largest"] >= output["depth"]).all()


def test_curves_are_those_of_a_loop() -> None:
    net, images = planted(2, (5,)), noise(3, 40, 44)
    found = measured(net, images, 16, 20, margin=12)
    curve = found.curves.filter((pl.col("map") == OUTPUT) & (pl.col("side") == "right"))
    crops = images[:, :, 12:28, 12:32]
    rows = []
    for image, crop in zip(images, crops, strict=True):
        true = net(image[None])[0, 0, 12:28, 12:32].detach().numpy()
        differs = np.abs(net(crop[None])[0, 0].detach().numpy() - true) / true.std()
        rows.append([differs[4:12, 19 - line].mean() for line in range(curve.height)])
    assert curve["mean"].to_numpy() == pytest.approx(np.mean(rows, axis=0), rel=1e-5, abs=1e-5)
    assert curve["largest"].to_numpy() == pytest.approx(np.max(rows, axis=0), rel=1e-5, abs=1e-5)
    assert curve["p95"].to_numpy() == pytest.approx(
        np.quantile(rows, 0.95, axis=0), rel=1e-5, abs=1e-5
    )
    assert curve["distance"].to_list() == list(range(curve.height))
    assert set(curve["largest"].to_list()[2:]) == {0.0}  # behind what padding can reach


def test_intervals_are_over_photographs() -> None:
    rng = np.random.default_rng(0)
    reach = rng.integers(2, 6, 12)
    lines = np.array([[1.0] * n + [0.0] * (10 - n) for n in reach])
    twice = np.repeat(lines, 2, axis=0)

    def row(values: FloatArray, groups: list[int] | None) -> dict[str, Any]:
        each = MeasuredMap("a", (Fraction(2),), {0: values}, None)
        return depth_tables([each], 0.3, Bootstrap(groups))[0].row(0, named=True)

    alone, together = row(lines, None), row(twice, [n // 2 for n in range(24)])
    for name in ("depth", "low", "high"):
        assert alone[name] == together[name]
    assert (together["images"], together["photographs"]) == (24, 12)
    assert alone["status"] is None
    assert alone["low"] < alone["high"]


def test_global_context_is_named_and_its_decay_measured() -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = planted(2, (3,)), nn.InstanceNorm2d(1)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.norm(self.conv(x))
            return made

    found = measured(Normed().eval(), noise(4, 64, 64), 32, 32, margin=16)
    output = found.of_map(OUTPUT)
    assert set(output["status"]) == {"unbounded"}
    assert set(output["reason"]) == {"a norm over positions"}
    assert output["bound"].is_null().all()
    assert not output["within"].any()
    assert "at least 16 px" in repr(found)
    assert "no halo" in repr(found)


def test_of_scores_the_last_map_tells() -> None:
    net = nn.Sequential(planted(2, (3, 3)), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = measured(net, noise(4, 64, 64), 32, 32, margin=16)
    assert found.last == "0.1"
    assert depths(found, "0.1") == [2] * 4
    assert "last map (0.1)" in repr(found)
    assert not found.whole


def test_layers_that_write_in_place_change_nothing() -> None:
    net = nn.Sequential(planted(2, (3,)), nn.ReLU(inplace=True), planted(2, (3,))).eval()
    assert depths(measured(net, noise(3, 64, 64), 32, 32, margin=16)) == [2] * 4


def test_a_margin_narrower_than_the_reach_is_noted() -> None:
    net = planted(1, (41,))
    assert "20 samples" in " ".join(measured(net, noise(2, 80), 48, margin=16).notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"margin": 15}, "no map of the model aligns"),
        ({"margin": 64}, "too small for 64"),
        ({"size": None}, "input size .* is not known"),
    ],
)
def test_bad_input_is_one_sentence(settings: dict[str, Any], message: str) -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 3, 2, padding=1), nn.Conv1d(1, 1, 3, 2, padding=1))
    with pytest.raises(PadscopeError, match=message):
        measure_depth(net, noise(2, 64), DepthSettings(**{"size": (32,), **settings}))


# ------------------------------------------------------------------------------------ stages


def test_a_study_keeps_it_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    net, images = planted(2, (3, 5)), noise(12, 64, 64)
    run = RunDirectory(tmp_path / "run", every=0)
    crops = images[:, :, 16:48, 16:48]
    study = scan(net, crops, ScanSettings(limit=12), journal=run)
    run.save(study)
    settings = DepthSettings(margin=16, batch_size=4)
    whole = depth(study, net, images, settings).depth
    assert whole is not None
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        depth(study, net, images, settings, journal=run, stop=lambda: next(asked, True))
    passes: list[int] = []
    resumed = depth(
        study, net, images, settings, journal=run, progress=lambda done, *_: passes.append(done)
    )
    assert min(passes) == 5 * 4  # what was done before is not done again
    run.save(resumed)
    found = load_study(run.path).depth
    assert found is not None
    assert found.table.equals(whole.table)
    assert found.curves.equals(whole.curves)
    assert replace(found, identity={}, table=whole.table, curves=whole.curves) == replace(
        whole, identity={}
    )
    assert json.loads((run.path / "manifest.json").read_text())["depth"]["step"] == [1, 1]


def test_page_and_figure_show_it() -> None:
    net, images = planted(2, (3, 5)), noise(4, 64, 64)
    study = scan(net, images[:, :, 16:48, 16:48], ScanSettings(limit=4))
    with pytest.raises(PadscopeError, match="run padscope depth RUN"):
        figure_spec(study, "reach")
    assert 'id="reach"' not in render_report(study)
    study = depth(study, net, images, DepthSettings(margin=16))
    layers = figure_spec(study, "reach")["layer"]
    rows = [row for layer in layers for row in layer["data"]["values"]]
    assert {row["side"] for row in rows if "side" in row} == {"top", "bottom", "left", "right"}
    assert {"distance": 3.0} in rows  # the bound
    page = render_report(study)
    assert "How deep padding reaches" in page
    assert depth_lines(study.depth)[0] in page  # type: ignore[arg-type]  # there is one


def test_order_and_batches_change_nothing() -> None:
    net, images = planted(1, (5,)), noise(9, 80)
    tables = [measured(net, images, 48, margin=16, batch_size=n).table for n in (1, 4, 16)]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


@pytest.mark.usefixtures("no_page")
def test_the_command_measures_models_and_runs(workdir: Path, padscope: Command) -> None:
    for number in range(4):
        write_photo(workdir / "large" / f"{number}.png", number, (300, 260))
    one = padscope("depth", "mynets:tiny", "--images", "large", "--limit", 4, "--margin", 16)
    assert one.status == 0, one.err
    assert "From the top, padding reaches" in one.words
    assert "it can reach 2 px" in one.words
    padscope("scan", "mynets:tiny", "--images", "large", "-o", "run")
    kept = padscope("depth", "run", "--limit", 4, "--margin", 16)
    assert kept.status == 0, kept.err
    assert {"depth.parquet", "depth_curves.parquet"} <= {f.name for f in Path("run").iterdir()}
    printed = padscope("depth", "run", "--limit", 4, "--margin", 16, "--json")
    found = json.loads(printed.out)
    assert [row["depth"] for row in found["maps"][-4:]] == [
        row["depth"] for row in load_study(workdir / "run").depth.of_map(found["last"]).to_dicts()
    ]
    assert found["sentences"][0] in " ".join(kept.out.split())
    refused = padscope("depth", "run", "--size", 20)
    assert refused.status == 2
    assert "leave them out" in refused.err
