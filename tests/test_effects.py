"""Effects per image and over images, against their definitions written out in numpy and scipy."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor

from padscope.effects import Metric, Unchanged, load_metric
from padscope.effects.classes import images_needed, sign_flip_p
from padscope.effects.classification import (
    ClassAnswer,
    calibration_error,
    confidence_change,
    correctness,
    flips,
    kl_divergence,
    nll_change,
)
from padscope.effects.dense import LONGEST, change_by_distance, dense_change, value_change
from padscope.effects.resampling import (
    Bootstrap,
    empirical_p,
    mean_interval,
    means,
    resample,
)
from padscope.errors import PadscopeError

EXAMPLES = settings(max_examples=50, deadline=None, derandomize=True)
FloatArray = NDArray[np.float64]


def numbers(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape)


# Scores of classes


@EXAMPLES
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 0.1, 1, 10, 300]))
def test_class_effects_are_their_definitions(seed: int, scale: float) -> None:
    before, after = scale * numbers(2, 3, 4, seed=seed)
    base, changed = (ClassAnswer.of(torch.from_numpy(scores)) for scores in (before, after))
    p, q = (special.softmax(scores, axis=1) for scores in (before, after))
    terms = special.rel_entr(p, q).sum(axis=1)
    known = np.isfinite(terms)  # where q underflows in the definition, the logarithm has not
    np.testing.assert_allclose(kl_divergence(base, changed).numpy()[known], terms[known], atol=1e-9)
    assert (kl_divergence(base, changed) >= 0).all()
    assert flips(base, changed).tolist() == (before.argmax(1) != after.argmax(1)).tolist()
    top = before.argmax(axis=1)
    rows = np.arange(3)
    np.testing.assert_allclose(confidence_change(base, changed), q[rows, top] - p[rows, top])
    labels = np.array([2, 0, 3])
    nll = [
        special.logsumexp(scores, axis=1) - scores[rows, labels] for scores in (before, after)
    ]  # fmt: skip
    found = nll_change(base, changed, torch.from_numpy(labels))
    np.testing.assert_allclose(found, nll[1] - nll[0], atol=1e-9)
    right = correctness(changed, torch.from_numpy(labels))
    assert right.tolist() == (after.argmax(axis=1) == labels).astype(float).tolist()


def test_huge_scores_neither_overflow_nor_vanish() -> None:
    base = ClassAnswer.of(torch.tensor([[1e4, 0.0], [3e38, -3e38]]))
    changed = ClassAnswer.of(torch.tensor([[0.0, 1e4], [3e38, -3e38]]))
    assert kl_divergence(base, changed).tolist() == [1e4, 0.0]


def test_the_same_answer_has_no_effect() -> None:
    answer = ClassAnswer.of(torch.from_numpy(numbers(5, 7)))
    for effect in (kl_divergence, flips, confidence_change):
        assert not effect(answer, answer).any()


def test_unknown_labels_are_no_number() -> None:
    answer = ClassAnswer.of(torch.from_numpy(numbers(3, 4)))
    labels = torch.tensor([1, -1, 2])
    assert nll_change(answer, answer, labels).isnan().tolist() == [False, True, False]
    assert correctness(answer, labels).isnan().tolist() == [False, True, False]


def slow_calibration_error(confidence: FloatArray, correct: FloatArray, bins: int) -> float:
    total = 0.0
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.sum() * abs(correct[inside].mean() - confidence[inside].mean())
    return float(total / len(confidence))


@EXAMPLES
@given(seed=st.integers(0, 10**6), bins=st.integers(1, 20))
def test_calibration_error(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, correct = 1 - rng.random(30), rng.integers(0, 2, 30).astype(np.float64)
    confidence[3] = 1
    expected = slow_calibration_error(confidence, correct, bins)
    assert calibration_error(confidence, correct, bins) == pytest.approx(expected)
    weights = rng.integers(0, 3, (4, 30))
    weights[:, 0] = 1
    found = calibration_error(confidence, correct, bins, weights)
    for row, value in zip(weights, found, strict=True):
        drawn = np.repeat(np.arange(30), row)
        expected = slow_calibration_error(confidence[drawn], correct[drawn], bins)
        assert value == pytest.approx(expected)


# Maps and values


@pytest.mark.parametrize("size", [(7,), (6, 9), (4, 5, 6), (1, 3), (2 * LONGEST + 9,)])
def test_change_by_distance(size: tuple[int, ...]) -> None:
    base, changed = numbers(2, 3, *size), numbers(2, 3, *size, seed=1)
    found = change_by_distance(torch.from_numpy(base), torch.from_numpy(changed)).numpy()
    change = np.abs(changed - base).reshape(2, 3, -1)
    sums: dict[int, list[FloatArray]] = {}
    for place in product(*map(range, size)):
        distance = min(min(at, n - 1 - at) for at, n in zip(place, size, strict=True))
        flat = np.ravel_multi_index(place, size)
        sums.setdefault(distance, []).append(change[:, :, flat].mean(axis=1))
    spread = base.reshape(2, -1).std(axis=1)
    assert found.shape == (2, min(LONGEST, len(sums)))
    for distance in range(found.shape[1]):
        expected = np.mean(sums[distance], axis=0) / spread
        np.testing.assert_allclose(found[:, distance], expected)
    whole = np.sqrt(np.square(changed - base).reshape(2, -1).mean(axis=1)) / spread
    np.testing.assert_allclose(
        dense_change(torch.from_numpy(base), torch.from_numpy(changed)), whole
    )


def test_a_map_without_spread() -> None:
    base = torch.full((3, 2, 4, 4), 0.1)
    changed = base.clone()
    changed[1, 0, 0, 0] += 1
    changed[2] += 1
    assert dense_change(base, changed).isnan().tolist() == [False, True, True]
    by_distance = change_by_distance(base, changed)
    assert by_distance[0].tolist() == [0, 0]
    assert by_distance.isnan().tolist() == [[False] * 2, [True, False], [True] * 2]


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_values(shape: tuple[int, ...]) -> None:
    base, changed = torch.zeros(shape), torch.tensor([1.0, -2, 0]).reshape(shape)
    assert value_change(base, changed).tolist() == [1, 2, 0]


# A batch against its unchanged answers


def test_which_measures_apply() -> None:
    images, labels = range(2), torch.tensor([0, 1])

    def measures(*shape: int, labels: Tensor | None = None) -> set[str]:
        base = torch.from_numpy(numbers(*shape))
        return set(Unchanged(base, images, labels).compare(base))

    classes = {"kl", "flip", "confidence"}
    assert measures(2, 4) == classes
    assert measures(2, 4, labels=labels) == classes | {"nll", "correct", "top"}
    assert measures(2, 4, 5, labels=labels) == {"change", "distance"}
    assert measures(2) == measures(2, 1) == {"change"}


def test_a_metric_is_compared() -> None:
    labels = torch.tensor([1, 0, -1])

    def largest(answers: Tensor, given: Tensor | None) -> Tensor:
        assert given is not None
        assert given.tolist() == labels.tolist()
        return answers.flatten(1).amax(dim=1)

    base, changed = torch.from_numpy(numbers(3, 4)), torch.from_numpy(numbers(3, 4, seed=1))
    unchanged = Unchanged(base, range(3), labels, Metric("mine:largest", largest))
    expected = changed.amax(dim=1) - base.amax(dim=1)
    assert torch.equal(unchanged.compare(changed)["metric"], expected)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_answers_that_are_not_finite(value: float) -> None:
    base = torch.zeros(4, 3)
    broken = base.clone()
    broken[1:3, 2] = value
    message = "NaN or infinity to 2 of 4 images, first to image 11"
    with pytest.raises(PadscopeError, match=message):
        Unchanged(base, (10, 11, 12, 13)).compare(broken)
    with pytest.raises(PadscopeError, match=message):
        Unchanged(broken, (10, 11, 12, 13)).own()


def test_answers_that_cannot_be_compared() -> None:
    with pytest.raises(PadscopeError, match=r"shape \(2, 4\), and \(2, 3\) when nothing"):
        Unchanged(torch.zeros(2, 3), range(2)).compare(torch.zeros(2, 4))
    with pytest.raises(PadscopeError, match="5 rows for 2 images"):
        Unchanged(torch.zeros(5, 3), range(2)).own()


# Somebody's own metric

METRICS = """
import numpy as np
def good(answers, labels): return answers.sum(dim=1)
def array(answers, labels): return answers.sum(dim=1).numpy()
def raises(answers, labels): raise KeyError("no such thing")
def one(answers, labels): return answers.sum()
def nan(answers, labels): return answers.sum(dim=1) * float("nan")
def nothing(answers, labels): return None
number = 3

def unsure(answers, labels):
    return answers.sum(dim=1)

unsure.higher_is_better = "yes"
"""


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_metrics.py").write_text(METRICS)
    (tmp_path / "broken_metrics.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("own_metrics", None)


@pytest.mark.usefixtures("metrics")
def test_a_metric_is_loaded_and_called() -> None:
    path = list(sys.path)
    answers = torch.from_numpy(numbers(3, 4))
    for name in ("good", "array"):
        found = load_metric(f"own_metrics:{name}")(answers, None)
        assert torch.equal(found, answers.sum(dim=1))
    assert sys.path == path


@pytest.mark.usefixtures("metrics")
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("own_metrics", "not of the form"),
        (":good", "not of the form"),
        ("no_such_metrics:good", "importing no_such_metrics .* ModuleNotFoundError"),
        ("broken_metrics:good", "failed with ZeroDivisionError"),
        ("own_metrics:gone", "'gone' does not exist"),
        ("own_metrics:number", "'number' is int"),
        ("own_metrics:unsure", "higher_is_better 'yes'; set a text, and True or False"),
    ],
)
def test_metrics_that_cannot_be_loaded(target: str, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        load_metric(target)


@pytest.mark.usefixtures("metrics")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "failed on answers of shape .* KeyError: 'no such thing'"),
        ("one", r"returned shape \(\) for 3 images"),
        ("nan", "NaN or infinity for 3 of 3 images"),
        ("nothing", "must return one score per image"),
    ],
)
def test_metrics_that_fail(name: str, message: str) -> None:
    with pytest.raises(PadscopeError, match=message):
        load_metric(f"own_metrics:{name}")(torch.zeros(3, 4), None)


# Over images


def test_intervals_agree_with_scipy() -> None:
    values = np.random.default_rng(3).exponential(size=40)
    mean, low, high = mean_interval(values, resamples=4000, seed=1)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert mean == pytest.approx(values.mean())
    width = theirs.high - theirs.low
    assert low == pytest.approx(theirs.low, abs=0.05 * width)
    assert high == pytest.approx(theirs.high, abs=0.05 * width)


def test_images_of_a_group_are_drawn_together() -> None:
    values = np.repeat(numbers(12), 4)  # four alike images of each of twelve photographs
    groups = np.repeat([f"photo {number}" for number in range(12)], 4).tolist()
    alone = mean_interval(values[::4], seed=5)
    together = mean_interval(values, groups, seed=5)
    np.testing.assert_allclose(together, alone)
    _, low, high = mean_interval(values, seed=5)
    assert high - low < 0.7 * (alone[2] - alone[1])


def test_columns_are_resampled_alike() -> None:
    values = numbers(20, 3)
    values[:, 2] = values[:, 0] - values[:, 1]
    found = resample(means(values), 20, resamples=50)
    np.testing.assert_allclose(found.draws[:, 2], found.draws[:, 0] - found.draws[:, 1])
    difference = found.then(lambda each: each[:, 0] - each[:, 1])
    np.testing.assert_allclose(difference.interval(), mean_interval(values[:, 2], resamples=50)[1:])
    np.testing.assert_allclose(mean_interval(values)[0], values.mean(axis=0))


def test_any_statistic_over_images(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence, correct = np.linspace(0.05, 1, 30), (numbers(30) > 0).astype(float)

    def error(weights: FloatArray) -> FloatArray:
        return calibration_error(confidence, correct, weights=weights)

    found = resample(error, 30, resamples=300)
    value, (low, high) = found.value, found.interval()
    assert value == pytest.approx(slow_calibration_error(confidence, correct, 15))
    assert low < high
    # However many samples are made at once, they are the same.
    monkeypatch.setattr("padscope.effects.resampling.WEIGHTS_AT_ONCE", 200)
    again = resample(error, 30, resamples=300)
    np.testing.assert_array_equal((again.value, *again.interval()), (value, low, high))


def test_some_of_the_images() -> None:
    values, used = numbers(6), np.array([0, 2, 3, 5])
    found = Bootstrap(groups=[0, 0, 1, 1, 2, 2], resamples=40, seed=4).of(means(values[used]), used)
    expected = resample(means(values[used]), 4, [0, 1, 1, 2], resamples=40, seed=4)
    np.testing.assert_array_equal(found.draws, expected.draws)


def test_one_group_gives_no_interval() -> None:
    mean, low, high = mean_interval([1.0, 3.0], groups=["a", "a"])
    assert mean == 2
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize(("images", "groups"), [(0, None), (2, ["a"])])
def test_images_that_cannot_be_resampled(images: int, groups: list[str] | None) -> None:
    with pytest.raises(ValueError, match="images"):
        resample(means(np.zeros(images)), images, groups)


# Beside controls


@EXAMPLES
@given(draws=st.lists(st.integers(-3, 3), min_size=1), observed=st.integers(-3, 3))
def test_empirical_p_counts(draws: list[int], observed: int) -> None:
    reached = sum(abs(draw) >= abs(observed) for draw in draws)
    assert empirical_p(observed, draws) == (1 + reached) / (1 + len(draws))
    assert empirical_p(observed, draws, shared=1) == 1
    assert empirical_p(0, np.zeros(len(draws)), shared=0.5) == 1


def test_draws_that_share_filters_are_spread() -> None:
    draws = [-0.5, 0.5, 1.5]
    assert empirical_p(2.0, draws) == 1 / 4
    # With .6 shared they are taken to lie twice as far from their mean: -1.5, .5 and 2.5.
    assert empirical_p(2.0, draws, shared=0.6) == 2 / 4
    assert empirical_p(3.0, draws, shared=0.6) == 1 / 4
    # Likewise their square roots where they have one sign and are 0: 0, 1 and 3.
    draws = [0.0, 1.0, 4.0]
    assert empirical_p(8.9, draws, shared=0.6) == 2 / 4
    assert empirical_p(9.1, draws, shared=0.6) == 1 / 4
    # What has one sign is moved on the scale of its logarithms: 1/8, 2 and 32.
    draws = [0.5, 2.0, 8.0]
    assert empirical_p(31.0, draws, shared=0.6) == 2 / 4
    assert empirical_p(33.0, draws, shared=0.6) == 1 / 4


# Classes


@pytest.mark.parametrize("images", [8, 30])
def test_sign_flips_are_the_permutation_test(images: int) -> None:
    values = numbers(images, 5) + np.array([0.0, 0.2, 0.5, 1.0, -1.0])
    theirs = stats.permutation_test(
        (values,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", axis=0,
        n_resamples=2**images if images < 12 else 20_000, rng=np.random.default_rng(0),
    )  # fmt: skip
    found = sign_flip_p(values, flips=20_000)
    np.testing.assert_allclose(found, theirs.pvalue, atol=1e-12 if images < 12 else 0.02)


def test_skewed_differences_without_an_effect_are_no_finding() -> None:
    # One image in six changes much, and either way alike: of 48 images, and 1,000 classes.
    rng = np.random.default_rng(0)
    values = rng.choice([-1.0, 1.0], (48, 1000)) * rng.lognormal(0, 2, (48, 1000))
    p = sign_flip_p(values, flips=2000)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_alike_images_of_a_photograph_are_no_evidence() -> None:
    each = numbers(8, 3)
    groups, repeated = np.repeat(np.arange(8), 5), np.repeat(each, 5, axis=0)
    np.testing.assert_allclose(sign_flip_p(repeated, groups, flips=99), sign_flip_p(each, flips=99))
    assert images_needed(repeated, groups) == 5 * (images_needed(each) or 0)


def test_classes_without_a_difference_and_without_doubt() -> None:
    values = [[0.0, 0.25]] * 3
    assert sign_flip_p(values, flips=99).tolist() == [1, 0.25]
    assert images_needed(values) == 3
    assert np.isnan(sign_flip_p([[0.1, 0.2]], flips=99)).all()
    assert sign_flip_p([[0.1, np.nan]] * 2, flips=99).tolist() == pytest.approx(
        [0.5, np.nan], nan_ok=True
    )
    assert images_needed([[0.1, 0.2]]) is None
    assert images_needed(np.zeros((5, 2))) is None


@EXAMPLES
@given(seed=st.integers(0, 10**6), images=st.integers(3, 20), effect=st.floats(0.05, 2))
def test_images_needed(seed: int, images: int, effect: float) -> None:
    values = numbers(images, 40, seed=seed)
    values = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    values[:, 7] += effect  # mean `effect` in standard deviations; the others have mean 0
    needed = images_needed(values)
    assert needed is not None

    def p(count: int) -> float:
        return float(2 * stats.t.sf(effect * math.sqrt(count), count - 1))

    assert p(needed) < 0.05 / 40
    assert needed == images or p(needed - 1) >= 0.05 / 40
