"""Why tiles differ: shares of padding, normalisation and phase come out as they were planted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from evidence.tile_shares import NORMS, UNet, pictures, trained
from torch import Tensor, nn

from padscope import PadscopeError, tile_shares
from padscope.running.tile_shares import CAUSES


@pytest.fixture(scope="module")
def wide() -> Tensor:
    return pictures(6, 96, 99)[0]


@pytest.fixture(scope="module")
def batch_normed() -> nn.Module:
    return trained(NORMS["batch norm"], 20)


def test_batch_norm_in_evaluation_mode_has_no_share(batch_normed: nn.Module, wide: Tensor) -> None:
    found = tile_shares(batch_normed, wide, 32)
    assert [share.value for share in found.shares] == pytest.approx([1, 0, 0], abs=1e-9)
    assert (found["normalisation"].low, found["normalisation"].high) == (0, 0)
    assert found.statistics == ()
    assert found.difference > 0.01


def test_halo_enough_leaves_no_difference(batch_normed: nn.Module, wide: Tensor) -> None:
    found = tile_shares(batch_normed, wide, 32, 16)
    assert found.difference < 1e-5


def test_instance_norm_has_a_share_that_no_halo_takes_away(wide: Tensor) -> None:
    net = trained(NORMS["instance norm"], 20)
    close, far = tile_shares(net, wide, 32), tile_shares(net, wide, 32, 16)
    assert sum(share.value for share in close.shares) == pytest.approx(1)
    assert close["normalisation"].low > 0.1
    assert far["normalisation"].value > close["normalisation"].value
    assert far.difference > 0.01
    assert close.statistics == ("a norm over positions",)
    assert "normalisation" in repr(close)


@pytest.mark.parametrize("norm", [lambda width: nn.GroupNorm(2, width), nn.BatchNorm2d])
def test_other_norms_over_the_tile(norm: Callable[[int], nn.Module], wide: Tensor) -> None:
    net = UNet(norm).train()  # as batch norm is used that takes its statistics of the input
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = tile_shares(net, wide, 32, 16)
    assert found["normalisation"].value == pytest.approx(1, abs=0.2)
    assert found.statistics
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_squeeze_and_excitation_is_found(wide: Tensor) -> None:
    class Squeezed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * x.mean(dim=(2, 3), keepdim=True)

    found = tile_shares(Squeezed(), wide * torch.linspace(0, 1, 96), 32)
    assert [share.value for share in found.shares] == pytest.approx([0, 1, 0], abs=1e-9)
    assert found.statistics == ("pooling to one value",)


def test_a_tile_out_of_step_has_a_share_of_phase(batch_normed: nn.Module, wide: Tensor) -> None:
    shifted = tile_shares(batch_normed, wide, 32, 16, offset=1)
    assert shifted["phase"].value == pytest.approx(1, abs=1e-3)
    both = tile_shares(batch_normed, wide, 32, offset=1)
    assert both["phase"].low > 0.05
    assert both["padding"].low > 0.05
    assert both["normalisation"].value == 0
    assert [share.cause for share in both.shares] == list(CAUSES)


@pytest.mark.parametrize(
    ("tile", "halo", "offset", "message"),
    [
        (0, 0, 0, "a tile of 0"), (96, 8, 0, "does not fit into the 96"),
        (32, 0, -1, "no less than 0"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    batch_normed: nn.Module, wide: Tensor, tile: int, halo: int, offset: int, message: str
) -> None:
    with pytest.raises(PadscopeError, match=message):
        tile_shares(batch_normed, wide, tile, halo, offset=offset)


def test_an_answer_without_positions_is_refused(wide: Tensor) -> None:
    with pytest.raises(PadscopeError, match="answer is no map"):
        tile_shares(nn.Sequential(nn.Flatten(), nn.Linear(96 * 96, 2)).eval(), wide, 32)
