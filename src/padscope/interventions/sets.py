"""Sets of filters whose effect is measured, by name."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from padscope.evidence import KINDS, STRONG

MIN_SET = 5  # filters of a kind or side from which on it is looked at by itself
CONFIRMED_SET = "confirmed"
STRONG_SET = "strong"
DEDICATED_SET = "dedicated"
ALL_PADDING = "all padding"


def named_sets(
    filters: pl.DataFrame, sides: pl.DataFrame, dedicated: pl.DataFrame | None = None
) -> dict[str, pl.DataFrame]:
    """Name the sets of filters of an explained network.

    Parameters
    ----------
    filters, sides : polars.DataFrame
        Of an explained study, see `padscope.tables.with_causes`. Their filters are those of
        convolutions: poolings have none.
    dedicated : polars.DataFrame, optional
        ``site`` and ``filter`` of those that answer to hardly anything but the border.

    Returns
    -------
    dict
        Name → table of ``site`` and ``filter``, the strongest causal KS first: ``confirmed``;
        ``strong`` (KS ≥ `STRONG`, an observation); ``dedicated``, among the confirmed; ``kind: …``
        for each kind in display order, and ``side: …`` (confirmed there), of at least `MIN_SET`
        confirmed filters. Sets without a filter are left out.
    """
    confirmed = filters.filter(pl.col("label") == "confirmed")
    named = {
        CONFIRMED_SET: confirmed,
        STRONG_SET: filters.filter(pl.col("ks") >= STRONG),
    }
    if dedicated is not None:
        named[DEDICATED_SET] = confirmed.join(dedicated, on=["site", "filter"], how="semi")
    parts = {**dict(_kinds(confirmed)), **dict(_sides(sides))}
    named |= {name: part for name, part in parts.items() if part.height >= MIN_SET}
    return {name: _ordered(chosen) for name, chosen in named.items() if chosen.height}


def _kinds(confirmed: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for kind in KINDS:
        yield f"kind: {kind}", confirmed.filter(pl.col("kind") == kind)


def _sides(sides: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    confirmed = sides.filter(pl.col("label") == "confirmed")
    for side in sides["side"].unique(maintain_order=True):
        yield f"side: {side}", confirmed.filter(pl.col("side") == side)


def _ordered(chosen: pl.DataFrame) -> pl.DataFrame:
    return chosen.sort(
        "causal_ks", "site", "filter", descending=[True, False, False], nulls_last=True
    ).select("site", "filter")
