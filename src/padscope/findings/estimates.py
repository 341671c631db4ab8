"""Estimated impacts of single filters, in sentences."""

from __future__ import annotations

import polars as pl

from padscope.counts import plural
from padscope.findings.words import fixed, fixed_interval, number
from padscope.study import Study

NAMED = 3  # filters named in a sentence


def estimate_lines(study: Study) -> list[str]:
    """Say how far the estimates can be trusted, and which filters come first."""
    if study.impact is None or "impact" not in study.filters.columns:
        return []
    found = study.impact.agreement
    if not found:
        return []
    doubt = "" if found["reliable"] else "; they are unreliable for this model"
    line = (
        f"The impact of {plural(study.filters['impact'].count(), 'filter')} was estimated to first "
        f"order; rank correlation with exact effects {fixed(found['spearman'])} "
        f"{fixed_interval(found['low'], found['high'])}, of "
        f"{plural(int(found['filters']), 'filter')}{doubt}."
    )
    first = study.filters.filter(pl.col("impact").is_not_null()).sort("impact_rank", "site")
    named = ", ".join(
        f"{row['site']}/{row['filter']} ({number(row['impact'], 2)})"
        for row in first.head(NAMED).iter_rows(named=True)
    )
    return [line, f"  Greatest: {named}."]
