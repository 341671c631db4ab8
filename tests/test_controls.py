"""Sets of filters, and the controls that are drawn for them."""

from __future__ import annotations

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
from padscope.interventions.sets import MIN_SET, named_sets

EXAMPLES = settings(max_examples=50, deadline=None, derandomize=True)
FloatArray = NDArray[np.float64]
LABELS = ("confirmed", "grey", "rejected", "quiet", "unmeasured", None)


def make_filters(count: int, site: str = "a", **columns: object) -> pl.DataFrame:
    rows: dict[str, object] = {
        "site": [site] * count, "filter": range(count), "label": ["quiet"] * count,
        "ks": [0.1] * count, "causal_ks": [0.1] * count, "kind": [None] * count,
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
            causal_ks=rng.random(count),
        )
        for site in ("a", "b.conv", "c#1")
    ]  # fmt: skip
    scale = {site: np.exp(rng.normal(size=count)) for site in ("a", "b.conv", "c#1")}
    return pl.concat(tables).with_columns(pl.col("ks").fill_nan(None)), scale


# Sets


def test_sets_and_their_order() -> None:
    kinds = ["single"] * MIN_SET + ["frame"] * (MIN_SET - 1) + [None] * 4
    count = len(kinds)
    filters = make_filters(
        count,
        label=["confirmed"] * (count - 2) + ["grey", "quiet"],
        ks=[0.6] * (count - 3) + [0.85, 0.9, 0.2],
        causal_ks=[0.5 + place / 100 for place in range(count)],
        kind=kinds,
    )
    confirmed = count - 2
    sides = pl.DataFrame(
        {
            "site": ["a"] * count, "filter": range(count),
            "side": ["top"] * 6 + ["left"] * (count - 6),
            "label": ["confirmed"] * 6 + ["confirmed"] * 2 + ["quiet"] * (count - 8),
            "causal_ks": [0.9 - place / 100 for place in range(count)],
        }
    )  # fmt: skip
    dedicated = filters.select("site", "filter").filter(pl.col("filter").is_in([2, 4, count - 1]))
    sets = named_sets(filters, sides, dedicated)
    assert {name: chosen["filter"].to_list() for name, chosen in sets.items()} == {
        "confirmed": list(range(confirmed))[::-1],
        "strong": [count - 2, count - 3],
        "dedicated": [4, 2],
        "kind: single": list(range(MIN_SET))[::-1],
        "side: top": list(range(6)),
    }
    assert all(chosen.columns == ["site", "filter"] for chosen in sets.values())


def test_empty_sets_are_left_out() -> None:
    filters = make_filters(4)
    sides = pl.DataFrame({"site": ["a"], "filter": [0], "side": ["top"], "label": ["quiet"],
                          "causal_ks": [0.1]})  # fmt: skip
    assert named_sets(filters, sides) == {}
    one = filters.with_columns(ks=pl.Series([0.9, 0.1, 0.1, 0.1]), causal_ks=None)
    assert list(named_sets(one, sides, filters.clear())) == ["strong"]


def test_every_kind_has_its_set() -> None:
    filters = pl.concat(
        make_filters(MIN_SET, kind, label=["confirmed"] * MIN_SET, kind=[kind] * MIN_SET)
        for kind in reversed(KINDS)
    )
    sides = pl.DataFrame(schema={"site": pl.String, "filter": pl.Int64, "side": pl.String,
                                 "label": pl.String, "causal_ks": pl.Float64})  # fmt: skip
    assert list(named_sets(filters, sides)) == ["confirmed", *(f"kind: {kind}" for kind in KINDS)]


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
