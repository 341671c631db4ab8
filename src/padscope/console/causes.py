"""What an explanation found, as the command line shows it."""

from __future__ import annotations

import polars as pl
from rich.table import Table

from padscope.console.responses import skipped_lines
from padscope.console.terminal import shown
from padscope.evidence import CANDIDATE, CONFIRMED, GREY, KINDS, RECOGNISED, SMALL_MAP
from padscope.study import Explanation, Study
from padscope.study.opening import caused_sentence, responding_sentence
from padscope.study.recognition import recognition
from padscope.tables import MEASURED

DECIDED = 0.05  # false discovery rate
FEW = 48  # images below which counts are visibly inflated


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
            shown(row["site"]), "×".join(map(str, row["map_size"])) + marks,
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
    for name in ("filters", f"KS ≥ {CANDIDATE:g}", "≥ 0.8", f"recall ≥ {RECOGNISED:g}"):
        table.add_column(name, justify="right")
    for row in explanation.baselines.iter_rows(named=True):
        shares = (
            f"{row[name]:,} ({row[f'{name}_share']:.1%})"
            for name in ("candidates", "strong", "recalled")
        )
        table.add_row(shown(row["network"]), f"{row['filters']:,}", *shares)
    return table


def cause_lines(study: Study) -> list[str]:
    """Put the second rung and the third, and what limits them, into sentences."""
    explanation = study.explanation
    assert explanation is not None
    measured = study.filters.filter(MEASURED)
    confirmed = study.filters.filter(pl.col("label") == "confirmed")
    found = recognition(study.filters, explanation)
    lines = [
        *(f"Warning: {warning}" for warning in found.warnings),
        f"{found.lead}. {found.rule}",
        *found.sentences,
        responding_sentence(study.filters),
        caused_sentence(study.filters),
        f"All on the same {explanation.counts.images} images ({explanation.images}).",
        *_candidate_lines(study),
        _kind_line(confirmed),
        _chance_line(study),
    ]
    if explanation.counts.images < FEW:
        lines.append(
            f"Only {explanation.counts.images} images: distances of so few come out too large, "
            f"and kinds change with the sample; give {FEW} or more."
        )
    small = int((confirmed["needs_counterfactual"]).sum())
    if small:
        lines.append(
            f"* {small:,} of the confirmed filters have maps under {SMALL_MAP} positions: real "
            "context is less settled there, see the change when the margin is doubled."
        )
    if not measured["real_context"].all():
        without = int((~measured["real_context"]).sum())
        lines.append(
            f"‡ {without:,} filters are labelled without real context: padding was filled "
            "otherwise instead, which is weaker evidence."
        )
    skipped = skipped_lines("could not be explained", explanation.counts.skipped)
    return [*lines, *_inherited_lines(explanation), *explanation.notes, *skipped]


def _candidate_lines(study: Study) -> list[str]:
    """Tell what becomes of the filter-sides that respond, small maps apart."""
    small = pl.col("map_size").list.min() < SMALL_MAP
    sizes = study.sites.select("site", small=small)
    candidates = study.sides.filter(pl.col("ks") >= CANDIDATE).join(sizes, on="site")
    lines = []
    for below, where in ((False, f"on maps of {SMALL_MAP} and more"), (True, "on smaller maps")):
        found = candidates.filter(pl.col("small") == below)
        if found.is_empty():
            continue
        shares = ", ".join(
            f"{_share(found.filter(pl.col('label') == label).height, found.height)} {label}"
            for label in ("confirmed", "grey", "rejected")
        )
        lines.append(f"Of {found.height:,} filter-sides with KS ≥ {CANDIDATE:g} {where}: {shares}.")
    return lines


def _kind_line(confirmed: pl.DataFrame) -> str:
    counts = dict(confirmed["kind"].value_counts().iter_rows())
    kinds = ", ".join(f"{kind} {counts[kind]:,}" for kind in KINDS if counts.get(kind))
    stability = confirmed["stability"].mean()
    mean = f"; in {stability:.0%} of resamples the same" if isinstance(stability, float) else ""
    return f"Kinds: {kinds or 'none'}{mean}."


def _chance_line(study: Study) -> str:
    sides = study.sides.filter(pl.col("q").is_not_null())
    found = sides.filter(pl.col("q") <= DECIDED).height
    return (
        f"{found:,} of {sides.height:,} filter-sides respond more than lines where no border is "
        f"(false discovery rate {DECIDED:g})."
    )


def _inherited_lines(explanation: Explanation) -> list[str]:
    inherited = explanation.inherited
    if inherited.is_empty():
        return []
    filters = inherited.group_by("site", "filter").agg(pl.col("causal_ks").max())
    found = filters.filter(pl.col("causal_ks") >= CONFIRMED).height
    grey = filters.filter(pl.col("causal_ks").is_between(GREY, CONFIRMED, closed="left")).height
    return [
        f"Of {filters.height:,} filters of convolutions without padding, {found:,} inherit a "
        f"signal of {CONFIRMED:g} or more, {grey:,} one of {GREY:g} to {CONFIRMED:g}."
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0%"
