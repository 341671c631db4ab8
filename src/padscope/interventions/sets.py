"""Sets of filters whose effect is measured, by name."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import polars as pl

from padscope.evidence import KINDS

MIN_SET = 5  # filters of a kind or side from which on it is looked at by itself
RECOGNISING_SET = "recognising"
NOT_RECOGNISING_SET = "confirmed but not recognising"
CONFIRMED_SET = "confirmed"
ALL_PADDING = "all padding"
SILENCE = "silence"  # the change that puts nothing in place of what filters give
KIND, SIDE = "kind: ", "side: "  # how the names of its parts begin
# Use is judged by the first of these sets that there is: rows of filters, or of their sides.
HEADLINES = {
    RECOGNISING_SET: pl.col("recognises"),
    CONFIRMED_SET: pl.col("label") == "confirmed",
}
NOT_RECOGNISING = HEADLINES[CONFIRMED_SET] & ~HEADLINES[RECOGNISING_SET]


def headline_of(names: Collection[str]) -> str | None:
    """Name the set that use is judged by, among those that there are; None without any.

    Examples
    --------
    >>> headline_of(["confirmed", "recognising"]), headline_of(["confirmed"])
    ('recognising', 'confirmed')
    """
    return next((name for name in HEADLINES if name in names), None)


def is_part(name: str) -> bool:
    """Whether a set is a part of the one that use is judged by: of one kind, or at one side."""
    return name.startswith((KIND, SIDE))


def headline_rows(table: pl.DataFrame) -> pl.DataFrame:
    """Select the filters that use is judged by, or the sides at which they are so.

    Parameters
    ----------
    table : polars.DataFrame
        Filters or sides of an explained study.
    """
    found = (table.filter(wanted) for wanted in HEADLINES.values())
    return next((rows for rows in found if rows.height), table.clear())


def named_sets(filters: pl.DataFrame, sides: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Name the sets of filters of an explained network.

    Parameters
    ----------
    filters, sides : polars.DataFrame
        Of an explained study, see `padscope.tables.with_causes`. Their filters are those of
        convolutions: poolings have none.

    Returns
    -------
    dict
        Name → table of ``site`` and ``filter``, the greatest recall first, then the strongest
        causal KS: ``recognising``; ``confirmed``; and of those that use is judged by (see
        `HEADLINES`) ``kind: …`` for each kind in display order, and ``side: …`` (so at that side),
        where there are `MIN_SET` or more. Sets without a filter are left out.
    """
    named = {name: filters.filter(wanted) for name, wanted in HEADLINES.items()}
    parts = {**dict(_kinds(headline_rows(filters))), **dict(_sides(filters, sides))}
    named |= {name: part for name, part in parts.items() if part.height >= MIN_SET}
    return {name: _ordered(chosen) for name, chosen in named.items() if chosen.height}


def _kinds(chosen: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for kind in KINDS:
        yield f"{KIND}{kind}", chosen.filter(pl.col("kind") == kind)


def _sides(filters: pl.DataFrame, sides: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    chosen = headline_rows(sides)
    for side in sides["side"].unique(maintain_order=True):
        there = chosen.filter(pl.col("side") == side)
        yield f"{SIDE}{side}", filters.join(there, on=["site", "filter"], how="semi")


def _ordered(chosen: pl.DataFrame) -> pl.DataFrame:
    return chosen.sort(
        "recall", "causal_ks", "site", "filter",
        descending=[True, True, False, False], nulls_last=True,
    ).select("site", "filter")  # fmt: skip
