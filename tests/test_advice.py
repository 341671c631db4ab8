"""Advice: ranked by what is surely gained, and silent where an interval spans zero."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.test_swaps import MARGIN, SIZE, canvases, crops, network, told
from torch import nn

from padscope import PadscopeError, Study, depth, scan, swaps
from padscope.findings.advice import advice_lines, advise
from padscope.settings import DepthSettings, ScanSettings, SwapSettings
from padscope.study import Sizes
from padscope.tables.schema import PARITY, SIZE_EFFECTS


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
