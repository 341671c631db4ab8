"""`scan` from Python: whatever images, whatever network, and nothing left behind."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.conftest import write_photo
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import padscope
from padscope import (
    ExplainSettings,
    PadscopeError,
    RunDirectory,
    ScanSettings,
    Study,
    explain,
    load_model,
    scan,
)
from padscope.errors import Interrupted

COUNT = 22  # no multiple of any batch size here
SIDES = ["front", "back", "top", "bottom", "left", "right"]
SETTINGS = ScanSettings(batch_size=8, calibrate=8)


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5),
        nn.Conv2d(4, 5, 3, stride=2, padding=1),
    )  # fmt: skip


def pixels(count: int = COUNT, *shape: int) -> Tensor:
    shape = shape or (3, 16, 16)
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


class Items(Dataset[tuple[Tensor, int]]):
    """Images with their classes."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], index % 3


def batches(images: Tensor) -> Iterator[Tensor]:
    yield from torch.split(images, 6)


def assert_same(one: Study, other: Study) -> None:
    for table in ("sites", "filters", "sides"):
        assert getattr(one, table).equals(getattr(other, table))
    for name, tally in one.counted.tallies.items():
        assert torch.equal(tally.fine, other.counted.tallies[name].fine)
        assert torch.equal(tally.folds, other.counted.tallies[name].folds)


# ----------------------------------------------------------------------------------- images


SOURCES: dict[str, Callable[[Tensor], object]] = {
    "dataset": Items,
    "tensor dataset": TensorDataset,
    "list of batches": lambda images: list(torch.split(images, 6)),
    "list of images": lambda images: list(images),
    "list of pairs": lambda images: [
        (batch, torch.zeros(len(batch))) for batch in torch.split(images, 6)
    ],
}
STREAMS: dict[str, Callable[[Tensor], object]] = {
    "data loader": lambda images: DataLoader(Items(images), batch_size=5),
    "generator": batches,
    "generator of images": iter,
}


ANY_FORM = SOURCES | STREAMS | {"tensor": lambda images: images}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_images_in_any_form_give_the_same_study(source: str) -> None:
    expected = scan(net(), pixels(), SETTINGS)
    assert expected.counted.images == COUNT
    assert_same(scan(net(), SOURCES[source](pixels()), SETTINGS), expected)


@pytest.mark.parametrize("source", STREAMS)
def test_streams_of_unknown_length_agree_with_each_other(source: str) -> None:
    """They get the positions per image of a long run."""
    long = ScanSettings(batch_size=8, calibrate=8, per_line=1, per_core=4)
    expected = scan(net(), pixels(), long)
    assert expected.counted.images == COUNT
    assert_same(scan(net(), STREAMS[source](pixels()), SETTINGS), expected)


def test_a_folder_a_path_and_a_list_file(tmp_path: Path) -> None:
    for number in range(9):
        write_photo(tmp_path / f"{number}.png", number)
    (tmp_path / "all.txt").write_text("\n".join(f"{number}.png" for number in range(9)))
    model = net()
    model.pretrained_cfg = {"input_size": (3, 16, 16)}  # type: ignore[assignment]  # as models of timm have it
    studies = [scan(model, source) for source in (tmp_path, str(tmp_path), tmp_path / "all.txt")]
    assert studies[0].counted.images == 9
    for study in studies[1:]:
        assert_same(studies[0], study)


@pytest.mark.skipif(
    not (importlib.util.find_spec("skimage") and importlib.util.find_spec("sklearn")),
    reason="the built-in photographs come with scikit-image and scikit-learn",
)
def test_built_in_photographs() -> None:
    model = net()
    model.pretrained_cfg = {"input_size": (3, 16, 16)}  # type: ignore[assignment]  # as models of timm have it
    study = scan(model, settings=ScanSettings(crops=24))
    assert study.counted.images == 24
    assert study.images == "24 random crops of 8 built-in photographs"


def test_photographs_need_a_known_size(tmp_path: Path) -> None:
    write_photo(tmp_path / "1.png", 1)
    with pytest.raises(PadscopeError, match=r"input size of .* is not known; pass a size"):
        scan(net(), tmp_path)


def test_images_that_are_none() -> None:
    with pytest.raises(PadscopeError, match="gave no images"):
        scan(net(), iter(()))
    with pytest.raises(PadscopeError, match="is empty"):
        scan(net(), [])
    with pytest.raises(PadscopeError, match="images cannot come from a int"):
        scan(net(), 5)


@pytest.mark.parametrize("source", ANY_FORM)
def test_a_limit_is_kept_to(source: str) -> None:
    settings = ScanSettings(batch_size=8, calibrate=8, limit=10)
    make = ANY_FORM[source]
    seen: list[tuple[int, int | None, float | None]] = []
    study = scan(net(), make(pixels()), settings, progress=lambda *state: seen.append(state))
    assert study.counted.images == 10
    assert [done for done, *_ in seen] == [0, 8, 10]


def test_an_endless_stream_ends_at_the_limit() -> None:
    def endless() -> Iterator[Tensor]:
        while True:
            yield pixels(1)[0]

    assert scan(net(), endless(), ScanSettings(limit=20, batch_size=8)).counted.images == 20


def test_a_limit_draws_at_random_from_a_dataset() -> None:
    seen: list[int] = []

    class Watched(Items):
        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            seen.append(index)
            return super().__getitem__(index)

    drawn = []
    for seed in (0, 0, 1):
        seen.clear()
        settings = ScanSettings(batch_size=8, limit=10, seed=seed)
        scan(net(), Watched(pixels()), settings)
        drawn.append(set(seen))
        assert len(drawn[-1] - {0}) >= 9 and drawn[-1] != set(range(10))
    assert drawn[0] == drawn[1] != drawn[2]


def test_images_are_read_for_a_fingerprint_only_where_it_is_compared(tmp_path: Path) -> None:
    reads: list[int] = []

    class Watched(Items):
        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            reads.append(index)
            return super().__getitem__(index)

    scan(net(), Watched(pixels(16)), SETTINGS)
    assert sorted(reads)[-15:] == list(range(1, 16))  # the first ones to find the sites
    reads.clear()
    scan(net(), Watched(pixels(16)), SETTINGS, journal=RunDirectory(tmp_path / "run"))
    assert [reads.count(index) for index in range(1, 16)] == [2] * 15


@pytest.mark.parametrize("batch_size", [1, 3, 22, 50])
def test_any_batch_size(batch_size: int) -> None:
    settings = ScanSettings(batch_size=batch_size, calibrate=100)  # the bins come from all images
    study = scan(net(), pixels(), settings)
    assert study.counted.images == COUNT
    # Rounding of the arithmetic depends on the batch size, and may move a value by a bin.
    expected = scan(net(), pixels(), ScanSettings(batch_size=8, calibrate=100))
    assert (study.sides["ks"] - expected.sides["ks"]).abs().max() < 0.05


def test_a_single_image_has_no_interval() -> None:
    study = scan(net(), pixels(1))
    assert study.counted.images == 1
    assert study.filters["ks"].null_count() == 0
    assert study.filters["ks_low"].null_count() == study.filters.height


def test_fewer_images_than_calibrate() -> None:
    assert scan(net(), pixels(3), ScanSettings(batch_size=2, calibrate=1000)).counted.images == 3


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_do_not_matter(workers: int) -> None:
    assert_same(
        scan(net(), Items(pixels()), SETTINGS),
        scan(net(), Items(pixels()), SETTINGS, workers=workers),
    )


def test_the_same_call_twice_and_another_seed() -> None:
    first = scan(net(), pixels(), SETTINGS)
    assert_same(first, scan(net(), pixels(), SETTINGS))
    other = scan(net(), pixels(), ScanSettings(batch_size=8, calibrate=8, seed=1))
    assert not first.sides.equals(other.sides)


def test_images_of_several_sizes() -> None:
    with pytest.raises(PadscopeError, match=r"in the same batch .*; give images of one shape"):
        scan(net(), [pixels(1)[0], pixels(1, 3, 20, 20)[0]])
    with pytest.raises(PadscopeError, match=r"site 0 gave a map of \(20, 20\) after one of"):
        scan(net(), [pixels(1)[0], pixels(1, 3, 20, 20)[0]], ScanSettings(batch_size=1))


def test_images_of_the_wrong_channels() -> None:
    with pytest.raises(PadscopeError, match="does not take images of shape 2×1×16×16"):
        scan(net(), pixels(4, 1, 16, 16))


# ---------------------------------------------------------------------------------- modules


def state_of(model: nn.Module) -> dict[str, Any]:
    """All that a scan must leave as it was, by value or by identity."""
    return {
        "modes": [module.training for module in model.modules()],
        "hooks": [
            [list(hooks) for name, hooks in vars(module).items() if name.endswith("_hooks")]
            for module in model.modules()
        ],
        "tensors": [(name, id(t), t.data_ptr(), t.stride(), t._version)
                    for name, t in model.state_dict(keep_vars=True).items()],
        "values": [t.clone().tolist() for t in model.state_dict().values()],
        "trained": [p.requires_grad for p in model.parameters()],
        "grads": [(id(p.grad), None if p.grad is None else p.grad.tolist())
                  for p in model.parameters()],
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "random": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),
        "inference": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }  # fmt: skip


def used(model: nn.Module) -> nn.Module:
    """A module in the middle of its life: modes mixed, hooks, gradients, a frozen weight."""
    model.train()
    model[1].eval()
    model[0].register_forward_hook(lambda module, args, output: None)
    model(pixels(4)).sum().backward()
    model[4].weight.requires_grad_(False)
    return model


def test_a_module_comes_back_as_it_was() -> None:
    model = used(net())
    before = state_of(model)
    study = scan(model, pixels(), SETTINGS)
    assert state_of(model) == before
    # It ran in eval mode: without dropout, and with the running statistics.
    assert_same(study, scan(model.eval(), pixels(), SETTINGS))


def test_a_module_comes_back_as_it_was_when_the_scan_fails() -> None:
    model = used(net())
    before = state_of(model)
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls == 2

    with pytest.raises(Interrupted, match="stopped after 16 of 22 images"):
        scan(model, pixels(), SETTINGS, stop=stop)
    with pytest.raises(PadscopeError):
        scan(model, pixels(4, 1, 16, 16), SETTINGS)
    with pytest.raises(PadscopeError):
        scan(model, [*pixels(8), pixels(1, 3, 20, 20)[0]], SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        scan(model, pixels(), SETTINGS, progress=interrupt)
    assert state_of(model) == before


def interrupt(done: int, total: int | None, left: float | None) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_any_gradient_mode_of_the_caller(mode: Callable[[], Any]) -> None:
    expected, model = scan(net(), pixels(), SETTINGS), net()
    with mode():
        assert_same(scan(model, pixels(), SETTINGS), expected)
        assert_same(scan(net(), pixels(), SETTINGS), expected)


NETS = """
from torch import nn
def tiny():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
tiny.pretrained_cfg = {"input_size": (3, 16, 16)}
"""


def test_a_spec_and_a_loaded_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specced.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    loaded = load_model("specced:tiny")
    study = scan("specced:tiny", pixels())
    assert_same(study, scan(loaded, pixels()))
    assert study.identity == scan(loaded, pixels()).identity
    assert study.identity["model"] == "specced:tiny"
    assert_same(study, scan(loaded.module, pixels()))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_networks_of_one_two_and_three_dimensions(dims: int) -> None:
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    torch.manual_seed(0)
    model = nn.Sequential(conv(2, 3, 3, padding=1), nn.ReLU(), conv(3, 4, 3, padding=1))
    study = scan(model, pixels(10, 2, *(8,) * dims), SETTINGS)
    assert study.filters.height == 7
    assert study.sides.height == 7 * 2 * dims
    assert study.sides["ks"].null_count() == 0
    names = {1: ["start", "end"], 2: SIDES[2:], 3: SIDES}[dims]
    assert study.sides["side"].unique(maintain_order=True).to_list() == names


def exported(path: Path, batch: int) -> str:
    program = torch.export.export(net().eval(), (pixels(batch),))
    torch.export.save(program, path)
    return str(path)


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("form", ["tensor", "list of batches", "data loader"])
def test_an_exported_program_of_a_fixed_batch_counts_every_image_once(
    tmp_path: Path, batch: int, form: str
) -> None:
    images = ANY_FORM[form](pixels())
    settings = ScanSettings(batch_size=batch, calibrate=COUNT, per_line=2, per_core=16)
    study = scan(load_model(exported(tmp_path / "net.pt2", batch)), images, settings)
    assert study.counted.images == COUNT
    expected = scan(net(), pixels(), settings)
    difference = study.sides["ks"].to_numpy() - expected.sides["ks"].to_numpy()
    assert np.abs(difference).max() < 1e-9
    assert study.counted.first is not None and expected.counted.first is not None
    ours, theirs = study.counted.first.maps.values(), expected.counted.first.maps.values()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=2**-7, atol=1e-6)  # as_pictured


def test_an_exported_program_of_a_fixed_batch_and_unreadable_photographs(tmp_path: Path) -> None:
    for number in range(10):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    for number in (2, 3, 7):
        (tmp_path / "photos" / f"{number}.png").write_bytes(b"no photograph")
    study = scan(load_model(exported(tmp_path / "net.pt2", 4)), tmp_path / "photos")
    assert study.counted.images == 7
    assert len(study.counted.skipped) == 3
    assert study.counted.mean_map(study.sites["site"][0]).isfinite().all()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_module() -> None:
    scripted = torch.jit.script(net().eval())
    study = scan(scripted, pixels(), SETTINGS)
    assert study.sites["hidden"].all()
    expected = scan(net(), pixels(), SETTINGS)
    difference = study.sides["ks"].to_numpy() - expected.sides["ks"].to_numpy()
    assert np.abs(difference).max() < 1e-9


def test_a_module_called_twice_is_two_sites() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.conv(torch.relu(self.conv(x)))
            return out

    torch.manual_seed(0)
    study = scan(Twice(), pixels(), SETTINGS)
    assert study.sites["site"].to_list() == ["conv", "conv#1"]
    first, second = (study.filters.filter(site=site)["ks"] for site in ("conv", "conv#1"))
    assert not first.equals(second)


class Choosing(nn.Module):
    """Takes another path for dark images."""

    def __init__(self, *, more: bool) -> None:
        super().__init__()
        self.light = nn.Conv2d(3, 4, 3, padding=1)
        self.dark = nn.Conv2d(3, 4, 3, padding=1)
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        dark = bool(x.mean() < 0)
        out: Tensor = self.dark(x) if dark and not self.more else self.light(x)
        return out + self.dark(x) if dark and self.more else out


@pytest.mark.parametrize("more", [False, True])
def test_a_network_that_chooses_its_path_by_image(more: bool) -> None:
    images = torch.cat([pixels(1), -pixels(1)])
    problem = "site dark ran on the images 1 to 1, though it did not on the first"
    with pytest.raises(PadscopeError, match=problem):
        scan(Choosing(more=more), images, ScanSettings(batch_size=1))


class Boxes(nn.Module):
    """Has a second stage for some of the images, as detectors have one for every box."""

    def __init__(self, threshold: float, boxes: int = 1) -> None:
        super().__init__()
        self.boxes = boxes
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.first(x).relu()
        kept = found[found.mean((1, 2, 3)) > self.threshold]
        self.second(kept.repeat_interleave(self.boxes, dim=0))
        return found


@pytest.mark.parametrize(("threshold", "sites"), [(0.0, {"first", "second"}), (99.0, {"first"})])
def test_a_second_stage_that_finds_nothing_is_no_site(threshold: float, sites: set[str]) -> None:
    # Where marks of the check of alignments have made all NaN, it finds nothing either.
    canvases = torch.randn(8, 3, 32, 32, generator=torch.manual_seed(0))
    crops, model = canvases[:, :, 8:-8, 8:-8].clone(), Boxes(threshold).eval()
    settings = ExplainSettings(margin=8, baselines=0, check=0)
    study = explain(scan(model, crops, SETTINGS), model, canvases, settings)
    assert set(study.sites["site"]) == sites
    assert study.explanation is not None
    assert set(study.filters.filter("real_context")["site"]) <= sites


def test_a_second_stage_that_finds_something_later_is_left_out() -> None:
    images = torch.cat([pixels(1) * 0, pixels(1)])
    nothing = float(Boxes(0.0).first(images[:1]).relu().mean().detach())
    model = Boxes(nothing + 0.01, boxes=3).eval()
    study = scan(model, images, ScanSettings(batch_size=len(images)))
    assert study.sites["site"].to_list() == ["first"]


def test_a_network_that_leaves_out_a_site() -> None:
    images = torch.cat([-pixels(1), pixels(1)])
    with pytest.raises(
        PadscopeError,
        match="site dark did not run on the images 1 to 1, though it did on the first",
    ):
        scan(Choosing(more=True), images, ScanSettings(batch_size=1))


@pytest.mark.parametrize(
    "error", [KeyError("x"), AttributeError("no size"), ZeroDivisionError(), RuntimeError("a\nb")]
)
def test_whatever_a_network_raises_is_a_sentence(error: Exception) -> None:
    class Raising(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    with pytest.raises(PadscopeError, match=type(error).__name__) as refusal:
        scan(Raising(nn.Conv2d(3, 4, 3, padding=1)), pixels())
    assert len(str(refusal.value).splitlines()) == 1
    assert refusal.value.__cause__ is error


def test_workers_must_be() -> None:
    with pytest.raises(PadscopeError, match="workers is 0; give 1 or more"):
        scan(net(), pixels(), workers=0)


# ----------------------------------------------------------------------------------- result


def convolutions() -> tuple[nn.Conv2d, nn.Conv2d]:
    torch.manual_seed(0)
    return nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)


@pytest.fixture(scope="module")
def study() -> Study:
    """Of 40 images, with a dead and a NaN filter among the 12 of its second site."""
    first, second = convolutions()
    assert second.bias is not None
    with torch.no_grad():
        second.weight[3] = 0
        second.bias[7] = torch.nan
    return scan(nn.Sequential(first, nn.ReLU(), second), pixels(40), SETTINGS)


def test_pans_are_the_filters_that_reach_the_label(study: Study) -> None:
    for label, cut in (("candidate", 0.5), ("strong", 0.8)):
        found = study.pans(label=label)
        expected = {row[:2] for row in study.filters.filter(pl.col("ks") >= cut).iter_rows()}
        assert {row[:2] for row in found.iter_rows()} == expected
        assert found["ks"].is_sorted(descending=True)
        assert found.columns == study.filters.columns
    assert study.pans().height > study.pans(label="strong").height
    assert study.pans().equals(study.pans(label="candidate"))


def test_pans_of_a_side_and_a_site(study: Study) -> None:
    top = study.pans(side="top")
    assert top.columns == study.sides.columns
    assert top.height == study.sides.filter(pl.col("side") == "top", pl.col("ks") >= 0.5).height > 0
    first = study.pans(site="0")
    assert set(first["site"]) == {"0"}
    assert first.height == study.filters.filter(pl.col("site") == "0", pl.col("ks") >= 0.5).height
    both = study.pans(side="left", site="2")
    assert set(both["site"]) <= {"2"}
    assert set(both["side"]) <= {"left"}


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (
            {"label": "known"},
            "label 'known' is not known; choose from candidate, strong, confirmed",
        ),
        ({"side": "front"}, "no side 'front' was scored"),
        ({"site": "9"}, "no site '9' was scored"),
    ],
)
def test_pans_of_what_is_not_there(study: Study, wanted: dict[str, str], problem: str) -> None:
    with pytest.raises(PadscopeError, match=problem):
        study.pans(**wanted)


def test_the_summary_counts_what_a_recount_counts(study: Study) -> None:
    summary = {row["site"]: row for row in study.summary().iter_rows(named=True)}
    assert list(summary) == ["0", "2"]
    for site, row in summary.items():
        best: dict[int, tuple[float, str]] = {}
        at = dict.fromkeys(("top", "bottom", "left", "right"), 0)
        unmeasured = set()
        for side in study.sides.filter(site=site).iter_rows(named=True):
            if side["ks"] is None:
                unmeasured.add(side["filter"])
                continue
            at[side["side"]] += side["ks"] >= 0.5
            if side["ks"] > best.get(side["filter"], (-1.0, ""))[0]:
                best[side["filter"]] = side["ks"], side["side"]
        scores = [ks for ks, _ in best.values()]
        strongest = max(best, key=lambda filter_: (best[filter_][0], -filter_))
        assert row == {
            "site": site, "map_size": [16, 16], "filters": len(best) + len(unmeasured),
            "unmeasured": len(unmeasured), "candidates": sum(ks >= 0.5 for ks in scores),
            "strong": sum(ks >= 0.8 for ks in scores), **at, "strongest": strongest,
            "strongest_side": best[strongest][1], "strongest_ks": best[strongest][0],
        }  # fmt: skip


def test_dead_filters_are_unmeasured_not_zero(study: Study) -> None:
    dead = study.filters.filter(site="2", filter=3).row(0, named=True)
    assert dead["label"] == "unmeasured"
    empty = ("side", "ks", "ks_low", "ks_high", "ks_bound", "polarity", "corner", "corner_ks")
    assert [dead[name] for name in empty] == [None] * len(empty)
    assert dead["nonfinite"] == 0
    sides = study.sides.filter(site="2", filter=3)
    assert sides.height == 4
    assert (
        sides.select("ks", "ks_low", "ks_high", "polarity", "ks_1").null_count().row(0) == (4,) * 5
    )


def test_nan_in_one_filter_is_counted_and_leaves_the_others_alone(study: Study) -> None:
    nonfinite = study.filters.filter(site="2")["nonfinite"].to_list()
    assert nonfinite[7] > 0
    assert nonfinite[:7] + nonfinite[8:] == [0] * 11
    first, second = convolutions()
    whole = nn.Sequential(first, nn.ReLU(), second)
    others = (pl.col("site") == "0") | ~pl.col("filter").is_in([3, 7])
    expected = scan(whole, pixels(40), SETTINGS).filters.filter(others)
    assert study.filters.filter(others).equals(expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_network_that_gives_nothing_finite(value: float) -> None:
    conv = nn.Conv2d(3, 2, 3, padding=1)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, value)
    study = scan(nn.Sequential(conv), pixels(), SETTINGS)
    assert study.filters["label"].to_list() == ["unmeasured"] * 2
    assert (study.filters["nonfinite"] > 0).all()
    assert study.portraits == ()
    assert study.summary()["strongest_ks"].to_list() == [None]


def test_nan_in_some_images_only() -> None:
    images = pixels()
    images[3::5] = torch.nan
    study = scan(net(), images, SETTINGS)
    assert (study.filters["nonfinite"] > 0).all()
    assert study.filters["ks"].null_count() == 0


def test_an_empty_study_can_be_saved(tmp_path: Path) -> None:
    model = nn.Conv2d(3, 2, 3, padding=1)
    nn.init.zeros_(model.weight)
    journal = RunDirectory(tmp_path / "run")
    study = scan(model, pixels(), SETTINGS, journal=journal)
    journal.save(study)
    loaded = padscope.load_study(tmp_path / "run")
    assert loaded.filters.equals(study.filters)
    assert loaded.portraits == ()


def test_portraits_are_the_strongest_filters(study: Study) -> None:
    shown = [(portrait.site, portrait.filter) for portrait in study.portraits]
    ranked = study.filters.drop_nulls("ks").sort(
        "ks", "site", "filter", descending=[True, False, False]
    )
    assert shown == list(ranked.select("site", "filter").iter_rows())
    for portrait in study.portraits:
        assert tuple(portrait.kernel.shape) == {"0": (3, 3, 3), "2": (8, 3, 3)}[portrait.site]
        assert tuple(portrait.mean_map.shape) == (16, 16)


# ------------------------------------------------------------------------------ public names


class MakingItself(nn.Module):
    """Makes a layer and a buffer in its first pass."""

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "conv"):
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.register_buffer("seen", x.mean())
        out: Tensor = self.norm(self.conv(x))
        return out


def test_finding_sites_leaves_the_model_as_it_was() -> None:
    model, x = MakingItself(), torch.rand(2, 3, 9, 9)
    before = dict(vars(model))
    assert [site.name for site in padscope.find_sites(model, x)] == ["conv"]
    assert vars(model) == before and not model.state_dict()
    model(x)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    assert [site.name for site in padscope.find_sites(model, x)] == ["conv"]
    assert model.training
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


class TwoInputs(nn.Conv2d):
    """Needs more than images."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]  # what it takes is the point
        out: Tensor = super().forward(x) + y
        return out


class FromDictionary(nn.Conv2d):
    """Takes its images as an entry."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:  # type: ignore[override]  # what it takes is the point
        out: Tensor = super().forward(batch["image"])
        return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [TwoInputs, FromDictionary])
def test_models_of_other_inputs_are_not_told_to_change_the_size(kind: type[nn.Conv2d]) -> None:
    with pytest.raises(PadscopeError, match="whose forward takes one tensor") as caught:
        scan(kind(3, 4, 3, padding=1), pixels())
    assert "--size" not in str(caught.value)
    with pytest.raises(PadscopeError, match="pass --size"):
        scan(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(7, 2)), pixels())
