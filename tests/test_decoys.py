"""Targets and decoys: against the definition written out, and on mixtures that are known."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.decoys import false_discoveries
from hypothesis import given
from hypothesis import strategies as st

from padscope.scores import decoy_q, told_apart

NAN = float("nan")
recalls = st.one_of(st.just(NAN), st.integers(0, 10).map(lambda tenth: tenth / 10))
networks = st.lists(recalls, max_size=12)


def slow_q(recall: list[float], decoys: list[list[float]]) -> list[float]:
    """The definition, over all thresholds that can make a difference."""
    thresholds = {value for values in (recall, *decoys) for value in values if value == value}

    def share(t: float) -> float:
        false = [sum(value >= t for value in values) for values in decoys]
        return (1 + sum(false) / len(false)) / sum(value >= t for value in recall)

    return [
        min(1.0, *(share(t) for t in thresholds if t <= value)) if value == value else NAN
        for value in recall
    ]


@given(networks, st.lists(networks, min_size=1, max_size=3))
def test_q_equals_the_definition(recall: list[float], decoys: list[list[float]]) -> None:
    np.testing.assert_allclose(decoy_q(recall, decoys), slow_q(recall, decoys), rtol=1e-12)


@given(networks, st.lists(networks, min_size=1, max_size=3))
def test_q_falls_with_recall_and_not_under_one_filter(
    recall: list[float], decoys: list[list[float]]
) -> None:
    q = decoy_q(recall, decoys)
    measured = np.flatnonzero(~np.isnan(recall))
    assert np.isnan(q).sum() == len(recall) - len(measured)
    ordered = q[measured][np.argsort(np.array(recall)[measured], kind="stable")]
    assert (np.diff(ordered) <= 0).all()
    assert ((ordered >= 1 / max(len(measured), 1)) & (ordered <= 1)).all()


@given(
    st.lists(recalls, min_size=8, max_size=8),
    st.lists(st.lists(recalls, min_size=8, max_size=8), min_size=3, max_size=3),
    st.permutations(range(8)),
    st.permutations(range(3)),
)
def test_the_order_of_filters_and_baselines_does_not_matter(
    recall: list[float], decoys: list[list[float]], order: list[int], seeds: list[int]
) -> None:
    moved = decoy_q(np.array(recall)[order], [np.array(decoys[seed])[order] for seed in seeds])
    np.testing.assert_allclose(moved, decoy_q(recall, decoys)[order], rtol=1e-12)


@given(networks, networks, st.lists(recalls, max_size=3))
def test_more_decoys_never_help(
    recall: list[float], decoys: list[float], more: list[float]
) -> None:
    fewer = decoy_q(recall, [decoys])
    assert not (decoy_q(recall, [decoys + more]) < fewer).any()


def test_one_filter_alone_is_never_told_apart() -> None:
    recall = np.zeros(19)
    recall[0] = 1
    assert told_apart(decoy_q(recall, [np.zeros(19)])) == 0
    recall[:] = 1
    assert told_apart(decoy_q(recall, [np.zeros(19)])) == 0  # 1/19 is more than 5 %
    assert told_apart(decoy_q(np.ones(20), [np.zeros(20)])) == 20


def test_all_that_reach_a_level_are_counted() -> None:
    q = np.array([0.01, 0.05, 0.06, 0.1, NAN])
    assert [told_apart(q), told_apart(q, 0.1), told_apart([])] == [2, 4, 0]


@pytest.mark.parametrize("share", [0, 0.1, 0.3])
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_share_of_false_discoveries_is_kept(share: float, seeds: int) -> None:
    rng = np.random.default_rng(0)
    false = [false_discoveries(rng, 1000, share, seeds, 0.1) for _ in range(60)]
    assert np.mean(false) <= 0.1
    assert (np.mean(false) > 0.03) == (share > 0)  # found at all, and nothing where nothing is


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a baseline"):
        decoy_q([0.5], [])
    with pytest.raises(ValueError, match="one value a filter"):
        decoy_q([0.5], [[[0.5]]])
    assert decoy_q([], [[0.5]]).shape == (0,)
    np.testing.assert_array_equal(decoy_q([NAN], [[0.5]]), [NAN])
    np.testing.assert_array_equal(decoy_q([0.5, 0.5], [[NAN]]), [0.5, 0.5])
