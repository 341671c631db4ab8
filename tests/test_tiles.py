"""What tiles take: halo, safe crop, memory, best tile and shares, kept beside a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import Command, write_photo
from torch import Tensor, nn

from padscope import (
    PadscopeError,
    RunDirectory,
    ScanSettings,
    load_study,
    measure_tiles,
    render_report,
    scan,
    tiles,
)
from padscope.errors import Interrupted
from padscope.findings.advice import advise
from padscope.findings.tiles import halo_listing, tile_listing, tile_sentences
from padscope.running.held import bytes_held
from padscope.settings import DepthSettings, TileSettings
from padscope.study import Study, Tiles, depth

FLOAT = 4


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_all() -> None:
    torch.set_num_threads(1)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 5, padding=2)
    ).eval()


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.Conv2d(4, 1, 3, padding=1)
    ).eval()


def noise(count: int, *size: int) -> Tensor:
    return torch.rand(count, 1, *size, generator=torch.manual_seed(1))


def found(net: nn.Module, *tile: int, images: Tensor | None = None, **settings: Any) -> Tiles:
    given = noise(4, 48, 48) if images is None else images
    return measure_tiles(net, given, TileSettings(tile, **settings))


def said(of: Tiles) -> str:
    return " ".join(tile_sentences(of))


# ---------------------------------------------------------------------------------- memory held


@pytest.mark.parametrize(
    ("make", "positions"),
    [
        # Input (1 channel) and output (3) at once, and both once more for the kernel.
        (lambda: nn.Conv2d(1, 3, 3, padding=1), 1 + 3 + 1 + 3),
        # The input is alive throughout; the first map is gone before the third comes.
        (lambda: nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(4)]), 3 + 2),
        (lambda: nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True)), 2 + 2),
        (lambda: nn.Flatten(), 1),  # a view
    ],
)
def test_what_a_pass_holds_is_counted(make: Callable[[], nn.Module], positions: int) -> None:
    assert bytes_held(make().eval(), (1, 1, 8, 8)) == FLOAT * 64 * positions
    assert bytes_held(make().eval(), (2, 1, 8, 16)) == FLOAT * 256 * positions


def test_a_network_that_looks_at_values_cannot_be_counted() -> None:
    class Choosing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1 if float(x.mean()) > 0 else x

    with pytest.raises(PadscopeError, match="cannot be told without running it"):
        bytes_held(Choosing(), (1, 1, 8, 8))
    told = found(nn.Sequential(Choosing(), network()), 16)
    assert told.table["held"].to_list() == [None]
    assert "what tiles hold" in said(told)


# ---------------------------------------------------------------------------------------- tiles


def test_halo_crop_and_costs_are_one_screen() -> None:
    told = found(network(), 16, 32, tolerance=1e-5)
    assert (told.halo, told.step, told.tried) == (3, 1, 16)
    assert told.table["cost"].to_list() == [(22 / 16) ** 2, (38 / 32) ** 2]
    assert told.table["run"].to_list() == [22, 38]
    errors = dict(told.halos.select("halo", "error").iter_rows())
    assert errors[2] > 1e-5 >= errors[3]
    assert "Safe crop: 3 px or more inside the frame" in said(told)
    assert [row[0] for row in tile_listing(told).rows] == ["16", "32"]


@torch.no_grad()
def test_what_lies_behind_the_safe_crop_is_what_real_surroundings_give() -> None:
    net, images = network(), noise(2, 60, 60)
    told = found(net, 16, images=images, tolerance=1e-5)
    apart = (net(images[:, :, 10:50, 10:50]) - net(images)[:, :, 10:50, 10:50]).abs()[0, 0]
    crop = told.halo
    assert crop == 3
    assert apart[crop:-crop, crop:-crop].max() < 1e-5 < apart[crop - 1].max()


def test_the_best_tile_is_the_largest_within_the_limit() -> None:
    net = network()
    told = found(net, 16, tolerance=1e-5, memory=200_000)
    assert told.best is not None and told.halo == 3
    sides = [told.best + extra + 2 * told.halo for extra in (0, 1)]
    within, beyond = (bytes_held(net, (1, 1, side, side)) for side in sides)
    assert within <= 200_000 < beyond
    assert told.table.filter("best")["held"].to_list() == [within]
    assert f"the best tile is {told.best} px" in said(told)


def test_the_best_tile_is_in_step() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 4, 4), nn.Conv2d(4, 4, 3, padding=1), nn.ConvTranspose2d(4, 1, 4, 4)
    ).eval()
    told = found(net, tolerance=1e-5, memory=100_000)
    assert (told.step, told.halo, told.tried) == (4, 4, 24)
    assert told.best is not None and told.best % 4 == 0
    assert told.table["tile"].to_list() == sorted({24, 48, 96, 192, told.best})
    assert "in step with the strides if 4 divides them" in said(told)


def test_a_limit_too_small_for_one_tile_says_what_one_takes() -> None:
    least = bytes_held(network(), (1, 1, 7, 7))
    with pytest.raises(
        PadscopeError, match="too small for one tile: the smallest in step with the strides, 1 with"
    ):
        found(network(), 16, tolerance=1e-5, memory=least - 1)
    assert found(network(), 16, tolerance=1e-5, memory=least).best == 1


def test_global_context_has_no_halo_but_a_decay_and_shares() -> None:
    told = found(normed(), 16, memory=10**6)
    assert (told.halo, told.best, told.whole) == (None, None, "a norm over positions")
    errors = told.halos["error"].to_list()
    assert told.halos["halo"].to_list() == [0, 1, 2, 4, 8, 16, 32]
    assert errors[0] > errors[3] > errors[-2] > 0.01
    assert dict(told.shares.select("cause", "share").iter_rows())["phase"] == 0
    assert told.statistics == ("a norm over positions",)
    assert "no finite halo makes tiles equal" in said(told)
    assert "none equals the whole" in said(told)


class Attending(nn.Module):
    """Every position looks at all others, as a flattened sequence."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.into, self.out = nn.Conv2d(1, 4, 4, 4), nn.ConvTranspose2d(4, 1, 4, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        found = self.into(x)
        tokens = found.flatten(2).transpose(1, 2)
        mixed = self.attention(tokens, tokens, tokens)[0].transpose(1, 2)
        answer: Tensor = self.out(found + 9 * mixed.reshape(found.shape))
        return answer


def test_attention_has_no_halo_either() -> None:
    told = found(Attending().eval(), 16)
    assert (told.halo, told.step) == (None, 4)
    errors = told.halos["error"].to_list()
    assert errors[0] > errors[-2] > 0.01
    assert told.whole and f"({told.whole}): no finite halo" in said(told)


def test_an_offset_shows_the_phase() -> None:
    net = nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2)).eval()
    shares = dict(found(net, 16).shares.select("cause", "share").iter_rows())
    assert shares == {"padding": 0, "normalisation": 0, "phase": 0}
    shares = dict(found(net, 16, offset=1).shares.select("cause", "share").iter_rows())
    assert shares == pytest.approx({"padding": 0, "normalisation": 0, "phase": 1})


def test_given_halos_stand_beside_the_smallest() -> None:
    told = found(network(), 16, tolerance=1e-5, halos=(1, 8))
    rows = {row["halo"]: row for row in told.halos.iter_rows(named=True)}
    assert told.halo == 3 and {0, 1, 3, 8} <= rows.keys()
    assert rows[1]["error"] > 0.01 > rows[8]["error"]
    assert (rows[0]["cost"], rows[8]["cost"]) == (1, 4)
    assert ("3 (smallest)", "1.89") in [(row[0], row[2]) for row in halo_listing(told).rows]


def test_bad_input_is_one_sentence() -> None:
    strided = nn.Sequential(nn.Conv2d(1, 4, 2, 2), nn.ConvTranspose2d(4, 1, 2, 2)).eval()
    with pytest.raises(PadscopeError, match="a halo of 3 along axis 0 is out of step"):
        found(strided, 16, halos=(3,))
    with pytest.raises(PadscopeError, match=r"with a halo of 40 .*takes more than the 48"):
        found(network(), 16, halos=(40,))
    with pytest.raises(PadscopeError, match="takes more than the 48 there are"):
        found(network(), 48 - 1, tolerance=1e-5)
    with pytest.raises(PadscopeError, match="a tile of 0 cannot"):
        found(network(), 0)
    with pytest.raises(PadscopeError, match="is no map"):
        found(nn.Sequential(network(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), 16)


# ------------------------------------------------------------------------------------ beside a run


@pytest.fixture(scope="module")
def study() -> Study:
    return scan(network(), noise(8, 48, 48), ScanSettings())


def test_a_run_keeps_it_and_goes_on_where_it_was_stopped(study: Study, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.save(study)
    settings = TileSettings((16,), tolerance=1e-5, memory=200_000)
    whole = tiles(study, network(), noise(4, 48, 48), settings).tiles
    assert whole is not None
    asked: list[int] = []
    with pytest.raises(Interrupted):
        tiles(
            study, network(), noise(4, 48, 48), settings, journal=run,
            stop=lambda: bool(asked), progress=lambda done, *_: asked.append(done),
        )  # fmt: skip
    assert asked == [4]  # images of one halo
    again: list[int] = []
    resumed = tiles(
        study, network(), noise(4, 48, 48), settings, journal=run,
        progress=lambda done, *_: again.append(done),
    )  # fmt: skip
    assert len(again) == whole.halos.height - 1
    run.save(resumed)
    kept = load_study(run.path).tiles
    assert kept is not None
    assert all(kept.tables[name].equals(table) for name, table in whole.tables.items())
    assert kept.facts() == whole.facts()
    drawn = resumed.plot("tiles").to_json()
    assert "Upright: the smallest halo" in drawn and "Ringed: the largest" in drawn
    assert "Tiles of 16 px without a halo" in resumed.plot("shares").to_json()
    page = render_report(resumed)
    assert "Inference in tiles" in page and "Safe crop: 3 px" in page
    with pytest.raises(PadscopeError, match="run padscope tiles RUN"):
        study.plot("tiles")


def test_advice_takes_the_halo_that_was_tried(study: Study) -> None:
    images = noise(4, 64, 64)
    deep = depth(study, network(), images, DepthSettings(size=(40, 40), margin=8, tolerance=0.05))
    assert "padscope tiles run" in advise(deep, "run").missing
    tried = tiles(deep, network(), images, TileSettings((16,), tolerance=1e-5, memory=200_000))
    found = advise(tried, "run")
    assert "padscope tiles run" not in found.missing
    halo = next(one for one in found.advice if "halo" in one.action)
    assert halo.action == "Run tiles with a halo of 3 px"
    assert tried.tiles is not None
    assert f"padscope.tiled(model, {tried.tiles.best}, 3)" in halo.how
    assert "100 % [100 to 100] of it due to padding" in halo.gain
    alone = tiles(study, network(), images, TileSettings((16,), tolerance=1e-5))
    assert [one.action for one in advise(alone, "run").advice] == ["Run tiles with a halo of 3 px"]


@pytest.mark.usefixtures("no_page")
def test_the_command_takes_a_model_or_a_run(workdir: Path, padscope: Command) -> None:
    (workdir / "dense.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Conv2d(3, 2, 5, padding=2)\n"
    )
    for number in range(8):
        write_photo(workdir / "large" / f"{number}.png", number, (60, 60))
    how = ("--tile", 12, "--tolerance", 1e-4)
    padscope("scan", "dense:net", "--images", "large", "--size", 40, "-o", "run")
    kept = padscope("tiles", "run", *how, "--memory", "100 KB", "--json")
    assert kept.status == 0, kept.err
    printed = json.loads(kept.out)
    assert (printed["halo"], printed["memory"]) == (2, 100_000)
    assert [each["tile"] for each in printed["tiles"] if each["best"]] == [printed["best"]]
    assert [each["cause"] for each in printed["tile_shares"]] == [
        "padding", "normalisation", "phase"
    ]  # fmt: skip
    study = load_study(Path("run"))
    assert study.tiles is not None
    assert list(tile_sentences(study.tiles)) == printed["sentences"]
    for memory, told in (("100 B", "too small for one tile"), ("much", "'much' is not an amount")):
        refused = padscope("tiles", "run", *how, "--memory", memory)
        assert refused.status == 2
        assert told in refused.err
