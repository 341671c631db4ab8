"""What filters cost, and which are dedicated to the border, against counting by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from padscope.regions import Layout
from padscope.sites import observe
from padscope.tables.efficiency import DEDICATED, content_share, dedication, filter_costs
from padscope.tallies import Bins, Tally

EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)
LAYOUT = Layout((8, 9), ((1, 1), (1, 1)))
BINS_OF_FIVE = Bins(torch.zeros(5), torch.ones(5))


# Costs


CONVOLUTIONS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (lambda: nn.Conv2d(4, 6, 3, padding=1), (8, 9)),
    "strided": (lambda: nn.Conv2d(4, 6, 5, stride=2, padding=2), (9, 9)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (8, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4), (8, 9)),
    "1D": (lambda: nn.Conv1d(4, 6, 3, padding=1, bias=False), (11,)),
    "3D": (lambda: nn.Conv3d(4, 6, 3, padding=1), (5, 4, 6)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1), (5, 6)),
    "transposed, grouped": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2), (5, 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_costs_add_up_to_what_torch_counts(kind: str) -> None:
    build, size = CONVOLUTIONS[kind]
    model = build().eval()
    seen = observe(model, torch.zeros(2, 4, *size))
    bias = next((p for name, p in model.named_parameters() if name == "bias"), None)
    name = seen.sites[0].name
    costs = filter_costs(seen.sites, seen.weights, {name: bias})
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 4, *size))
    assert costs["macs"].sum() * 2 == counter.get_total_flops()
    assert costs["parameters"].sum() == sum(p.numel() for p in model.parameters())
    assert costs["filter"].to_list() == list(range(seen.sites[0].filters))
    assert costs["macs"].n_unique() == 1
    without = filter_costs(seen.sites, seen.weights)
    assert (costs["parameters"] - without["parameters"]).unique().to_list() == [
        int(bias is not None)
    ]


def test_shared_weights_are_counted_once_and_run_as_often_as_they_run() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool = nn.Conv2d(3, 3, 3, padding=1), nn.MaxPool2d(3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.conv(self.pool(self.conv(x))))

    seen = observe(Twice().eval(), torch.zeros(2, 3, 9, 9))
    costs = filter_costs(seen.sites, seen.weights)
    sums = costs.group_by("site", maintain_order=True).agg(pl.col("parameters", "macs").sum())
    assert sums.rows() == [("conv", 81, 81 * 81), ("conv#1", 0, 81 * 9)]  # the pooling has none


def test_no_sites_no_costs() -> None:
    costs = filter_costs([], {})
    assert costs.columns == ["site", "filter", "parameters", "macs"]
    assert costs.is_empty()


# Dedication


def tally_of(lines: list[Tensor], core: Tensor, bins: Bins = BINS_OF_FIVE) -> Tally:
    """Count (values, C) tensors of line 0 of each side, and of the core."""
    tally = Tally.zeros(core.shape[1], len(LAYOUT.compared), len(LAYOUT.regions))
    for region, values in enumerate([*lines, core]):
        codes = bins.codes(values)[:, None]
        tally.count(codes, torch.zeros(len(values), dtype=torch.int32), [1], region)
    return tally


def by_hand(line: Tensor, core: Tensor, excited: bool, bins: Bins) -> NDArray[np.float64]:
    """The share of the core's codes at or beyond the median of the line's, filter by filter."""
    codes, content = bins.codes(line).numpy(), bins.codes(core).numpy()
    median = np.median(codes, axis=0)
    share: NDArray[np.float64] = (content >= median if excited else content <= median).mean(axis=0)
    return share


@EXAMPLES
@given(
    st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 60), st.integers(0, 3), st.booleans()
)
def test_content_beyond_equals_counting(
    seed: int, border: int, content: int, side: int, excited: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    lines = [torch.randn(border, 5, generator=generator).mul(2).round().add(s) for s in range(4)]
    core = torch.randn(content, 5, generator=generator).mul(2).round()
    tally = tally_of(lines, core)
    found = content_share(LAYOUT, tally, [side] * 5, [excited] * 5)
    np.testing.assert_allclose(found, by_hand(lines[side], core, excited, BINS_OF_FIVE))


def test_content_beyond_is_near_that_of_the_values_themselves() -> None:
    generator = torch.Generator().manual_seed(3)
    lines = [torch.randn(2001, 5, generator=generator) + 1.5 for _ in range(4)]
    core = torch.randn(40000, 5, generator=generator)
    found = content_share(LAYOUT, tally_of(lines, core), [0] * 5, [True] * 5)
    exact = (core >= lines[0].median(dim=0).values).double().mean(dim=0).numpy()
    np.testing.assert_allclose(found, exact, atol=0.01)
    assert (found >= exact).all()  # a bin counts as a whole


def test_each_filter_has_its_own_side_and_direction() -> None:
    core = torch.zeros(10, 5)
    lines = [torch.full((4, 5), value) for value in (3.0, -3.0, 0.0, 5.0)]
    sides, excited = [0, 0, 1, 2, -1], [True, False, False, True, True]
    found = content_share(LAYOUT, tally_of(lines, core), sides, excited)
    np.testing.assert_array_equal(found, [0, 1, 0, 1, np.nan])


def test_what_is_not_finite_is_left_out() -> None:
    line, core = torch.full((4, 5), 1.0), torch.zeros(4, 5)
    line[0, 0] = core[0, 0] = torch.nan
    line[:, 1] = torch.inf
    core[:, 2] = torch.nan
    found = content_share(LAYOUT, tally_of([line] * 4, core), [0] * 5, [True] * 5)
    np.testing.assert_array_equal(found, [0, np.nan, np.nan, 0, 0])


def test_dedication() -> None:
    core = torch.linspace(-1, 1, 1001)[:, None].repeat(1, 5)
    line = torch.tensor([5.0, 0.0, -5.0, 5.0, 5.0]).repeat(50, 1)
    table = pl.DataFrame(
        {
            "site": ["conv"] * 5 + ["other"],
            "filter": [0, 1, 2, 3, 4, 0],
            "label": ["confirmed", "confirmed", "confirmed", "grey", None, "confirmed"],
            "causal_side": ["top", "left", "bottom", "top", None, "top"],
            "causal_polarity": [0.9, 0.9, 0.1, 0.9, None, 0.9],
        }
    )
    found = dedication(table, {"conv": (LAYOUT, tally_of([line] * 4, core))})
    assert found["site"].to_list() == ["conv"] * 5
    share = found["content_beyond"].to_list()
    assert share[0] == share[2] == share[3] == 0
    assert share[1] == pytest.approx(0.5, abs=0.01)
    assert share[4] is None
    assert found["dedicated"].to_list() == [True, False, True, False, False]
    assert DEDICATED == 0.01


def test_without_contrasts_nothing_is_dedicated() -> None:
    schema = ("site", "filter", "label", "causal_side", "causal_polarity")
    table = pl.DataFrame({name: [] for name in schema})
    assert dedication(table, {}).columns == ["site", "filter", "content_beyond", "dedicated"]
