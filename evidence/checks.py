"""Tables of how far the verdicts can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from evidence.measured import TWIN_IMAGES, Measured, PlantedScores, layouts
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
from padscope.evidence import CANDIDATE, CONFIRMED, RECOGNISED, recognises
from padscope.scores import STATISTICS, score_site
from padscope.study import Study

STABLE = 0.8  # share of resamples from which on a kind is called stable here
DISCOVERY = 0.05
CONTENTS = (0.005, 0.01, 0.02)


def alignment(measured: Sequence[Measured]) -> str:
    """Say what the two checks of the alignment found."""
    rows = []
    for entry in measured:
        sites = entry.first.sites.filter("scored")
        compared = sites.filter(pl.col("out_of_reach") > 0)
        rows.append(
            (
                entry.network.name, sites.height, compared.height,
                *(_scientific(sites[name].max()) for name in ("difference", "window_error")),
            )
        )  # fmt: skip
    header = ("network", "sites", "with positions that no padding reaches",
              "greatest difference there", "greatest window error")  # fmt: skip
    return markdown(header, rows, caption(measured))


def _scientific(value: object) -> str:
    return "–" if value is None else f"{value:.0e}" if value else "0"


def margins(measured: Sequence[Measured]) -> str:
    """Say what doubling the margin changes."""
    rows = []
    for entry in measured:
        sites = entry.first.sites.filter(pl.col("margin_agreement").is_not_null())
        for (size,), group in with_map(sites, entry.first).group_by("map", maintain_order=True):
            rows.append(
                (
                    entry.network.name, size, group.height,
                    decimal(group["margin_change"].mean(), 3),
                    decimal(group["margin_change"].max(), 3),
                    decimal(group["margin_agreement"].mean()),
                    decimal(group["margin_agreement"].min()),
                )
            )  # fmt: skip
    checks = {entry.network.name: explanation(entry.first).identity for entry in measured}
    images = "; ".join(f"{name} {found['settings']['check']}" for name, found in checks.items())
    note = f"{caption(measured)} *Of these, at most for the check: {images}.*"
    header = ("network", "map", "sites", "mean change of a causal KS", "… at the worst site",
              "agreement at .5 (Jaccard)", "… at the worst site")  # fmt: skip
    return markdown(header, rows, note, names=2)


def fallback(measured: Sequence[Measured]) -> str:
    """Say how far an explanation without real context agrees with one that has it."""
    rows = []
    names = ["site", "filter", "side"]
    for entry in measured:
        without = entry.fallback.sides.select(*names, "causal_ks", "origin")
        sides = with_map(entry.first.sides, entry.first).join(
            without, on=names, how="left", suffix="_without", maintain_order="left"
        )
        for size, group in by_map(sides):
            caused, found = (pl.col(f"causal_ks{end}") >= CONFIRMED for end in ("", "_without"))
            told = group.filter(caused & pl.col("origin").is_in(["nascent", "inherited"]))
            right = [
                percent(count(part, pl.col("origin_without") == name), part.height)
                for name in ("nascent", "inherited")
                for part in [told.filter(pl.col("origin") == name)]
            ]
            counts = [f"{count(group, condition):,}" for condition in (caused, found)]
            agreed = decimal(jaccard(group, caused, found))
            rows.append((entry.network.name, size, *counts, agreed, *right))
    header = ("network", "map", "causal KS ≥ .5", "… without context", "Jaccard",
              "nascent told as such", "inherited told as such")  # fmt: skip
    return markdown(header, rows, caption(measured), names=2)


def repeat(measured: Sequence[Measured]) -> str:
    """Say how far two samples without a common photograph agree."""
    rows = [
        row
        for entry in measured
        for pair in ((entry.first, entry.second), entry.larger)
        if pair
        for row in _repeat_rows(entry.network.name, *pair)
    ]
    header = ("network", "photographs", "map", "confirmed, first sample", "… in the second too",
              "confirmed in both", "… the same kind", "stable, confirmed in both",
              "… the same kind")  # fmt: skip
    return markdown(header, rows, names=3)


def _repeat_rows(name: str, first: Study, second: Study) -> Iterator[Row]:
    again = second.filters.select("site", "filter", "label", "kind", "active", "sign")
    filters = with_map(first.filters, first).join(
        again, on=["site", "filter"], how="left", suffix="_again", maintain_order="left"
    )
    same = pl.all_horizontal(
        pl.col(name) == pl.col(f"{name}_again") for name in ("kind", "active", "sign")
    ).fill_null(value=False)
    photos = " and ".join(str(explanation(s).counts.images) for s in (first, second))
    confirmed = filters.filter(pl.col("label") == "confirmed")
    for size, group in [("all", confirmed), *by_map(confirmed)]:
        both = group.filter(pl.col("label_again") == "confirmed")
        stable = both.filter(pl.col("stability") >= STABLE)
        counts = [f"{table.height:,}" for table in (group, both, stable)]
        shares = [percent(count(table, same), table.height) for table in (both, stable)]
        yield (
            name, photos, size, counts[0], percent(both.height, group.height),
            counts[1], shares[0], counts[2], shares[1],
        )  # fmt: skip


def recognised_again(measured: Sequence[Measured]) -> str:
    """Say how far two samples without a common photograph agree on who recognises the border."""
    rows = []
    one, other = pl.col("recognises"), pl.col("recognises_again")
    for entry in measured:
        for content in CONTENTS:
            first, second = (_recognising(study, content) for study in (entry.first, entry.second))
            both = first.join(second, on=["site", "filter"], suffix="_again")
            sure = both.filter(pl.col("sure") & pl.col("sure_again"))
            near = count(both, one | other) - count(sure, one | other)
            correlation = both.select(pl.corr("recall", "recall_again")).item()
            rows.append(
                (
                    entry.network.name, f"{100 * content:g} %", count(first, one),
                    count(second, one), decimal(jaccard(both, one, other)), near,
                    decimal(jaccard(sure, one, other)), decimal(correlation),
                )
            )  # fmt: skip
    header = ("network", "content beyond the threshold", "recognising, first sample", "… second",
              "Jaccard", "within an interval of .5", "Jaccard of the others",
              "correlation of recall")  # fmt: skip
    return markdown(header, rows, caption(measured))


def _recognising(study: Study, content: float) -> pl.DataFrame:
    """Tell who recognises the border at a content, and whether the interval leaves that open."""
    counts, tables = explanation(study).counts, []
    statistics = {name: STATISTICS[name] for name in ("ks", "border_recall")}
    for site, layout in layouts(study).items():
        scores = score_site(layout, counts.of_site(site), statistics, content)
        recall, interval = scores.line["border_recall"], scores.intervals["border_recall"]
        of_site = study.sides.filter(pl.col("site") == site)
        labels = [of_site.filter(pl.col("side") == s.name)["label"] for s in layout.sides]
        found = recognises(np.array(labels), recall)
        best = np.nan_to_num(recall, nan=-1).argmax(axis=0), np.arange(recall.shape[1])
        low, high = interval.low[best], interval.high[best]
        tables.append(
            pl.DataFrame(
                {
                    "site": site,
                    "filter": best[1],
                    "recall": recall[best],
                    "recognises": found.any(axis=0),
                    "sure": (low > RECOGNISED) | (high < RECOGNISED),
                }
            )
        )
    return pl.concat(tables).filter(pl.col("recall").is_not_nan())


def chance(measured: Sequence[Measured]) -> str:
    """Say how many responses chance alone would not give."""
    rows = []
    for entry in measured:
        for size, sides in by_map(with_map(entry.first.sides, entry.first)):
            tested = sides.drop_nulls("q")
            found = tested.filter(pl.col("q") <= DISCOVERY)
            strong = tested.filter(pl.col("ks") >= CANDIDATE)
            rows.append(
                (
                    entry.network.name, size, f"{tested.height:,}",
                    decimal(tested["null_ks"].quantile(0.99)), decimal(tested["null_ks"].max()),
                    percent(found.height, tested.height), decimal(found["ks"].min()),
                    percent(count(strong, pl.col("q") <= DISCOVERY), strong.height),
                    percent(count(found, pl.col("causal_ks") < 0.3), found.height),
                )
            )  # fmt: skip
    header = ("network", "map", "filter-sides", "null, 99 %", "null, largest", "q ≤ .05",
              "… smallest KS", "KS ≥ .5 with q ≤ .05",
              "q ≤ .05 with causal KS < .3")  # fmt: skip
    return markdown(header, rows, caption(measured), names=2)


def baselines(measured: Sequence[Measured]) -> str:
    """Set every network beside its baselines."""
    shares = ("candidates", "strong", "recalled")
    rows = [
        (
            entry.network.name, row["network"], f"{row['filters']:,}",
            *(percent(row[name], row["filters"]) for name in shares),
        )
        for entry in measured
        for row in explanation(entry.first).baselines.iter_rows(named=True)
    ]  # fmt: skip
    header = ("network", "weights", "filters", "candidates (KS ≥ .5)", "strong (≥ .8)",
              "recall ≥ .5")  # fmt: skip
    return markdown(header, rows, caption(measured), names=2)


def planted_table(planted: Sequence[PlantedScores]) -> str:
    """Say how well planted truth is recovered."""
    rows = [
        (
            row.name, row.planted, decimal(row.largest_negative, 3),
            decimal(row.smallest_positive, 3), decimal(row.separating, 3), decimal(row.precision),
            decimal(row.recall), decimal(row.twin, 3),
        )
        for row in planted
    ]  # fmt: skip
    header = ("planted network", "filter-sides that padding shifts", "largest causal KS elsewhere",
              "smallest there", "a separating cut", "precision at .5", "recall at .5",
              "largest without padding")  # fmt: skip
    note = (
        "*Made images, none skipped: 128 (256 in one dimension), margin 8 px (4 in three "
        f"dimensions); without padding, {TWIN_IMAGES}.*"
    )
    return markdown(header, rows, note)
