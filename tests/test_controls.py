"""Sets of filters, and the controls that are drawn for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from padscope.effects.resampling import empirical_p
from padscope.evidence import CANDIDATE, KINDS
from padscope.interventions.controls import NEAREST, Controls, draw_controls
from padscope.interventions.sets import (
    MIN_SET,
    NOT_RECOGNISING,
    headline_of,
    headline_rows,
    named_sets,
)

EXAMPLES = settings(max_examples=50, deadline=None, derandomize=True)
FloatArray = NDArray[np.float64]
LABELS = ("confirmed", "grey", "rejected", "quiet", "unmeasured", None)


def make_filters(count: int, site: str = "a", **columns: object) -> pl.DataFrame:
    rows: dict[str, object] = {
        "site": [site] * count, "filter": range(count), "label": ["quiet"] * count,
        "ks": [0.1] * count, "causal_ks": [0.1] * count, "kind": [None] * count,
        "recall": [0.0] * count, "recognises": [False] * count,
    }  # fmt: skip
    strict = {"label": pl.String, "kind": pl.String}
    return pl.DataFrame(rows | columns, schema_overrides=strict)


def of_sites(count: int, seed: int = 0) -> tuple[pl.DataFrame, dict[str, FloatArray]]:
    """Filters of three sites with labels, KS and scales at random."""
    rng = np.random.default_rng(seed)
    tables = [
        make_filters(
            count, site,
            label=[LABELS[place] for place in rng.integers(len(LABELS), size=count)],
            ks=np.where(rng.random(count) < 0.1, np.nan, rng.random(count)),
            causal_ks=rng.random(count), recall=rng.random(count),
        ).with_columns(recognises=(pl.col("label") == "confirmed") & (pl.col("recall") >= 0.5))
        for site in ("a", "b.conv", "c#1")
    ]  # fmt: skip
    scale = {site: np.exp(rng.normal(size=count)) for site in ("a", "b.conv", "c#1")}
    return pl.concat(tables).with_columns(pl.col("ks").fill_nan(None)), scale


# Sets


def sides_of(filters: pl.DataFrame, sides: dict[str, Sequence[int]]) -> pl.DataFrame:
    """Sides at which filters are what they are, and at no other."""
    return pl.concat(
        filters.select("site", "filter").with_columns(
            side=pl.lit(side),
            label=pl.when(pl.col("filter").is_in(there)).then(filters["label"])
            .otherwise(pl.lit("quiet")),
            recognises=pl.col("filter").is_in(there) & filters["recognises"],
        )
        for side, there in sides.items()
    )  # fmt: skip


def test_sets_and_their_order() -> None:
    kinds = ["single"] * MIN_SET + ["frame"] * (MIN_SET - 1) + [None] * 4
    count = len(kinds)
    recognising = MIN_SET + 2
    filters = make_filters(
        count,
        label=["confirmed"] * (count - 2) + ["grey", "quiet"],
        causal_ks=[0.5 + place / 100 for place in range(count)],
        kind=kinds,
        recall=[0.9] * (recognising - 1) + [0.6] + [0.4] * (count - recognising),
        recognises=[True] * recognising + [False] * (count - recognising),
    )
    sides = sides_of(filters, {"top": range(MIN_SET + 1), "left": range(MIN_SET, count)})
    sets = named_sets(filters, sides)
    by_recall = [*range(recognising - 1)[::-1], recognising - 1, *range(recognising, count)[::-1]]
    assert {name: chosen["filter"].to_list() for name, chosen in sets.items()} == {
        "recognising": by_recall[:recognising],
        "confirmed": [place for place in by_recall if place < count - 2],
        "kind: single": list(range(MIN_SET))[::-1],
        "side: top": list(range(MIN_SET + 1))[::-1],
    }
    assert list(sets)[:2] == ["recognising", "confirmed"]
    assert all(chosen.columns == ["site", "filter"] for chosen in sets.values())


def test_where_nothing_recognises_kinds_and_sides_are_of_confirmed_filters() -> None:
    filters = make_filters(9, label=["confirmed"] * 7 + ["grey"] * 2, kind=["single"] * 9)
    sides = sides_of(filters, {"top": range(9), "left": range(4)})
    sets = named_sets(filters, sides)
    assert {name: chosen.height for name, chosen in sets.items()} == {
        "confirmed": 7, "kind: single": 7, "side: top": 7,
    }  # fmt: skip
    assert headline_of(sets) == "confirmed"


def test_empty_sets_are_left_out() -> None:
    filters = make_filters(4, label=["quiet", "grey", None, "unmeasured"])
    assert named_sets(filters, sides_of(filters, {"top": range(4)})) == {}
    assert headline_of({}) is None
    assert headline_rows(filters).is_empty()


def test_every_kind_has_its_set() -> None:
    filters = pl.concat(
        make_filters(MIN_SET, kind, label=["confirmed"] * MIN_SET, kind=[kind] * MIN_SET)
        for kind in reversed(KINDS)
    )
    found = named_sets(filters, sides_of(filters, {"top": ()}))
    assert list(found) == ["confirmed", *(f"kind: {kind}" for kind in KINDS)]


# Controls


def may_control(filters: pl.DataFrame) -> set[tuple[str, int]]:
    """The definition, row by row."""
    return {
        (row["site"], row["filter"])
        for row in filters.iter_rows(named=True)
        if row["label"] not in ("confirmed", "grey", "unmeasured")
        and row["ks"] is not None
        and row["ks"] < CANDIDATE
    }


@EXAMPLES
@given(seed=st.integers(0, 10**6), count=st.integers(1, 40))
def test_controls_are_unlabelled_filters_of_the_same_site(seed: int, count: int) -> None:
    filters, scale = of_sites(count, seed)
    chosen = filters.filter(pl.col("label") == "confirmed").sort("causal_ks", descending=True)
    controls = draw_controls(chosen, filters, scale, 4, seed)
    allowed = may_control(filters)
    expected = {
        site: min(chosen.filter(pl.col("site") == site).height,
                  sum(where == site for where, _ in allowed))
        for site in scale
    }  # fmt: skip
    assert controls.matched == sum(expected.values())
    assert controls.matched + controls.unmatched == chosen.height
    for draw in range(controls.draws):
        drawn = controls.draw(draw)
        found = list(drawn.select("site", "filter").iter_rows())
        assert set(found) <= allowed
        assert len(set(found)) == len(found) == controls.matched
        stand_for = drawn.select("site", pl.col("of").alias("filter"))
        assert stand_for.equals(controls.with_controls())
        for site, number in expected.items():
            of_site = chosen.filter(pl.col("site") == site)["filter"].head(number)
            assert drawn.filter(pl.col("site") == site)["of"].to_list() == of_site.to_list()


@EXAMPLES
@given(seed=st.integers(0, 10**6), first=st.integers(0, 30))
def test_the_first_controls_stand_for_the_first_filters(seed: int, first: int) -> None:
    filters, scale = of_sites(30, seed)
    chosen = filters.filter(pl.col("label") == "confirmed")
    controls = draw_controls(chosen, filters, scale, 3, seed)
    part = controls.first(first)
    ranked = chosen.with_row_index().select("index", "site", pl.col("filter").alias("of"))
    for draw in range(part.draws):
        whole = controls.draw(draw).join(ranked, on=["site", "of"], maintain_order="left")
        assert part.draw(draw).equals(whole.filter(pl.col("index") < first).drop("index"))


def test_draws_are_seeded_and_independent() -> None:
    filters, scale = of_sites(60)
    chosen = filters.filter(pl.col("label") == "confirmed")
    one, again, other = (draw_controls(chosen, filters, scale, 5, seed) for seed in (1, 1, 2))
    assert (one.partners == again.partners).all()
    assert (one.partners != other.partners).any()
    assert len({row.tobytes() for row in one.partners}) == 5
    # What is drawn does not depend on the order of the table.
    shuffled = filters.sample(fraction=1, shuffle=True, seed=3)
    assert (draw_controls(chosen, shuffled, scale, 5, 1).partners == one.partners).all()


def test_scales_match() -> None:
    count = 400
    rng = np.random.default_rng(0)
    filters = make_filters(count, label=["confirmed"] * 40 + ["quiet"] * (count - 40))
    scale = {"a": np.exp(rng.normal(size=count))}
    chosen = filters.head(40)
    controls = draw_controls(chosen, filters, scale, 10, 0)
    logs = np.log(scale["a"])
    apart = np.abs(logs[controls.partners] - logs[:40])
    assert controls.scale_error == pytest.approx(np.median(apart))
    assert controls.scale_error < 0.1 < np.median(np.abs(logs[40:, None] - logs[:40]))
    # Each is among the nearest that its draw had left.
    for row in controls.partners:
        taken: set[int] = set()
        for place, control in enumerate(row):
            left = [other for other in range(40, count) if other not in taken]
            nearer = sum(
                abs(logs[o] - logs[place]) < abs(logs[control] - logs[place]) for o in left
            )
            assert nearer < NEAREST
            taken.add(int(control))


@EXAMPLES
@given(seed=st.integers(0, 10**6), count=st.integers(1, 40))
def test_partners_are_the_nearest_that_do_not_recognise(seed: int, count: int) -> None:
    filters, scale = of_sites(count, seed)
    chosen = named_sets(filters, sides_of(filters, {"top": ()})).get("recognising")
    if chosen is None:
        return
    partners = draw_controls(chosen, filters, scale, 1, seed, pool=NOT_RECOGNISING, nearest=1)
    left = {
        (row["site"], row["filter"])
        for row in filters.iter_rows(named=True)
        if row["label"] == "confirmed" and not row["recall"] >= 0.5
    }
    for (site, one), other in zip(chosen.iter_rows(), partners.partners[0].tolist(), strict=True):
        there = {index for where, index in left if where == site}
        if other < 0:
            assert not there
            continue
        apart = {index: abs(np.log(scale[site][index] / scale[site][one])) for index in there}
        assert apart[other] == min(apart.values())
        left.remove((site, other))


def test_shortage_is_counted() -> None:
    filters = make_filters(10, label=["confirmed"] * 7 + ["quiet"] * 3)
    controls = draw_controls(filters.head(7), filters, {"a": np.ones(10)}, 4, 0)
    assert (controls.matched, controls.unmatched, controls.draws) == (3, 4, 4)
    assert controls.with_controls()["filter"].to_list() == [0, 1, 2]
    assert controls.draw(2)["of"].to_list() == [0, 1, 2]
    assert sorted(controls.draw(2)["filter"].to_list()) == [7, 8, 9]
    assert (controls.partners[:, 3:] == -1).all()
    assert controls.shared == 1


def test_no_controls_at_all() -> None:
    filters = make_filters(4, label=["confirmed"] * 4)
    for draws in (3, 0):
        controls = draw_controls(filters, filters, {"a": np.ones(4)}, draws, 0)
        assert (controls.matched, controls.unmatched, controls.draws) == (0, 4, 0)
        assert np.isnan(controls.scale_error)
        assert controls.shared == 1
    assert draw_controls(filters.clear(), filters, {}, 3, 0).draws == 0


def test_how_much_draws_share() -> None:
    chosen = make_filters(2).select("site", "filter")
    partners = np.array([[4, 5], [5, 6], [7, 8]])
    assert Controls(chosen, partners, np.zeros((3, 2))).shared == pytest.approx(1 / 6)


# A set that is no more than its controls


def chance_of_significance(chosen: int, pool: int, runs: int, *, corrected: bool) -> int:
    """How many of some sets drawn from the same filters as their controls reach p ≤ .05."""
    count = chosen + pool
    found = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        effects = rng.normal(size=count)
        # Labels are given at random: the set is exchangeable with what is left over.
        labels = np.full(count, "quiet", dtype=object)
        labels[rng.permutation(count)[:chosen]] = "confirmed"
        filters = make_filters(count, label=labels.tolist())
        confirmed = filters.filter(pl.col("label") == "confirmed")
        controls = draw_controls(
            confirmed, filters, {"a": np.exp(rng.normal(size=count))}, 20, seed
        )
        draws = [effects[row].sum() for row in controls.partners]
        observed = effects[confirmed["filter"].to_numpy()].sum()
        found += empirical_p(observed, draws, controls.shared if corrected else 0) <= 0.05
    return found


@pytest.mark.parametrize(("chosen", "pool"), [(5, 200), (20, 50), (20, 25)])
def test_p_keeps_its_level(chosen: int, pool: int) -> None:
    runs = 100
    most = stats.binom.ppf(0.999, runs, 0.05)  # fails by chance once in a thousand
    assert chance_of_significance(chosen, pool, runs, corrected=True) <= most


def test_p_would_not_keep_its_level_if_shared_controls_were_ignored() -> None:
    most = stats.binom.ppf(0.999, 100, 0.05)
    assert chance_of_significance(20, 25, 100, corrected=False) > most
