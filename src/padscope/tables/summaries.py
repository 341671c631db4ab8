"""What the tables of sides and filters come to, site by site."""

from __future__ import annotations

import polars as pl

from padscope.evidence import CANDIDATE, STRONG

# What every count and share of filters is of: those with a KS and, once explained, a causal KS.
MEASURED = pl.col("label") != "unmeasured"


def undecided(sides: pl.DataFrame, cut: float, margin: float) -> tuple[int, int]:
    """Count the filters for which the images do not settle whether they reach a cut.

    A filter is decided if one side's whole interval lies above the cut, or every side's below.

    Returns
    -------
    far, all : int
        Those farther than `margin` from the cut, and all of them.

    Examples
    --------
    >>> sides = pl.DataFrame(
    ...     {
    ...         "site": ["a"] * 2,
    ...         "filter": [0, 0],
    ...         "ks": [0.6, 0.1],
    ...         "ks_low": [0.4, 0.0],
    ...         "ks_high": [0.8, 0.2],
    ...     }
    ... )
    >>> undecided(sides, cut=0.5, margin=0.05)
    (1, 1)
    """
    filters = (
        sides.filter(pl.col("ks").is_not_null())
        .group_by("site", "filter")
        .agg(
            pl.col("ks").max(),
            above=(pl.col("ks_low") >= cut).any(),
            below=(pl.col("ks_high") < cut).all(),
        )
        .filter(~(pl.col("above") | pl.col("below")).fill_null(value=False))
    )
    return filters.filter((pl.col("ks") - cut).abs() > margin).height, filters.height


def summarize(sites: pl.DataFrame, filters: pl.DataFrame, sides: pl.DataFrame) -> pl.DataFrame:
    """One row per scored site: how many filters respond, where, and which does most.

    Columns: ``site``, ``map_size``, ``filters``, ``unmeasured``, ``candidates``, ``strong``
    (counts of filters; measured ones but for the first two), one count of candidates per side,
    ``strongest`` (its filter), ``strongest_side``, ``strongest_ks``.
    """
    unmeasured = filters.group_by("site").agg(unmeasured=pl.len() - MEASURED.sum())
    filters = filters.filter(MEASURED)
    counts = filters.group_by("site").agg(
        candidates=(pl.col("ks") >= CANDIDATE).sum(),
        strong=(pl.col("ks") >= STRONG).sum(),
    )
    best = (
        filters.sort("ks", "filter", descending=[True, False], nulls_last=True)
        .group_by("site", maintain_order=True)
        .first()
        .select("site", strongest="filter", strongest_side="side", strongest_ks="ks")
    )
    names = sides["side"].unique(maintain_order=True).to_list()
    measured = sides.join(filters, on=["site", "filter"], how="semi")
    by_side = measured.group_by("site").agg(
        ((pl.col("ks") >= CANDIDATE) & (pl.col("side") == name)).sum().alias(name) for name in names
    )
    scored = sites.filter("scored").select("site", "map_size", "filters")
    counted = ["unmeasured", "candidates", "strong", *names]
    return (
        scored.join(unmeasured, on="site", how="left", maintain_order="left")
        .join(counts, on="site", how="left", maintain_order="left")
        .join(by_side, on="site", how="left", maintain_order="left")
        .with_columns(pl.col(counted).fill_null(0))
        .join(best, on="site", how="left", maintain_order="left")
    )
