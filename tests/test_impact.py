"""The third stage as a whole: what it measures, what it refuses, and what its verdict says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from padscope import (
    PadscopeError,
    RunDirectory,
    ScanSettings,
    Study,
    explain,
    impact,
    load_study,
    repad,
    scan,
)
from padscope.findings.verdict import verdict
from padscope.findings.words import chance, interval, number
from padscope.images import central
from padscope.report import render_report
from padscope.settings import ExplainSettings, ImpactSettings
from padscope.study import IMPACT_TABLES, Impact

COUNT, SIZE, MARGIN, CLASSES = 24, 16, 8, 3
SETTINGS = ImpactSettings(
    limit=COUNT, batch_size=8, draws=20, disturbances=2, check=6, check_images=8, dose_images=8,
    canvas_images=8, resamples=100,
)  # fmt: skip
EXPLAINED = ExplainSettings(margin=MARGIN, batch_size=8, calibrate=8, baselines=0, check=0)
WATCHING, PLAIN = 6, 18  # filters of the network that watch the top border, and others


class Net(nn.Module):
    """Some filters watch the top border, others the content; both are pooled and weighed."""

    def __init__(self, weight: float = 1.0, dense: bool = False) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(1, WATCHING + PLAIN, 3, padding=1, bias=False)
        self.head = nn.Linear(WATCHING + PLAIN, CLASSES)
        self.dense = dense
        with torch.no_grad():
            self.conv.weight.copy_(0.1 * torch.randn(self.conv.weight.shape, generator=generator))
            self.conv.weight[:WATCHING, :, 0] = 1.0  # the row above, less the row below
            self.conv.weight[:WATCHING, :, 2] = -1.0
            # Of a positive image: 0 inside, on average, and far below it where the row above is 0.
            self.conv.weight[WATCHING:] -= self.conv.weight[WATCHING:].mean()
            self.conv.weight[WATCHING:, :, :, 0] = self.conv.weight[WATCHING:, :, :, 2] = 0
            self.conv.weight[WATCHING:, :, 0] = self.conv.weight[WATCHING:, :, 2] = 0
            nn.init.zeros_(self.head.bias)
            self.head.weight.copy_(torch.randn(self.head.weight.shape, generator=generator))
            self.head.weight[:, :WATCHING] *= weight

    def forward(self, x: Tensor) -> Any:
        maps = self.conv(x)
        if self.dense:
            return maps[:, :2]
        pooled = maps.mean(dim=(2, 3))
        return self.head(3 * pooled)


def canvases(count: int = COUNT) -> Tensor:
    pixels = SIZE + 2 * MARGIN
    return 1 + torch.rand(count, 1, pixels, pixels, generator=torch.Generator().manual_seed(1))


def labels() -> list[int]:
    return [number % CLASSES for number in range(COUNT)]


def explained(net: nn.Module) -> Study:
    study = scan(net, central(canvases(), (SIZE, SIZE), "canvases"), ScanSettings(batch_size=8))
    return explain(study, net, canvases(), EXPLAINED)


@pytest.fixture(scope="module")
def made() -> tuple[Net, Study]:
    torch.set_num_threads(1)
    net = Net()
    study = explained(net)
    return net, impact(study, net, canvases(), labels(), SETTINGS)


def found(study: Study) -> Impact:
    assert study.impact is not None
    return study.impact


def test_the_network_is_as_it_is_meant(made: tuple[Net, Study]) -> None:
    confirmed = made[1].pans(label="confirmed", side="top")
    assert set(range(WATCHING)) == set(confirmed["filter"])


def test_every_part_is_measured(made: tuple[Net, Study]) -> None:
    impact = found(made[1])
    measured = {name for name, table in impact.tables.items() if table.height}
    assert measured == set(IMPACT_TABLES) - {"distances"}  # of dense answers only
    assert impact.counted == COUNT
    assert impact.answer == "classes"
    assert impact.labels == "3 classes"


def test_a_filter_that_the_answer_depends_on_stands_out_from_controls(
    made: tuple[Net, Study],
) -> None:
    row = found(made[1]).use
    assert row is not None
    assert (row["filters"], row["matched"], row["draws"]) == (WATCHING, WATCHING, 20)
    assert row["effect"] > 100 * max(row["control"], 1e-9)
    assert row["p"] == pytest.approx(1 / 21)
    assert row["excess_low"] > 0


def test_the_effect_is_that_of_the_refilled_convolution(made: tuple[Net, Study]) -> None:
    net, study = made
    pixels = central(canvases(), (SIZE, SIZE), "canvases")
    padded = torch.nn.functional.pad(pixels, (1, 1, 1, 1), mode="reflect")
    with torch.no_grad():
        maps = net.conv(pixels)
        refilled = torch.nn.functional.conv2d(padded, net.conv.weight)
        both = torch.cat([refilled[:, :WATCHING], maps[:, WATCHING:]], dim=1)
        before, after = (
            net.head(3 * part.mean(dim=(2, 3))).double().log_softmax(1) for part in (maps, both)
        )
    expected = (before.exp() * (before - after)).sum(dim=1).mean().item()
    row = found(study).use
    assert row is not None
    assert row["effect"] == pytest.approx(expected, rel=1e-4)


def test_estimates_stand_beside_every_filter(made: tuple[Net, Study]) -> None:
    filters = made[1].filters
    assert filters["impact"].null_count() == 0
    best = filters.sort("impact_rank").head(WATCHING)
    assert set(best["filter"]) == set(range(WATCHING))
    assert found(made[1]).agreement["reliable"] == 1


def test_the_model_comes_back_as_it_was(made: tuple[Net, Study]) -> None:
    net, fresh = made[0], Net()
    assert net.training is fresh.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(parameter.requires_grad for parameter in net.parameters())
    for name, value in fresh.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)
    assert not net._forward_hooks
    assert not net.head._forward_pre_hooks


def test_a_dense_answer_is_measured_by_distance(made: tuple[Net, Study]) -> None:
    net = Net(dense=True)
    study = explained(net)
    impact_of = found(impact(study, net, canvases(), settings=SETTINGS))
    assert impact_of.answer == "dense"
    assert impact_of.classes.is_empty()
    change = impact_of.distances.filter(pl.col("set") == "recognising")
    assert change["distance"].to_list() == list(range(SIZE // 2))
    assert change["change"][0] > 0
    assert change["change"][1:].to_list() == [0.0] * (
        SIZE // 2 - 1
    )  # one convolution reaches no deeper


def test_an_image_with_a_flat_answer_is_left_out_of_views_and_nothing_else() -> None:
    net, images = Net(dense=True), canvases()
    images[5, :, MARGIN:-MARGIN, MARGIN:-MARGIN] = 0  # black, unless the frame is moved
    study = impact(explained(net), net, images, settings=SETTINGS)
    views = found(study).views
    assert not views["value"].null_count()
    assert views["images"].unique().to_list() == [7, SETTINGS.canvas_images]
    assert len(verdict(study)) == 4
    assert render_report(study)


def test_the_study_can_be_read_back(made: tuple[Net, Study], tmp_path: Path) -> None:
    net, study = made
    pixels = central(canvases(), (SIZE, SIZE), "canvases")
    run = RunDirectory(tmp_path / "run")
    again = scan(net, pixels, ScanSettings(batch_size=8), journal=run)
    run.save(again)
    again = explain(again, net, canvases(), EXPLAINED, journal=run)
    run.save(again)
    again = impact(again, net, canvases(), labels(), SETTINGS, journal=run)
    run.save(again)
    read = load_study(run.path)
    assert read.filters.equals(again.filters)
    for name, table in found(again).tables.items():
        assert found(read).tables[name].equals(table), name
        assert found(study).tables[name].equals(table), name  # with or without a directory
    for field in ("identity", "images", "labels", "counted", "answer", "fill", "notes", "skipped"):
        assert getattr(found(read), field) == getattr(found(again), field), field
    assert found(read).agreement == pytest.approx(found(again).agreement)
    assert verdict(read) == verdict(again)


# ------------------------------------------------------------------------------- what is refused


def test_without_an_explanation(made: tuple[Net, Study]) -> None:
    study = replace(made[1], explanation=None, impact=None)
    with pytest.raises(PadscopeError, match="not explained yet; run padscope explain"):
        impact(study, made[0], canvases())
    with pytest.raises(PadscopeError, match="run padscope explain first"):
        verdict(study)


def test_another_network(made: tuple[Net, Study]) -> None:
    with pytest.raises(PadscopeError, match="other weights than the network that was scanned"):
        impact(made[1], Net(weight=2.0), canvases())


def test_too_few_images(made: tuple[Net, Study]) -> None:
    with pytest.raises(PadscopeError, match="need 20 images or more"):
        impact(made[1], made[0], canvases(19), settings=SETTINGS)
    with pytest.raises(PadscopeError, match="limit is 19"):
        ImpactSettings(limit=19)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0, 1] * 4, "8 labels for 24 images"),
        ([0] * COUNT, "all images have class 0; accuracy needs two classes"),
        (
            [number % 4 for number in range(COUNT)],
            "class 3 of image 3 is outside the model's classes, 0 to 2",
        ),
        ("no_such.csv", "cannot read the labels no_such.csv"),
    ],
)
def test_labels_that_do_not_fit(made: tuple[Net, Study], given: Any, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        impact(made[1], made[0], canvases(), given, SETTINGS)


def test_labels_of_a_dense_answer() -> None:
    net = Net(dense=True)
    with pytest.raises(PadscopeError, match="labels name classes"):
        impact(explained(net), net, canvases(), labels(), SETTINGS)


class Wrapped(nn.Module):
    """Answers with something around the tensor."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.net, self.kind = Net(), kind

    def forward(self, x: Tensor) -> Any:
        answer = self.net(x)
        if self.kind == "detections":
            return [{"boxes": answer, "scores": answer} for _ in x]
        changed = {
            "classes first": lambda: answer.T,
            "dropout": lambda: F.dropout(answer, training=True),
            "no gradients": answer.detach,
            "masked": lambda: F.pad(answer, (0, 1), value=-torch.inf),
            "only": lambda: {"logits": answer},
        }
        if self.kind in changed:
            return changed[self.kind]()
        return {"logits": answer, "other": x} if self.kind == "dict" else (x, answer)


@pytest.mark.parametrize(
    ("kind", "key", "message"),
    [
        ("classes first", None, r"shape \(3, 2\) for 2 images; effects need one row per image"),
        ("dict", None, "a dict with 2 entries, not a tensor; .* --output: logits, other"),
        ("tuple", None, r"a tuple of 2 \(Tensor first\), not a tensor; .* --output: 0 to 1"),
        ("detections", None, "a list of 2|a list of 1"),
        ("dict", "scores", "there is no 'scores' in a dict with 2 entries: logits, other"),
        ("tuple", "2", "there is no '2' in a tuple of 2"),
    ],
)
def test_an_answer_that_is_no_tensor(kind: str, key: str | None, message: str) -> None:
    wrapped = Wrapped(kind)
    with pytest.raises(PadscopeError, match=message):
        impact(explained(wrapped), wrapped, canvases(), settings=replace(SETTINGS, output=key))


@pytest.mark.parametrize(("kind", "key"), [("dict", "logits"), ("tuple", "1")])
def test_an_answer_that_is_named(made: tuple[Net, Study], kind: str, key: str) -> None:
    wrapped = Wrapped(kind)
    settings = replace(SETTINGS, output=key)
    named = impact(explained(wrapped), wrapped, canvases(), labels(), settings)
    effects = found(named).effects.drop("set", "change")
    torch.testing.assert_close(
        effects["effect"].to_torch(), found(made[1]).effects["effect"].to_torch()
    )


FEW = replace(SETTINGS, limit=20, draws=19, disturbances=1, check=2, canvas_images=4)


@pytest.mark.parametrize("kind", ["only", "masked", "no gradients", "dropout"])
def test_answers_of_other_kinds(made: tuple[Net, Study], kind: str) -> None:
    wrapped = Wrapped(kind)
    study = impact(explained(wrapped), wrapped, canvases(20), labels()[:20], FEW)
    notes = " ".join(found(study).notes)
    said = {
        "only": "The answer is 'logits', the only tensor of scores",
        "masked": "1 of 4 classes is masked (minus infinity)",
        "no gradients": "for want of gradients",
        "dropout": "answers differently when it is asked again, unchanged (kl ",
    }
    assert [name for name, words in said.items() if words in notes] == [kind]
    row = found(study).use
    assert row is not None and row["effect"] > 100 * row["control"]
    estimated = study.filters.height - study.filters["impact"].null_count()
    assert estimated == (0 if kind == "no gradients" else study.filters.height)
    own = found(study).classes.filter(pl.col("set") == "recognising")
    assert own["class"].to_list() == [0, 1, 2]
    assert own["change"].null_count() == 0


def score(answers: Tensor, labels: Tensor | None) -> Tensor:
    return answers[:, 0]


vars(score).update(higher_is_better=False, unit="logits")


def raising(answers: Tensor, labels: Tensor | None) -> Tensor:
    raise ValueError("no such thing")


def nan(answers: Tensor, labels: Tensor | None) -> Tensor:
    return torch.full((len(answers),), float("nan"))


def test_a_metric_of_ones_own(made: tuple[Net, Study]) -> None:
    settings = replace(SETTINGS, metric=f"{__name__}:score")
    study = impact(made[1], made[0], canvases(), settings=settings)
    row = found(study).headline_effect("metric")
    assert row is not None
    assert row["effect"] != 0
    assert (row["unit"], row["higher_is_better"]) == ("logits", False)
    told = verdict(study)[0].sentences[1]
    assert f"changes the metric {__name__}:score by" in told and "] logits (on 24" in told


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (f"{__name__}:raising", "no such thing"),
        (f"{__name__}:nan", "NaN|not finite|not a number"),
        (f"{__name__}:missing", "missing"),
        ("nowhere", "module:function"),
    ],
)
def test_a_metric_that_fails(made: tuple[Net, Study], metric: str, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        impact(made[1], made[0], canvases(), settings=replace(SETTINGS, metric=metric))


def test_images_without_surroundings_leave_a_note(made: tuple[Net, Study]) -> None:
    net = made[0]
    pixels = central(canvases(), (SIZE, SIZE), "canvases")
    study = explain(scan(net, pixels, ScanSettings(batch_size=8)), net, pixels, EXPLAINED)
    impact_of = found(impact(study, net, pixels, settings=SETTINGS))
    assert impact_of.views.is_empty()
    assert any("position bias" in note and "surroundings" in note for note in impact_of.notes)


def test_nothing_confirmed_leaves_a_note() -> None:
    net = Net()
    with torch.no_grad():
        net.conv.weight[:WATCHING] = net.conv.weight[WATCHING : 2 * WATCHING]
    study = impact(explained(net), net, canvases(), settings=SETTINGS)
    impact_of = found(study)
    assert impact_of.effects["set"].unique().to_list() == ["all padding"]
    assert any("No filter is confirmed" in note for note in impact_of.notes)
    assert not verdict(study)[0].decided


def recognised_by(study: Study, first: int) -> Study:
    """Let no filter but the first few recognise the border."""
    few = pl.col("recognises") & (pl.col("filter") < first)
    return replace(
        study, filters=study.filters.with_columns(recognises=few),
        sides=study.sides.with_columns(recognises=few),
    )  # fmt: skip


ONCE = replace(FEW, draws=2, check=2, dose_images=4)


def test_recognising_filters_are_set_against_confirmed_ones_that_do_not(
    made: tuple[Net, Study],
) -> None:
    net, study = made
    half = WATCHING // 2
    tested = impact(recognised_by(study, half), net, canvases(20), settings=ONCE)
    found_here = found(tested)
    own, beside, whole = (
        found_here.effect(name, "kl", "refill reflect")
        for name in ("recognising", "confirmed but not recognising", "confirmed")
    )
    assert own is not None and beside is not None and whole is not None
    assert found_here.use == own and found_here.headline == "recognising"
    assert [row["filters"] for row in (own, beside, whole)] == [half, half, WATCHING]
    assert (own["paired"], own["paired_effect"]) == (half, own["effect"])
    assert own["partner"] == pytest.approx(beside["effect"]) != own["effect"]
    assert own["beyond"] == pytest.approx(own["effect"] - beside["effect"])
    assert own["beyond_low"] < own["beyond"] < own["beyond_high"]
    with torch.no_grad():
        pixels = central(canvases(20), (SIZE, SIZE), "canvases")
        before = net(pixels).double().log_softmax(1)
        with repad(net, filters={"conv": range(half, WATCHING)}):
            after = net(pixels).double().log_softmax(1)
    expected = (before.exp() * (before - after)).sum(dim=1).mean().item()
    assert beside["effect"] == pytest.approx(expected, rel=1e-4)
    assert found_here.doses["filters"].max() == half
    assert found_here.firing["filters"].max() == half
    told = "Of 3 recognising filters 3 have a partner at their site that is confirmed and does not"
    assert any(told in note for note in found_here.notes)
    performance, generalisation, efficiency, safety = verdict(tested)
    assert "the 3 recognising filters" in performance.sentences[0]
    assert "undoing as many others, confirmed" in performance.sentences[-1]
    assert "with the recognising filters undone" in generalisation.sentences[0]
    assert "Filters that recognise the border" in efficiency.sentences[0]
    assert "the recognising filters give" in safety.sentences[-1]


def test_where_nothing_recognises_use_is_that_of_the_confirmed(made: tuple[Net, Study]) -> None:
    net, study = made
    tested = impact(recognised_by(study, 0), net, canvases(20), settings=ONCE)
    found_here = found(tested)
    assert found_here.headline == "confirmed"
    assert found_here.use == found_here.effect("confirmed", "kl", "refill reflect")
    assert not {"recognising", "confirmed but not recognising"} & set(found_here.effects["set"])
    assert found_here.use is not None and found_here.use["paired"] is None
    assert found_here.use["disturbance"] is not None
    assert found_here.doses["filters"].max() == found_here.firing["filters"].max() == WATCHING
    assert any("No filter recognises the border" in note for note in found_here.notes)
    performance, generalisation, efficiency, _ = verdict(tested)
    assert "the 6 confirmed filters" in performance.sentences[0]
    assert "with the confirmed filters undone" in generalisation.sentences[0]
    assert efficiency.sentences == ("Not measured; see the notes.",)


# ---------------------------------------------------------------------------------- the verdict


def test_the_verdict_has_four_headings_with_numbers(made: tuple[Net, Study]) -> None:
    headings = verdict(made[1])
    assert [heading.name for heading in headings] == [
        "performance", "generalisation", "efficiency", "safety",
    ]  # fmt: skip
    performance = headings[0]
    assert performance.decided
    row = found(made[1]).use
    assert row is not None
    told = performance.sentences[0]
    assert f"{number(row['effect'])} {interval(row['low'], row['high'])}" in told
    assert f"p = {chance(row['p'])}" in told and told.startswith("The model uses them: ")


def test_what_a_sentence_rests_on_stands_in_it(made: tuple[Net, Study]) -> None:
    impact_of = found(made[1])
    for name in ("effects", "doses", "classes", "views", "bands"):
        table = impact_of.tables[name]
        assert table["photographs"].equals(table["images"]), name
    assert impact_of.firing["images"].unique().to_list() == [SETTINGS.canvas_images]
    (use, worth, *_), (moved, *_), _, (band, *_) = (one.sentences for one in verdict(made[1]))
    for sentence in (use, worth):
        assert "on 24 images" in sentence
    for sentence in (moved, band):
        assert "(on 8 images, fewer than the 20 that an interval needs)" in sentence
    page = render_report(made[1])
    assert "On 24 images." in page  # effects and classes
    few = "On 8 images, fewer than the 20 that an interval needs"
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())  # charts break their lines
    assert "of controls, 20 draws, each on 1 of the images" in text  # doses
    assert text.count(f"{few}.") > 2  # doses, views and false borders
    assert ImpactSettings().dose_images == 20


def performance(study: Study, measure: str = "kl", **columns: Any) -> tuple[str, ...]:
    """What is said of performance where the effects by a measure have other columns."""
    effects = found(study).effects
    own = pl.col("measure") == measure
    effects = effects.with_columns(
        pl.when(own).then(pl.lit(value, dtype=effects.schema[name])).otherwise(name).alias(name)
        for name, value in columns.items()
    )
    changed = replace(study, impact=replace(found(study), effects=effects))
    return verdict(changed)[0].sentences


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"draws": 10, "p": 1 / 11}, "with 10 draws of controls p cannot fall below 0.091"),
        ({"draws": 0, "p": None}, "no controls could be drawn"),
        ({"shared": 1.0, "p": 1.0}, "all draws of controls are of the same filters"),
        (
            {"excess_low": None, "excess_high": None},
            "one independent image alone gives no interval",
        ),
        ({"p": 0.3}, "No sign that the model uses them"),
    ],
)
def test_controls_that_cannot_show_use_are_named(
    made: tuple[Net, Study], columns: dict[str, Any], why: str
) -> None:
    (told, *_) = performance(made[1], **columns)
    assert not told.startswith("The model uses them") and why in told


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"draws": 0}, "; no controls could be drawn, so no verdict."),
        (
            {"excess_low": None, "excess_high": None},
            ": one independent image alone gives no interval, so",
        ),
        ({"excess_low": -1.0, "excess_high": 1.0}, ": the interval spans zero, so no verdict."),
    ],
)
def test_an_interval_that_is_not_there_spans_nothing(
    made: tuple[Net, Study], columns: dict[str, Any], why: str
) -> None:
    (_, told, *_) = performance(made[1], "accuracy", **columns)
    assert why in told
    impact_of = found(made[1])
    unknown = {name: pl.lit(None, pl.Float64) for name in ("difference_low", "difference_high")}
    beyond = {name: pl.lit(None, pl.Float64) for name in ("excess_low", "excess_high")}
    bare = replace(
        impact_of, views=impact_of.views.with_columns(**unknown),
        bands=impact_of.bands.with_columns(**beyond),
    )  # fmt: skip
    _, generalisation, _, safety = verdict(replace(made[1], impact=bare))
    for sentence in (*generalisation.sentences, safety.sentences[0]):
        assert "one independent image alone gives no interval" in sentence


@pytest.mark.parametrize(
    ("better", "rises", "said"),
    [(True, True, "they hurt."), (True, False, "they help."), (False, True, "they help."),
     (False, False, "they hurt."), (None, True, "it is not known whether higher is better")],
)  # fmt: skip
def test_what_a_change_of_a_metric_is_worth(
    made: tuple[Net, Study], better: bool | None, rises: bool, said: str
) -> None:
    ends = {"excess_low": 0.1, "excess_high": 0.2} if rises else {
        "excess_low": -0.2, "excess_high": -0.1,
    }  # fmt: skip
    (_, told, *_) = performance(made[1], "accuracy", higher_is_better=better, **ends)
    assert said in told


def test_an_interval_that_spans_zero_gives_no_verdict(made: tuple[Net, Study]) -> None:
    impact_of = found(made[1])
    spanning = impact_of.effects.with_columns(
        excess_low=pl.lit(-1.0), excess_high=pl.lit(1.0), p=pl.lit(0.5)
    )
    views = impact_of.views.with_columns(difference_low=pl.lit(-1.0), difference_high=pl.lit(1.0))
    bands = impact_of.bands.with_columns(excess_low=pl.lit(-1.0), excess_high=pl.lit(1.0))
    study = replace(made[1], impact=replace(impact_of, effects=spanning, views=views, bands=bands))
    for heading in verdict(study):
        assert not heading.decided
        assert not any(
            "help" in s or "The model uses them" in s or "miss them" in s for s in heading.sentences
        )


@pytest.mark.parametrize("kind", ["half", "bfloat16", "double"])
def test_the_impact_on_a_model_of_any_type(made: tuple[Net, Study], kind: str) -> None:
    net = getattr(Net(), kind)()
    few = replace(SETTINGS, draws=2, disturbances=1, check=2, dose_images=1, resamples=10)
    rows = [
        found(study).use
        for study in (made[1], impact(explained(net), net, canvases(), labels(), few))
    ]
    assert rows[0] is not None and rows[1] is not None
    assert rows[0]["effect"] == pytest.approx(
        rows[1]["effect"], rel=1e-6 if kind == "double" else 0.1
    )
