"""The rules of the ladder's second rung: by hand at every cut, and against slow twins."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from padscope.evidence import (
    CANDIDATE,
    CONFIRMED,
    GREY,
    KINDS,
    LADDER,
    Kinds,
    classify,
    kind_stability,
    label_causes,
    label_origins,
    label_refilled,
    reach_of,
    strongest_label,
)
from padscope.regions import Side, sides_of
from padscope.scores.distance import ks_distance, polarity_of

FloatArray = NDArray[np.float64]
Counts = NDArray[np.int32]

NAN = float("nan")
UP, DOWN, EVEN = 0.9, 0.1, 0.5  # polarities


def below(value: float) -> float:
    return float(np.nextafter(value, 0))


# The cuts, their neighbours, and what is unmeasured
distances = st.sampled_from([0.0, below(0.3), 0.3, 0.4, below(0.5), 0.5, 0.6, 0.9, 1.0, NAN])
polarities = st.sampled_from([0.0, below(0.5), 0.5, 0.7, 1.0])
repeated = settings(deadline=None, max_examples=150)


def several(values: st.SearchStrategy[float], *shape: int) -> st.SearchStrategy[FloatArray]:
    return arrays.arrays(np.float64, shape, elements=values)


# Causes


def test_causes_at_their_cuts() -> None:
    ks = [CANDIDATE, below(CANDIDATE), 0.9, 0.0, 0.9, CANDIDATE, below(CANDIDATE), NAN, 0.9, NAN]
    causal = [0.5, 0.5, below(0.5), 0.3, below(0.3), 0.0, 0.0, 0.9, NAN, NAN]
    assert label_causes(ks, causal).tolist() == [
        *("confirmed", "grey", "grey", "grey", "rejected", "rejected", "quiet"),
        *("unmeasured", "unmeasured", "unmeasured"),
    ]


@given(several(distances, 4, 6), several(distances, 4, 6))
def test_every_cause_has_a_place_on_the_ladder(ks: FloatArray, causal: FloatArray) -> None:
    labels = label_causes(ks, causal)
    assert labels.shape == ks.shape and set(labels.flat) <= set(LADDER)


@given(arrays.arrays("<U10", (3, 5), elements=st.sampled_from(LADDER)), st.permutations(range(3)))
def test_the_strongest_label_is_the_last_on_the_ladder(
    labels: NDArray[np.str_], order: list[int]
) -> None:
    expected = [max(column, key=LADDER.index) for column in labels.T.tolist()]
    assert strongest_label(labels).tolist() == expected
    assert strongest_label(labels[order]).tolist() == expected


def test_without_sides_nothing_is_measured() -> None:
    assert strongest_label(np.empty((0, 2), dtype="<U5")).tolist() == ["unmeasured"] * 2


def test_a_label_from_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="unmeasured, quiet, rejected, grey, confirmed"):
        strongest_label([["confirmed"], ["strong"]])


def test_reach_by_hand() -> None:
    profiles = {
        (0.9, 0.5, 0.3, 0.3): 3,  # at least 3: there is no deeper line
        (0.3, 0.1, 0.9, 0.9): 0,
        (0.9, 0.4, below(0.3), 0.4): 1,
        (0.9, NAN, 0.9, 0.9): 0,
        (0.2, 0.9, 0.9, 0.9): NAN,  # starts later: no line without a gap
        (NAN, 0.9, 0.9, 0.9): NAN,
    }
    profile = np.array(list(profiles)).T
    np.testing.assert_array_equal(reach_of(profile), list(profiles.values()))


@given(several(distances, 4, 2, 3))
def test_reach_equals_a_walk_from_the_border(profile: FloatArray) -> None:
    reach = reach_of(profile)
    for place in np.ndindex(2, 3):
        d = 0
        while d < 4 and profile[(d, *place)] >= GREY:
            d += 1
        np.testing.assert_equal(reach[place], d - 1 if d else NAN)


def test_a_profile_without_lines_has_no_reach() -> None:
    np.testing.assert_array_equal(reach_of(np.empty((0, 2))), [NAN, NAN])


# Origin


def test_the_four_origins_at_their_cut() -> None:
    own = [0.3, below(0.3), 0.3, below(0.3), NAN, 0.9, NAN]
    incoming = [below(0.3), 0.3, 0.3, below(0.3), 0.9, NAN, NAN]
    expected = ["nascent", "inherited", "both", "neither", "", "", ""]
    assert label_origins(own, incoming).tolist() == expected


@given(several(distances, 8), several(distances, 8))
def test_swapping_the_causes_swaps_the_origins(own: FloatArray, incoming: FloatArray) -> None:
    swapped = {"nascent": "inherited", "inherited": "nascent"}
    expected = [swapped.get(label, label) for label in label_origins(own, incoming).tolist()]
    assert label_origins(incoming, own).tolist() == expected


def test_refilled_borders_at_their_cuts() -> None:
    cases = {
        (0.3, below(0.3)): "nascent",
        (0.9, 0.8): "nascent",
        (0.8, 0.8): "inherited",
        (0.8, 0.9): "inherited",
        (0.1, 0.3): "inherited",
        (below(0.3), 0.1): "neither",
        (0.1, below(0.3)): "neither",
        (NAN, 0.9): "",
        (0.9, NAN): "",
    }
    effect, residual = np.array(list(cases)).T
    assert label_refilled(effect, residual).tolist() == list(cases.values())


# Kinds


def one(causal: list[float], polarity: list[float], corner: float | None = None) -> Kinds:
    """Classify one filter, on as many sides as there are values."""
    sides = sides_of(len(causal) // 2)
    corners = None if corner is None else [corner]
    return classify(np.array([causal]).T, np.array([polarity]).T, sides, corners)


def answer(kinds: Kinds) -> tuple[str, str]:
    return kinds.kind.item(), kinds.sign.item()


KIND_OF_SET = {
    "T": "single", "B": "single", "L": "single", "R": "single",
    "TB": "opposite", "LR": "opposite",
    "TL": "adjacent", "TR": "adjacent", "BL": "adjacent", "BR": "adjacent",
    "TBL": "three", "TBR": "three", "TLR": "three", "BLR": "three",
    "TBLR": "frame",
}  # fmt: skip
SIGNS = {frozenset({UP}): "excited", frozenset({DOWN}): "inhibited"}


@pytest.mark.parametrize("active", KIND_OF_SET)
def test_all_active_sets_of_a_plane_with_all_signs(active: str) -> None:
    causal = [0.8 if side in active else 0.1 for side in "TBLR"]
    for signs in product((UP, DOWN), repeat=len(active)):
        # What the quiet sides do must not matter.
        for quiet in (UP, DOWN):
            given_signs = dict(zip(active, signs, strict=True))
            found = one(causal, [given_signs.get(side, quiet) for side in "TBLR"])
            kind = KIND_OF_SET[active]
            if kind == "opposite":
                kind += "-same" if len(set(signs)) == 1 else "-opposed"
            assert answer(found) == (kind, SIGNS.get(frozenset(signs), "mixed"))
            assert found.active[:, 0].tolist() == [side in active for side in "TBLR"]


@pytest.mark.parametrize(
    ("causal", "polarity", "expected"),
    [
        ([0.9, 0.1], [UP, UP], ("single", "excited")),
        ([0.1, 0.9], [UP, DOWN], ("single", "inhibited")),
        ([0.9, 0.9], [UP, UP], ("opposite-same", "excited")),
        ([0.9, 0.9], [DOWN, DOWN], ("opposite-same", "inhibited")),
        ([0.9, 0.9], [UP, DOWN], ("opposite-opposed", "mixed")),
        ([0.4, 0.4], [UP, UP], ("", "")),
    ],
)
def test_a_line_has_opposite_ends_and_no_frame(
    causal: list[float], polarity: list[float], expected: tuple[str, str]
) -> None:
    assert answer(one(causal, polarity)) == expected


def test_all_active_sets_of_a_volume() -> None:
    sets = [chosen for n in range(1, 7) for chosen in combinations(range(6), n)]
    causal = np.array([[0.8 if side in chosen else 0.1 for chosen in sets] for side in range(6)])
    kinds = classify(causal, np.full_like(causal, UP), sides_of(3))
    assert Counter(kinds.kind.tolist()) == {
        "single": 6, "opposite-same": 3, "adjacent": 12, "three": 20, "several": 21, "frame": 1,
    }  # fmt: skip
    opposite = [chosen for chosen, kind in zip(sets, kinds.kind, strict=True) if "opp" in kind]
    assert opposite == [(0, 1), (2, 3), (4, 5)]


def test_a_plane_with_sides_on_one_axis_only_has_no_frame() -> None:
    top_and_bottom = sides_of(2)[:2]
    kinds = classify([[0.9], [0.9]], [[UP], [UP]], top_and_bottom)
    assert answer(kinds) == ("opposite-same", "excited")


@pytest.mark.parametrize(
    ("causal", "active"),
    [
        ([0.5, 0.3], [True, True]),  # .3 is .6 of .5 as well
        ([0.5, below(0.3)], [True, False]),
        ([below(0.5), below(0.5)], [False, False]),
        ([1.0, 0.6], [True, True]),
        ([1.0, below(0.6)], [True, False]),
        ([0.9, 0.5], [True, False]),  # confirmed by itself, but weak beside the other
        ([0.5, NAN], [True, False]),
        ([NAN, NAN], [False, False]),
    ],
)
def test_cuts_of_active_sides(causal: list[float], active: list[bool]) -> None:
    assert one(causal, [UP, UP]).active[:, 0].tolist() == active


@pytest.mark.parametrize(
    ("causal", "corner", "kind"),
    [
        ([below(0.3), 0, 0, 0], 0.5, "corner"),
        ([below(0.3), NAN, 0, 0], 0.5, "corner"),
        ([0, 0, 0, 0], below(0.5), ""),
        ([0.3, 0, 0, 0], 0.9, ""),
        ([0, 0, 0, 0], NAN, ""),
        ([0, 0, 0, 0], None, ""),
        ([NAN, NAN, NAN, NAN], 0.9, ""),
        ([0.5, 0, 0, 0], 0.9, "single"),
    ],
)
def test_corner_is_what_no_side_explains(
    causal: list[float], corner: float | None, kind: str
) -> None:
    kinds = one(causal, [UP] * 4, corner)
    assert kinds.kind.item() == kind
    assert kinds.sign.item() == ("excited" if kind == "single" else "")
    assert kinds.active.any() == (kind == "single")


def test_a_polarity_of_one_half_is_no_sign_and_opposes_nothing() -> None:
    assert answer(one([0.9, 0.1], [EVEN, UP])) == ("single", "mixed")
    assert answer(one([0.9, 0.9], [EVEN, UP])) == ("opposite-same", "mixed")
    assert answer(one([0.9, 0.9], [below(EVEN), UP])) == ("opposite-opposed", "mixed")


def test_kinds_without_sides_or_filters_are_empty() -> None:
    nothing = np.empty((0, 2))
    assert classify(nothing, nothing, ()).kind.tolist() == ["", ""]
    assert classify(np.empty((4, 0)), np.empty((4, 0)), sides_of(2)).active.shape == (4, 0)


def test_a_row_for_each_side_is_required() -> None:
    with pytest.raises(ValueError, match="each of 4 sides"):
        classify(np.zeros((2, 3)), np.zeros((2, 3)), sides_of(2))
    with pytest.raises(ValueError, match="each of 2 sides"):
        classify(np.zeros((2, 3)), np.zeros((2, 1)), sides_of(1))


def slow_kind(
    causal: list[float], polarity: list[float], sides: tuple[Side, ...], corner: float = NAN
) -> tuple[str, list[bool], str]:
    """One filter's kind, active sides and sign: slower, less complicated."""
    strongest = max((value for value in causal if value == value), default=NAN)
    if not strongest >= CONFIRMED:
        kind = "corner" if strongest < GREY and corner >= CONFIRMED else ""
        return kind, [False] * len(sides), ""
    active = [value >= 0.3 and value >= 0.6 * strongest for value in causal]
    found = [side for side, on in zip(sides, active, strict=True) if on]
    signs = {np.sign(p - 0.5) for p, on in zip(polarity, active, strict=True) if on}
    sign = {(1,): "excited", (-1,): "inhibited"}.get(tuple(signs), "mixed")
    if len(found) == 2 and found[0].axis == found[1].axis:
        return "opposite-opposed" if signs == {1, -1} else "opposite-same", active, sign
    if len(found) == len(sides) > 2:
        return "frame", active, sign
    kind = {1: "single", 2: "adjacent", 3: "three"}.get(len(found), "several")
    return kind, active, sign


def rows(kinds: Kinds) -> list[tuple[str, list[bool], str]]:
    columns = kinds.kind.tolist(), kinds.active.T.tolist(), kinds.sign.tolist()
    return list(zip(*columns, strict=True))


@repeated
@given(st.data(), st.integers(1, 3))
def test_kinds_equal_the_slow_rule(data: st.DataObject, dims: int) -> None:
    sides = sides_of(dims)
    causal = data.draw(several(distances, len(sides), 8))
    polarity = data.draw(several(polarities, len(sides), 8))
    corner = data.draw(several(distances, 8))
    found = rows(classify(causal, polarity, sides, corner))
    columns = zip(causal.T.tolist(), polarity.T.tolist(), corner.tolist(), strict=True)
    assert found == [slow_kind(c, p, sides, end) for c, p, end in columns]
    assert {kind for kind, _, _ in found} <= {"", *KINDS}


@repeated
@given(several(distances, 4, 6), several(polarities, 4, 6), st.permutations(range(6)))
def test_filters_do_not_touch_each_other(
    causal: FloatArray, polarity: FloatArray, order: list[int]
) -> None:
    together = rows(classify(causal, polarity, sides_of(2)))
    permuted = rows(classify(causal[:, order], polarity[:, order], sides_of(2)))
    assert permuted == [together[place] for place in order]


@repeated
@given(
    several(distances, 4, 6),
    several(polarities, 4, 6),
    st.sampled_from([[1, 0, 2, 3], [0, 1, 3, 2], [2, 3, 0, 1], [3, 2, 0, 1]]),
)
def test_mirrored_and_turned_maps_have_the_same_kinds(
    causal: FloatArray, polarity: FloatArray, turned: list[int]
) -> None:
    straight = classify(causal, polarity, sides_of(2))
    other = classify(causal[turned], polarity[turned], sides_of(2))
    assert other.kind.tolist() == straight.kind.tolist()
    assert other.sign.tolist() == straight.sign.tolist()
    np.testing.assert_array_equal(other.active, straight.active[turned])


@repeated
@given(several(distances, 4, 6), several(st.sampled_from([0, 0.25, 0.5, 0.75, 1]), 4, 6))
def test_negated_filters_keep_their_kind_and_change_their_sign(
    causal: FloatArray, polarity: FloatArray
) -> None:
    straight = classify(causal, polarity, sides_of(2))
    negated = classify(causal, 1 - polarity, sides_of(2))
    swapped = {"excited": "inhibited", "inhibited": "excited"}
    assert negated.kind.tolist() == straight.kind.tolist()
    assert negated.sign.tolist() == [swapped.get(s, s) for s in straight.sign.tolist()]


# Stability


def slow_scores(padded: Counts, real: Counts) -> tuple[float, float]:
    """KS and polarity of two histograms, pair by pair of bins."""
    p, q = padded.tolist(), real.tolist()
    pairs = sum(p) * sum(q)
    if not pairs:
        return NAN, NAN
    ks = max(abs(sum(p[:b]) / sum(p) - sum(q[:b]) / sum(q)) for b in range(1, len(p) + 1))
    won = sum(
        n * m * ((a > b) + (a >= b)) for a, n in enumerate(p) for b, m in enumerate(q) if n and m
    )
    return ks, won / (2 * pairs)


def slow_rows(
    sides: tuple[Side, ...], padded: Counts, real: Counts, corners: list[Counts]
) -> list[tuple[str, list[bool], str]]:
    """Kinds from counts of (sides, filters, bins), filter by filter."""
    found = []
    for c in range(padded.shape[1]):
        scores = [slow_scores(padded[s, c], real[s, c]) for s in range(len(sides))]
        ends = [slow_scores(p[c], r[c])[0] for p, r in zip(*corners, strict=True)]
        corner = max((end for end in ends if end == end), default=NAN)
        found.append(slow_kind([s[0] for s in scores], [s[1] for s in scores], sides, corner))
    return found


def as_kinds(found: list[tuple[str, list[bool], str]]) -> Kinds:
    kind, active, sign = zip(*found, strict=True)
    return Kinds(np.array(kind), np.array(active).T, np.array(sign))


def random_counts(seed: int, sides: int, filters: int) -> tuple[Counts, Counts]:
    """Few values per fold, shifted at the border by any amount: kinds of every stability."""
    rng = np.random.default_rng(seed)
    shift = rng.choice([-4, 0, 0, 3, 6], size=(sides, 1, filters, 1))
    codes = np.arange(12)
    density = np.exp(-0.5 * ((codes - 6 - shift * rng.random((sides, 5, filters, 1))) / 2) ** 2)
    still = np.exp(-0.5 * ((codes - 6) / 2) ** 2) * np.ones((sides, 5, filters, 1))
    return rng.poisson(density).astype(np.int32), rng.poisson(still).astype(np.int32)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_stability_equals_a_slow_bootstrap(dims: int) -> None:
    sides, seed, resamples = sides_of(dims), 7, 12
    counts = random_counts(dims, len(sides), 40)
    corners = random_counts(dims + 10, 4, 40)
    counts[0][:, :, :12] = counts[1][:, :, :12]  # only their corners may answer
    everything = [*counts, *corners]
    for array in everything:
        array[:, 2] = 0  # a fold without images
    padded, real, corner_padded, corner_real = (array.sum(axis=1) for array in everything)
    reported = slow_rows(sides, padded, real, [corner_padded, corner_real])
    agreed = np.zeros(40)
    for folds in np.random.default_rng(seed).choice([0, 1, 3, 4], size=(resamples, 4)):
        padded, real, *ends = (array[:, folds].sum(axis=1) for array in everything)
        resampled = slow_rows(sides, padded, real, ends)
        agreed += [a == b for a, b in zip(resampled, reported, strict=True)]
    expected = np.where([kind != "" for kind, _, _ in reported], agreed / resamples, NAN)
    stability = kind_stability(
        counts[0], counts[1], sides, as_kinds(reported),
        corner_padded=corners[0], corner_real=corners[1], resamples=resamples, seed=seed,
    )  # fmt: skip
    np.testing.assert_array_equal(stability, expected)
    assert np.isnan(stability).any() and len(np.unique(stability)) > 4
    assert {"single", "corner"} < {kind for kind, _, _ in reported}


LOW, HIGH = [9, 1, 0], [0, 1, 9]


def fold_counts(*folds: list[int]) -> Counts:
    """Counts of one filter at the two sides of a line, the same at both: (2, F, 1, 3)."""
    return np.tile(np.array(folds, dtype=np.int32)[None, :, None], (2, 1, 1, 1))


BOTH_ENDS = one([0.9, 0.9], [UP, UP])


def test_folds_that_agree_are_stable() -> None:
    padded, real = fold_counts(*[HIGH] * 8), fold_counts(*[LOW] * 8)
    assert kind_stability(padded, real, sides_of(1), BOTH_ENDS) == [1.0]


def test_the_sign_and_the_sides_must_agree_too() -> None:
    padded, real = fold_counts(*[HIGH] * 8), fold_counts(*[LOW] * 8)
    inhibited = one([0.9, 0.9], [DOWN, DOWN])
    assert kind_stability(padded, real, sides_of(1), inhibited) == [0.0]
    left = one([0.9, 0.1], [UP, UP])
    padded[0] = real[0]  # only the right end differs
    assert kind_stability(padded, real, sides_of(1), left) == [0.0]


@pytest.mark.parametrize(
    ("border", "sign"), [([5, 3, 2], "inhibited"), ([2, 3, 5], "excited"), ([5, 0, 5], "mixed")]
)
def test_ties_count_half_and_exactly(border: list[int], sign: str) -> None:
    padded, real = fold_counts(*[border] * 7), fold_counts(*[[0, 10, 0]] * 7)
    lines = padded.sum(axis=1), real.sum(axis=1)
    reported = classify(ks_distance(*lines), polarity_of(*lines), sides_of(1))
    assert answer(reported) == ("opposite-same", sign)
    assert kind_stability(padded, real, sides_of(1), reported) == [1.0]


def test_a_kind_that_rests_on_one_fold_is_unstable() -> None:
    strange = [100 * count for count in HIGH]
    padded, real = fold_counts(strange, *[LOW] * 7), fold_counts(*[LOW] * 8)
    (stability,) = kind_stability(padded, real, sides_of(1), BOTH_ENDS, resamples=200)
    drawn = 1 - (7 / 8) ** 8  # how often a resample draws the strange fold
    assert stability == pytest.approx(drawn, abs=0.1)


def test_fewer_than_two_folds_tell_nothing() -> None:
    empty = [0, 0, 0]
    padded, real = fold_counts(HIGH, *[empty] * 7), fold_counts(LOW, *[empty] * 7)
    assert np.isnan(kind_stability(padded, real, sides_of(1), BOTH_ENDS))


def test_folds_without_images_change_nothing() -> None:
    padded, real = random_counts(0, 4, 30)
    kinds = as_kinds(slow_rows(sides_of(2), padded.sum(axis=1), real.sum(axis=1), [padded[:0]] * 2))
    straight = kind_stability(padded, real, sides_of(2), kinds, seed=3)
    padded, real = (np.insert(array, [0, 3, 5], 0, axis=1) for array in (padded, real))
    gaps = kind_stability(padded, real, sides_of(2), kinds, seed=3)
    np.testing.assert_array_equal(gaps, straight)


def test_filters_are_resampled_together_and_scored_apart() -> None:
    padded, real = random_counts(1, 4, 30)
    found = slow_rows(sides_of(2), padded.sum(axis=1), real.sum(axis=1), [padded[:0]] * 2)
    straight = kind_stability(padded, real, sides_of(2), as_kinds(found))
    order = np.random.default_rng(0).permutation(30)
    permuted = kind_stability(
        padded[:, :, order], real[:, :, order], sides_of(2), as_kinds([found[c] for c in order])
    )
    np.testing.assert_array_equal(permuted, straight[order])
    # A filter that is there twice is drawn the same both times.
    twice = np.arange(30).repeat(2)
    doubled = kind_stability(
        padded[:, :, twice], real[:, :, twice], sides_of(2), as_kinds([found[c] for c in twice])
    )
    np.testing.assert_array_equal(doubled, straight[twice])


def test_corner_kinds_need_the_corners() -> None:
    still = fold_counts(*[LOW] * 8)
    corner = Kinds(np.array(["corner"]), np.zeros((2, 1), dtype=bool), np.array([""]))
    assert np.isnan(kind_stability(still, still, sides_of(1), corner))
    end = fold_counts(*[HIGH] * 8)[:1]
    found = kind_stability(
        still, still, sides_of(1), corner, corner_padded=end, corner_real=still[:1]
    )
    assert found == [1.0]


def test_inputs_of_stability_that_do_not_fit_are_refused() -> None:
    padded = fold_counts(*[HIGH] * 8)
    line = sides_of(1)
    with pytest.raises(ValueError, match="do not fit"):
        kind_stability(padded, padded[:, :4], line, BOTH_ENDS)
    with pytest.raises(ValueError, match="do not fit"):
        kind_stability(padded[:1], padded[:1], line, BOTH_ENDS)
    with pytest.raises(ValueError, match="do not fit"):
        fewer = padded[:, :4]
        kind_stability(padded, padded, line, BOTH_ENDS, corner_padded=fewer, corner_real=fewer)
    with pytest.raises(ValueError, match="both their padded and their real"):
        kind_stability(padded, padded, line, BOTH_ENDS, corner_padded=padded)
    with pytest.raises(ValueError, match="at least one resample"):
        kind_stability(padded, padded, line, BOTH_ENDS, resamples=0)
