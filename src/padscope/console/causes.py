"""What an explanation found, as the command line shows it."""

from __future__ import annotations

import polars as pl
from rich.table import Table

from padscope.console.terminal import shown
from padscope.evidence import SMALL_MAP
from padscope.findings.checks import limits
from padscope.findings.headline import headline
from padscope.findings.kinds import kind_sentence
from padscope.findings.networks import RUNGS, networks
from padscope.findings.recognition import recognition
from padscope.findings.rungs import rungs
from padscope.findings.words import percent, size
from padscope.study import Explanation, Study


def cause_listing(study: Study) -> Table:
    """Draw one row per explained site: labels, origins, reach, checks."""
    table = Table(box=None, pad_edge=False)
    table.add_column("site", overflow="fold")
    counts = ("recognise", "confirmed", "grey", "rejected", "nascent", "inherited", "both")
    for name in ("map", *counts, "reach", "margin ×2"):
        table.add_column(name, justify="right")
    table.add_column("strongest filter")
    for row in _by_site(study).iter_rows(named=True):
        marks = "*" if min(row["map_size"]) < SMALL_MAP else ""
        marks += "‡" if row["no_context"] else ""
        change, reach = row["margin_change"], row["reach"]
        strongest = "–"
        if row["causal_ks"] is not None:
            strongest = f"{row['filter']} {row['causal_side']} {row['causal_ks']:.3f}"
        table.add_row(
            shown(row["site"]), size(row["map_size"]) + marks,
            *(str(row[name]) for name in counts), "–" if reach is None else f"{reach + 1:.1f}",
            "–" if change is None else f"±{change:.3f}", strongest,
        )  # fmt: skip
    return table


def _by_site(study: Study) -> pl.DataFrame:
    confirmed = pl.col("label") == "confirmed"
    origins = ("nascent", "inherited", "both")
    counts = study.filters.group_by("site").agg(
        pl.col("recognises").sum().alias("recognise"),
        *((pl.col("label") == label).sum().alias(label) for label in
          ("confirmed", "grey", "rejected")),
        *((confirmed & (pl.col("origin") == origin)).sum().alias(origin) for origin in origins),
        pl.col("reach").filter(confirmed).mean(),
    )  # fmt: skip
    best = (
        study.filters.sort("causal_ks", "filter", descending=[True, False], nulls_last=True)
        .group_by("site", maintain_order=True)
        .first()
        .select("site", "filter", "causal_side", "causal_ks")
    )
    explained = study.sites.filter(pl.col("no_context").is_not_null())
    return (
        explained.select("site", "map_size", "no_context", "margin_change")
        .join(counts, on="site", how="left", maintain_order="left")
        .join(best, on="site", how="left", maintain_order="left")
    )


def network_listing(explanation: Explanation) -> Table:
    """Draw the given network beside its baselines: shares of the measured filters."""
    table = Table(box=None, pad_edge=False)
    table.add_column("network")
    for name in ("filters", *(cut for _, _, cut in RUNGS)):
        table.add_column(name, justify="right")
    for each in networks(explanation):
        shares = (f"{count:,} ({percent(count, each.measured)})" for count in each.counts)
        table.add_row(shown(each.title), f"{each.measured:,}", *shares)
    return table


def cause_lines(study: Study) -> list[str]:
    """Put what padding causes, who recognises the border, and what limits it, into sentences."""
    explanation = study.explanation
    assert explanation is not None
    found, (responds, caused, recognises, _) = headline(study), rungs(study)
    origins = recognition(study.filters, explanation).origin_sentences
    return [
        *(f"Warning: {warning}" for warning in found.warnings),
        *(rung.sentence for rung in (recognises, caused, responds)),
        f"Recognising: {recognises.rule}",
        *origins,
        f"All on the same {explanation.counts.images} images ({explanation.images}).",
        kind_sentence(study),
        *limits(study),
    ]
