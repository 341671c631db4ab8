"""Estimated impact of filters as columns, and how well it agrees with exact effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

from padscope import interventions
from padscope.scores import Interval
from padscope.tables.schema import CHECKS, ESTIMATES, FILTERS

if TYPE_CHECKING:
    from torch import Tensor

    from padscope.effects import AnswerKind
    from padscope.sites import Site

FloatArray = NDArray[np.float64]
RELIABLE = 0.8  # least rank correlation with exact effects at which estimates are trusted
LEVEL = 0.95
_COLUMNS = ("site", "filter", *FILTERS.since(ESTIMATES))


def impact_columns(sums: Mapping[str, Tensor], kind: AnswerKind) -> pl.DataFrame:
    """Estimated impact of every filter.

    Columns are ``site``, ``filter`` and what estimates add to `schema.FILTERS`. The intervals are
    of the jackknife over image folds. Effects have no sign unless the answer is scores of classes,
    as the signs of an `Objective` are random otherwise; equal impacts have equal ranks. Of scores
    of classes the impact is the mean absolute effect, in nats; of other answers the root mean
    square effect, in units of the answer.

    Parameters
    ----------
    sums : mapping
        As `padscope.measurements.EstimateMeasurement` finds them.
    kind : {"classes", "dense", "values"}
        Of the answer.

    Returns
    -------
    polars.DataFrame
        One row per filter that has an estimate, in the order of the sites and filters. Nulls where
        the estimate is no number.
    """
    images = sums["images"].numpy()
    tables = [
        _site_columns(name.removeprefix("site/"), moments.numpy(), images, kind)
        for name, moments in sums.items()
        if name.startswith("site/")
    ]
    if not tables:
        return FILTERS.empty().select(_COLUMNS)
    rank = pl.col("impact").rank("min", descending=True).cast(pl.Int64)
    return pl.concat(tables).with_columns(impact_rank=rank)


def _site_columns(
    site: str, moments: FloatArray, images: FloatArray, kind: AnswerKind
) -> pl.DataFrame:
    """Columns of one site from the (F, 3, C) sums of effects, their sizes and their squares."""
    filters = moments.shape[2]
    if kind == "classes":
        impact, interval = _over_folds(moments[:, 1], images, squares=False)
        signed = moments[:, 0].sum(axis=0) / images.sum()
    else:
        impact, interval = _over_folds(moments[:, 2], images, squares=True)
        signed = np.full(filters, np.nan)
    return pl.DataFrame(
        {
            "site": pl.repeat(site, filters, eager=True),
            "filter": np.arange(filters),
            "impact": _numbers(impact),
            "impact_low": _numbers(interval.low),
            "impact_high": _numbers(interval.high),
            "impact_signed": _numbers(signed),
        }
    )


def _over_folds(
    sums: FloatArray, images: FloatArray, *, squares: bool
) -> tuple[FloatArray, Interval]:
    """Mean, or root mean square, over images, with its jackknife interval over folds.

    Parameters
    ----------
    sums : (F, C) float64 array
        Of values that are not negative, per image fold.
    images : (F,) array
        Images per fold.
    squares : bool
        Whether the sums are of squares.

    References
    ----------
    Miller, Biometrika 61 (1974) 1-15; delete-a-group form.
    """
    sums, images = sums[images > 0], images[images > 0]
    mean = sums.sum(axis=0) / images.sum()
    estimate = np.sqrt(mean) if squares else mean
    folds = len(images)
    if folds < 2:
        unknown = np.full_like(mean, np.nan)
        return estimate, Interval(unknown, unknown)
    # A fold that carries all of a sum leaves a rounding error below 0 behind.
    rest = np.maximum(sums.sum(axis=0) - sums, 0) / (images.sum() - images)[:, None]
    left_out = np.sqrt(rest) if squares else rest
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    deviation = np.sqrt(spread * (folds - 1) / folds)
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, folds - 1) * deviation
    return estimate, Interval(np.maximum(estimate - half, 0), estimate + half)


def with_impact(filters: pl.DataFrame, impacts: pl.DataFrame) -> pl.DataFrame:
    """Add the columns of `impact_columns` to the table of filters; nulls where there are none."""
    kept = filters.select(
        name for name in filters.columns if name in ("site", "filter") or name not in impacts
    )
    return kept.join(impacts, on=["site", "filter"], how="left", maintain_order="left")


def added_impacts(filters: pl.DataFrame) -> pl.DataFrame:
    """Select what `with_impact` has added: ``site`` and ``filter`` alone if it has not."""
    return filters.select(name for name in filters.columns if name in _COLUMNS)


def without_impact(filters: pl.DataFrame) -> pl.DataFrame:
    """Drop what `with_impact` has added."""
    return filters.drop(FILTERS.since(ESTIMATES), strict=False)


def missing_estimates(sites: Sequence[Site], sums: Mapping[str, Tensor]) -> dict[str, str]:
    """Name every padded operation that has no estimates, with the reason."""
    return {
        site.name: interventions.why_not_estimated(site)
        for site in sites
        if f"site/{site.name}" not in sums and site.window.padded
    }


def choose_checked(impacts: pl.DataFrame, count: int, seed: int) -> list[tuple[str, int]]:
    """Choose filters to check exactly, from the whole range of estimates.

    The filters with an impact above 0 are ranked and cut into as many strata of equal numbers; one
    is drawn from each.

    Parameters
    ----------
    impacts : polars.DataFrame
        From `impact_columns`.
    count : int
        All filters, if there are not more.
    seed : int

    Returns
    -------
    list of (str, int)
        Site and filter, those of the greatest impact first.
    """
    ranked = impacts.filter(pl.col("impact") > 0).sort(
        ["impact", "site", "filter"], descending=[True, False, False]
    )
    edges = np.linspace(0, ranked.height, min(count, ranked.height) + 1).astype(int)
    drawn = np.random.default_rng([seed, count]).integers(edges[:-1], edges[1:])
    return [(site, index) for site, index in ranked[drawn].select("site", "filter").iter_rows()]


def check_table(
    filters: Sequence[tuple[str, int]],
    rows: Mapping[str, Tensor],
    kind: AnswerKind,
    groups: Sequence[object],
) -> pl.DataFrame:
    """Impact of the checked filters, estimated and exact, on the same images.

    Columns are those of `schema.CHECKS`; estimate and exact are as ``impact`` of `impact_columns`.
    The divergence takes in all classes and grows with the square of a change: it ranks filters
    somewhat differently even from their exact effect on the first class (Spearman .89 on
    EfficientNet-Lite0).

    Parameters
    ----------
    filters : sequence of (str, int)
        Site and filter, as the measurement was given them.
    rows : mapping
        As `padscope.measurements.ExactMeasurement` finds them.
    kind : {"classes", "dense", "values"}
        Of the answer.
    groups : sequence
        Which photograph each image comes from.
    """

    def size(name: str) -> FloatArray:
        effects: FloatArray = rows[name].double().numpy()
        mean: FloatArray = (np.abs(effects) if kind == "classes" else effects**2).mean(axis=0)
        return mean if kind == "classes" else np.sqrt(mean)

    kl = rows["kl"].double().mean(dim=0).numpy() if "kl" in rows else np.full(len(filters), np.nan)
    on = len(groups), len(set(groups))
    values = zip(filters, size("estimate"), size("exact"), kl, strict=True)
    return CHECKS.frame((*which, *on, *found) for which, *found in values)


def agreement(checks: pl.DataFrame, images: int, resamples: int, seed: int) -> dict[str, float]:
    """Rank correlation of estimated with exact impact.

    Parameters
    ----------
    checks : polars.DataFrame
        From `check_table`.
    images : int
        How many it was measured on.
    resamples, seed : int
        Of the filters, for the interval: the percentile bootstrap.

    Returns
    -------
    dict
        ``spearman`` with ``low`` and ``high`` (95 %); ``spearman_kl`` (with the divergence instead
        of the exact effect), where there is one; ``reliable`` (1 if ``spearman`` is at least
        `RELIABLE`, else 0); ``filters``, ``images``. Empty if fewer than three filters were
        checked, or none of them differs from another.
    """
    estimate, exact = checks["estimate"].to_numpy(), checks["exact"].to_numpy()
    if len(estimate) < 3 or np.ptp(estimate) == 0 or np.ptp(exact) == 0:
        return {}
    found = _spearman(estimate[None], exact[None])[0]
    drawn = np.random.default_rng([seed, resamples]).integers(
        len(estimate), size=(resamples, len(estimate))
    )
    low, high = np.nanquantile(
        _spearman(estimate[drawn], exact[drawn]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    )
    kl = checks["kl"]
    divergence = {} if kl.null_count() else {"spearman_kl": _rank_correlation(estimate, kl)}
    return {
        "spearman": float(found), "low": float(low), "high": float(high), **divergence,
        "reliable": float(found >= RELIABLE), "filters": len(estimate), "images": images,
    }  # fmt: skip


def _rank_correlation(estimate: FloatArray, kl: pl.Series) -> float:
    return float(_spearman(estimate[None], kl.to_numpy()[None])[0])


def _spearman(first: FloatArray, second: FloatArray) -> FloatArray:
    """Spearman's rank correlation of every row; NaN where a row does not vary."""
    ranks = (scipy.stats.rankdata(values, axis=1) for values in (first, second))
    a, b = (values - values.mean(axis=1, keepdims=True) for values in ranks)
    with np.errstate(invalid="ignore"):
        correlation: FloatArray = (a * b).sum(axis=1) / np.sqrt(
            (a**2).sum(axis=1) * (b**2).sum(axis=1)
        )
    return correlation


def _numbers(values: FloatArray) -> pl.Series:
    """Make a column, with nulls for NaN."""
    return pl.Series(values, dtype=pl.Float64, nan_to_null=True)
