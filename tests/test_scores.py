"""Scores: against scipy, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from padscope.scores import Counts, jackknife
from padscope.scores.distance import ks_bound, ks_distance, polarity_of

values = st.lists(st.integers(0, 30), min_size=1, max_size=60)


def histogram(sample: NDArray[np.int64] | list[int], bins: int = 31) -> NDArray[np.int64]:
    return np.bincount(np.asarray(sample), minlength=bins)


@given(border=values, core=values)
def test_ks_equals_scipy_with_ties(border: list[int], core: list[int]) -> None:
    ours = ks_distance(histogram(border), histogram(core))
    exact = stats.ks_2samp(border, core, method="asymp").statistic
    assert ours == pytest.approx(exact, abs=1e-12)


@given(border=values, core=values)
def test_polarity_is_the_mann_whitney_share(border: list[int], core: list[int]) -> None:
    ours = polarity_of(histogram(border), histogram(core))
    u = stats.mannwhitneyu(border, core).statistic
    assert ours == pytest.approx(u / (len(border) * len(core)), abs=1e-12)


floats = st.lists(st.floats(-5, 5), min_size=1, max_size=60)


@settings(max_examples=300)
@given(border=floats, core=floats, edges=st.lists(st.floats(-5, 5), max_size=8))
def test_the_exact_distance_lies_within_the_bound(
    border: list[float], core: list[float], edges: list[float]
) -> None:
    inner = np.sort(np.array(edges))
    p, q = (histogram(np.searchsorted(inner, s), len(inner) + 1) for s in (border, core))
    ours = Counts(p, q)
    exact = stats.ks_2samp(border, core, method="asymp").statistic
    assert ours.ks - 1e-12 <= exact <= ours.ks + ks_bound(ours) + 1e-12


def test_a_bin_of_one_value_hides_nothing() -> None:
    counts = Counts([0, 50, 50], [10, 80, 10])
    assert counts.ks == pytest.approx(0.4)
    # At best all of the core's last tenth lies below all of the border's last half.
    assert ks_bound(counts, single=1) == pytest.approx(0.1)
    assert ks_bound(counts) == pytest.approx(0.5)


def test_no_counts_give_no_score_rather_than_zero() -> None:
    counts = Counts([0, 0], [1, 2])
    assert np.isnan(counts.ks) and np.isnan(ks_bound(counts))
    assert np.isnan(polarity_of([0, 0], [1, 2]))


def test_distances_broadcast_over_sides_and_filters() -> None:
    rng = np.random.default_rng(0)
    border, core = rng.integers(0, 9, (4, 7, 20)), rng.integers(0, 9, (7, 20)) + 1
    together = ks_distance(border, core)
    for side in range(4):
        for channel in range(7):
            alone = ks_distance(border[side, channel], core[channel])
            assert together[side, channel] == pytest.approx(float(alone))


def test_intervals_of_folds_that_agree_have_no_width() -> None:
    border = np.tile(histogram([1, 2, 3])[None, None], (8, 1, 1))
    core = np.tile(histogram([5, 6, 7])[None, None], (8, 1, 1))
    interval = jackknife(np.array([1.0]), ks_distance, (border, core))
    assert interval.low == interval.high == 1.0


def test_one_fold_gives_no_interval() -> None:
    border = np.zeros((8, 1, 31), dtype=np.int64)
    border[0] = histogram([1, 2])
    interval = jackknife(np.array([0.5]), ks_distance, (border, border))
    assert np.isnan(interval.low[0]) and np.isnan(interval.high[0])


def test_intervals_cover_the_true_distance_when_images_differ() -> None:
    """Pixels of an image move together: an interval over pixels would miss far more often."""
    rng = np.random.default_rng(0)
    true = 2 * stats.norm.cdf(0.5 / np.sqrt(2)) - 1  # N(0, 2) against N(1, 2)
    hits = 0
    trials = 200
    for _ in range(trials):
        border = np.zeros((8, 1, 31), dtype=np.int64)
        core = np.zeros((8, 1, 31), dtype=np.int64)
        for image in range(160):
            for counts, shift in ((border, 0.0), (core, 1.0)):
                level = rng.normal(shift, 1)
                drawn = level + rng.normal(0, 1, 6)
                codes = np.clip(np.floor((drawn + 5) * 3), 0, 30).astype(int)
                counts[image % 8, 0] += histogram(codes)
        ks = ks_distance(border.sum(axis=0), core.sum(axis=0))
        interval = jackknife(ks, ks_distance, (border, core))
        hits += bool(interval.low[0] <= true <= interval.high[0])
    assert 0.85 <= hits / trials <= 1.0
