"""Columns of estimated impact, the choice of checked filters, and their agreement, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from padscope.effects import AnswerKind
from padscope.tables.impacts import agreement, check_table, choose_checked, impact_columns

EXAMPLES = settings(max_examples=30, deadline=None, derandomize=True)
FOLDS = 8


def sums_of(effects: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add up (images, filters) effects as the measurement does, image by image."""
    count = len(next(iter(effects.values())))
    sums = {"images": torch.zeros(FOLDS, dtype=torch.float64)}
    for image in range(count):
        sums["images"][image % FOLDS] += 1
    for site, values in effects.items():
        kept = sums[f"site/{site}"] = torch.zeros(FOLDS, 3, values.shape[1], dtype=torch.float64)
        for image, row in enumerate(values.double()):
            kept[image % FOLDS] += torch.stack([row, row.abs(), row**2])
    return sums


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def impact_of(effects: NDArray[np.float64], kind: AnswerKind) -> float:
    if kind == "classes":
        return float(np.abs(effects).mean())
    return float(np.sqrt((effects**2).mean()))


@EXAMPLES
@given(st.integers(2, 40), st.integers(1, 4), st.sampled_from(["classes", "dense", "values"]))
def test_impact_is_a_mean_over_images_with_a_jackknife_over_folds(
    images: int, filters: int, kind: AnswerKind
) -> None:
    effects = drawn(images, filters)
    table = impact_columns(sums_of({"a.b": effects, "c/d": -2 * effects}), kind)
    assert table["site"].to_list() == ["a.b"] * filters + ["c/d"] * filters
    assert table["filter"].to_list() == list(range(filters)) * 2
    fold = np.arange(images) % FOLDS
    folds = len(set(fold))
    for index, row in enumerate(table.head(filters).iter_rows(named=True)):
        values = effects[:, index].double().numpy()
        left_out = np.array([impact_of(values[fold != f], kind) for f in range(folds)])
        half = stats.t.ppf(0.975, folds - 1) * np.sqrt((folds - 1) * left_out.var())
        impact = impact_of(values, kind)
        assert row["impact"] == pytest.approx(impact)
        assert row["impact_low"] == pytest.approx(max(impact - half, 0), abs=1e-12)
        assert row["impact_high"] == pytest.approx(impact + half)
        signed = row["impact_signed"]
        assert signed == (pytest.approx(values.mean()) if kind == "classes" else None)
    np.testing.assert_array_equal(
        table["impact_rank"], stats.rankdata(-table["impact"].to_numpy(), "min")
    )


def test_one_fold_has_no_interval_and_what_is_no_number_no_impact() -> None:
    table = impact_columns(sums_of({"conv": torch.tensor([[1.0, torch.nan, 3.0]])}), "classes")
    assert table["impact"].to_list() == [1, None, 3]
    assert table["impact_rank"].to_list() == [2, None, 1]
    assert table["impact_low"].to_list() == table["impact_high"].to_list() == [None] * 3


@EXAMPLES
@given(st.integers(0, 60), st.integers(1, 80), st.integers(0, 5))
def test_one_filter_is_checked_of_every_stratum(filters: int, count: int, seed: int) -> None:
    effects = torch.cat([drawn(8, filters, seed=seed), torch.zeros(8, 3)], dim=1)
    table = impact_columns(sums_of({"conv": effects}), "classes")
    chosen = choose_checked(table, count, seed)
    assert chosen == choose_checked(table.sample(fraction=1, shuffle=True, seed=1), count, seed)
    assert len(chosen) == len(set(chosen)) == min(count, filters)
    rank = dict(zip(table.select("site", "filter").iter_rows(), table["impact_rank"], strict=True))
    strata = [(rank[one] - 1) * len(chosen) / filters for one in chosen]
    width = len(chosen) / max(filters, 1)
    assert all(k - width < place < k + 1 for k, place in enumerate(strata))


def test_another_seed_checks_other_filters() -> None:
    table = impact_columns(sums_of({"conv": drawn(8, 500)}), "classes")
    assert choose_checked(table, 20, 0) != choose_checked(table, 20, 1)


@pytest.mark.parametrize("kind", ["classes", "dense"])
def test_checks_are_of_the_same_unit_as_the_impact(kind: AnswerKind) -> None:
    filters = [("b", 3), ("a", 0)]
    rows = {"estimate": drawn(9, 2), "exact": drawn(9, 2, seed=1)}
    if kind == "classes":
        rows["kl"] = drawn(9, 2, seed=2).abs()
    table = check_table(filters, rows, kind, [0, 0, 1, 2, 3, 4, 4, 4, 5])
    assert table.select("images", "photographs").unique().rows() == [(9, 6)]
    assert list(table.select("site", "filter").iter_rows()) == filters
    for name in ("estimate", "exact"):
        expected = [impact_of(values.double().numpy(), kind) for values in rows[name].T]
        assert table[name].to_list() == pytest.approx(expected)
    kl = table["kl"].to_list()
    assert kl == (pytest.approx(rows["kl"].mean(dim=0).tolist()) if "kl" in rows else [None, None])


def checks(count: int, noise: float) -> pl.DataFrame:
    rng = np.random.default_rng(count)
    estimate = rng.random(count).round(2)  # with ties
    exact = estimate + noise * rng.standard_normal(count)
    kl = exact**2
    return pl.DataFrame({"estimate": estimate, "exact": exact, "kl": kl})


@pytest.mark.parametrize(("noise", "reliable"), [(0.05, 1), (1.0, 0)])
def test_agreement_is_spearmans(noise: float, reliable: int) -> None:
    table = checks(60, noise)
    found = agreement(table, 48, 500, 0)
    assert found["spearman"] == pytest.approx(
        stats.spearmanr(table["estimate"], table["exact"]).statistic
    )
    assert found["spearman_kl"] == pytest.approx(
        stats.spearmanr(table["estimate"], table["kl"]).statistic
    )
    assert found["reliable"] == reliable
    assert (found["filters"], found["images"]) == (60, 48)
    twin = stats.bootstrap(
        (table["estimate"].to_numpy(), table["exact"].to_numpy()),
        lambda a, b: stats.spearmanr(a, b).statistic, paired=True, vectorized=False,
        n_resamples=500, method="percentile", random_state=1,
    ).confidence_interval  # fmt: skip
    assert found["low"] == pytest.approx(twin.low, abs=0.05)
    assert found["high"] == pytest.approx(twin.high, abs=0.05)
    assert agreement(table, 48, 500, 0) == found


def test_agreement_without_divergence() -> None:
    assert "spearman_kl" not in agreement(
        checks(10, 0.1).with_columns(kl=pl.lit(None, pl.Float64)), 5, 10, 0
    )


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_filters_agree_about_nothing(count: int) -> None:
    assert agreement(checks(count, 0.1), 48, 10, 0) == {}


def test_equal_effects_agree_about_nothing() -> None:
    assert agreement(checks(9, 0.1).with_columns(exact=pl.lit(0.0)), 48, 10, 0) == {}
