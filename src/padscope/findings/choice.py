"""Which filters the gallery holds, and in which order."""

from __future__ import annotations

import polars as pl

from padscope.evidence import CANDIDATE
from padscope.findings.listing import Listing
from padscope.findings.words import NONE, fixed
from padscope.study import Study

STATIC = 50  # filters that stand in the page itself, for readers without JavaScript


def choose_filters(study: Study) -> pl.DataFrame:
    """Choose the filters of the gallery, strongest first.

    These are all that respond, and of an explained study all that are confirmed or have a kind.
    If that makes fewer than `STATIC`, the strongest of the others come after them.

    Returns
    -------
    polars.DataFrame
        Rows of `Study.filters`. Those that recognise the border come first, then the other
        confirmed ones, by their causal KS; of a study that is not explained all come by their KS.
    """
    filters = study.filters.filter(pl.col("ks").is_not_null())
    held = pl.col("ks") >= CANDIDATE
    order = [pl.col("ks")]
    if study.explanation:
        confirmed = pl.col("label").fill_null("") == "confirmed"
        held = held | confirmed | pl.col("kind").is_not_null()
        order = [pl.col("recognises"), confirmed, pl.col("causal_ks"), *order]
    ranked = filters.with_columns(held=held).sort(
        [pl.col("held"), *order, pl.col("site"), pl.col("filter")],
        descending=[True, *[True] * len(order), False, False],
        nulls_last=True,
        maintain_order=True,
    )
    count = max(int(ranked["held"].sum()), min(STATIC, ranked.height))
    return ranked.head(count).drop("held")


def strongest_side(study: Study) -> str:
    """Name the column that holds a filter's strongest side: by the causal KS if there is one."""
    return "causal_side" if study.explanation else "side"


def strongest_listing(study: Study, chosen: pl.DataFrame) -> Listing:
    """List the first `STATIC` filters of the gallery."""
    headings = ["Filter", "Label", "Side", "KS"]
    rows = []
    for row in chosen.head(STATIC).iter_rows(named=True):
        label = "recognises" if row.get("recognises") else row["label"] or "not explained"
        cells = [f"{row['site']}/{row['filter']}", label, row["side"] or NONE, fixed(row["ks"])]
        if study.explanation:
            cells += [fixed(row["causal_ks"]), fixed(row["recall"]), row["kind"] or NONE]
        rows.append(tuple(cells))
    if study.explanation:
        headings += ["Causal KS", "Recall", "Kind"]
    return Listing(tuple(headings), tuple(rows), frozenset({"Label", "Side", "Kind"}))
