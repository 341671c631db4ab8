"""Treatments on networks whose dependence on one filter's border is known, and on batches."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.conftest import record
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.effects import Metric
from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.interventions import FillName, repad, silence
from padscope.interventions.controls import Controls, draw_controls
from padscope.interventions.treatments import (
    Share,
    Sparing,
    Treatment,
    columns_of,
    dose_treatments,
    set_treatments,
)
from padscope.measurements.effects import TreatmentMeasurement
from padscope.running import Findings, Recorded
from padscope.running.model import Asking
from padscope.sites import Observation, observe

SIZE = 8


class Planted(nn.Module):
    """Its logits are `gain` times the mean of each filter's map; the border is left out if cropped.

    Filter 0 adds up its window. On an image of ones, padding takes a share of `share` from its
    mean. All other filters look at the centre of their window alone, and see no padding.
    """

    share = 1 - ((SIZE - 2) ** 2 + 4 * (SIZE - 2) * 6 / 9 + 4 * 4 / 9) / SIZE**2

    def __init__(self, filters: int = 4, gain: float = 9.0, crop: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, filters, 3, padding=1, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0] = 1 / 9
            self.conv.weight[1:, :, 1, 1] = 1
        self.gain, self.crop = gain, crop

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        if self.crop:
            maps = maps[..., self.crop : -self.crop, self.crop : -self.crop]
        return torch.as_tensor(self.gain * maps.mean(dim=(-2, -1)))


def chain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    ).eval()  # fmt: skip


def pixels(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def filters_of(observed: Observation, confirmed: dict[str, Sequence[int]]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {
                "site": [site.name] * site.filters, "filter": range(site.filters),
                "ks": [0.1] * site.filters,
                "label": ["confirmed" if index in confirmed.get(site.name, ()) else "quiet"
                          for index in range(site.filters)],
            }
        )
        for site in observed.sites if site.filters
    )  # fmt: skip


def prepared(
    model: nn.Module, x: Tensor, confirmed: dict[str, Sequence[int]], draws: int = 3
) -> tuple[dict[str, pl.DataFrame], dict[str, Controls], Observation]:
    observed = observe(model, x)
    filters = filters_of(observed, confirmed)
    chosen = filters.filter(pl.col("label") == "confirmed").select("site", "filter")
    scale = {site.name: np.ones(site.filters) for site in observed.sites}
    controls = draw_controls(chosen, filters, scale, draws, 0)
    return {"confirmed": chosen}, {"confirmed": controls}, observed


def batches(x: Tensor, size: int) -> list[Batch]:
    return [
        Batch(unit, tuple(range(first, min(first + size, len(x)))), x[first : first + size])
        for unit, first in enumerate(range(0, len(x), size))
    ]


def measure(measurement: TreatmentMeasurement, x: Tensor, size: int) -> Recorded:
    return record(measurement, batches(x, size))


def listed(
    model: nn.Module, x: Tensor, confirmed: dict[str, Sequence[int]], fill: FillName = "reflect"
) -> tuple[Treatment, ...]:
    sets, controls, observed = prepared(model, x, confirmed)
    return set_treatments(sets, controls, observed, fill=fill, disturbances=2, seed=0)


def row(findings: Findings | Recorded, treatments: Sequence[Treatment], measure: str) -> Any:
    """Treatment → its values."""
    return {
        (one.chosen, one.change, one.part, one.draw): findings.rows[measure][:, place]
        for place, one in enumerate(treatments)
    }


# Which treatments there are


def test_what_is_listed() -> None:
    model, x = chain(), pixels(2, 3, 9, 9)
    sets, controls, observed = prepared(model, x, {"0": [1, 2], "2": [0, 1, 2, 3, 4]})
    parts = {"recognising": 3, "side: top": 1}
    sets = {name: sets["confirmed"].head(count) for name, count in parts.items()} | sets
    controls |= {name: controls["confirmed"].first(count) for name, count in parts.items()}
    partners = Controls(sets["recognising"], np.array([[3, 4, -1]]), np.zeros((1, 3)))
    treatments = set_treatments(
        sets, controls, observed, fill="reflect", disturbances=2, seed=0, partners=partners
    )  # fmt: skip
    found = {
        key: (columns.whole.filters, columns.matched != columns.set, len(columns.controls),
              len(columns.disturbances), columns.paired != columns.set)
        for key, columns in columns_of(treatments).items()
    }  # fmt: skip
    assert found == {
        ("recognising", "refill reflect"): (3, False, 3, 2, True),
        ("recognising", "refill replicate"): (3, False, 3, 0, False),
        ("recognising", "silence"): (3, False, 3, 0, False),
        ("side: top", "refill reflect"): (1, False, 3, 0, False),
        ("confirmed", "refill reflect"): (7, True, 3, 0, False),  # 5 of 8 have 3 controls
        ("all padding", "refill reflect"): (16, False, 0, 0, False),
    }
    (paired,) = (one for one in treatments if one.part == "paired")
    with torch.no_grad():
        with paired.make(model):
            found_paired = model(x)
        with repad(model, filters=sets["recognising"].head(2)):
            assert torch.equal(model(x), found_paired)
    assert treatments[-1].sites == 2
    assert len({one.name for one in treatments}) == len(treatments)
    assert {one.filters for one in treatments if one.part == "matched"} == {5}
    replicated = set_treatments(
        sets, controls, observed, fill="replicate", disturbances=0, seed=0
    )  # fmt: skip
    assert {change for _, change in columns_of(replicated)} == {"refill replicate", "silence"}


def test_where_nothing_recognises_the_confirmed_are_tried_more() -> None:
    model, x = chain(), pixels(2, 3, 9, 9)
    found = columns_of(listed(model, x, {"0": [1, 2], "2": [0]}))
    assert list(found) == [
        ("confirmed", "refill reflect"), ("confirmed", "refill replicate"),
        ("all padding", "refill reflect"),
    ]  # fmt: skip
    assert len(found["confirmed", "refill reflect"].disturbances) == 2


def test_doses() -> None:
    model, x = chain(), pixels(2, 3, 9, 9)
    sets, controls, observed = prepared(model, x, {"0": [1, 2, 3, 5], "2": [0, 7]})
    confirmed = sets["confirmed"]
    treatments = dose_treatments(
        confirmed, controls["confirmed"], observed, fill="reflect", seed=0
    )  # fmt: skip
    whole = [one for one in treatments if one.part == "set"]
    assert [one.filters for one in whole] == [1, 2, 4, 6]
    assert all(len(columns.controls) == 3 for columns in columns_of(treatments).values())
    for one in treatments:
        dose = next(w.filters for w in whole if w.chosen == one.chosen)
        expected = confirmed.head(dose)
        if one.part == "control":
            assert one.draw is not None
            expected = controls["confirmed"].first(dose).draw(one.draw)
        with torch.no_grad():
            with one.make(model):
                found = model(x)
            with repad(model, filters=expected.select("site", "filter")):
                assert torch.equal(model(x), found)
    none = confirmed.clear()
    assert (
        dose_treatments(none, controls["confirmed"].first(0), observed, fill="core", seed=0) == ()
    )


def test_draws_share_the_images_out() -> None:
    for total, chosen, draws, each in [(48, 48, 20, 2), (48, 24, 20, 1), (25, 20, 7, 3),
                                       (20, 5, 20, 2), (48, 96, 5, 1)]:  # fmt: skip
        part = Share(total).at_most(chosen)
        shares = part.split(draws, each)
        given = [[image in share for share in shares] for image in range(total)]
        taken = [image for image in range(total) if image in part]
        assert len(taken) == part.images == min(chosen, total)
        gaps = np.diff([-1, *taken, total])
        assert gaps.max() <= -(-total // len(taken))  # spread over all
        assert [image for image in range(total) if any(given[image])] == taken
        counts = np.array(given).sum(axis=1)[taken]
        # With draws enough for every image, or so many that each has an image of its own.
        most = max(each, -(-draws // len(taken)))
        assert counts.max() == most and counts.min() >= most - 1
        sizes = [share.images for share in shares]
        assert min(sizes) > 0 and max(sizes) - min(sizes) <= 1
        for share in shares:  # neighbours, so that one batch holds them
            own = [taken.index(image) for image in range(total) if image in share]
            assert own == list(range(own[0], own[-1] + 1))
    assert Share(48).split(3, None) == (Share(48),) * 3
    assert Share(48).split(0, 2) == ()


def test_images_of_a_stream_are_shared_out_too() -> None:
    shares = Share().at_most(12).split(6, 2)
    given = [[image in share for share in shares] for image in range(20)]
    assert [sum(row) for row in given] == [2] * 12 + [0] * 8


@pytest.mark.parametrize("batch", [4, 7, 20])
def test_a_treatment_is_done_to_its_images_alone(batch: int) -> None:
    model, x = chain(), pixels(20, 3, 9, 9)
    sets, controls, observed = prepared(model, x[:2], {"0": [1, 2], "2": [0]}, draws=4)
    every, few = (
        set_treatments(
            sets, controls, observed, fill="reflect", disturbances=2, seed=0, images=20,
            sparing=sparing,
        )
        for sparing in (None, Sparing(controls=2, images=6))
    )  # fmt: skip
    assert [one.name for one in few] == [one.name for one in every]
    whole = measure(TreatmentMeasurement(model, every, (("confirmed", "refill reflect"),)), x, 20)
    parts = measure(TreatmentMeasurement(model, few, (("confirmed", "refill reflect"),)), x, batch)
    given = torch.tensor([[image in one.share for one in few] for image in range(20)])
    for name in ("kl", "flip", "confidence"):
        expected = whole.rows[name].where(given, torch.nan)
        torch.testing.assert_close(parts.rows[name], expected, equal_nan=True)
    by_name = {one.name: one.share.images for one in few}
    assert by_name["confirmed, refill reflect"] == 20
    assert by_name["confirmed, refill reflect, control 0"] == 10
    assert by_name["confirmed, refill reflect, disturbance 1"] == 10
    assert by_name["confirmed, refill replicate"] == 6
    assert sum(
        images for name, images in by_name.items() if "replicate, control" in name
    ) == 6  # fmt: skip
    # Classes: the mean of the draws that an image is given.
    torch.testing.assert_close(parts.rows["class_change"], whole.rows["class_change"])
    assert parts.rows["class_control"].isfinite().all()


class InHalves(nn.Module):
    """Sees every image as two, its upper and its lower half."""

    def __init__(self) -> None:
        super().__init__()
        self.net = chain()

    def forward(self, x: Tensor) -> Tensor:
        halves = torch.cat([x[:, :, : SIZE // 2], x[:, :, SIZE // 2 :]])
        return torch.as_tensor(self.net(halves).unflatten(0, (2, len(x))).sum(0))


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("fill", ["reflect", "core"])
def test_treatments_of_few_images_share_a_pass(fill: str, *, cut: bool) -> None:
    model: nn.Module = InHalves().eval() if cut else chain()
    x, conv = pixels(8, 3, SIZE, SIZE), "net.0" if cut else "0"
    sets, controls, observed = prepared(model, x[:2], {conv: [1, 2]}, draws=4)
    treatments = set_treatments(
        sets, controls, observed, fill=fill, disturbances=0, seed=0, images=8,
        sparing=Sparing(controls=1),
    )  # fmt: skip
    sizes: list[int] = []
    hook = model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    together = measure(TreatmentMeasurement(model, treatments), x, 8)
    hook.remove()
    # The image itself, a set and its four draws, that set and draws once more, and all padding. An
    # image of which a site sees two rows is not treated apart: four passes follow one that fails.
    draws = [8, 2, 2, 2, 2] if cut else [8]
    assert sizes == [8, 8, *draws, 8, *draws, 8]
    for place, treatment in enumerate(treatments):
        alone = measure(TreatmentMeasurement(model, (treatment,)), x, 8)
        torch.testing.assert_close(
            together.rows["kl"][:, place], alone.rows["kl"][:, 0], equal_nan=True,
            atol=1e-9, rtol=1e-4,
        )  # fmt: skip


# What they do


def test_treatments_are_the_interventions() -> None:
    model, x = chain(), pixels(4, 3, 9, 9)
    sets, controls, observed = prepared(model, x, {"0": [1, 2], "2": [0]})
    sets["recognising"], controls["recognising"] = sets["confirmed"], controls["confirmed"]
    treatments = set_treatments(sets, controls, observed, fill="core", disturbances=1, seed=7)
    measurement = TreatmentMeasurement(model, treatments)
    found = row(measurement(batches(x, 4)[0]), treatments, "kl")
    chosen, drawn = sets["confirmed"], controls["confirmed"].draw(2).select("site", "filter")
    with torch.no_grad():
        base = model(x).double().log_softmax(1)
        for key, change in {
            ("confirmed", "refill core", "set", None): repad(model, None, chosen, "core", seed=7),
            ("confirmed", "refill core", "control", 2): repad(model, None, drawn, "core", seed=7),
            ("recognising", "refill replicate", "set", None): repad(
                model, None, chosen, "replicate"
            ),
            ("recognising", "silence", "set", None): silence(model, chosen),
            ("recognising", "silence", "control", 2): silence(model, drawn),
            ("all padding", "refill core", "set", None): repad(model, fill="core", seed=7),
        }.items():
            with change:
                changed = model(x).double().log_softmax(1)
            expected = F.kl_div(changed, base, reduction="none", log_target=True).sum(1)
            torch.testing.assert_close(found[key], expected, atol=1e-9, rtol=1e-5)


def test_a_known_amount() -> None:
    model, x = Planted().eval(), torch.ones(3, 1, SIZE, SIZE)
    treatments = listed(model, x, {"conv": [0]})
    labels = torch.tensor([0, 1, -1])
    measurement = TreatmentMeasurement(
        model, treatments, (("confirmed", "refill reflect"),), labels=lambda images: labels
    )
    findings = measurement(batches(x, 3)[0])
    # Three logits are the gain; that of filter 0 is less by the padding's share until it is undone.
    odds = math.exp(-model.gain * model.share)
    before, after = odds / (3 + odds), 1 / 4
    others = 1 / (3 + odds)
    kl = before * math.log(before / after) + 3 * others * math.log(others / after)
    key = ("confirmed", "refill reflect", "set", None)
    values = {name: row(findings, treatments, name)[key] for name in ("kl", "confidence", "nll")}
    torch.testing.assert_close(
        values["kl"], torch.full((3,), kl, dtype=torch.float64), rtol=1e-5, atol=0
    )
    # Most probable was class 1; label 0 gains.
    torch.testing.assert_close(
        values["confidence"], torch.full((3,), after - others, dtype=torch.float64)
    )
    nll = torch.tensor([math.log(before / after), math.log(others / after), math.nan]).double()
    torch.testing.assert_close(values["nll"], nll, equal_nan=True, rtol=1e-5, atol=0)
    change = torch.tensor([after - before, *[after - others] * 3]).expand(3, 1, 4)
    torch.testing.assert_close(findings.rows["class_change"], change)
    # Filters that look at their centre alone have no effect at all, however they are treated.
    for name in ("kl", "flip", "confidence"):
        for draw in range(3):
            assert not row(findings, treatments, name)[
                "confirmed", "refill reflect", "control", draw
            ].any()
    assert not findings.rows["class_control"].any()
    assert findings.rows["unchanged/correct"].tolist()[:2] == [0, 1]


def test_a_network_that_ignores_its_border() -> None:
    model, x = Planted(crop=1).eval(), pixels(3, 1, SIZE, SIZE)
    treatments = [one for one in listed(model, x, {"conv": [0, 1]}) if one.part != "disturbance"]
    findings = TreatmentMeasurement(model, tuple(treatments))(batches(x, 3)[0])
    assert not any(findings.rows[name].any() for name in ("kl", "flip", "confidence"))


# Batches


def test_batches_do_not_matter() -> None:
    model, x = chain(), pixels(7, 3, 9, 9)
    treatments = listed(model, x, {"0": [1, 2], "2": [0]}, fill="core")
    labels = torch.tensor([0, 1, 2, 3, 4, -1, 1])
    by_class = (("confirmed", "refill core"), ("all padding", "refill core"))
    measurement = TreatmentMeasurement(
        model, treatments, by_class, labels=lambda images: labels[list(images)]
    )
    whole = measure(measurement, x, 7)
    for size in (1, 3):
        split = measure(measurement, x, size)
        assert split.images == whole.images
        assert split.rows.keys() == whole.rows.keys()
        for name, values in whole.rows.items():
            torch.testing.assert_close(split.rows[name], values, equal_nan=True, atol=1e-6, rtol=0)
    assert whole.rows["kl"].shape == (7, len(treatments))
    assert whole.rows["class_change"].shape == (7, 2, 5)
    assert whole.rows["class_control"][:, 1].isnan().all()  # all padding has no controls
    assert not whole.rows["class_control"][:, 0].isnan().any()
    # Of classes, which are many, rows are kept of some of the images.
    some = replace(measurement, class_share=Share(7).at_most(3))
    for size in (1, 3, 7):
        found = measure(some, x, size)
        assert found.indices == tuple(range(7))
        assert found.images_of("kl") == found.indices
        images = list(found.images_of("class_change"))
        assert images == [image for image in range(7) if image in some.class_share]
        for name in ("class_change", "class_control"):
            torch.testing.assert_close(
                found.rows[name], whole.rows[name][images], equal_nan=True, atol=1e-6, rtol=0
            )


class Static(nn.Module):
    """Takes four images at once and no other number."""

    def __init__(self) -> None:
        super().__init__()
        self.net = chain()

    def forward(self, x: Tensor) -> Tensor:
        if len(x) != 4:
            raise ValueError("four images, please")
        return torch.as_tensor(self.net(x))


def test_static_batches() -> None:
    model, x = Static().eval(), pixels(6, 3, 9, 9)
    treatments = listed(model, x[:4], {"net.0": [1, 2]}, fill="core")
    found = measure(TreatmentMeasurement(model, treatments, asking=Asking(None, 4)), x, 4)
    free = listed(model.net, x, {"0": [1, 2]}, fill="core")
    kinds = [(one.part, one.draw) for one in treatments]
    assert kinds == [(one.part, one.draw) for one in free]
    replicated = [place for place, one in enumerate(free) if one.change == "refill replicate"]
    expected = measure(TreatmentMeasurement(model.net, free), x, 6)
    torch.testing.assert_close(
        found.rows["kl"][:, replicated], expected.rows["kl"][:, replicated], atol=1e-9, rtol=1e-4
    )
    # Random fills depend on the image, not on the row: image 5 is the last of a batch filled up.
    alone = TreatmentMeasurement(model, treatments, asking=Asking(None, 4))(Batch(0, (5,), x[5:]))
    torch.testing.assert_close(found.rows["kl"][5:], alone.rows["kl"], atol=1e-9, rtol=1e-4)


# Other answers


def test_dense_answers_and_values() -> None:
    conv = nn.Conv2d(1, 2, 3, padding=1).eval()
    x = pixels(3, 1, SIZE, SIZE)
    treatments = listed(conv, x, {"conv2d": [0]})
    findings = TreatmentMeasurement(conv, treatments)(batches(x, 3)[0])
    assert findings.rows.keys() == {"change", "distance"}
    by_distance = row(findings, treatments, "distance")["confirmed", "refill reflect", "set", None]
    assert (by_distance[:, 0] > 0).all()
    assert not by_distance[:, 1:].any()

    class Value(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = copy.deepcopy(conv)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"score": self.conv(x).mean(dim=(1, 2, 3))}

    model = Value().eval()
    treatments = listed(model, x, {"conv": [0]})
    findings = TreatmentMeasurement(model, treatments, asking=Asking("score"))(batches(x, 3)[0])
    with torch.no_grad():
        before = model(x)["score"]
        with repad(model, filters={"conv": [0]}):
            expected = (model(x)["score"] - before).abs()
    found = row(findings, treatments, "change")["confirmed", "refill reflect", "set", None]
    torch.testing.assert_close(found.float(), expected)


def test_a_metric() -> None:
    model, x = Planted().eval(), torch.ones(2, 1, SIZE, SIZE)
    treatments = listed(model, x, {"conv": [0]})
    metric = Metric("mine:first", lambda answers, labels: answers[:, 0])
    findings = TreatmentMeasurement(model, treatments, metric=metric)(batches(x, 2)[0])
    found = row(findings, treatments, "metric")["confirmed", "refill reflect", "set", None]
    expected = torch.full((2,), model.gain * model.share, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


# What goes wrong


def state(model: nn.Module) -> list[Any]:
    hooks = [len(value) for module in model.modules() for name, value in vars(module).items()
             if name.endswith("hooks")]  # fmt: skip
    return [hooks, [value.clone() for value in model.state_dict().values()]]


class Fragile(Planted):
    """Fails, or says NaN, when the border of filter 0 is not what it is used to."""

    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        if maps[0, 0, 0, 0] > 0.9:
            if self.wrong == "raises":
                raise RuntimeError("what is this?\nand more")
            maps = maps * math.nan
        return torch.as_tensor(maps.mean(dim=(-2, -1)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("raises", "confirmed, refill reflect: the model failed on images 0 to 1: .*what is this"),
        ("nan", "confirmed, refill reflect: the model answers with NaN or infinity to 2 of 2"),
    ],
)
def test_a_model_that_fails_under_a_treatment(wrong: str, message: str) -> None:
    model, x = Fragile(wrong).eval(), torch.ones(2, 1, SIZE, SIZE)
    treatments = listed(model, x, {"conv": [0]})
    before = state(model)
    with pytest.raises(PadscopeError, match=message):
        TreatmentMeasurement(model, treatments)(batches(x, 2)[0])
    after = state(model)
    assert before[0] == after[0]
    assert not torch._C._len_torch_function_stack()


def test_the_model_is_left_as_it_was() -> None:
    model, x = chain(), pixels(3, 3, 9, 9)
    before, expected = state(model), chain()(x)
    TreatmentMeasurement(model, listed(model, x, {"0": [1], "2": [2]}))(batches(x, 3)[0])
    after = state(model)
    assert before[0] == after[0]
    assert all(torch.equal(a, b) for a, b in zip(before[1], after[1], strict=True))
    assert torch.equal(model(x), expected)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_sites_without_a_core_are_not_disturbed() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(2),
                          nn.Conv2d(4, 4, 3, padding=1), nn.Flatten()).eval()  # fmt: skip
    x = pixels(2, 3, 9, 9)
    treatments = listed(model, x, {"0": [1], "2": [1]})
    disturbed = [one for one in treatments if one.part == "disturbance"]
    assert [(one.filters, one.sites) for one in disturbed] == [(1, 1)] * 2
    TreatmentMeasurement(model, treatments)(batches(x, 2)[0])
    only = listed(model, x, {"2": [1]})
    assert not [one for one in only if one.part == "disturbance"]
