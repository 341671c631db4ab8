"""The tables of the method's page, in markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from evidence.checks import (
    alignment,
    baselines,
    chance,
    fallback,
    margins,
    planted_table,
    recognised_again,
    repeat,
)
from evidence.measured import Measured, PlantedScores
from evidence.wording import (
    Row,
    by_map,
    caption,
    count,
    decimal,
    explanation,
    jaccard,
    markdown,
    percent,
    with_map,
)
from padscope.evidence import CANDIDATE, CONFIRMED, KINDS


def runs(measured: Sequence[Measured]) -> str:
    """Say what was run."""
    rows = []
    for entry in measured:
        study, found = entry.first, explanation(entry.first)
        scored = study.sites.filter("scored")
        canvas = [n + 2 * m for n, m in zip(study.size, found.margin, strict=True)]
        rows.append(
            (
                entry.network.name, "×".join(map(str, study.size)), scored.height,
                f"{study.filters.height:,}", study.counted.images, found.counts.images,
                len(found.counts.skipped), max(found.margin), "×".join(map(str, canvas)),
                count(scored, pl.col("no_context") != ""),
            )
        )  # fmt: skip
    header = ("network", "input", "sites", "filters", "scanned", "explained", "skipped", "margin",
              "canvas", "sites without context")  # fmt: skip
    return markdown(header, rows)


def rungs(measured: Sequence[Measured]) -> str:
    """Say what becomes of responses on the second rung and on the third."""
    rows = []
    for entry in measured:
        for size, sides in by_map(with_map(entry.first.sides, entry.first)):
            responding = sides.filter(pl.col("ks") >= CANDIDATE)
            labels = [
                percent(count(responding, pl.col("label") == label), responding.height)
                for label in ("confirmed", "grey", "rejected")
            ]
            caused = sides.filter(pl.col("causal_ks") >= CONFIRMED)
            unseen = count(caused, pl.col("ks") < CANDIDATE)
            recognising = count(sides, pl.col("recognises"))
            agreed = jaccard(  # of responses with causes at the same cut
                sides, pl.col("ks") >= CANDIDATE, pl.col("causal_ks") >= CONFIRMED
            )
            rows.append(
                (
                    entry.network.name, size, f"{sides.height:,}", f"{responding.height:,}",
                    *labels, f"{caused.height:,}", percent(unseen, caused.height),
                    decimal(agreed), f"{recognising:,}",
                )
            )  # fmt: skip
    header = ("network", "map", "filter-sides", "KS ≥ .5", "… confirmed", "… grey", "… rejected",
              "causal KS ≥ .5", "… with KS < .5", "Jaccard", "recognise")  # fmt: skip
    return markdown(header, rows, caption(measured), names=2)


def origins(measured: Sequence[Measured]) -> str:
    """Say where the signals of confirmed filters are born."""
    names = ("nascent", "inherited", "both", "neither")
    rows = []
    for entry in measured:
        filters = with_map(entry.first.filters, entry.first)
        for size, group in by_map(filters.filter(pl.col("label") == "confirmed")):
            found = [
                percent(count(group, pl.col("origin") == name), group.height) for name in names
            ]
            rows.append((entry.network.name, size, f"{group.height:,}", *found))
    return markdown(
        ("network", "map", "confirmed filters", *names), rows, caption(measured), names=2
    )


def inherited(measured: Sequence[Measured]) -> str:
    """Say what convolutions without padding inherit."""
    rows: list[Row] = []
    for entry in measured:
        table = explanation(entry.first).inherited.drop_nulls("causal_ks")
        table = table.with_columns(map=pl.col("map_size").list.min())
        if not table.height:
            rows.append((entry.network.name, "–", 0, 0, "–", "–"))
        for size, group in by_map(table):
            shares = [
                percent(count(group, pl.col("causal_ks") >= cut), group.height)
                for cut in (CONFIRMED, 0.3)
            ]
            row = (group["site"].n_unique(), f"{group.height:,}", *shares)
            rows.append((entry.network.name, size, *row))
    header = ("network", "map", "convolutions without padding", "filter-sides", "causal KS ≥ .5",
              "≥ .3")  # fmt: skip
    return markdown(header, rows, caption(measured), names=2)


def kinds(measured: Sequence[Measured]) -> str:
    """Count kinds and signs."""
    signs = ("excited", "inhibited", "mixed")
    shown = [name for name in KINDS if name != "several"]  # which takes three dimensions
    rows = []
    for entry in measured:
        filters = entry.first.filters
        counts = [count(filters, pl.col("kind") == name) for name in shown]
        of_sign = [count(filters, pl.col("sign") == sign) for sign in signs]
        rows.append((entry.network.name, *counts, *of_sign))
    return markdown(("network", *shown, *signs), rows, caption(measured))


def reach(measured: Sequence[Measured]) -> str:
    """Say how many lines the effect reaches inwards, at confirmed filters."""
    rows = []
    for entry in measured:
        filters = with_map(entry.first.filters, entry.first)
        confirmed = filters.filter((pl.col("label") == "confirmed") & pl.col("reach").is_not_null())
        for (size,), group in confirmed.group_by("map", maintain_order=True):
            assert isinstance(size, int)
            lines = min(4, -(-size // 4))
            shares = [
                percent(count(group, pl.col("reach") == line), group.height)
                if line < lines
                else "–"
                for line in range(4)
            ]
            rows.append((entry.network.name, size, f"{group.height:,}", *shares))
    header = ("network", "map", "confirmed filters", "line 0 only", "to line 1", "to line 2",
              "to line 3, or farther")  # fmt: skip
    return markdown(header, rows, caption(measured), names=2)


_OF_NETWORKS: dict[str, Callable[[Sequence[Measured]], str]] = {
    "runs": runs, "alignment": alignment, "rungs": rungs, "margin": margins, "origins": origins,
    "inherited": inherited, "fallback": fallback, "kinds": kinds, "reach": reach,
    "repeat": repeat, "chance": chance, "baselines": baselines,
    "recognised-again": recognised_again,
}  # fmt: skip
PLANTED = "planted"
TABLES = (*_OF_NETWORKS, PLANTED)


def all_tables(measured: Sequence[Measured], planted: Sequence[PlantedScores]) -> dict[str, str]:
    """Write every table; by the name of its place on the page."""
    tables = {name: write(measured) for name, write in _OF_NETWORKS.items()}
    return tables | {PLANTED: planted_table(planted)}
