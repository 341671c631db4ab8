"""What filters cost, against what torch counts."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from padscope.sites import observe
from padscope.tables.efficiency import filter_costs

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
