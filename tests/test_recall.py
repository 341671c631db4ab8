"""Border recall: against a slow twin on raw values, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padscope.evidence import recognises
from padscope.planted.recall import recall_of_shift
from padscope.scores import Counts, border_recall
from padscope.scores.recall import CONTENTS, recall_bound, recall_curve
from padscope.tallies.names import BINS, CENTRE

FloatArray = NDArray[np.float64]
floats = st.lists(st.floats(-5, 5), min_size=1, max_size=60)
CONTENT = 0.1


def binned(sample: FloatArray, edges: FloatArray) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(edges, sample), minlength=len(edges) + 1)


@settings(max_examples=300)
@given(border=floats, core=floats, edges=st.lists(st.floats(-5, 5), max_size=8))
def test_the_recall_of_raw_values_lies_within_the_bound(
    border: list[float], core: list[float], edges: list[float]
) -> None:
    inner = np.sort(np.array(edges))
    counts = Counts(binned(np.array(border), inner), binned(np.array(core), inner), content=CONTENT)
    found, bound = float(border_recall(counts)), float(recall_bound(counts))
    if len(core) * CONTENT < 1:
        assert np.isnan(found) and np.isnan(bound)
        return
    exact = recall_of_shift(np.array(border), np.array(core), CONTENT)
    assert found - bound - 1e-9 <= exact <= found + bound + 1e-9


def test_a_curve_is_the_recall_at_each_share_of_content() -> None:
    """Where more of the content passes, no less of the border does; detectors start high."""
    rng = np.random.default_rng(0)
    border, core = rng.poisson(3, (2, 9, 64)) * rng.random((2, 9, 64)) ** 4 // 0.01
    curve = recall_curve(Counts(border.astype(np.int64), core.astype(np.int64)))
    assert curve.shape == (9, len(CONTENTS)) and (np.diff(curve) >= 0).all()
    for place, content in enumerate(CONTENTS):
        counts = Counts(border.astype(np.int64), core.astype(np.int64), content=content)
        np.testing.assert_array_equal(curve[:, place], border_recall(counts))
    few = recall_curve(Counts([0, 0, 90], [100, 99, 1]))
    assert np.isnan(few[:2]).all() and not np.isnan(few[2:]).any()
    edge, shifted = recall_curve(Counts([[0, 10, 90], [10, 70, 20]], [900, 98, 2]), (0.001, 0.1))
    assert edge[0] > 0.4 and shifted[0] < 0.2 < 0.8 < shifted[1] <= 1


@given(
    border=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    core=st.lists(st.integers(0, 30), min_size=10, max_size=60),
)
@example(border=[0] * 3 + [1] * 2, core=[0] * 3 + [1] * 7)  # a shift of .3, but for rounding
def test_what_is_turned_round_is_recalled_alike(border: list[int], core: list[int]) -> None:
    p, q = (np.bincount(values, minlength=31) for values in (border, core))
    counts = Counts(p, q, content=CONTENT)
    turned = Counts(p[::-1], q[::-1], content=CONTENT)
    if counts.gaps[0] != counts.gaps[1]:  # a tie has no direction
        assert border_recall(counts) == pytest.approx(float(border_recall(turned)), abs=1e-12)
    assert 0 <= border_recall(counts) <= 1
    # What so few of the core exceed, and so many of the border, is a gap.
    assert border_recall(counts) <= counts.ks + CONTENT + float(recall_bound(counts)) + 1e-12


def test_the_direction_is_that_of_the_shift_against_real_surroundings() -> None:
    core = np.array([10, 180, 10])
    border, real = np.array([50, 0, 50]), np.array([0, 10, 90])
    # Lower than with real surroundings: only what lies below the core counts.
    assert border_recall(Counts(border, core, real, content=0.05)) == pytest.approx(0.5)
    lifted = Counts(border, core, np.array([60, 30, 10]), content=0.05)
    assert border_recall(lifted) == pytest.approx(0.5)
    unmoved = Counts(border, core, border, content=0.05)
    assert border_recall(unmoved) == 0


def test_a_value_that_ties_with_the_quantile_is_not_beyond_it() -> None:
    """A filter that is 0 on 99.5 % of its content: no border of zeros is told from it."""
    core, zero, above = (np.zeros(BINS, dtype=np.int64) for _ in range(3))
    core[CENTRE], core[CENTRE + 40] = 995, 5
    zero[CENTRE], zero[0] = 60, 40  # shifted downwards, by what lies below every value of the core
    above[CENTRE], above[CENTRE + 20] = 40, 60
    assert border_recall(Counts(zero, core)) == pytest.approx(0.4)
    assert border_recall(Counts(above, core)) == pytest.approx(0.6)
    assert recall_bound(Counts(above, core)) == 0  # a bin of one value hides nothing


def test_too_few_values_of_the_core_have_no_quantile() -> None:
    border, core = np.array([0, 0, 9]), np.array([50, 49, 0])
    assert np.isnan(border_recall(Counts(border, core)))
    assert border_recall(Counts(border, [51, 49, 0])) == 1
    assert np.isnan(border_recall(Counts(border * 0, core * 9)))


def test_sides_and_filters_broadcast() -> None:
    rng = np.random.default_rng(0)
    border, core = rng.integers(0, 9, (4, 7, 20)), rng.integers(0, 9, (7, 20)) + 30
    border[:, :4, :15] = 0
    together = border_recall(Counts(border, core, rng.integers(1, 9, (4, 7, 20))))
    rng = np.random.default_rng(0)
    rng.integers(0, 9, (4, 7, 20)), rng.integers(0, 9, (7, 20))
    real = rng.integers(1, 9, (4, 7, 20))
    for side in range(4):
        for channel in range(7):
            alone = Counts(border[side, channel], core[channel], real[side, channel])
            assert together[side, channel] == pytest.approx(float(border_recall(alone)))
    assert (together > 0).any()


def test_only_what_padding_causes_is_recognised() -> None:
    labels = np.array(["confirmed", "confirmed", "grey", "unmeasured"])
    assert recognises(labels, [0.5, 0.49, 0.9, np.nan]).tolist() == [True, False, False, False]
