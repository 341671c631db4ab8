"""Tables of effects beside controls, against what they are made of; and their false alarms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from padscope.effects.classes import images_needed, sign_flip_p
from padscope.effects.classification import calibration_error
from padscope.effects.resampling import Bootstrap, Resampled, empirical_p, mean_interval
from padscope.images import Batch
from padscope.interventions import repad
from padscope.interventions.controls import Controls, draw_controls
from padscope.interventions.treatments import (
    Part,
    Sparing,
    Treatment,
    set_treatments,
)
from padscope.measurements.effects import TreatmentMeasurement
from padscope.sites import observe
from padscope.tables.classes import class_table
from padscope.tables.distances import distance_table
from padscope.tables.effects import dose_table, effect_table
from padscope.tables.schema import CLASSES, DISTANCES, DOSES, EFFECTS

FloatArray = NDArray[np.float64]
IMAGES, DRAWS, REFILL = 30, 4, "refill reflect"
GROUPS = np.repeat(np.arange(15), 2)
BOOTSTRAP = Bootstrap(GROUPS, resamples=200, seed=3)


def treatment(chosen: str, part: Part, draw: int | None, filters: int) -> Treatment:
    return Treatment(chosen, REFILL, part, draw, filters, 2, repad)


# Of four confirmed filters three have controls. Places: 0, 1, 2-5, 6-7, 8.
TREATMENTS = (
    treatment("confirmed", "set", None, 4),
    treatment("confirmed", "matched", None, 3),
    *(treatment("confirmed", "control", draw, 3) for draw in range(DRAWS)),
    *(treatment("confirmed", "disturbance", draw, 4) for draw in range(2)),
    treatment("all padding", "set", None, 9),
)


def some_controls() -> Controls:
    chosen = pl.DataFrame({"site": ["a"] * 4, "filter": range(4)})
    partners = np.array([[4 + 3 * draw, 5 + 3 * draw, 6 + 3 * draw, -1] for draw in range(DRAWS)])
    return Controls(chosen, partners, np.where(partners < 0, np.nan, 0.2))


def some_rows(seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    shape = (IMAGES, len(TREATMENTS))
    correct = rng.integers(0, 2, shape).astype(float)
    base_correct = rng.integers(0, 2, IMAGES).astype(float)
    correct[4], base_correct[4] = np.nan, np.nan  # an image without a label
    rows = {
        "kl": rng.exponential(size=shape), "confidence": rng.normal(size=shape),
        "nll": np.where(np.isnan(correct), np.nan, rng.normal(size=shape)),
        "correct": correct, "top": rng.uniform(0.1, 1, shape),
        "unchanged/correct": base_correct, "unchanged/top": rng.uniform(0.1, 1, IMAGES),
    }  # fmt: skip
    rows["kl"][:, :2] += 3
    return {name: torch.from_numpy(values) for name, values in rows.items()}


def of(table: pl.DataFrame, chosen: str, measure: str) -> dict[str, float]:
    return table.row(
        by_predicate=(pl.col("set") == chosen) & (pl.col("measure") == measure), named=True
    )


@pytest.mark.parametrize("measure", ["kl", "confidence", "nll"])
def test_effects_are_means_over_images(measure: str) -> None:
    rows = some_rows()
    table = effect_table(TREATMENTS, {"confirmed": some_controls()}, rows, BOOTSTRAP)
    found = of(table, "confirmed", measure)
    values = rows[measure].numpy()
    used = np.isfinite(values).all(axis=1)
    values, groups = values[used], GROUPS[used]
    effect, low, high = mean_interval(values[:, 0], groups, 200, 3)
    draws = values[:, 2:6].mean(axis=0)
    beyond = mean_interval(values[:, 1] - values[:, 2:6].mean(axis=1), groups, 200, 3)
    expected = {
        "effect": effect, "low": low, "high": high, "control": draws.mean(),
        "control_low": draws.min(), "control_high": draws.max(),
        "matched_effect": values[:, 1].mean(), "excess": beyond[0], "excess_low": beyond[1],
        "excess_high": beyond[2], "disturbance": values[:, 6:8].mean(), "shared": 0.0,
        "p": empirical_p(values[:, 1].mean(), draws), "scale_error": 0.2,
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value)), name
    whole = {"filters": 4, "sites": 2, "matched": 3, "draws": DRAWS, "images": int(used.sum())}
    assert {name: found[name] for name in whole} == whole


def test_accuracy_and_calibration() -> None:
    rows = {name: values.numpy() for name, values in some_rows().items()}
    table = effect_table(TREATMENTS, {"confirmed": some_controls()}, some_rows(), BOOTSTRAP)
    used = np.arange(IMAGES) != 4
    accuracy = rows["correct"][used].mean(axis=0) - rows["unchanged/correct"][used].mean()
    base = calibration_error(rows["unchanged/top"][used], rows["unchanged/correct"][used])
    calibration = np.array([
        calibration_error(rows["top"][used, place], rows["correct"][used, place]) - base
        for place in range(len(TREATMENTS))
    ])  # fmt: skip
    for measure, values in (("accuracy", accuracy), ("ece", calibration)):
        found = of(table, "confirmed", measure)
        assert found["images"] == IMAGES - 1
        assert found["effect"] == pytest.approx(values[0])
        assert found["excess"] == pytest.approx(values[1] - values[2:6].mean())
        assert found["low"] < found["effect"] < found["high"]
        assert found["p"] == empirical_p(values[1], values[2:6])
    # Intervals of calibration, resample by resample.
    drawn = np.random.default_rng(3).multinomial(15, np.full(15, 1 / 15), size=200)
    slow = []
    for times in drawn:
        chosen = np.repeat(np.arange(IMAGES)[used], times[GROUPS[used]])
        tops, right = rows["top"][chosen, 0], rows["correct"][chosen, 0]
        before = rows["unchanged/top"][chosen], rows["unchanged/correct"][chosen]
        slow.append(calibration_error(tops, right) - calibration_error(*before))
    found = of(table, "confirmed", "ece")
    ends = Resampled(np.array(0), np.array(slow), groups=15).interval()
    assert (found["low"], found["high"]) == pytest.approx(ends)


def test_sets_without_controls_and_measures_without_images() -> None:
    rows = some_rows() | {"change": torch.full((IMAGES, len(TREATMENTS)), torch.nan)}
    table = effect_table(
        TREATMENTS, {"confirmed": some_controls()}, rows, Bootstrap(["one"] * IMAGES)
    )
    assert dict(table.schema) == EFFECTS.dtypes
    assert table["measure"].unique(maintain_order=True).to_list() == [
        "kl", "confidence", "accuracy", "nll", "ece",
    ]  # fmt: skip
    found = of(table, "all padding", "kl")
    nulls = {name for name, value in found.items() if value is None}
    assert {"control", "p", "excess", "matched_effect", "shared", "disturbance"} <= nulls
    assert (found["matched"], found["draws"]) == (0, 0)
    assert found["low"] is None  # one photograph gives no interval
    assert effect_table((), {}, {}, BOOTSTRAP).is_empty()


@pytest.mark.parametrize("all_paired", [True, False])
def test_recognising_filters_stand_beside_their_partners(all_paired: bool) -> None:
    beside = "confirmed but not recognising"
    treatments = (
        treatment("recognising", "set", None, 4),
        *([] if all_paired else [treatment("recognising", "paired", None, 3)]),
        treatment(beside, "set", None, 4 if all_paired else 3),
        treatment("confirmed", "set", None, 9),
    )
    kl = np.random.default_rng(5).exponential(size=(IMAGES, len(treatments)))
    kl[:, 0] += 1
    table = effect_table(treatments, {}, {"kl": torch.from_numpy(kl)}, BOOTSTRAP)
    one, other = (0, 1) if all_paired else (1, 2)
    beyond = mean_interval(kl[:, one] - kl[:, other], GROUPS, 200, 3)
    expected = {
        "paired": 4 if all_paired else 3, "paired_effect": kl[:, one].mean(),
        "partner": kl[:, other].mean(), "beyond": beyond[0], "beyond_low": beyond[1],
        "beyond_high": beyond[2],
    }  # fmt: skip
    found = of(table, "recognising", "kl")
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value)), name
    for chosen in (beside, "confirmed"):
        assert {of(table, chosen, "kl")[name] for name in expected} == {None}


def test_doses() -> None:
    controls = some_controls()
    doses = tuple(
        one
        for dose in (1, 2, 4)
        for one in (
            treatment(f"strongest {dose}", "set", None, dose),
            *(
                treatment(f"strongest {dose}", "control", draw, min(dose, 3))
                for draw in range(DRAWS)
            ),
        )
    )
    rng = np.random.default_rng(0)
    rows = {"kl": torch.from_numpy(rng.exponential(size=(IMAGES, len(doses))))}
    table = dose_table(doses, controls, rows, BOOTSTRAP)
    assert table.columns == list(DOSES.dtypes)
    assert table["filters"].to_list() == [1, 2, 4]
    assert table["matched"].to_list() == [1, 2, 3]
    assert table["effect"].to_list() == pytest.approx(rows["kl"][:, ::5].mean(dim=0).tolist())


def test_distances() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(IMAGES, len(TREATMENTS), 3))
    values[7, 0, 1] = np.nan  # an answer without spread
    table = distance_table(TREATMENTS, {"distance": torch.from_numpy(values)}, REFILL, BOOTSTRAP)
    assert dict(table.schema) == DISTANCES.dtypes
    assert table["set"].to_list() == ["confirmed"] * 3 + ["all padding"] * 3
    assert table["distance"].to_list() == [0, 1, 2] * 2
    for place, chosen in ((0, "confirmed"), (8, "all padding")):
        used = np.isfinite(values[:, place]).all(axis=1)
        found = table.filter(pl.col("set") == chosen)
        mean, low, high = mean_interval(values[used, place], GROUPS[used], 200, 3)
        for name, expected in (("change", mean), ("low", low), ("high", high)):
            np.testing.assert_allclose(found[name].to_numpy(), expected)
    control = table.filter(pl.col("set") == "confirmed")["control"].to_numpy()
    there = np.isfinite(values[:, 0]).all(axis=1)
    np.testing.assert_allclose(control, values[there, 2:6].mean(axis=(0, 1)))
    assert table.filter(pl.col("set") == "all padding")["control"].is_null().all()
    assert distance_table(TREATMENTS, some_rows(), REFILL, BOOTSTRAP).is_empty()
    assert distance_table(
        TREATMENTS, {"distance": torch.from_numpy(values)}, "silence", BOOTSTRAP
    ).is_empty()


def test_classes() -> None:
    rng = np.random.default_rng(0)
    change = rng.normal(size=(IMAGES, 2, 7))
    control = np.stack([rng.normal(size=(IMAGES, 7)), np.full((IMAGES, 7), np.nan)], axis=1)
    change[:, 0, 2] += 2
    change[:, 0, 4], control[:, 0, 4] = change[:, 0, 4] + 5, control[:, 0, 4] + 5  # as controls do
    rows = {"class_change": torch.from_numpy(change), "class_control": torch.from_numpy(control)}
    names = ["ant", "bee", "", "dog", "elk", "fox", "gnu"]
    table = class_table(["confirmed", "all padding"], rows, names, BOOTSTRAP, masked=[6])
    assert dict(table.schema) == CLASSES.dtypes
    assert table.select("images", "photographs").unique().rows() == [(IMAGES, IMAGES // 2)]
    found = table.filter(pl.col("set") == "confirmed")
    excess = (change - control)[:, 0, :6]
    p = sign_flip_p(excess, GROUPS, flips=120, seed=3)
    for name, values in (("change", change[:, 0, :6]), ("excess", excess)):
        mean, low, high = mean_interval(values, GROUPS, 200, 3)
        np.testing.assert_allclose(found[name].to_numpy(), mean)
        ends = ("low", "high") if name == "change" else ("excess_low", "excess_high")
        np.testing.assert_allclose(found[ends[0]].to_numpy(), low)
        np.testing.assert_allclose(found[ends[1]].to_numpy(), high)
    np.testing.assert_allclose(found["p"].to_numpy(), p)
    np.testing.assert_allclose(found["q"].to_numpy(), stats.false_discovery_control(p))
    np.testing.assert_allclose(found["control"].to_numpy(), control[:, 0, :6].mean(axis=0))
    assert found.filter(pl.col("q") < 0.05)["class"].to_list() == [2]
    assert found["name"].to_list() == ["ant", "bee", None, "dog", "elk", "fox"]
    assert found["images_needed"].unique().to_list() == [images_needed(excess, GROUPS)]
    bare = table.filter(pl.col("set") == "all padding")
    assert bare["change"].null_count() == 0
    for name in ("control", "excess", "excess_low", "p", "q", "images_needed"):
        assert bare[name].is_null().all(), name
    assert class_table(["confirmed"], {}).is_empty()


# False alarms


class Linear(nn.Module):
    """A value that is linear in its filters' maps, of which the outer lines may be left out.

    It makes `gain` times as much of the first filter.
    """

    def __init__(self, seed: int, filters: int, crop: int, gain: float) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.conv = nn.Conv2d(1, filters, 3, padding=1)
        self.conv.weight.data = torch.randn(filters, 1, 3, 3, generator=rng)
        self.weights = nn.Parameter(torch.randn(filters, generator=rng))
        self.weights.data[0] *= gain
        self.crop = crop

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        kept = slice(self.crop, maps.shape[-1] - self.crop)
        return torch.as_tensor(maps[..., kept, kept].mean(dim=(-2, -1)) @ self.weights)


def significance(
    seed: int,
    crop: int,
    chosen: Sequence[int],
    filters: int,
    gain: float = 1,
    draws: int = 20,
    images: int = 4,
    sparing: Sparing | None = None,
) -> tuple[float, float]:
    """Effect and p of some filters of a network made at random, on images made at random."""
    model = Linear(seed, filters, crop, gain).eval()
    x = torch.randn(images, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    observed = observe(model, x)
    labels = ["confirmed" if index in chosen else "quiet" for index in range(filters)]
    table = pl.DataFrame(
        {"site": ["conv"] * filters, "filter": range(filters), "ks": [0.1] * filters,
         "label": labels}
    )  # fmt: skip
    confirmed = table.filter(pl.col("label") == "confirmed").select("site", "filter")
    spread = model.conv.weight.detach().flatten(1).norm(dim=1).numpy()
    controls = draw_controls(confirmed, table, {"conv": spread}, draws, seed)
    treatments = set_treatments(
        {"confirmed": confirmed}, {"confirmed": controls}, observed, fill="replicate",
        disturbances=0, seed=seed, images=images, sparing=sparing,
    )  # fmt: skip
    findings = TreatmentMeasurement(model, treatments)(Batch(0, tuple(range(images)), x))
    rows = effect_table(treatments, {"confirmed": controls}, findings.rows, Bootstrap(resamples=10))
    found = of(rows, "confirmed", "change")
    return found["effect"], found["p"]


def test_a_network_that_ignores_its_border_gives_nothing() -> None:
    found = [significance(seed, 1, chosen=(0, 1, 2), filters=20, draws=4) for seed in range(100)]
    assert found == [(0.0, 1.0)] * 100


def test_filters_picked_at_random_are_rarely_significant() -> None:
    found, runs = [], 40
    for seed in range(runs):
        chosen = np.random.default_rng(seed).permutation(30)[:4].tolist()
        found.append(significance(seed, crop=0, chosen=chosen, filters=30))
    assert all(effect > 0 for effect, _ in found)
    significant = sum(p <= 0.05 for _, p in found)
    assert significant <= stats.binom.ppf(0.999, runs, 0.05)  # by chance once in a thousand


def test_a_filter_that_matters_is_significant() -> None:
    found = [significance(seed, 0, chosen=(0,), filters=40, gain=1000) for seed in range(5)]
    assert [p for _, p in found] == [pytest.approx(1 / 21)] * 5
