"""Other padding, tuned to the border: networks with known answers, resuming, files, the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from padscope.settings import RetrofitSettings
from padscope.store import FileJournal, write_retrofit
from padscope.study import Retrofit


def smoother() -> nn.Module:
    """Averages twice, with a norm between: reflected padding comes near to real surroundings."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1)
    )
    for layer in (net[0], net[3]):
        assert isinstance(layer, nn.Conv2d)
        nn.init.constant_(layer.weight, 1 / 9)
    return net.eval()


def noise(count: int, *size: int) -> Tensor:
    draw = torch.manual_seed(0)
    # Smooth, and far from zero.
    coarse = torch.rand(count, 1, *(n // 4 for n in size), generator=draw)
    return 3 + F.interpolate(coarse, size, mode="bilinear")


def made(fill: str = "reflect", net: nn.Module | None = None, **how: Any) -> Retrofit:
    settings = RetrofitSettings(
        size=(16, 16),
        margin=8,
        limit=12,
        steps=8,
        rate=0.001,
        batch_size=4,
        fill=fill,
        hold=10,
    )
    return retrofit(net or smoother(), noise(12, 192, 192), settings, **how)


@pytest.fixture(scope="module")
def reflected() -> Retrofit:
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


def test_the_given_network_stands_beside_swaps_and_tuned_ones(reflected: Retrofit) -> None:
    found = reflected
    assert found.table.select("network", "padding").rows() == [
        ("given", "zeros"), ("swapped", "reflect"), ("swapped", "replicate"),
        ("swapped", "circular"), ("tuned", "zeros"), ("tuned", "reflect"),
    ]  # fmt: skip
    assert (found.fitted, found.counted, found.compared) == (8, 4, "(output)")
    given, new = row(found, "given", "zeros"), row(found, "tuned", "reflect")
    assert new["change_high"] < 0
    assert new["error"] < given["error"] / 3
    assert new["interior"] < 0.05
    assert given["responds"] > new["responds"] == 0
    assert found.table["measure"].unique().to_list() == ["change"]
    differences = found.table["error"] - given["error"]
    assert found.table["change"].to_list() == pytest.approx(differences.to_list())


def test_errors_are_drawn_one_row_a_network(reflected: Retrofit) -> None:
    drawn = before_and_after(reflected).to_dict()
    rows = [row for rows in drawn["datasets"].values() for row in rows if "name" in row]
    assert {row["name"]: row["error"] for row in rows} == {
        f"{network}, {padding}": error
        for network, padding, error in reflected.table.select("network", "padding", "error").rows()
    }


def test_the_model_is_left_as_it_was() -> None:
    net = smoother()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = made(net=net)
    assert set(padding_modes(net).values()) == {"zeros"}
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert list(found.weights) == list(before)
    assert not torch.equal(found.weights["0.weight"], before["0.weight"])
    assert torch.equal(found.weights["1.running_mean"], before["1.running_mean"])


def test_tuning_alone_gains_with_the_padding_as_it_is() -> None:
    found = made("zeros")
    assert row(found, "tuned", "zeros")["change_high"] < 0
    assert found.own == found.fill == "zeros"
    assert "Use the tuned network" in retrofit_lines(found)[0]


def test_a_network_without_answer_map_is_tuned_by_its_last_map() -> None:
    net = nn.Sequential(smoother(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = made(net=net)
    assert found.compared == "0.3"
    assert row(found, "tuned", "reflect")["change_high"] < 0


def test_it_goes_on_where_it_was_stopped(tmp_path: Path, reflected: Retrofit) -> None:
    path = tmp_path / "kept"
    asked = iter(range(10_000))
    with pytest.raises(Interrupted):
        made(journal=FileJournal(path, 60), stop=lambda: next(asked) >= 5)
    assert path.exists()
    found = made(journal=FileJournal(path, 60))
    assert found.table.equals(reflected.table)
    assert all(torch.equal(found.weights[name], each) for name, each in reflected.weights.items())


@pytest.mark.parametrize(
    ("net", "fill", "images", "message"),
    [
        (smoother(), "mirror", 12, "no convolution of torch pads with 'mirror'"),
        (nn.Conv2d(1, 1, 3), "reflect", 12, "no convolution of .* pads"),
        (smoother().half(), "reflect", 12, "not in float32"),
        (smoother(), "reflect", 2, "2 of the images are independent; give 3 or more"),
        (nn.Conv2d(1, 1, 33, padding=16), "reflect", 12, "[Pp]adding size"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(net: nn.Module, fill: str, images: int, message: str) -> None:
    settings = RetrofitSettings(size=(16, 16), margin=8, fill=fill, steps=1)
    with pytest.raises(PadscopeError, match=message):
        retrofit(net.eval(), noise(images, 64, 64), settings)


# ------------------------------------------------------------------------------------ files


def test_weights_load_without_padscope_and_export(tmp_path: Path, reflected: Retrofit) -> None:
    path = tmp_path / "new.safetensors"
    write_retrofit(path, reflected)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["padding_modes"]) == {"0": "reflect", "3": "reflect"}
    net = smoother()
    exec(f"import safetensors.torch, torch\n{loading_code(reflected, str(path))}", {"model": net})
    image = noise(1, 16, 16)
    program = torch.export.export(net, (image,)).module()
    expected = set_padding_modes(smoother(), "reflect")
    expected.load_state_dict(reflected.weights)
    torch.testing.assert_close(program(image), expected(image))


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
        ((0.5, 0.6, 0.2, 0.3), "Tuning is what helps, not the reflect padding: keep zeros"),
        ((0.5, 0.8, 0.5, 0.6), "compensates its zeros padding, .* do not swap; keep zeros\\."),
        ((0.5, 0.8, 0.4, 0.6), "do not swap; keep zeros, or tune it as it is"),
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
    assert "raise --hold" in said


# ------------------------------------------------------------------------------------ command


@pytest.fixture
def photos(workdir: Path) -> Path:
    for number in range(6):
        write_photo(workdir / "large" / f"{number}.png", number, (100, 90))
    return workdir


def test_the_command_writes_weights(photos: Path, padscope: Command) -> None:
    asked = ("retrofit", "mynets:tiny", "--images", "large", "--steps", 2, "--margin", 8)
    done = padscope(*asked, "-o", "new.safetensors")
    assert done.status == 0, done.err
    assert "differs at its border" in done.words
    assert 'layer.padding_mode = "reflect"' in done.out
    assert {file.name for file in photos.glob("new*")} == {"new.safetensors"}
    again = padscope(*asked, "-o", "new.safetensors")
    assert again.status == 2
    assert "there already" in again.err
    printed = padscope(*asked, "-o", "other.safetensors", "--json")
    found = json.loads(printed.out)
    assert [each["network"] for each in found["networks"]][-1] == "tuned"
    assert (photos / "other.safetensors").read_bytes() == (photos / "new.safetensors").read_bytes()


def test_settings_are_checked() -> None:
    for wrong in ({"steps": 0}, {"rate": 0.0}, {"rate": 2.0}, {"hold": -1.0}):
        with pytest.raises(PadscopeError):
            replace(RetrofitSettings(), **wrong)
