"""How far padding can reach: bounds against brute force, and what has no bound."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from benchmarks.depth_bounds import as_it_is, compare, holds
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.sites.depth_bounds import (
    EXACT,
    UNBOUNDED,
    UPPER,
    DepthBounds,
    MapBounds,
    depth_bounds,
)

Ends = list[tuple[int | None, Fraction | None]]


def found(net: nn.Module, *size: int, channels: int = 4) -> DepthBounds:
    example = torch.zeros(2, channels, *size)
    return depth_bounds(net.eval(), example, as_it_is)


def output(net: nn.Module, *size: int, channels: int = 4) -> MapBounds:
    bounds = found(net, *size, channels=channels).output
    assert bounds is not None
    return bounds


def lines(bounds: MapBounds) -> list[int | None]:
    return [end.lines for end in bounds.ends.values()]


def conv(kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, **{"padding": kernel // 2, **options})


class Then(nn.Module):
    """A convolution, and what is done with its map."""

    def __init__(self, then: object) -> None:
        super().__init__()
        self.conv, self.then = conv(), then

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.then(self.conv(x))
        return made


@pytest.mark.parametrize("seed", range(42))
@torch.no_grad()
def test_bounds_are_those_of_brute_force(seed: int) -> None:
    for number in range(seed, seed + 3000, 300):  # 300 is a multiple of the numbers of axes
        ends = compare(1 + seed % 3, number)
        if ends is not None:
            assert all(holds(bound, depth) for bound, depth in ends), ends
            return
    pytest.fail("no network whose depth its maps can show")


def test_vdsr_reaches_twenty_pixels() -> None:
    layers = [layer for _ in range(20) for layer in (conv(), nn.ReLU(inplace=True))]
    bounds = output(nn.Sequential(*layers), 30, 30)
    assert [(end.lines, end.pixels, end.status) for end in bounds.ends.values()] == [
        (20, Fraction(20), EXACT)
    ] * 4


def test_a_bound_may_be_deeper_than_the_map() -> None:
    assert lines(output(nn.Sequential(*[conv(9) for _ in range(8)]), 12, 16)) == [32] * 4


def test_strides_and_the_step() -> None:
    bounds = found(nn.Sequential(conv(stride=2), conv(stride=3), conv(stride=(1, 2))), 48, 48)
    assert bounds.step == (6, 12)
    assert bounds.output is not None
    assert bounds.output.stride == (Fraction(6), Fraction(12))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_every_padding_mode_counts(mode: str) -> None:
    assert lines(output(conv(5, padding_mode=mode), 12, 12)) == [2] * 4


@pytest.mark.parametrize(
    "then",
    [
        nn.BatchNorm2d(4), nn.PixelUnshuffle(1), nn.ChannelShuffle(2), nn.Hardswish(inplace=True),
        lambda x: x.permute(0, 2, 3, 1).relu().permute(0, 3, 1, 2),
        lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
        lambda x: F.linear(x.permute(0, 2, 3, 1), torch.ones(4, 4)).permute(0, 3, 1, 2),
        lambda x: x.flatten(2).transpose(1, 2).mul(2).transpose(1, 2).view(x.shape),
        lambda x: torch.cat([x, x], 1), lambda x: torch.stack(list(x.split(2, 1)), 1).flatten(1, 2),
        lambda x: x.view(2, 4, 6, 2, 6, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 2, 2, 4).relu()
        .view(2, 6, 6, 2, 2, 4).permute(0, 5, 1, 3, 2, 4).reshape(2, 4, 12, 12),
    ],
)  # fmt: skip
def test_what_leaves_positions_alone(then: object) -> None:
    bounds = output(Then(then), 12, 12)
    in_windows = not isinstance(then, nn.Module) and lines(bounds) == [2] * 4
    assert in_windows or lines(bounds) == [1] * 4
    assert bounds.stride == (Fraction(1), Fraction(1))
    assert not bounds.whole


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (nn.Upsample(scale_factor=2), [2, 2, 2, 2]),
        (nn.Upsample(scale_factor=2, mode="bilinear"), [3, 3, 3, 3]),
        (nn.PixelShuffle(2), [2, 2, 2, 2]),
        (nn.PixelUnshuffle(2), [1, 1, 1, 1]),
        (lambda x: x[:, :, 1:, :-1], [0, 1, 1, 0]),
        (lambda x: F.pad(x, [0, 2, -1, 0]), [0, 1, 1, 3]),
        (lambda x: x[:, :, ::2, 1::2], [1, 0, 0, 1]),
        (nn.MaxPool2d(2, ceil_mode=True), [1, 1, 1, 1]),
    ],
)
def test_what_moves_positions(then: object, expected: list[int]) -> None:
    assert lines(output(Then(then), 12, 12)) == expected


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (nn.InstanceNorm2d(4), "a norm over positions"),
        (nn.GroupNorm(2, 4), "group norm"),
        (nn.LayerNorm([4, 12, 12]), "layer norm"),
        (lambda x: x * x.mean((2, 3), keepdim=True), "mean over a map"),
        (lambda x: x + F.adaptive_avg_pool2d(x, 3).mean(), "pooling to a fixed size"),
        (lambda x: F.scaled_dot_product_attention(x, x, x), "attention"),
        (lambda x: x.flatten(2).softmax(-1).view(x.shape), "softmax over a map"),
        (lambda x: x.roll(1, 2), "roll"),
        (lambda x: torch.cat([x, x], 2), "maps one behind the other"),
    ],
)
def test_what_has_no_bound(then: object, reason: str) -> None:
    bounds = output(Then(then), 12, 12)
    assert any((end.status, end.reason) == (UNBOUNDED, reason) for end in bounds.ends.values())
    assert bounds.whole == reason
    assert bounds.deepest is None


def test_a_norm_before_any_padding_makes_nothing_unbounded_but_the_frame() -> None:
    bounds = output(nn.Sequential(nn.InstanceNorm2d(4), conv()), 12, 12)
    assert lines(bounds) == [1] * 4
    assert bounds.whole == "a norm over positions"


def test_batch_norm_in_training_mode_is_a_norm_over_positions() -> None:
    net = nn.Sequential(conv(), nn.BatchNorm2d(4))
    bounds = depth_bounds(net, torch.zeros(2, 4, 9, 9), as_it_is).output
    assert bounds is not None
    assert bounds.whole == "a norm over positions"


def test_padding_of_axes_that_were_lost_reaches_everywhere() -> None:
    class Rolled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.roll(1, 2)

    bounds = output(nn.Sequential(Rolled(), conv()), 12, 12)
    assert all(end.status == UNBOUNDED for end in bounds.ends.values())


def test_writing_to_a_part_of_a_map_is_not_followed() -> None:
    def write(x: Tensor) -> Tensor:
        made = torch.zeros(2, 4, 12, 12)
        made[:, :, 2:] = x[:, :, :-2]
        return made

    assert all(end.status == UNBOUNDED for end in output(Then(write), 12, 12).ends.values())


def test_aligned_corners_give_an_upper_bound() -> None:
    stretch = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    assert {end.status for end in output(Then(stretch), 12, 12).ends.values()} == {UPPER}
