"""Input sizes: which are even, what they do, and padding at the other end as TensorFlow has it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from tests.conftest import Command, write_photo
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import PadscopeError, RunDirectory, Study, load_study, measure_sizes, scan, sizes
from padscope.effects.classification import ClassAnswer, kl_divergence
from padscope.findings.sizes import parity_listing, size_gains, size_listing, size_sentences
from padscope.images import central
from padscope.interventions import move_padding
from padscope.settings import ScanSettings, SizeSettings
from padscope.study import Sizes

COUNT = 20


def classifier(classes: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(4, classes, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    ).eval()  # fmt: skip


def found_in(study: Study, figure: str) -> str:
    return json.dumps(study.plot(figure).to_dict(), ensure_ascii=False)


def images(size: int = 48) -> Tensor:
    return 2 * torch.randn(COUNT, 1, size, size, generator=torch.manual_seed(1))


def measured(net: nn.Module, labels: Any = None, **settings: Any) -> Sizes:
    given: dict[str, Any] = {"size": (32, 32), "batch_size": 8}
    return measure_sizes(net, images(), labels, SizeSettings(**(given | settings)))


@torch.no_grad()
@pytest.mark.parametrize("size", [24, 25])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (7, 2), (5, 4), (3, 1)])
def test_padding_at_the_other_end_is_that_of_same(kernel: int, stride: int, size: int) -> None:
    net = nn.Conv2d(2, 3, kernel, stride, padding=kernel // 2).eval()
    x = torch.randn(2, 2, size, size)
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    first = total // 2
    same = F.conv2d(
        F.pad(x, [first, total - first] * 2), net.weight, net.bias, net.stride
    )  # fmt: skip
    with move_padding(net):
        found = net(x)
    if net(x).shape != same.shape:
        pytest.skip("torch gives another size")
    torch.testing.assert_close(found, same)


def test_sites_are_told_apart_by_half_a_step() -> None:
    found = measured(classifier())
    rows = found.parity.select("site", "op", "before", "after", "steps", "movable").rows()
    assert rows == [
        ("0", "conv2d", [1, 1], [0, 0], [0.5, 0.5], True),
        ("2", "max_pool2d", [1, 1], [0, 0], [0.5, 0.5], False),
    ]
    assert found.even == ((33, 33), (29, 29))
    assert found.table.select("size", "change", "uneven").unique(maintain_order=True).rows() == [
        ([33, 33], "even", 0), ([31, 31], "control", 1), ([29, 29], "even", 0),
        ([35, 35], "control", 1), ([32, 32], "other end", 2),
    ]  # fmt: skip


@torch.no_grad()
def test_effects_are_those_of_the_same_centre_at_another_size() -> None:
    net = classifier()
    found = measured(net).table.filter(pl.col("measure") == "kl")
    base = ClassAnswer.of(net(central(images(), (32, 32), "")))
    even = ClassAnswer.of(net(central(images(), (33, 33), "")))
    assert found["effect"][0] == pytest.approx(kl_divergence(base, even).mean().item(), rel=1e-4)
    with move_padding(net):
        other = ClassAnswer.of(net(central(images(), (32, 32), "")))
    assert found["effect"][-1] == pytest.approx(kl_divergence(base, other).mean().item(), rel=1e-4)
    assert found["work"].to_list()[0] == pytest.approx(33**2 / 32**2)


def test_labels_judge() -> None:
    net = classifier()
    with torch.no_grad():
        right = net(central(images(), (32, 32), "")).argmax(dim=1)
    right[0] = 1 - right[0]
    found = measured(net, right.tolist())
    gains = size_gains(found)
    assert [(pixels[0], change) for pixels, change, _ in gains] == [
        (33, "even"), (31, "control"), (29, "even"), (35, "control"), (32, "other end")
    ]  # fmt: skip
    assert all(gain.value <= 0.05 for _, _, gain in gains)
    said = " ".join(size_sentences(found))
    assert "2 sites with a stride see more padding" in said
    assert "at 33×33 none does" in said
    assert "shifted by up to 0.5 strides" in said
    assert "33×33, even:" in said
    assert [row[0] for row in size_listing(found).rows][:2] == ["33×33 even", "31×31 control"]
    assert parity_listing(found).rows[0][-1] == "yes"


def test_an_even_size_needs_no_measurement() -> None:
    found = measured(classifier(), size=(33, 33))
    assert (found.even, found.counted, found.table.height) == (((33, 33),), 0, 0)
    assert "every site with a stride sees as much padding" in " ".join(size_sentences(found))


def test_answers_that_are_maps_are_compared_at_one_size_alone() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, 2, padding=1), nn.Conv2d(4, 1, 3, padding=1)).eval()
    found = measured(net)
    assert set(found.table["change"]) == {"other end"}
    assert "not compared" in " ".join(found.notes)
    assert "cannot be told without labels" in " ".join(size_sentences(found))


def test_images_must_hold_the_largest_size() -> None:
    with pytest.raises(PadscopeError, match="too small"):
        measure_sizes(classifier(), images(32), None, SizeSettings(size=(32, 32)))


def test_a_study_keeps_it(tmp_path: Path) -> None:
    net = classifier()
    run = RunDirectory(tmp_path / "run")
    study = scan(net, central(images(), (32, 32), ""), ScanSettings(limit=20), journal=run)
    run.save(study)
    whole = sizes(study, net, images(), None, SizeSettings(batch_size=8), journal=run)
    run.save(whole)
    found = load_study(run.path).sizes
    assert found is not None
    assert whole.sizes is not None
    assert found.table.equals(whole.sizes.table)
    assert found.parity.equals(whole.sizes.parity)
    assert "33×33, even" in found_in(whole, "sizes")
    left_out = {"identity": {}, "table": found.table, "parity": found.parity}
    assert replace(found, **left_out) == replace(whole.sizes, **left_out)  # type: ignore[arg-type]  # mypy checks against every field


@pytest.mark.usefixtures("no_page")
def test_the_command_measures_models_and_runs(workdir: Path, padscope: Command) -> None:
    for number in range(20):
        write_photo(workdir / "large" / f"{number}.png", number, (120, 110))
    one = padscope("sizes", "mynets:tiny", "--images", "large", "--limit", 20)
    assert one.status == 0, one.err
    assert "At 24×24, 1 site with a stride sees more padding" in one.words
    padscope("scan", "mynets:tiny", "--images", "large", "-o", "run")
    kept = padscope("sizes", "run", "--limit", 20, "--json")
    assert kept.status == 0, kept.err
    printed = json.loads(kept.out)
    assert printed["parity"][0]["steps"] == [0.5, 0.5]
    assert printed["even"] == [[25, 25], [23, 23]]
    advised = padscope("advise", "run", "--json")
    assert json.loads(advised.out)["missing"] == ["padscope depth run", "padscope swaps run"]
    assert "Keep inputs of 24×24" in padscope("advise", "run").words
    refused = padscope("sizes", "run", "--size", 20)
    assert refused.status == 2
