"""What chance alone would give: against definitions written out, and on nulls that are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padscope.scores import q_values, simes, tail_probability
from padscope.tables.causes import with_causes

NAN = float("nan")
scores = st.one_of(st.just(NAN), st.integers(0, 10).map(lambda tenth: tenth / 10))
probabilities = st.one_of(st.just(NAN), st.floats(0, 1))


@given(st.lists(scores, max_size=12), st.lists(scores, max_size=12))
def test_tail_probabilities_equal_counting(ks: list[float], null: list[float]) -> None:
    pool = [value for value in null if value == value]
    expected = [
        (1 + sum(value >= score for value in pool)) / (1 + len(pool)) if score == score else NAN
        for score in ks
    ]
    np.testing.assert_array_equal(tail_probability(ks, null), expected)


def test_tail_probabilities_pool_filters_and_sides() -> None:
    null = np.array([[[0.1, NAN], [0.3, np.inf]]])
    ks = np.array([[0.0, 0.1, 0.2], [0.3, 0.4, NAN]])
    expected = [[1, 1, 2 / 3], [2 / 3, 1 / 3, NAN]]
    np.testing.assert_allclose(tail_probability(ks, null), expected)


def test_without_a_null_nothing_is_unlikely() -> None:
    np.testing.assert_array_equal(tail_probability([0.9, NAN], []), [1, NAN])


def test_tail_probabilities_of_the_null_itself_are_uniform_or_larger() -> None:
    rng = np.random.default_rng(0)
    p = np.concatenate([tail_probability(rng.random(5), rng.random(99)) for _ in range(2000)])
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level / len(p)))


def slow_q_values(p: list[float]) -> list[float]:
    """Benjamini and Hochberg's step-up rule: the smallest level at which each is rejected."""
    tested = sorted(value for value in p if value == value)
    m = len(tested)
    levels = [(value, m * value / rank) for rank, value in enumerate(tested, start=1)]
    return [
        min(1.0, min(level for other, level in levels if other >= value)) if value == value else NAN
        for value in p
    ]


@given(st.lists(probabilities, max_size=15))
def test_q_values_equal_the_step_up_rule(p: list[float]) -> None:
    np.testing.assert_allclose(q_values(p), slow_q_values(p), rtol=1e-12)


def test_q_values_by_hand_and_in_any_shape() -> None:
    p = np.array([[0.01, 0.02], [NAN, 0.03], [0.9, NAN]])
    expected = [[0.04, 0.04], [NAN, 0.04], [0.9, NAN]]
    np.testing.assert_allclose(q_values(p), expected)


@given(st.lists(probabilities, min_size=9, max_size=9), st.permutations(range(9)))
def test_the_order_of_the_tests_does_not_matter(p: list[float], order: list[int]) -> None:
    np.testing.assert_array_equal(q_values(np.array(p)[order]), q_values(p)[order])


def test_unmeasured_alone_gives_unmeasured() -> None:
    assert np.isnan(q_values([NAN, NAN])).all()
    assert q_values([]).shape == (0,)


def test_what_is_no_probability_is_refused() -> None:
    for wrong in (-0.1, 1.1, np.inf):
        with pytest.raises(ValueError, match="between 0 and 1"):
            q_values([0.5, wrong])


def test_chance_alone_is_seldom_a_discovery() -> None:
    rng = np.random.default_rng(0)
    trials = [(q_values(rng.random(300)) <= 0.05).any() for _ in range(400)]
    assert np.mean(trials) <= 0.08  # 5 % are allowed


def test_the_share_of_false_discoveries_is_kept() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        null, real = rng.random(180), rng.random(20) / 1000
        found = q_values(np.concatenate([null, real])) <= 0.1
        assert found[180:].all()
        shares.append(found[:180].sum() / found.sum())
    assert 0.06 <= np.mean(shares) <= 0.1  # the rule promises .1 · 180/200


def slow_simes(p: list[float]) -> float:
    """Simes' test, written out: the smallest level at which a filter's sides are rejected."""
    tested = sorted(value for value in p if value == value)
    levels = [len(tested) * value / rank for rank, value in enumerate(tested, start=1)]
    return min(levels, default=NAN)


@given(st.lists(st.lists(probabilities, min_size=4, max_size=4), min_size=1, max_size=5))
def test_combined_probabilities_equal_the_definition(p: list[list[float]]) -> None:
    np.testing.assert_allclose(simes(p), [slow_simes(row) for row in p], rtol=1e-12)


def test_a_filter_without_sides_has_no_probability() -> None:
    np.testing.assert_array_equal(simes(np.empty((2, 0))), [NAN, NAN])


def test_the_share_of_false_discoveries_is_kept_by_side_and_by_filter() -> None:
    rng = np.random.default_rng(0)
    sides, null, real, trials = 4, 1000, 25, 100
    number = np.arange(null + real)
    keys = {"site": np.full(len(number), "a"), "filter": number}
    filters = pl.DataFrame(keys)
    by_side = pl.DataFrame({name: np.repeat(column, sides) for name, column in keys.items()})
    by_side = by_side.with_columns(side=pl.Series(list("tblr") * len(number)))
    false = {"sides": 0.0, "filters": 0.0}
    for _ in range(trials):
        p = rng.random((len(number), sides))
        p[null:] = rng.random((real, sides)) / 1000
        causes = [(by_side.with_columns(p=p.ravel()), filters)]
        for name, table in zip(false, with_causes(by_side, filters, causes), strict=True):
            found = table.filter(pl.col("q") <= 0.05)
            assert found["filter"].filter(found["filter"] >= null).n_unique() == real
            false[name] += int((found["filter"] < null).sum()) / found.height / trials
    assert 0.03 <= false["sides"] <= 0.055
    assert 0.03 <= false["filters"] <= 0.055
