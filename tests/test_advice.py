"""Advice: ranked by what is surely gained, and silent where an interval spans zero."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import Command, write_photo
from tests.test_swaps import MARGIN, SIZE, canvases, crops, network, told
from torch import nn

from padscope import (
    PadscopeError,
    RunDirectory,
    Study,
    depth,
    load_study,
    render_report,
    scan,
    swaps,
)
from padscope.findings.advice import advice_lines, advise
from padscope.settings import DepthSettings, ScanSettings, SwapSettings
from padscope.study import Retrofit, Sizes
from padscope.tables.schema import PARITY, RETROFITS, SIZE_EFFECTS


@pytest.fixture(scope="module")
def study() -> Study:
    torch.set_num_threads(1)
    return scan(network(), crops(), ScanSettings(limit=20))


def with_swaps(study: Study, effects: dict[str, tuple[float, float, float]]) -> Study:
    return _replaced(study, swaps=told(effects))


def with_sizes(study: Study, effect: float, low: float, high: float, uneven: bool = True) -> Study:
    row = {
        "size": [25, 25], "change": "even", "uneven": 0, "work": 1.09, "measure": "accuracy",
        "higher_is_better": True, "own": 0.9, "effect": effect, "low": low, "high": high,
        "images": 45, "photographs": 45,
    }  # fmt: skip
    site = {"site": "0", "op": "conv2d", "stride": [2, 2], "before": [1, 1], "after": [0, 0],
            "steps": [0.5, 0.5], "movable": True}  # fmt: skip
    found = Sizes(
        {}, "m", "i", "", 45, "classes", (24, 24), ((25, 25),), SIZE_EFFECTS.frame([row]),
        PARITY.frame([site] * uneven),
    )  # fmt: skip
    return _replaced(study, sizes=found)


def _replaced(study: Study, **parts: Any) -> Study:
    return replace(study, **parts)


def lines(study: Study) -> str:
    return "\n".join(advice_lines(advise(study, "run")))


def test_nothing_measured_is_refused_with_the_commands(study: Study) -> None:
    with pytest.raises(PadscopeError, match="run padscope depth run, padscope swaps run or"):
        advise(study, "run")


def test_losses_and_open_intervals_advise_to_keep_things(study: Study) -> None:
    worse = with_swaps(study, {"reflect": (-0.07, -0.1, -0.02), "mean": (0.02, -0.01, 0.05)})
    found = advise(with_sizes(worse, -0.021, -0.06, 0.01), "run")
    assert [one.action for one in found.advice] == ["Keep the padding", "Keep inputs of 24×24"]
    assert not any(one.act for one in found.advice)
    assert "no other is better; the best is mean: 2 [−1 to 5] points" in found.advice[0].gain
    assert found.missing == ("padscope depth run",)


def test_what_gains_is_ranked_by_what_it_surely_gains(study: Study) -> None:
    better = with_swaps(study, {"reflect": (0.04, 0.01, 0.07), "mean": (0.05, 0.03, 0.07)})
    found = advise(with_sizes(better, 0.2, 0.1, 0.3), "run")
    assert [one.action for one in found.advice] == [
        "Give inputs of 25×25", "Pad with its channel's mean"
    ]  # fmt: skip
    assert found.advice[1].how.startswith('with padscope.repad(model, fill="mean")')
    assert "all export targets take it" in found.advice[1].cost
    assert "better by 20 [10 to 30] points" in found.advice[0].gain


def test_the_control_is_never_advised(study: Study) -> None:
    found = advise(with_swaps(study, {"shuffle": (0.1, 0.05, 0.2), "zeros": (0, 0, 0)}), "run")
    assert [one.action for one in found.advice] == ["Keep the padding"]


def test_torch_modes_are_set_on_the_layers(study: Study) -> None:
    found = advise(with_swaps(study, {"circular": (0.1, 0.05, 0.2)}), "run")
    net = network()
    exec(found.advice[0].how, {"model": net, "torch": torch})
    assert {layer.padding_mode for layer in net.modules() if isinstance(layer, nn.Conv2d)} == {
        "circular"
    }
    assert "of export targets ONNX Runtime, TensorRT take it" in found.advice[0].cost


def test_even_sizes_need_no_advice(study: Study) -> None:
    found = advise(with_sizes(study, 0.2, 0.1, 0.3, uneven=False), "run")
    assert found.advice[0].gain == "no stride is uneven there"


def test_a_dense_network_is_told_crop_and_halo(study: Study) -> None:
    net = network()
    settings = DepthSettings(limit=8, margin=MARGIN, size=(SIZE, SIZE))
    whole = depth(study, net, canvases(), settings)
    swapping = SwapSettings(("mean",), size=(SIZE, SIZE), margin=MARGIN, border_images=8)
    found = advise(swaps(whole, net, canvases(), None, swapping), "run")
    actions = [one.action for one in found.advice]
    assert "Crop 2 px off every side of the output" in actions
    assert "Run tiles with a halo of 2 px" in actions
    crop = next(one for one in found.advice if one.action.startswith("Crop"))
    answer = torch.zeros(1, 1, SIZE, SIZE)
    scope: dict[str, Any] = {"model": lambda image: image, "image": answer}
    exec(crop.how, scope)
    assert scope["answer"].shape == (1, 1, SIZE - 4, SIZE - 4)
    assert "[2 to 2]" in crop.gain
    assert crop.cost == "31% of an output of 24×24"
    assert "padscope.tiled(model, 24, 2)" in lines(whole)


def test_scores_of_classes_have_nothing_to_crop(study: Study) -> None:
    net = nn.Sequential(network(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    settings = DepthSettings(limit=4, margin=MARGIN, size=(SIZE, SIZE))
    of_classes = scan(net, crops(), ScanSettings(limit=20))
    found = advise(depth(of_classes, net, canvases(), settings), "run")
    assert [one.action for one in found.advice] == ["Nothing to crop"]


# ----------------------------------------------------------------------------------- retrofits


def with_retrofit(study: Study, change: float, low: float, high: float) -> Study:
    def row(network: str, padding: str, off: float, *ends: float) -> dict[str, Any]:
        least, most = ends or (off, off)
        return {
            "network": network, "padding": padding, "error": 0.5 + off, "low": 0.5 + least,
            "high": 0.5 + most, "change": off, "change_low": least, "change_high": most,
            "behind": off - change, "behind_low": off - most, "behind_high": off - least,
            "interior": 0.004, "measure": "change", "answer": 0.05, "answer_low": 0.04,
            "answer_high": 0.06, "filters": 6, "responds": 2, "recalled": 1, "images": 12,
            "photographs": 12,
        }  # fmt: skip

    rows = [row("given", "zeros", 0), row("swapped", "reflect", 0.1),
            row("tuned", "reflect", change, low, high)]  # fmt: skip
    found = Retrofit(
        {"images": ""}, "m", "i", 24, 12, (24, 24), (8, 8), "(output)", "reflect", "zeros",
        {"0.weight": torch.ones(1)}, {"0": "reflect"}, RETROFITS.frame(rows),
    )  # fmt: skip
    return _replaced(study, retrofit=found)


def test_a_retrofit_that_surely_gains_is_ranked_with_its_cost(study: Study) -> None:
    worse = with_swaps(study, {"reflect": (-0.07, -0.1, -0.02)})
    first, second = advise(with_retrofit(worse, -0.1, -0.15, -0.04), "run").advice
    assert first.action == "Use the network whose reflect padding is tuned"
    assert first.gain == "border error lower by 0.1 [0.04 to 0.15] spreads, of 0.5"
    assert "0.05 [0.04 to 0.06]" in first.cost and "moves by 0.4 % of its spread" in first.cost
    assert first.how == "padscope retrofit run --fill reflect -o tuned.safetensors"
    assert (first.surely, second.action) == (0.04, "Keep the padding")
    better = with_swaps(study, {"mean": (0.2, 0.1, 0.3)})
    assert [one.surely for one in advise(with_retrofit(better, -0.1, -0.15, -0.04), "r").advice] \
        == [0.1, 0.04]  # fmt: skip


@pytest.mark.parametrize("ends", [(-0.02, -0.06, 0.01), (0.04, 0.01, 0.06)])
def test_a_network_that_compensates_its_padding_is_left(
    study: Study, ends: tuple[float, float, float]
) -> None:
    (found,) = advise(with_retrofit(study, *ends), "run").advice
    assert not found.act
    assert found.action == "Leave the padding: the network compensates its zeros"


def test_a_run_keeps_a_retrofit_without_its_weights(study: Study, tmp_path: Path) -> None:
    tuned = with_retrofit(study, -0.1, -0.15, -0.04)
    RunDirectory(tmp_path / "run").save(tuned)
    found = load_study(tmp_path / "run").retrofit
    assert found is not None and tuned.retrofit is not None
    assert found.table.equals(tuned.retrofit.table)
    assert (found.weights, found.modes, found.facts()) == ({}, {}, tuned.retrofit.facts())
    assert "Padding that is tuned" in render_report(tuned)
    assert "border error, spreads" in tuned.plot("retrofit").to_json()
    assert advise(load_study(tmp_path / "run"), "r").advice == advise(tuned, "r").advice


@pytest.mark.usefixtures("no_page")
def test_a_retrofit_of_a_run_is_advice(workdir: Path, padscope: Command) -> None:
    for number in range(9):
        write_photo(workdir / "large" / f"{number}.png", number, (90, 90))
    padscope("scan", "mynets:tiny", "--images", "large", "-o", "run")
    asked = ("retrofit", "run", "--steps", 1, "--margin", 8, "-o", "new.safetensors")
    done = padscope(*asked)
    assert done.status == 0, done.err
    assert (workdir / "new.safetensors").exists()
    kept = load_study(workdir / "run")
    assert kept.retrofit is not None and kept.retrofit.size == kept.size
    told = padscope("advise", "run")
    assert told.status == 0 and "border error" in told.words
    refused = padscope(*asked[:-1], "other.safetensors", "--size", 20)
    assert (refused.status, "leave them out" in refused.err) == (2, True)
