"""Several models side by side: one row each, and shares of filters along their depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from padscope.evidence import CANDIDATE, KINDS, STRONG
from padscope.tables.schema import COMPARISON
from padscope.tables.summaries import MEASURED

# What `used_columns` takes from a row of effects, and what it is called beside other models.
_USED = {
    "measure": "measure", "change": "change", "effect": "used", "low": "used_low",
    "high": "used_high", "matched": "matched", "matched_effect": "matched_used",
    "control": "control", "control_low": "control_low", "control_high": "control_high",
    "draws": "draws", "p": "p", "excess": "excess", "excess_low": "excess_low",
    "excess_high": "excess_high", "images": "tested",
}  # fmt: skip


def comparison_table(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """One row per model.

    Columns are those of `schema.COMPARISON`, filled by `response_columns`, `cause_columns` and
    `used_columns` among others. Null is what a run has not measured.

    Parameters
    ----------
    rows : iterable of mapping
        Each with any of these columns.
    """
    return COMPARISON.frame(rows)


def response_columns(filters: pl.DataFrame) -> dict[str, Any]:
    """Count the filters that respond.

    Returns
    -------
    dict
        ``filters`` (all), ``measured`` (see `MEASURED`), of these ``responds`` and ``strong``
        (KS ≥ `CANDIDATE`, ≥ `STRONG`), and ``responds_share``.

    Examples
    --------
    >>> filters = {"ks": [0.9, 0.6, 0.1, None], "label": ["strong", "quiet", "quiet", "unmeasured"]}
    >>> response_columns(pl.DataFrame(filters))["responds_share"]
    0.6666666666666666
    """
    measured = filters.filter(MEASURED)
    responds = measured.filter(pl.col("ks") >= CANDIDATE).height
    return {
        "filters": filters.height, "measured": measured.height, "responds": responds,
        "strong": measured.filter(pl.col("ks") >= STRONG).height,
        "responds_share": responds / measured.height if measured.height else None,
    }  # fmt: skip


def cause_columns(filters: pl.DataFrame) -> dict[str, Any]:
    """Count the filters of an explained study that respond because of padding.

    Returns
    -------
    dict
        ``caused`` (label confirmed), ``caused_share`` (of the measured ones); one count of
        confirmed filters per kind. Filters of the provisional kind ``corner`` are not confirmed at
        any side, and are counted all the same.
    """
    measured = filters.filter(MEASURED)
    confirmed = measured.filter(pl.col("label") == "confirmed")
    of_kind = measured.filter((pl.col("label") == "confirmed") | (pl.col("kind") == "corner"))
    counts = dict(of_kind["kind"].value_counts().iter_rows())
    return {
        "caused": confirmed.height,
        "caused_share": confirmed.height / measured.height if measured.height else None,
        **{kind: counts.get(kind, 0) for kind in KINDS},
    }  # fmt: skip


def used_columns(effect: Mapping[str, Any] | None) -> dict[str, Any]:
    """Take what undoing the confirmed filters changes from its row of `tables.effects`.

    Returns
    -------
    dict
        ``measure`` and ``change`` (what was measured, how they were undone), ``used`` with
        ``used_low`` and ``used_high`` (95 % over images); ``control`` with ``control_low`` and
        ``control_high`` (mean, least and greatest draw), ``draws``, ``p``; ``matched`` (filters
        that have controls) and ``matched_used`` (their effect, which p compares); ``excess`` with
        ``excess_low`` and ``excess_high`` (beyond the controls, 95 % over images); ``tested``
        (images). Nothing if it was not measured.
    """
    return {name: effect[column] for column, name in _USED.items()} if effect else {}
