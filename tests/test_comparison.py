"""More, as many or fewer than baselines: known counts, null networks, and what is too little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmarks.decoys import Law, Rates
from hypothesis import given
from hypothesis import strategies as st

from padscope.scores import Comparison, NetworkCount, compare_counts, images_needed
from padscope.scores.comparison import LEVEL

ENOUGH: dict[str, Any] = {"images": 96, "core_per_image": 16, "content": 0.01}


def steady(count: int, filters: int) -> NetworkCount:
    """Counts that no image changes."""
    return NetworkCount(count, filters, (count,) * 16)


def compared(count: int, seeds: tuple[int, ...], filters: int) -> Comparison:
    return compare_counts(steady(count, filters), [steady(n, filters) for n in seeds], **ENOUGH)


@pytest.mark.parametrize(
    ("count", "seeds", "filters", "answer"),
    [
        (197, (0, 0, 1), 8992, "more"),
        (31, (6, 10, 14), 4224, "more"),
        (26, (8, 9, 12), 1344, "more"),
        (43, (0, 1, 1), 120, "more"),
        (58, (0, 1, 1), 120, "more"),
        (87, (4, 4, 4), 120, "more"),
        (19, (1, 1, 1), 120, "more"),
        (197, (278, 283, 288), 8992, "fewer"),
        (83, (235, 244, 253), 1217, "fewer"),
        (26, (510, 600, 707), 1344, "fewer"),
        (31, (1719, 1800, 1876), 4224, "fewer"),
        (3, (0, 1, 1), 688, "as many"),
        (2, (1, 2, 3), 1584, "as many"),
        (0, (0, 0, 0), 688, "as many"),
        (120, (120, 120, 120), 120, "as many"),
        (87, (55, 60, 65), 120, "as many"),
        (91, (55, 60, 65), 120, "more"),
    ],
)
def test_known_networks(count: int, seeds: tuple[int, ...], filters: int, answer: str) -> None:
    found = compared(count, seeds, filters)
    assert (found.answer, found.reason) == (answer, "")
    assert (found.count, found.baselines) == (count, seeds)


counts = st.integers(0, 200)
three = st.tuples(counts, counts, counts)


@given(counts, three)
def test_outside_of_the_range_is_more_or_fewer(count: int, seeds: tuple[int, ...]) -> None:
    found = compared(count, seeds, 200)
    assert found.low is not None
    assert found.high is not None
    assert found.p is not None
    assert 0 <= found.low <= found.high <= 200
    expected = "more" if count > found.high else "fewer" if count < found.low else "as many"
    assert found.answer == expected
    assert (found.p <= LEVEL) == (found.answer != "as many")


@given(st.integers(0, 99), st.permutations(range(3)), st.permutations(range(16)))
def test_the_order_of_seeds_and_folds_does_not_matter(
    seed: int, order: list[int], dealt: list[int]
) -> None:
    networks = Law(80, 200, spread=0.2, images=0.1).networks(np.random.default_rng(seed), 4)
    moved = [replace(n, left_out=tuple(n.left_out[fold] for fold in dealt)) for n in networks]
    found = compare_counts(networks[0], networks[1:], **ENOUGH)
    again = compare_counts(moved[0], [moved[1:][seed] for seed in order], **ENOUGH)
    assert again.answer == found.answer
    assert again.p == pytest.approx(found.p)


@pytest.mark.parametrize("seeds", [(0, 0), (3, 4, 9), (60, 70, 80, 90)])
def test_a_larger_count_is_never_less_an_answer_of_more(seeds: tuple[int, ...]) -> None:
    ascending = ["fewer", "as many", "more"]
    answers = [str(compared(count, seeds, 150).answer) for count in range(0, 151, 2)]
    assert answers == sorted(answers, key=ascending.index)
    assert answers[-1] == "more"


def test_images_count() -> None:
    sure, seeds = steady(40, 500), [steady(n, 500) for n in (9, 10, 12)]
    assert compare_counts(sure, seeds, **ENOUGH).answer == "more"
    by_image = replace(sure, left_out=(8, *(42,) * 15))
    assert compare_counts(by_image, seeds, **ENOUGH).answer == "as many"
    alike = [replace(network, left_out=by_image.left_out) for network in (sure, sure, sure)]
    found = compare_counts(by_image, alike, **ENOUGH)  # what images do to all is no difference
    assert (found.low, found.high) == (compared(40, (40, 40, 40), 500).low, found.high)
    assert found.high == compared(40, (40, 40, 40), 500).high


def test_counts_of_networks_with_fewer_measured_filters_are_compared_as_shares() -> None:
    half = [steady(n, 500) for n in (49, 50, 51)]
    assert compare_counts(steady(100, 1000), half, **ENOUGH).p == pytest.approx(1, abs=0.01)
    found = compare_counts(steady(300, 1000), half, **ENOUGH)
    assert found.answer == "more"
    assert found.low is not None
    assert found.high is not None
    assert 50 < found.low < 100 < found.high < 200


@pytest.mark.parametrize(
    "law",
    [
        Law(0.5),
        Law(10, spread=0.3),
        Law(300, spread=0.1),
        Law(1000, spread=0.3),
        Law(3, spread=0.3, clustered=2),
        Law(60, 120, spread=0.1),
        Law(30, images=0.3, shared=False),
    ],
    ids=str,
)
def test_null_networks_seldom_differ(law: Law) -> None:
    rates = Rates.of(law, times=200)
    assert rates.more <= 0.05
    assert rates.fewer <= 0.06


def test_networks_that_differ_are_told_so() -> None:
    rng = np.random.default_rng(0)
    few, many = Law(30, spread=0.1, images=0.05), Law(300, spread=0.1, images=0.05)
    for _ in range(20):
        rare, common = few.networks(rng, 4), many.networks(rng, 4)
        assert compare_counts(common[0], rare[1:], **ENOUGH).answer == "more"
        assert compare_counts(rare[0], common[1:], **ENOUGH).answer == "fewer"


def test_how_many_images_it_takes() -> None:
    assert images_needed(16, 0.01) == 16
    assert images_needed(64, 0.01) == 16
    assert images_needed(1, 0.01) == 100
    assert images_needed(16, 0.005) == 16
    assert images_needed(16, 0.002) == 32
    assert images_needed(25, 0.002) == 20  # 500 outputs


@pytest.mark.parametrize(
    ("count", "seeds", "filters", "change", "reason"),
    [
        (5, (1, 1, 1), 49, {}, "comparing counts takes 50 measured filters, not 49"),
        (5, (1,), 500, {}, "comparing counts takes 2 baselines, not 1"),
        (5, (), 500, {}, "comparing counts takes 2 baselines, not 0"),
        (5, (1, 1), 500, {"images": 8}, "comparing counts takes 16 images, not 8"),
        (5, (1, 1), 500, {"core_per_image": 1}, "comparing counts takes 100 images, not 96"),
        (5, (1, 1), 500, {"content": 0.0005}, "comparing counts takes 125 images, not 96"),
    ],
)
def test_no_answer(
    count: int, seeds: tuple[int, ...], filters: int, change: dict[str, Any], reason: str
) -> None:
    baselines = [steady(n, filters) for n in seeds]
    found = compare_counts(steady(count, filters), baselines, **ENOUGH | change)
    assert found == Comparison(None, reason, count, seeds)


def test_a_baseline_of_few_measured_filters_gives_no_answer() -> None:
    found = compare_counts(steady(5, 500), [steady(1, 500), steady(0, 12)], **ENOUGH)
    assert found.reason.endswith("not 12")


def test_what_cannot_have_been_counted_is_refused() -> None:
    for count, left_out in ((101, (1, 1)), (-1, (1, 1)), (1, (1, 101)), (1, (-1, 1))):
        with pytest.raises(ValueError, match="between 0 and"):
            NetworkCount(count, 100, left_out)
    sure, others = steady(5, 100), [steady(1, 100), NetworkCount(1, 100, (1, 1))]
    with pytest.raises(ValueError, match="same folds"):
        compare_counts(sure, others, **ENOUGH)
    single = NetworkCount(1, 100, (1,))
    with pytest.raises(ValueError, match="two or more"):
        compare_counts(single, [single, single], **ENOUGH)
