"""Border recall by brute force, and the mixed filters that it judges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.planted import (
    DetectorNetwork,
    detectors,
    raw_border_recall,
    raw_recalls,
    raw_shift,
)

SIZE = 40  # 20 × 20 core positions, 32 on a line


def spread_out() -> Tensor:
    """Maps of one channel, with 0 … 399 in the core and 0 elsewhere."""
    outputs = torch.zeros(1, 1, SIZE, SIZE)
    outputs[0, 0, 10:30, 10:30] = torch.arange(400.0).view(20, 20)
    return outputs


@pytest.mark.parametrize(
    ("value", "direction", "content", "recall"),
    [
        (395.5, 1, 0.01, 1),  # 4 of 400 lie above 395
        (395.0, 1, 0.01, 0),
        (395.0, 1, 0.011, 0),
        (394.5, 1, 0.0125, 1),
        (3.5, -1, 0.01, 1),
        (4.0, -1, 0.01, 0),
        (399.0, 1, 0.0, 0),
        (399.5, 1, 0.0, 1),
        (1000.0, 0, 0.01, 0),
    ],
)
def test_beyond_the_threshold_lies_no_more_of_the_core_than_allowed(
    value: float, direction: int, content: float, recall: float
) -> None:
    outputs = spread_out()
    outputs[0, 0, 0] = value
    assert raw_border_recall(outputs, "top", direction, content) == recall
    assert raw_border_recall(-outputs, "top", -direction, content) == recall


def test_recall_is_a_share_of_the_line() -> None:
    outputs = spread_out()
    outputs[0, 0, 0, 4:12] = 1000.0
    outputs[0, 0, 0, :4] = 1000.0  # nearer to the left side than lines reach
    assert raw_border_recall(outputs, "top", 1) == 8 / 32


def test_a_filter_that_is_nearly_always_zero_recognises_nothing_by_being_zero() -> None:
    outputs = torch.zeros(1, 1, SIZE, SIZE)
    outputs[0, 0, 20, 20:22] = 5.0  # .5 % of the core
    assert raw_border_recall(outputs, "top", 1) == 0
    outputs[0, 0, 0] = 0.1
    assert raw_border_recall(outputs, "top", 1) == 1


def test_a_constant_filter_recognises_nothing() -> None:
    outputs = torch.full((2, 1, SIZE, SIZE), 3.0)
    assert raw_shift(outputs, "left") == 0
    for direction in (-1, 0, 1):
        assert raw_border_recall(outputs, "left", direction) == 0


def test_a_filter_with_an_output_that_is_no_number_has_no_recall() -> None:
    outputs = spread_out().repeat(1, 2, 1, 1)
    outputs[0, 1, 15, 15] = torch.nan
    assert np.isnan(raw_border_recall(outputs, "top", 1)).tolist() == [False, True]


@pytest.mark.parametrize("line", ["top", "top+3", "left", "bottom-right"])
def test_every_line_and_corner_has_a_recall(line: str) -> None:
    outputs = spread_out()
    part = {"top": outputs[..., 0, :], "top+3": outputs[..., 3, :], "left": outputs[..., 0]}
    part.get(line, outputs[..., -1, -1]).fill_(1000.0)
    assert raw_border_recall(outputs, line, 1) == 1
    assert raw_border_recall(outputs, "bottom", 1) == 0


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions_have_recalls(dims: int) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.rand(20, 2, *(16,) * dims, generator=generator)
    outputs[:, 1, ..., 0] = 2.0
    other, last = ("end", "start") if dims == 1 else ("right", "left")
    assert raw_border_recall(outputs, last, 1)[1] == 1
    assert raw_border_recall(outputs, last, 1)[0] < 0.2
    assert raw_border_recall(outputs, other, 1)[1] < 0.2


@pytest.mark.parametrize(
    ("outputs", "content", "message"),
    [
        (torch.zeros(1, 1, 2, 2), 0.01, "maps of 2 × 2 have no line top; they have core"),
        (torch.zeros(1, 1, 16, 16), 1.0, "content is 1.0"),
        (torch.zeros(1, 1, 16, 16), -0.1, "content is -0.1"),
    ],
)
def test_what_cannot_be_measured_is_refused(outputs: Tensor, content: float, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        raw_border_recall(outputs, "top", 1, content)


integers = st.lists(st.integers(-3, 3), min_size=8, max_size=8)


@given(integers, integers)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_shift_is_the_distance_of_kolmogorov_and_smirnov(line: list[int], core: list[int]) -> None:
    outputs = torch.zeros(1, 1, 16)  # of 1D maps the core is the central half
    outputs[0, 0, 4:12] = torch.tensor(core)
    many = outputs.repeat(8, 1, 1)
    many[:, 0, 0] = torch.tensor(line)
    expected = ks_2samp(line, core, method="asymp")
    (shift,) = raw_shift(many, "start")
    assert abs(shift) == pytest.approx(expected.statistic, abs=1e-12)
    below, above = (ks_2samp(line, core, way, method="asymp").statistic
                    for way in ("greater", "less"))  # fmt: skip
    if above != pytest.approx(below):
        assert (shift > 0) == (above > below)


def test_recalls_of_a_network_are_those_of_its_convolutions() -> None:
    first = nn.Conv2d(1, 2, 3, padding=1)
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0, 0, 1] = -1.0  # sees what lies above, and so the padding
        first.weight[1, 0, 1, 1] = -1.0
    module = nn.Sequential(first, nn.ReLU(), nn.Conv2d(2, 1, 1)).eval()
    images = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)) + 0.5
    recalls = raw_recalls(module, images)
    sides = ("top", "bottom", "left", "right")
    assert recalls == {("0", n, side): float((n, side) == (0, "top"))
                       for side in sides for n in (0, 1)}  # fmt: skip
    assert not any(part._forward_hooks for part in module.modules())


# Filters made for all sorts of things


@pytest.fixture(scope="module", params=[True, False], ids=["positive", "zero mean"])
def mixed(request: pytest.FixtureRequest) -> DetectorNetwork:
    return detectors(positive=request.param)


@pytest.fixture(scope="module")
def best(mixed: DetectorNetwork) -> dict[tuple[str, int], float]:
    """Largest recall of every filter."""
    recalls = raw_recalls(mixed.module, mixed.crop(mixed.images(16)))
    return {
        (site, index): max(recalls[site, index, side] for side in mixed.sides)
        for site, index in mixed.families
    }


def test_inputs_have_the_mean_that_was_asked_for(mixed: DetectorNetwork) -> None:
    images = mixed.images(16)
    assert float(images.mean()) == pytest.approx(mixed.mean, abs=0.03)
    assert (float(images.min()) > 0) == (mixed.mean > 0)


def test_what_was_made_for_the_border_needs_inputs_that_show_it(
    mixed: DetectorNetwork, best: dict[tuple[str, int], float]
) -> None:
    energy = {key for key, family in mixed.families.items() if family.startswith("no energy")}
    rows = {key for key, family in mixed.families.items() if " tap" in family}
    assert len(energy) == 4
    assert len(rows) == 8
    assert min(best[key] for key in energy) > 0.95
    seen = {best[key] >= 0.5 for key in rows}
    assert seen == {mixed.mean > 0}


def test_what_was_not_made_for_it_recognises_it_on_positive_inputs_only(
    mixed: DetectorNetwork, best: dict[tuple[str, int], float]
) -> None:
    others = {"Sobel, vertical", "Gabor 90°", "red, Sobel", "random"}
    found = {mixed.families[key] for key, recall in best.items() if recall >= 0.5}
    assert (found & others) == (others if mixed.mean else set())
    assert "red against green" not in found


def test_mixtures_are_the_same_every_time(mixed: DetectorNetwork) -> None:
    positive = mixed.mean > 0
    same, other = (detectors(positive=positive, seed=seed).module for seed in (0, 1))
    for name, weight in mixed.module.state_dict().items():
        assert torch.equal(weight, same.state_dict()[name])
    assert not torch.equal(same.state_dict()["conv2.weight"], other.state_dict()["conv2.weight"])
