"""Other padding: effects equal those of networks that are built so, and are kept beside a run."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.conftest import Command, write_photo
from torch import Tensor, nn

from padscope import RunDirectory, load_study, measure_swaps, render_report, scan, swaps
from padscope.effects.dense import dense_change, relative_to_spread
from padscope.errors import Interrupted, PadscopeError
from padscope.findings.exports import TARGETS, taken_by
from padscope.findings.gains import gain_of, gains_of, judge_of
from padscope.findings.swaps import swap_listing, swap_sentences, target_listing
from padscope.models import reestimate_batchnorm
from padscope.settings import SWAPPED, ScanSettings, SwapSettings
from padscope.sites.fill_words import PARTIAL
from padscope.sites.fills import FILLS
from padscope.study import Swaps
from padscope.tables.schema import SWAP_EFFECTS
from padscope.tables.swaps import border_maps

SIZE, MARGIN, COUNT = 24, 8, 20


def network(mode: str = "zeros") -> nn.Module:
    torch.manual_seed(0)
    kind: Any = mode
    first = nn.Conv2d(1, 4, 3, padding=1, padding_mode=kind)
    second = nn.Conv2d(4, 2, 3, padding=1, padding_mode=kind)
    return nn.Sequential(first, nn.ReLU(), second).eval()


def classifier() -> nn.Module:
    return nn.Sequential(network(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def canvases() -> Tensor:
    pixels = SIZE + 2 * MARGIN
    return 2 + torch.rand(COUNT, 1, pixels, pixels, generator=torch.manual_seed(1))


def crops() -> Tensor:
    return canvases()[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]


def measured(net: nn.Module, *fills: str, labels: Any = None, **settings: Any) -> Swaps:
    given: dict[str, Any] = {
        "size": (SIZE, SIZE),
        "margin": MARGIN,
        "batch_size": 8,
        "border_images": 8,
    }
    return measure_swaps(net, canvases(), labels, SwapSettings(fills, **(given | settings)))


def row(found: Swaps, swap: str, measure: str) -> dict[str, Any]:
    chosen = found.table.filter((pl.col("swap") == swap) & (pl.col("measure") == measure))
    return chosen.row(0, named=True)


@torch.no_grad()
def test_swaps_do_what_networks_built_with_that_padding_do() -> None:
    net, images, wide = network(), crops(), canvases()[:8]
    found = measured(net, "reflect", "replicate")
    true = net(wide)[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    border = torch.ones(SIZE, SIZE, dtype=torch.bool)
    border[SIZE // 4 : -(SIZE // 4), SIZE // 4 : -(SIZE // 4)] = False

    def error(of: nn.Module) -> Tensor:
        apart = (of(images[:8]) - true).abs().mean(dim=1)[:, border].mean(dim=1)
        return relative_to_spread(apart[:, None], true)[:, 0]

    own = error(net)
    for mode in ("reflect", "replicate"):
        twin = network(mode)
        change = row(found, mode, "change")
        expected = dense_change(net(images), twin(images)).mean().item()
        assert change["effect"] == pytest.approx(expected, rel=1e-4)
        assert (change["images"], change["higher_is_better"]) == (COUNT, None)
        beside = row(found, mode, "border_error")
        assert beside["own"] == pytest.approx(own.mean().item(), rel=1e-4)
        assert beside["effect"] == pytest.approx((error(twin) - own).mean().item(), rel=1e-3)
        assert beside["low"] <= beside["effect"] <= beside["high"]
        assert (beside["images"], beside["higher_is_better"]) == (8, False)
    assert (found.border, found.held, found.answer) == ("(output)", ("zeros",), "dense")
    spread = true.std(dim=(1, 2, 3), correction=0)[:, None, None]
    for swap, of in (("as it is", net), ("replicate", network("replicate"))):
        drawn = found.maps.filter(pl.col("swap") == swap).row(0, named=True)
        assert drawn["rows"] == drawn["columns"] == list(range(SIZE + 1))
        expected = ((of(images[:8]) - true).abs().mean(dim=1) / spread).mean(dim=0)
        assert drawn["error"] == pytest.approx(expected.flatten().tolist(), rel=1e-4, abs=1e-6)


def test_the_middle_of_a_large_map_is_drawn_thinned() -> None:
    sums = torch.arange(40.0).expand(1, 40, 40) + 40.0 * torch.arange(40.0)[:, None]
    found = border_maps((), 2 * sums, 2, (Fraction(1), Fraction(2))).row(0, named=True)
    assert found["rows"][11:14] == [11.0, 12.0, 14.0]
    assert found["columns"][11:14] == [22.0, 24.0, 28.0]
    assert found["columns"][-2:] == [78.0, 80.0]
    cells = np.array(found["error"]).reshape(32, 32)
    assert cells[0, 11:13].tolist() == [11.0, 12.5]  # one line, and the mean of two
    assert cells[12, 0] == pytest.approx(40 * 12.5)
    one = border_maps((), torch.ones(1, 5), 1, (Fraction(4),)).row(0, named=True)
    assert (one["rows"], one["columns"]) == ([0.0, 1.0], [0.0, 4.0, 8.0, 12.0, 16.0, 20.0])


def test_work_is_counted() -> None:
    found = measured(network("reflect"), "zeros", "replicate", PARTIAL, border_images=0)
    added = dict(found.table.select("swap", "added").iter_rows())
    work = 9 * SIZE * SIZE * (1 * 4 + 4 * 2)
    contact = SIZE * SIZE - (SIZE - 2) ** 2
    assert added["zeros"] == 0
    assert added["replicate"] == pytest.approx((SIZE + 2) ** 2 * (1 + 4) / work)
    assert added[PARTIAL] == pytest.approx(contact * (4 + 2) / work)
    assert found.held == ("reflect",)


def test_what_the_padding_holds_already_is_no_swap() -> None:
    found = measured(network(), "zeros", "mean", "mean", border_images=0)
    assert found.table["swap"].unique().to_list() == ["mean"]


def test_scores_of_classes_are_judged_by_labels() -> None:
    net = classifier()
    with torch.no_grad():
        right = net(crops()).argmax(dim=1)
    right[0] = 1 - right[0]  # so that there are two classes
    found = measured(net, "circular", "shuffle", labels=right.tolist())
    assert judge_of(found.table) == "accuracy"
    accuracy = row(found, "circular", "accuracy")
    assert (accuracy["own"], accuracy["effect"]) == (0.95, 0.0)
    assert found.border == "0.2"  # the last map
    assert judge_of(measured(net, "circular").table) == "border_error"
    without = measured(net, "circular", border_images=0)
    assert judge_of(without.table) is None
    assert "cannot be told: give labels" in " ".join(swap_sentences(without))


def test_estimating_batch_norms_anew_has_its_own_price_beside_it() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = measured(net, "reflect", reestimate=16)
    assert found.table["swap"].unique(maintain_order=True).to_list() == [
        "reflect", "as it is, re-estimated", "reflect, re-estimated"
    ]  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    twin = nn.Sequential(*net)
    reestimate_batchnorm(twin, [crops()[:7], crops()[7:14], crops()[14:16]])
    with torch.no_grad():
        changed = twin(crops())
    net.load_state_dict(before)
    with torch.no_grad():
        expected = dense_change(net(crops()), changed).mean().item()
    alone = row(found, "as it is, re-estimated", "change")
    assert alone["effect"] == pytest.approx(expected, rel=1e-4)
    assert alone["added"] == 0
    said = " ".join(swap_sentences(found))
    assert "has a price of its own: without any swap, it" in said
    with pytest.raises(PadscopeError, match="no batch norm"):
        measured(network(), "reflect", reestimate=16)


def test_images_without_surroundings_leave_a_note() -> None:
    found = measure_swaps(network(), crops(), None, SwapSettings(("mean",), size=(SIZE, SIZE)))
    assert found.border == ""
    assert set(found.table["measure"]) == {"change"}
    assert "too small" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fills": ("mirror",)}, "fill 'mirror' is not known"),
        ({"fills": ()}, "nothing to swap"),
        ({"limit": 3}, "need 20 images or more"),
    ],
)
def test_bad_input_is_one_sentence(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        measured(network(), *settings.pop("fills", ("mean",)), **settings)


def test_a_network_without_padded_convolutions_has_nothing_to_swap() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(3, padding=1)).eval()
    with pytest.raises(PadscopeError, match="no convolution of it is padded"):
        measured(net, "reflect")


# ---------------------------------------------------------------------------------- what is said


def told(effects: dict[str, tuple[float, float, float]], better: bool = True) -> Swaps:
    rows = [
        {"swap": swap, "measure": "accuracy", "higher_is_better": better, "effect": effect,
         "low": low, "high": high, "images": 45, "photographs": 45, "added": 0.1, "own": 0.9}
        for swap, (effect, low, high) in effects.items()
    ]  # fmt: skip
    return Swaps({}, "m", "i", "", 45, "classes", ("zeros",), "", SWAP_EFFECTS.frame(rows))


def test_gains_are_ordered_and_judged_by_their_intervals() -> None:
    found = told(
        {"reflect": (-0.07, -0.1, -0.02), "mean": (0.05, 0.01, 0.09), "zeros": (0.01, -0.2, 0.2)}
    )
    gains = gains_of(found.table, "swap")
    assert [(gain.name, gain.sign) for gain in gains] == [
        ("mean", 1),
        ("zeros", 0),
        ("reflect", -1),
    ]
    said = " ".join(swap_sentences(found))
    assert "with its channel's mean improves the accuracy by 5 [1 to 9] points" in said
    assert "1 of 3 swaps cost accuracy: by reflection 7 [2 to 10] points" in said


def test_losses_are_said_beside_the_control() -> None:
    said = " ".join(
        swap_sentences(
            told(
                {"reflect": (-0.07, -0.1, -0.02), PARTIAL: (-0.5, -0.6, -0.4),
                 "shuffle": (-0.1, -0.2, -0.05)}
            )
        )
    )  # fmt: skip
    assert "No other padding improves the accuracy" in said
    assert "2 of 2 swaps cost accuracy, from 7 [2 to 10] points (by reflection) to 50" in said
    assert "another image, costs 10 [5 to 20] points" in said


def test_less_of_an_error_is_a_gain() -> None:
    gain = gain_of(
        {"measure": "border_error", "unit": "spreads", "higher_is_better": False, "effect": -0.2,
         "low": -0.3, "high": -0.1},
        "mean",
    )  # fmt: skip
    assert (gain.value, gain.low, gain.high, gain.sign) == (0.2, 0.1, 0.3, 1)
    assert gain.written == "0.2 [0.1 to 0.3] spreads"


def test_targets_are_named_for_every_swap_but_the_control() -> None:
    assert {fill for target in TARGETS for fill in target.pads} <= set(FILLS)
    assert {swap for swap in SWAPPED if taken_by(swap) is None} == {"shuffle"}
    assert taken_by("circular") == ("ONNX Runtime", "TensorRT")
    assert all(row[-1].startswith("https://") for row in target_listing().rows)


def test_a_listing_has_every_swap_and_measure() -> None:
    found = measured(network(), "reflect", "shuffle")
    listing = swap_listing(found)
    assert [row[0] for row in listing.rows] == ["reflect", "shuffle"]
    assert listing.headings[1:3] == ("Change of the answer", "Border error, spreads")
    assert [row[-1] for row in listing.rows] == ["all", "–"]


# ------------------------------------------------------------------------------------ stages


def test_a_study_keeps_it_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    net, images = network(), canvases()
    run = RunDirectory(tmp_path / "run", every=0)
    study = scan(net, crops(), ScanSettings(limit=20), journal=run)
    run.save(study)
    settings = SwapSettings(("reflect", "mean"), margin=MARGIN, batch_size=8, border_images=8)
    whole = swaps(study, net, images, None, settings).swaps
    assert whole is not None
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        swaps(study, net, images, None, settings, journal=run, stop=lambda: next(asked, True))
    passes: list[int] = []
    resumed = swaps(
        study, net, images, None, settings, journal=run,
        progress=lambda done, *_: passes.append(done),
    )  # fmt: skip
    assert min(passes) > 0  # what was done before is not done again
    run.save(resumed)
    found = load_study(run.path).swaps
    assert found is not None
    assert found.table.equals(whole.table)
    assert replace(found, identity={}, table=whole.table, maps=whole.maps) == replace(
        whole, identity={}
    )
    assert found.maps.equals(whole.maps)
    assert "border error" in resumed.plot("swaps").to_json()
    assert "at 24×24: dark 0" in resumed.plot("border").to_json()
    assert "Other padding, weights as they are" in render_report(resumed)
    assert "What to do about padding" in render_report(resumed)
    run.save(replace(resumed, swaps=None))
    assert not (run.path / "swaps.parquet").exists()


@pytest.mark.usefixtures("no_page")
def test_the_command_measures_models_and_runs(workdir: Path, padscope: Command) -> None:
    for number in range(20):
        write_photo(workdir / "large" / f"{number}.png", number, (120, 110))
    how = ("--images", "large", "--fills", "reflect, partial", "--margin", 16, "--limit", 20)
    one = padscope("swaps", "mynets:tiny", *how, "--border-images", 4)
    assert one.status == 0, one.err
    assert "Border error, spreads" in one.out
    assert "Its own padding holds zeros" in one.words
    padscope("scan", "mynets:tiny", "--images", "large", "-o", "run")
    kept = padscope("swaps", "run", *how[2:], "--border-images", 4, "--json")
    assert kept.status == 0, kept.err
    printed = json.loads(kept.out)
    assert {one["swap"] for one in printed["swaps"]} == {"reflect", "partial"}
    assert printed["held"] == ["zeros"]
    study = load_study(Path("run"))
    assert study.swaps is not None
    assert list(swap_sentences(study.swaps)) == printed["sentences"]
    refused = padscope("swaps", "run", "--size", 20)
    assert refused.status == 2
    assert "leave them out" in refused.err
