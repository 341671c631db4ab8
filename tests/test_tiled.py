"""Inference in tiles: equal to the whole with halo enough, and refused where it cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import Command
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import halo_of, load_model, tiled
from padscope.errors import PadscopeError

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS, IMAGES = SHARED / "weights" / "vdsr.safetensors", SHARED / "images"


def conv(dims: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    return kind(2, 2, kernel, stride, padding=kernel // 2)


def noise(count: int, *size: int) -> Tensor:
    return torch.randn(count, 2, *size, generator=torch.manual_seed(0))


def strided(dims: int) -> nn.Module:
    up = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1]
    return nn.Sequential(
        conv(dims), nn.ReLU(), conv(dims, stride=2), up(2, 2, 2, 2), conv(dims)
    ).eval()  # fmt: skip


class Twofold(nn.Module):
    """Answers twice for every image."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, -x])


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("blend", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(
    ("dims", "size", "tile", "halo"),
    [(1, (77,), 16, 6), (2, (38, 45), 12, 6), (3, (18, 16, 21), 8, 6), (2, (36, 50), (18, 10), 8)],
)
@torch.no_grad()
def test_tiles_equal_the_whole(
    dims: int, size: tuple[int, ...], tile: int | tuple[int, ...], halo: int, batch_size: int,
    *, blend: bool,
) -> None:  # fmt: skip
    net, images = strided(dims), noise(2, *size)
    halo_ = (halo,) * dims
    found = tiled(net, tile, halo_, blend=blend, batch_size=batch_size)(images)
    torch.testing.assert_close(found, net(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "size", "tile", "halo"),
    [
        (lambda: nn.Sequential(conv(2), nn.Upsample(scale_factor=2), conv(2)), (30, 37), 8, 4),
        (lambda: nn.Sequential(conv(2, stride=2), conv(2, stride=2)), (41, 62), 8, 12),
        (lambda: nn.Sequential(conv(2), nn.PixelUnshuffle(2)), (24, 30), 8, 2),
        (lambda: nn.Conv2d(2, 2, 5), (29, 33), 8, 4),
        (lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), (29, 33), 8, 2),
    ],
)
@torch.no_grad()
def test_answers_of_another_size(
    net: Callable[[], nn.Module], size: tuple[int, ...], tile: int, halo: int
) -> None:
    module, images = net().eval(), noise(1, *size)
    torch.testing.assert_close(tiled(module, tile, halo)(images), module(images), rtol=0, atol=1e-5)


@torch.no_grad()
def test_too_small_a_halo_differs_only_near_seams() -> None:
    net = nn.Sequential(conv(1), conv(1)).eval()
    images = noise(1, 60)
    apart = (tiled(net, 20, 1)(images) - net(images)).abs().amax(dim=(0, 1))
    # The last tile is run with more than its halo: it is as large as the others.
    assert (apart > 1e-6).nonzero().flatten().tolist() == [19, 20, 39]


@torch.no_grad()
def test_only_given_axes_are_cut() -> None:
    net, images = strided(2), noise(1, 50, 11)
    seen: list[tuple[int, ...]] = []
    hook = net.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape[2:])))
    torch.testing.assert_close(
        tiled(net, 16, 6, axes=(0,))(images)[..., :11], net(images)[..., :11], rtol=0, atol=1e-5
    )
    hook.remove()
    assert {size[1] for size in seen} == {11}


def test_blending_mixes_what_differs_across_seams() -> None:
    class Edges(nn.Module):
        """Gives the place in the tile, which no two tiles share."""

        def forward(self, x: Tensor) -> Tensor:
            return x + F.pad(torch.ones_like(x), [4, 0])[..., :-4]

    images = torch.zeros(1, 1, 32)
    cut, mixed = (tiled(Edges(), 16, 4, blend=blend)(images)[0, 0] for blend in (False, True))
    assert cut[4:].eq(1).all()
    assert 0 < mixed[15] <= 1
    assert mixed[20:].eq(1).all()


def test_it_tells_of_progress_and_writes_where_it_is_told() -> None:
    told: list[tuple[int, int]] = []
    out = torch.full((2, 2, 40), float("nan"))
    net = conv(1).eval()
    run = tiled(net, 16, 2, batch_size=2, progress=lambda done, total: told.append((done, total)))
    found = run(noise(2, 40), out=out)
    assert found is out
    assert not out.isnan().any()
    assert told[-1] == (6, 6)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_no_more_than_a_batch_of_tiles_is_run_at_once() -> None:
    seen: list[int] = []
    net = conv(2).eval()
    net.register_forward_pre_hook(lambda _, given: seen.append(given[0].numel()))
    tiled(net, 16, 2, batch_size=3)(noise(1, 160, 160))
    assert max(seen) <= 3 * 2 * 20**2


@pytest.mark.parametrize(
    ("net", "tile", "halo", "message"),
    [
        (lambda: strided(2), 16, 5, "halo of 5 .* out of step .* 4 or 6 would be in step"),
        (lambda: strided(2), 15, 6, "tile of 15 .* out of step .* 14 or 16"),
        (lambda: strided(2), 30, 20, "takes more than the 40 there are along axis 0"),
        (lambda: strided(2), 0, 2, "tiles of 1 or more"),
        (lambda: nn.Sequential(conv(2), nn.InstanceNorm2d(2)), 16, 4, "over positions.*no fin"),
        (lambda: nn.Sequential(conv(2), nn.Flatten(), nn.LazyLinear(2)), 16, 4, "no map"),
        (lambda: nn.Sequential(conv(2), nn.Flatten(1, 2)), 16, 4, "no map with channels"),
        (lambda: nn.Sequential(conv(2), nn.Unflatten(1, (1, 2))), 16, 4, "no map with channels"),
        (lambda: Twofold(), 16, 4, "need one row per image"),
        (lambda: nn.Conv2d(3, 2, 3), 16, 4, "does not take images of shape 1×2×20×20"),
        (lambda: nn.Conv2d(2, 2, 5), 16, 2, "give a larger halo"),
        (lambda: strided(2), (16, 16, 16), 2, "3 numbers for 2 axes"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    net: Callable[[], nn.Module], tile: int, halo: int, message: str
) -> None:
    with pytest.raises(PadscopeError, match=message):
        tiled(net().eval(), tile, halo)(noise(1, 40, 40))


@torch.no_grad()
def test_a_map_without_channels_is_one_with_one() -> None:
    net = nn.Sequential(conv(2), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1), nn.Flatten(0, 1)).eval()
    images = noise(3, 40, 48)
    assert net(images).shape == (3, 40, 48)
    told = halo_of(net, images, tile=16)
    assert told.pixels == 2
    answer = tiled(net, 16, told.pixels)(images)
    torch.testing.assert_close(answer, net(images)[:, None])


@torch.no_grad()
def test_global_context_runs_when_asked_to() -> None:
    net = nn.Sequential(conv(2), nn.InstanceNorm2d(2)).eval()
    assert tiled(net, 16, 4, inexact=True)(noise(1, 40, 40)).shape == (1, 2, 40, 40)


# ------------------------------------------------------------------------------------ command


def test_the_command_finds_the_halo_and_costs(workdir: Path, padscope: Command) -> None:
    refused = padscope("tiles", "mynets:tiny", "--images", "photos", "--tile", 0)
    assert refused.status == 2
    assert "a tile of 0 cannot be run" in refused.err
    (workdir / "dense.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Conv2d(3, 2, 5, padding=2)\n"
    )
    asked = ("tiles", "dense:net", "--images", "photos", "--size", 36, "--tolerance", 1e-4)
    found = padscope(*asked, "--tile", 12, "--tile", 24)
    assert found.status == 0, found.err
    assert "A halo of 2 px is the smallest" in found.words
    printed = json.loads(padscope(*asked, "--tile", 12, "--tile", 24, "--json").out)
    assert (printed["halo"], printed["halos"][-1]["halo"]) == (2, 2)
    assert [(each["tile"], each["cost"]) for each in printed["tiles"]] == [
        (12, (16 / 12) ** 2), (24, (28 / 24) ** 2)
    ]  # fmt: skip


# ------------------------------------------------------------------------------------ halo


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_advised_halo_is_the_depth(dims: int) -> None:
    net = nn.Sequential(conv(dims, 3), conv(dims, 5)).eval()
    found = halo_of(net, noise(1, *[24] * dims), 8, tolerance=1e-5)
    assert found.pixels == 3
    assert found.error <= 1e-5 < found.tried[2]


def test_the_advised_halo_is_in_step() -> None:
    found = halo_of(strided(2), noise(1, 48, 48), 16, tolerance=1e-5, depth=1.0)
    assert (found.pixels % 2, found.step) == (0, 2)
    assert found.pixels == 4


def test_a_window_without_padding_needs_a_halo_too() -> None:
    assert halo_of(nn.Conv2d(2, 2, 5), noise(1, 40, 40), 8, tolerance=1e-5).pixels == 4


def test_no_halo_is_advised_with_global_context() -> None:
    with pytest.raises(PadscopeError, match="no finite halo"):
        halo_of(nn.Sequential(conv(2), nn.InstanceNorm2d(2)).eval(), noise(1, 40, 40), 8)


@pytest.mark.skipif(
    not (WEIGHTS.exists() and IMAGES.exists()), reason="the weights or photographs are not there"
)
@torch.no_grad()
def test_vdsr_in_tiles_with_the_advised_halo_equals_the_whole() -> None:
    net = load_model("examples.vdsr:vdsr", weights=WEIGHTS).module
    photo = Image.open(min(IMAGES.glob("*.JPEG"))).convert("L").resize((48, 104))
    image = torch.from_numpy(np.asarray(photo, dtype=np.float32))[None, None] / 255
    advised = halo_of(net, image, 52, axes=(0,))
    whole = net(image)

    def apart(halo: int) -> float:
        cut = tiled(net, 52, halo, axes=(0,))(image)
        return float((cut - whole).abs().max() / whole.std(correction=0))

    assert apart(advised.pixels) <= 0.01 < apart(advised.pixels // 2)
    assert advised.pixels <= 20
