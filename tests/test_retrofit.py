"""Other padding, tuned to the border: networks with known answers, resuming, files, the command."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import safe_open
from tests.conftest import Command, write_photo
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import repad, retrofit
from padscope.errors import Interrupted, PadscopeError
from padscope.figures.retrofit import before_and_after
from padscope.findings.retrofit import loading_code, retrofit_lines
from padscope.measurements.retrofit import border_error, border_mask
from padscope.models.padding_modes import MODES, padding_modes, set_padding_modes
from padscope.models.tuned_padding import tune_padding
from padscope.settings import RetrofitSettings
from padscope.store import FileJournal, write_retrofit
from padscope.study import Retrofit


def smoother() -> nn.Module:
    """Averages twice, with a norm between: tuned padding comes near to real surroundings."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1)
    )
    for layer in (net[0], net[3]):
        assert isinstance(layer, nn.Conv2d)
        nn.init.constant_(layer.weight, 1 / 9)
    return net.eval()


class Own(nn.Module):
    """Takes the kernel of a convolution, and never runs it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.weight, padding=1)


def noise(count: int, *size: int) -> Tensor:
    draw = torch.manual_seed(0)
    # Smooth, and far from zero.
    coarse = torch.rand(count, 1, *(n // 4 for n in size), generator=draw)
    return 3 + F.interpolate(coarse, size, mode="bilinear")


def made(fill: str = "replicate", net: nn.Module | None = None, **how: Any) -> Retrofit:
    settings = RetrofitSettings(
        size=(16, 16), margin=8, limit=12, steps=2, batch_size=4, fill=fill
    )  # fmt: skip
    return retrofit(net or smoother(), noise(12, 192, 192), settings, **how)


@pytest.fixture(scope="module")
def tuned() -> Retrofit:
    return made()


def row(found: Retrofit, network: str, padding: str) -> dict[str, Any]:
    table = found.table.filter((pl.col("network") == network) & (pl.col("padding") == padding))
    return table.row(0, named=True)


# ------------------------------------------------------------------------------------ modes


def test_convolutions_that_pad_by_themselves_are_found() -> None:
    class Own(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(F.pad(x, [1] * 4), self.weight)

    net = nn.ModuleDict({
        "padded": nn.Conv1d(1, 1, 3, padding=1), "same": nn.Conv3d(1, 1, 3, padding="same"),
        "valid": nn.Conv2d(1, 1, 3, padding="valid"), "own": Own(1, 1, 3, padding=1),
        "up": nn.ConvTranspose2d(1, 1, 3, padding=1),
        "mirror": nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
    })  # fmt: skip
    assert padding_modes(net) == {"padded": "zeros", "same": "zeros", "mirror": "reflect"}


@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_modes_are_those_of_padding_undone(mode: str) -> None:
    net, images = smoother(), noise(2, 20, 24)
    with repad(net, fill=mode):
        expected = net(images)
    torch.testing.assert_close(set_padding_modes(net, mode)(images), expected)


# ------------------------------------------------------------------------------------ padding


def with_lines(net: nn.Conv2d, scale: Tensor, shift: Tensor, mode: str) -> nn.Module:
    found = deepcopy(nn.Sequential(net))
    tune_padding(
        found, found.state_dict() | {"0.pad_scale": scale, "0.pad_shift": shift}, mode
    )  # fmt: skip
    return found


@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_tuned_padding_is_that_of_a_loop(mode: str) -> None:
    net = nn.Conv2d(2, 3, (3, 4), padding="same")  # 1 and 1 lines, 1 and 2 columns
    x = torch.rand(2, 2, 6, 7)
    scale, shift = torch.rand(2, 5), torch.rand(2, 5)
    padded = F.pad(x, (1, 2, 1, 1), "constant" if mode == "zeros" else mode)
    for channel in range(2):
        for line, column in enumerate([0, 8, 9]):
            padded[:, channel, :, column] *= scale[channel, line]
            padded[:, channel, :, column] += shift[channel, line]
        for line, row in enumerate([0, 7], start=3):
            padded[:, channel, row] *= scale[channel, line]
            padded[:, channel, row] += shift[channel, line]
    expected = F.conv2d(padded, net.weight, net.bias)
    torch.testing.assert_close(with_lines(net, scale, shift, mode)(x), expected)


@pytest.mark.parametrize("net", [nn.Conv1d(2, 3, 5, padding=2), nn.Conv3d(2, 3, 3, padding=1)])
@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_untouched_lines_are_plain_padding(net: Any, mode: str) -> None:
    x = torch.rand(2, 2, *[6] * len(net.stride))
    lines = sum(net._reversed_padding_repeated_twice)
    found = with_lines(net, torch.ones(2, lines), torch.zeros(2, lines), mode)
    plain = set_padding_modes(nn.Sequential(deepcopy(net)), mode)
    torch.testing.assert_close(found(x), plain(x))


def test_lines_are_fitted_as_one_by_one() -> None:
    net, images = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)).eval(), noise(12, 192, 192)
    settings = RetrofitSettings(size=(16, 20), margin=8, steps=1)
    found = retrofit(net, images, settings)
    order = np.random.default_rng(0).permutation(12)
    canvases = images[sorted(order[4:]), 0].numpy()  # of twelve, the first four compare
    inside = canvases[:, 88:104, 86:106]
    columns = [
        (inside[..., 0], canvases[:, 88:104, 85]),
        (inside[..., -1], canvases[:, 88:104, 106]),
    ]
    rows = [(inside[:, 0], canvases[:, 87, 86:106]), (inside[:, -1], canvases[:, 104, 86:106])]
    expected = [np.polyfit(x.ravel(), y.ravel(), 1) for x, y in (*columns, *rows)]
    lines = torch.stack([found.weights["0.pad_scale"][0], found.weights["0.pad_shift"][0]], dim=1)
    np.testing.assert_allclose(lines.numpy(), np.stack(expected), rtol=1e-3)


def test_what_goes_on_evenly_is_gone_on_with() -> None:
    ramps = torch.arange(48.0).expand(1, 48, 48)  # one more from pixel to pixel
    images = torch.stack([number + ramps + 2 * ramps.mT for number in range(6)])
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(3))).eval()
    settings = RetrofitSettings(size=(16, 16), margin=8, steps=4)
    found = retrofit(net, images, settings)
    assert row(found, "swapped", "replicate")["error"] > 0.01
    assert row(found, "tuned", "replicate")["error"] < 1e-4


# ------------------------------------------------------------------------------------ errors


def test_border_error_is_that_of_a_loop() -> None:
    found, true = torch.rand(2, 3, 5, 6), torch.rand(2, 3, 5, 6)
    border = border_mask((5, 6), [(1, 0), (2, 1)])
    for image in range(2):
        squares = [
            float((found[image, c, y, x] - true[image, c, y, x]) ** 2)
            for c in range(3)
            for y in range(5)
            for x in range(6)
            if y < 1 or x < 2 or x >= 5
        ]
        expected = (sum(squares) / len(squares)) ** 0.5 / float(true[image].std(correction=0))
        assert float(border_error(found, true, border)[image]) == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------------------------ retrofits


def test_the_given_network_stands_beside_swaps_and_tuned_ones(tuned: Retrofit) -> None:
    found = tuned
    assert found.table.select("network", "padding").rows() == [
        ("given", "zeros"), ("swapped", "reflect"), ("swapped", "replicate"),
        ("swapped", "circular"), ("tuned", "zeros"), ("tuned", "replicate"),
    ]  # fmt: skip
    assert (found.fitted, found.counted, found.compared) == (8, 4, "(output)")
    given, new = row(found, "given", "zeros"), row(found, "tuned", "replicate")
    assert new["change_high"] < 0
    assert new["error"] < given["error"] / 3
    assert all(row(found, "swapped", mode)["behind_low"] > 0 for mode in ("reflect", "circular"))
    assert new["error"] < row(found, "swapped", "replicate")["error"]
    assert new["interior"] == 0
    assert given["filters"] == new["filters"] == 3
    assert given["responds"] > new["responds"] == 0
    assert found.table["measure"].unique().to_list() == ["change"]
    differences = found.table["error"] - given["error"]
    assert found.table["change"].to_list() == pytest.approx(differences.to_list())


def test_errors_are_drawn_one_row_a_network(tuned: Retrofit) -> None:
    rows = before_and_after(tuned)["layer"][1]["data"]["values"]
    assert {row["name"]: row["error"] for row in rows} == {
        f"{network}, {padding}": error
        for network, padding, error in tuned.table.select("network", "padding", "error").rows()
    }


def test_the_model_is_left_as_it_was() -> None:
    net = smoother()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = made(net=net)
    assert set(padding_modes(net).values()) == {"zeros"}
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(torch.equal(found.weights[name], value) for name, value in before.items())
    more = {f"{layer}.pad_{end}" for layer in (0, 3) for end in ("scale", "shift")}
    assert found.weights.keys() - before.keys() == more


def test_the_padding_that_there_is_can_be_tuned() -> None:
    found = made("zeros")
    assert row(found, "tuned", "zeros")["change_high"] < 0
    assert found.own == found.fill == "zeros"
    assert "Use the tuned network" in retrofit_lines(found)[0]


def test_a_network_without_answer_map_is_tuned_by_its_last_map() -> None:
    net = nn.Sequential(smoother(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = made(net=net)
    assert found.compared == "0.3"
    assert row(found, "tuned", "replicate")["change_high"] < 0


def test_what_lies_behind_the_padding_need_not_take_larger_images() -> None:
    net = nn.Sequential(smoother(), nn.Flatten(), nn.Linear(256, 3)).eval()
    assert row(made(net=net), "tuned", "replicate")["change_high"] < 0


def test_it_goes_on_where_it_was_stopped(tmp_path: Path, tuned: Retrofit) -> None:
    path = tmp_path / "kept"
    asked = iter(range(10_000))
    with pytest.raises(Interrupted):
        made(journal=FileJournal(path, 60), stop=lambda: next(asked) >= 3)
    assert path.exists()
    found = made(journal=FileJournal(path, 60))
    assert found.table.equals(tuned.table)
    assert all(torch.equal(found.weights[name], each) for name, each in tuned.weights.items())


@pytest.mark.parametrize(
    ("net", "fill", "images", "message"),
    [
        (smoother(), "mirror", 12, "no convolution of torch pads with 'mirror'"),
        (nn.Conv2d(1, 1, 3), "reflect", 12, "no convolution of .* pads"),
        (Own(), "reflect", 12, "no padding of .* can be tuned"),
        (smoother(), "reflect", 2, "2 independent images; give 3 or more"),
        (nn.Conv2d(1, 1, 33, padding=16), "reflect", 12, "[Pp]adding size"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(net: nn.Module, fill: str, images: int, message: str) -> None:
    settings = RetrofitSettings(size=(16, 16), margin=8, fill=fill, steps=1)
    with pytest.raises(PadscopeError, match=message):
        retrofit(net.eval(), noise(images, 64, 64), settings)


# ------------------------------------------------------------------------------------ files


def test_weights_load_without_padscope_and_export(tmp_path: Path, tuned: Retrofit) -> None:
    path = tmp_path / "new.safetensors"
    write_retrofit(path, tuned)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["padding_modes"]) == dict.fromkeys("03", "replicate")
    code, ran = loading_code(tuned, str(path)), {"model": smoother()}
    assert "import padscope" not in code
    assert "from padscope" not in code
    exec(code, ran)
    image = noise(1, 16, 16)
    program = torch.export.export(ran["model"], (image,)).module()
    expected = smoother()
    tune_padding(expected, tuned.weights, "replicate")
    torch.testing.assert_close(program(image), expected(image))
    assert not torch.allclose(program(image), smoother()(image), atol=0.1)


# ------------------------------------------------------------------------------------ sentences


def lines(errors: dict[tuple[str, str], float], fill: str = "reflect", **how: float) -> list[str]:
    """Say what follows from some errors, all of them certain."""
    new = [*errors.values()][-1]
    table = pl.DataFrame([
        {
            "network": network, "padding": padding, "error": error, "low": error, "high": error,
            "change_high": error - errors["given", "zeros"], "behind_low": error - new,
            "behind_high": error - new, "interior": 0.001, "answer": 0.02, "measure": "change",
            "responds": 3, "recalled": 2,
        } | how
        for (network, padding), error in errors.items()
    ])  # fmt: skip
    found = Retrofit(
        {}, "net", "images", 8, 4, (16, 16), (8, 8), "(output)", fill, "zeros", {}, {}, table
    )
    return retrofit_lines(found)


GIVEN, SWAP, OWN, NEW = (
    ("given", "zeros"), ("swapped", "reflect"), ("tuned", "zeros"), ("tuned", "reflect"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ((0.5, 0.6, 0.5, 0.3), "Use the tuned network"),
        ((0.5, 0.6, 0.2, 0.3), "Its own padding comes nearer: tune that .--fill zeros"),
        ((0.5, 0.8, 0.5, 0.6), "compensates its zeros padding, .* do not swap; keep zeros\\."),
        ((0.5, 0.8, 0.4, 0.6), "do not swap; keep zeros, tuned\\."),
    ],
)
def test_advice_follows_from_the_errors(errors: tuple[float, ...], said: str) -> None:
    first, *rest = lines(dict(zip((GIVEN, SWAP, OWN, NEW), errors, strict=True)))
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(first)
    assert f"At most {100 * min(errors) / errors[0]:g} %" in " ".join(rest)


def test_a_swap_that_is_not_beaten_is_named() -> None:
    said = " ".join(lines({GIVEN: 0.5, SWAP: 0.3, OWN: 0.5, NEW: 0.3}))
    assert "does not beat reflect" in said
    said = " ".join(lines({GIVEN: 0.5, SWAP: 0.4, OWN: 0.5, NEW: 0.3}, interior=0.05))
    assert "beats every plain swap" in said
    assert "padding reaches farther than --margin" in said


# ------------------------------------------------------------------------------------ command


@pytest.fixture
def photos(workdir: Path) -> Path:
    for number in range(6):
        write_photo(workdir / "large" / f"{number}.png", number, (100, 90))
    return workdir


def test_the_command_writes_weights(photos: Path, padscope: Command) -> None:
    asked = ("retrofit", "mynets:tiny", "--images", "large", "--steps", 1, "--margin", 8)
    done = padscope(*asked, "-o", "new.safetensors")
    assert done.status == 0, done.err
    assert "differs at its border" in done.words
    lines = done.out.splitlines()
    code = "\n".join(lines[next(n for n, line in enumerate(lines) if line.startswith('"""')) :])
    compile(code, "printed", "exec")  # as it was printed
    assert "def tune_padding(" in code
    assert {file.name for file in photos.glob("new*")} == {"new.safetensors"}
    again = padscope(*asked, "-o", "new.safetensors")
    assert again.status == 2
    assert "there already" in again.err
    printed = padscope(*asked, "-o", "other.safetensors", "--json")
    found = json.loads(printed.out)
    assert [each["network"] for each in found["networks"]][-1] == "tuned"
    assert (photos / "other.safetensors").read_bytes() == (photos / "new.safetensors").read_bytes()


def test_settings_are_checked() -> None:
    with pytest.raises(PadscopeError, match="steps"):
        RetrofitSettings(steps=0)
