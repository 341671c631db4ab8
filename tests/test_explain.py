"""`explain` from Python: whatever images and network, with or without real surroundings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
import torch
from tests.conftest import write_photo
from torch import Tensor, nn
from torch.utils.data import Dataset

from padscope import PadscopeError, ScanSettings, Study, explain, scan
from padscope.errors import Interrupted
from padscope.images import central
from padscope.models import LoadedModel, load_model
from padscope.settings import ExplainSettings

COUNT, SIZE, MARGIN = 20, 18, 8
QUICK = ExplainSettings(margin=MARGIN, baselines=0, check=0, resamples=4, calibrate=8, batch_size=8)
SIDE_COLUMNS = {
    "label", "recognises", "causal_ks", "causal_low", "causal_high", "causal_ks_bound",
    "causal_polarity", "causal_1", "causal_2", "causal_3", "reach", "own_ks", "incoming_ks",
    "origin", "null_ks", "p", "q", "real_context",
}  # fmt: skip
FILTER_COLUMNS = {
    "label", "causal_ks", "causal_low", "causal_high", "causal_side", "causal_ks_bound",
    "causal_polarity", "origin", "kind", "active", "sign", "stability", "reach", "causal_corner",
    "causal_corner_ks", "core_causal_ks", "p", "q", "q_fresh", "q_matched", "real_context",
    "recognises", "recall", "recall_low", "recall_high", "recall_side",
}  # fmt: skip
SITE_COLUMNS = {
    "total_stride", "no_context", "out_of_reach", "difference", "window_error", "margin_change",
    "margin_agreement",
}  # fmt: skip
LABELS = {"confirmed", "grey", "rejected", "quiet"}


def net(seed: int = 0, *tail: nn.Module) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 6, 3, padding=1), *tail,
    )  # fmt: skip


def canvases(count: int = COUNT, margin: int = MARGIN, dims: int = 2, channels: int = 3) -> Tensor:
    shape = (count, channels, *[SIZE + 2 * margin] * dims)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def crops(dims: int = 2, channels: int = 3) -> Tensor:
    return central(canvases(dims=dims, channels=channels), (SIZE,) * dims, "the canvases")


@cache
def scanned() -> Study:
    return scan(net(), crops(), ScanSettings(batch_size=8))


@cache
def explained() -> Study:
    return explain(scanned(), net(), canvases(), replace(QUICK, baselines=1, check=8))


def notes(study: Study) -> tuple[str, ...]:
    assert study.explanation
    return study.explanation.notes


def assert_same(one: Study, other: Study) -> None:
    assert one.explanation and other.explanation
    for table in ("sites", "filters", "sides"):
        assert getattr(one, table).equals(getattr(other, table)), table
    assert one.explanation.inherited.equals(other.explanation.inherited)
    assert one.explanation.networks.equals(other.explanation.networks)


def assert_without_context(study: Study, reason: str) -> None:
    assert study.explanation is not None
    assert study.explanation.margin == (0,) * len(study.size)
    assert len(notes(study)) == 1
    assert notes(study)[0].startswith("Explained without real context: ")
    assert reason in notes(study)[0]
    for table in (study.sides, study.filters):
        assert not table["real_context"].any()
    assert all(reason in said for said in study.sites.filter("scored")["no_context"])
    assert set(study.filters["label"]) <= LABELS
    assert set(study.sides["origin"]) <= {"nascent", "inherited", "neither"}
    assert study.sides["causal_ks"].is_between(0, 1).all()


# ------------------------------------------------------------------------------------ result


def test_tables_of_the_second_rung() -> None:
    study, before = explained(), scanned()
    for table, added in (
        ("sides", SIDE_COLUMNS), ("filters", FILTER_COLUMNS), ("sites", SITE_COLUMNS),
    ):  # fmt: skip
        found, had = getattr(study, table), getattr(before, table)
        assert set(found.columns) == set(had.columns) | added
        assert found.height == had.height
    assert study.sides["real_context"].all()
    assert set(study.sides["label"]) <= LABELS
    assert study.sides["p"].is_between(0, 1).all()
    assert (study.sides["q"] >= study.sides["p"] - 1e-12).all()
    assert study.sides.filter(pl.col("causal_low") > pl.col("causal_high")).is_empty()
    assert study.sites["total_stride"].to_list() == [[1.0, 1.0]] * 2
    assert (study.sites["difference"] < 1e-4).all()
    assert study.sites["margin_agreement"].null_count() == 2  # no image is large enough for twice


def test_the_first_site_inherits_nothing_and_its_core_sees_no_padding() -> None:
    first = explained().sides.filter(site="0")
    assert first["incoming_ks"].to_list() == [0.0] * first.height
    assert first.select(pl.col("own_ks") - pl.col("causal_ks")).to_series().abs().max() == 0.0
    assert explained().filters["core_causal_ks"].to_list() == [0.0] * 10
    assert set(first["origin"]) <= {"nascent", "neither"}


@pytest.mark.parametrize("kind", ["half", "bfloat16", "double"])
def test_a_model_of_any_type_is_run_in_it(kind: str) -> None:
    model = getattr(net(), kind)()
    study = explain(scan(model, crops(), ScanSettings(batch_size=8)), model, canvases(), QUICK)
    assert study.sides["real_context"].all()
    near = 1e-4 if kind == "double" else 0.1
    for column in ("ks", "causal_ks", "own_ks", "incoming_ks"):
        assert ((study.sides[column] - explained().sides[column]).abs() < near).all(), column
    cropped = explain(study, model, crops(), replace(QUICK, margin=None))
    assert not cropped.sides["real_context"].any()
    assert cropped.sides["causal_ks"].is_not_null().all()


def test_inherited_signals_and_networks() -> None:
    explanation = explained().explanation
    assert explanation is not None
    assert set(explanation.inherited["site"]) == {"3"}
    assert explanation.inherited.height == 4 * 4
    networks = explanation.baselines
    named = ["given", "fresh 1", "matched 1", "re-estimated"]
    assert networks["network"].to_list() == named
    assert networks["filters"].to_list() == [10] * 4
    assert explanation.has_baselines
    assert networks["candidates"][0] == (explained().filters["ks"] >= 0.5).sum() > 0
    assert explanation.networks["response_deciles"].list.len().to_list() == [11] * 8
    assert explanation.networks["recall"].list.len().to_list() == [4, 6] * 4
    assert explanation.networks["recalled_without"].list.len().to_list() == [8] * 8


def test_every_rung_is_of_the_images_explained_and_part_of_the_one_before() -> None:
    """A scan of other crops is a first look, of which an explanation keeps nothing."""
    other = scan(net(), crops().flip(0)[:12], ScanSettings(batch_size=8))
    study = explain(other, net(), canvases(), replace(QUICK, baselines=1, check=8))
    assert not study.sides.select("ks").equals(other.sides.select("ks"))
    assert study.sides.equals(explained().sides) and study.filters.equals(explained().filters)
    sides = study.sides
    confirmed = sides["label"] == "confirmed"
    assert (sides.filter(confirmed)["ks"] >= 0.5).all()
    assert not (sides["recognises"] & ~confirmed).any()
    both = confirmed & (sides["border_recall"] >= 0.5)
    assert sides["recognises"].equals(both.alias("recognises"))
    found = sides.filter("recognises").select("site", "filter").unique()
    assert study.filters["recognises"].sum() == found.height > 0


def test_the_margin_is_doubled_where_the_images_allow_it() -> None:
    large = canvases(margin=2 * MARGIN)
    study = explain(scanned(), net(), large, replace(QUICK, check=8))
    assert study.sites["margin_agreement"].to_list() == [1.0, 1.0]
    assert study.sites["margin_change"].to_list() == [0.0, 0.0]


def test_pans_by_what_is_known() -> None:
    study = explained()
    assert study.pans().equals(study.pans(label="recognises"))
    assert study.pans()["recognises"].all() and study.pans()["recall"].is_sorted(descending=True)
    confirmed = study.pans(label="confirmed")
    assert set(confirmed["label"]) == {"confirmed"}
    assert confirmed["causal_ks"].is_sorted(descending=True)
    top = study.pans(side="top")
    assert top.height == study.sides.filter("recognises", side="top").height > 0
    assert top.columns == study.sides.columns
    origins = [study.pans(origin=origin) for origin in ("nascent", "inherited", "both", "neither")]
    assert sum(table.height for table in origins) == study.pans().height
    kinds = study.pans()["kind"].drop_nulls().unique()
    assert len(kinds)
    for kind in kinds:
        assert set(study.pans(kind=kind)["kind"]) == {kind}
    assert set(study.pans(label="candidate")["label"]) <= LABELS
    assert study.pans(label="candidate")["ks"].min() >= 0.5


@pytest.mark.parametrize(
    "wanted", [{"label": "confirmed"}, {"kind": "frame"}, {"origin": "nascent"}, {"label": "grey"}]
)
def test_pans_of_a_study_that_is_not_explained(wanted: dict[str, str]) -> None:
    with pytest.raises(PadscopeError, match=r"needs an explanation; run padscope explain, or"):
        scanned().pans(**wanted)


def test_pans_of_what_does_not_exist() -> None:
    for what in ("label", "kind", "origin"):
        with pytest.raises(PadscopeError, match=f"{what} 'x' is not known; choose from "):
            explained().pans(**{what: "x"})


def test_explaining_again_replaces_the_explanation() -> None:
    again = explain(explained(), net(), canvases(), QUICK)
    assert_same(again, explain(scanned(), net(), canvases(), QUICK))


# ----------------------------------------------------------------------------------- refusals


def test_another_model_is_refused() -> None:
    with pytest.raises(PadscopeError, match="has other weights than the network that was scanned"):
        explain(scanned(), net(seed=1), canvases(), QUICK)


def test_a_network_without_padding_is_not_even_scanned() -> None:
    bare = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    with pytest.raises(PadscopeError, match="nothing to scan: no operation of the model is padded"):
        scan(bare, crops())


def test_settings_that_cannot_be_run() -> None:
    with pytest.raises(PadscopeError, match="margin is 0; give 1 or more"):
        ExplainSettings(margin=0)
    with pytest.raises(PadscopeError, match="baselines is -1; give 0 or more"):
        ExplainSettings(baselines=-1)
    with pytest.raises(PadscopeError, match="workers is 0; give 1 or more"):
        explain(scanned(), net(), canvases(), QUICK, workers=0)


# -------------------------------------------------------------------------------- without canvas


def test_images_that_are_too_small() -> None:
    study = explain(scanned(), net(), crops(), replace(QUICK, baselines=1))
    assert_without_context(study, "the images are too small for it (image 0: too small")
    assert study.sides["null_ks"].null_count() == 0  # from lines inside the core
    assert study.explanation is not None
    assert study.explanation.has_baselines
    assert study.explanation.inherited.is_empty()
    assert study.pans(label="confirmed").height > 0


class Insists(nn.Module):
    """Runs on one size of input only, from its first operation on."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = net()

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != SIZE:
            raise ValueError(f"{SIZE} pixels, please")
        out: Tensor = self.layers(x)
        return out


def test_a_model_that_runs_on_one_size_only() -> None:
    study = explain(scan(Insists(), crops()), Insists(), canvases(), replace(QUICK, margin=None))
    assert_without_context(study, "the model does not run on inputs larger than it was given")


def test_a_site_that_cannot_align_is_noted_and_the_others_are_explained() -> None:
    model = net(0, nn.ReLU(), nn.AdaptiveAvgPool2d(9), nn.Conv2d(6, 4, 3, padding=1))
    study = explain(scan(model, crops()), model, canvases(), QUICK)
    context = dict(zip(study.sites["site"], study.sites["no_context"], strict=True))
    assert context["0"] == context["4"] == ""
    assert context["7"] == "its map does not grow with the input"
    assert notes(study) == (f"Sites explained without real context: 7 ({context['7']}).",)
    real = study.filters.group_by("site", maintain_order=True).agg(pl.col("real_context").all())
    assert real["real_context"].to_list() == [True, True, False]


def test_a_head_of_one_size_does_not_cost_the_context() -> None:
    model = net(0, nn.Flatten(), nn.Linear(6 * SIZE * SIZE, 2))
    study = explain(scan(model, crops()), model, canvases(), QUICK)
    assert notes(study) == ()
    assert study.sides["real_context"].all()
    same = explain(scanned(), net(), canvases(), QUICK)
    assert study.sides.equals(same.sides)


# ------------------------------------------------------------------------------------- images


class Items(Dataset[tuple[Tensor, int]]):
    """Images with their classes."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return canvases()[index], index % 3


SOURCES: dict[str, Callable[[], object]] = {
    "dataset": Items,
    "list of batches": lambda: list(torch.split(canvases(), 6)),
    "larger than a canvas": lambda: nn.functional.pad(canvases(), (3, 3, 2, 2), value=9.0),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_images_in_any_form(source: str) -> None:
    expected = explain(scanned(), net(), canvases(), QUICK)
    assert_same(explain(scanned(), net(), SOURCES[source](), QUICK), expected)


def test_a_generator_says_that_it_gives_its_images_once() -> None:
    def batches() -> Iterator[Tensor]:
        yield from torch.split(canvases(), 6)

    with pytest.raises(PadscopeError, match="from a generator, which gives them only once"):
        explain(scanned(), net(), batches(), QUICK)


def test_photographs(tmp_path: Path) -> None:
    for number in range(10):
        write_photo(tmp_path / f"{number}.png", number, (60, 50))
    (tmp_path / "broken.png").write_bytes(b"no photograph")
    write_photo(tmp_path / "zz.png", 99, (8, 8))
    model = net()
    model.pretrained_cfg = {"input_size": (3, SIZE, SIZE)}  # type: ignore[assignment]  # as models of timm have it
    study = explain(scan(model, tmp_path), model, tmp_path, QUICK, workers=2)
    assert study.explanation is not None
    assert study.explanation.counts.images == 10
    reasons = {skip.name: skip.reason for skip in study.explanation.counts.skipped}
    assert set(reasons) == {"broken.png", "zz.png"}
    assert reasons["zz.png"].startswith("too small")
    assert study.sides["real_context"].all()


def test_baselines_run_on_as_many_photographs_that_can_be_used(tmp_path: Path) -> None:
    for number in range(10):
        write_photo(tmp_path / f"{number}.png", number, (8, 8) if number in {2, 5} else (60, 50))
    model = net()
    model.pretrained_cfg = {"input_size": (3, SIZE, SIZE)}  # type: ignore[assignment]  # as models of timm have it
    settings = replace(QUICK, baselines=1, baseline_images=5)
    study = explain(scan(model, tmp_path), model, tmp_path, settings)
    assert study.explanation is not None
    assert set(study.explanation.networks["images"]) == {5}


def test_small_photographs_among_damaged_ones(tmp_path: Path) -> None:
    for name in ("a", "z"):
        (tmp_path / f"{name}.png").write_bytes(b"no photograph")
    for number in range(9):
        write_photo(tmp_path / f"{number}.png", number, (8, 8))
    model = net()
    model.pretrained_cfg = {"input_size": (3, SIZE, SIZE)}  # type: ignore[assignment]  # as models of timm have it
    study = explain(scan(model, tmp_path), model, tmp_path, replace(QUICK, margin=32))
    assert_without_context(study, ".png: too small: 8×8 for a canvas of 82×82")


@pytest.mark.parametrize(("dims", "margin"), [(1, 16), (3, 4)])
def test_one_and_three_dimensions(dims: int, margin: int) -> None:
    torch.manual_seed(0)
    conv: type[nn.Conv1d | nn.Conv3d] = nn.Conv1d if dims == 1 else nn.Conv3d
    model = nn.Sequential(conv(2, 4, 3, padding=1), nn.ReLU(), conv(4, 3, 3, padding=1))
    images = canvases(8, margin, dims, channels=2)
    study = scan(model, central(images, (SIZE,) * dims, "the canvases"))
    study = explain(study, model, images, replace(QUICK, margin=margin))
    assert study.sides.height == 2 * dims * 7
    assert study.sides["real_context"].all()
    assert set(study.filters["label"]) <= LABELS
    assert (study.filters["causal_corner"].null_count() == 7) == (dims == 1)


def test_dead_filters_and_nan_are_unmeasured() -> None:
    model = net()
    with torch.no_grad():
        model.get_parameter("4.bias")[2] = float("nan")
        model.get_parameter("4.weight")[3] = 0
    study = explain(scan(model, crops()), model, canvases(), replace(QUICK, baselines=1))
    labels = study.filters.filter(site="4")["label"].to_list()
    assert [number for number, label in enumerate(labels) if label == "unmeasured"] == [2, 3]
    broken = study.sides.filter(pl.col("site") == "4", pl.col("filter").is_in([2, 3]))
    for column in ("causal_ks", "own_ks", "incoming_ks", "p", "q", "null_ks", "origin"):
        assert broken[column].null_count() == broken.height, column
    assert study.sites["no_context"].to_list() == ["", ""]
    assert study.explanation is not None
    assert study.explanation.networks["unmeasured"].to_list()[:2] == [0, 2]


# ------------------------------------------------------------------------------- independence


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_results_do_not_depend_on_the_batch_size(batch_size: int) -> None:
    """As long as the same images fit the bins: 8 here, a multiple of all sizes."""
    large = replace(QUICK, batch_size=13)  # canvases of this size go 4 at a time
    expected = explain(scanned(), net(), canvases(), large)
    found = explain(scanned(), net(), canvases(), replace(QUICK, batch_size=batch_size))
    assert found.filters["label"].equals(expected.filters["label"])
    columns = ["causal_ks", "own_ks", "incoming_ks", "null_ks"]
    apart = found.sides.select(columns) - expected.sides.select(columns)
    # Convolutions of other batches round differently, which moves a value into the next bin.
    assert apart.max_horizontal().abs().max() <= 0.03


def test_results_do_not_depend_on_workers_or_the_call() -> None:
    expected = explain(scanned(), net(), canvases(), QUICK)
    for workers in (1, 3):
        assert_same(explain(scanned(), net(), canvases(), QUICK, workers=workers), expected)


def test_the_model_comes_back_as_it_was() -> None:
    model = net().train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    model(crops()).sum().backward()
    model[0].register_forward_hook(lambda *_: None)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
    study = scan(model, crops(), ScanSettings(batch_size=8))
    explain(study, model, canvases(), replace(QUICK, baselines=1))
    with pytest.raises(Interrupted, match="stopped after 2 of 20 images"):
        explain(study, model, canvases(), replace(QUICK, batch_size=4), stop=lambda: True)
    assert [module.training for module in model] == [True, False, True, True, True]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (name != "0.weight")
        grad = grads[name]
        assert (parameter.grad is None) == (grad is None)
        assert grad is None or torch.equal(parameter.grad, grad)  # type: ignore[arg-type]  # there is a gradient
    assert [len(module._forward_hooks) for module in model] == [1, 0, 0, 0, 0]
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_margin_out_of_step_is_refused() -> None:
    torch.manual_seed(0)
    strided = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)
    )
    pixels = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    study = scan(strided, central(pixels, (48, 48), "the canvases"), ScanSettings(batch_size=8))
    with pytest.raises(PadscopeError, match=r"a margin of 6 is out of step.*such as 64"):
        explain(study, strided, pixels, replace(QUICK, margin=6))
    assert explain(study, strided, pixels, QUICK).filters["real_context"].all()


class Growing(nn.Module):
    """Makes a buffer and a layer in its first pass."""

    pretrained_cfg: ClassVar = {"input_size": (3, SIZE, SIZE)}

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "extra"):
            self.register_buffer("shift", torch.ones(4, 1, 1))
            self.extra = nn.Conv2d(4, 4, 3, padding=1)
        out: Tensor = self.extra(self.conv(x).relu() + self.shift)
        return out


@pytest.mark.parametrize("by_spec", [True, False])
def test_what_the_first_pass_makes_is_scanned_explained_and_gone(by_spec: bool) -> None:
    model = load_model(f"{__name__}:Growing") if by_spec else Growing()
    module = model.module if isinstance(model, LoadedModel) else model
    names = list(module.state_dict())
    study = scan(model, crops(), ScanSettings(batch_size=8))
    assert study.sites["site"].to_list() == ["conv", "extra"]
    study = explain(study, model, canvases(), replace(QUICK, baselines=1))
    assert study.explanation
    assert set(study.explanation.networks["network"]) == {"given", "fresh 1", "matched 1"}
    assert list(module.state_dict()) == names


class SometimesDead(nn.Conv2d):
    """A convolution whose initialisation leaves nothing of it every now and then."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        alive = float(torch.rand(1) < ALIVE)
        with torch.no_grad():
            self.weight.mul_(alive)


ALIVE = 1.0


def test_a_dead_baseline_is_drawn_again_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(SometimesDead(3, 60, 3, padding=1, bias=False))
    study = scan(module, crops(), ScanSettings(batch_size=8))
    settings = replace(QUICK, baselines=2)
    lively = explain(study, module, canvases(), settings)
    assert not notes(lively)
    monkeypatch.setitem(globals(), "ALIVE", 0.6)
    found = explain(study, module, canvases(), settings)
    assert any("'fresh 2, draw 2': what was drawn before was dead" in note for note in notes(found))
    assert found.explanation and lively.explanation
    assert found.explanation.baselines["network"].equals(lively.explanation.baselines["network"])
    assert (found.explanation.baselines["filters"] == 60).all()
    monkeypatch.setitem(globals(), "ALIVE", 0.0)
    dead = explain(study, module, canvases(), settings)
    assert sum("all filters are dead" in note for note in notes(dead)) == 2
    assert dead.explanation and "matched 1" in set(dead.explanation.networks["network"])


# -------------------------------------------------------------------------------------- passes


class Counted(nn.Sequential):
    """Adds up the area of all that enters it and its copies, in crops."""

    passes: ClassVar[float] = 0.0

    def forward(self, pixels: Tensor) -> Tensor:
        type(self).passes += pixels[:, 0].numel() / SIZE**2
        for layer in self:
            pixels = layer(pixels)
        return pixels


def passes(baselines: int, limit: int = COUNT) -> tuple[float, int]:
    """Count the passes of an explanation, and those that it announces."""
    seen: list[tuple[int, int | None, float | None]] = []
    settings = replace(QUICK, baselines=baselines, baseline_images=17, limit=limit)
    counted = Counted(*net())
    study = scan(counted, crops(), ScanSettings(batch_size=8))
    Counted.passes = 0.0
    explain(study, counted, canvases(), settings, progress=lambda *at: seen.append(at))
    done, total, left = seen[-1]
    assert done == total and left == 0
    return Counted.passes, done


def test_an_explanation_takes_the_passes_that_it_announces() -> None:
    two, one, none, fewer = passes(2), passes(1), passes(0), passes(0, COUNT - 2)
    canvas = (1 + 2 * MARGIN / SIZE) ** 2
    assert none[0] - fewer[0] == pytest.approx(2 * (1 + canvas))
    assert none[1] - fewer[1] == pytest.approx(2 * (1 + canvas), abs=1)
    # Fresh weights are fitted by one pass, and two images to build what a pass builds; matched
    # ones by two, and one of the given network for all of them.
    assert two[1] - one[1] == 17 * (2 + 3)
    assert two[0] - one[0] == pytest.approx(17 * (2 + 3) + 2)
    assert one[1] - none[1] == 17 * (2 + 3 + 1)
    assert one[0] - none[0] == pytest.approx(17 * (2 + 3 + 1) + 2 + 2)
