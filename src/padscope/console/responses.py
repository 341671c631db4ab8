"""What a scan found, as the command line shows it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from rich.table import Table

from padscope.console.terminal import shown
from padscope.evidence import CANDIDATE, SMALL_MAP, STRONG
from padscope.images import Skipped
from padscope.regions import sides_of
from padscope.sites import Site
from padscope.study import Study
from padscope.study.opening import responding_sentence
from padscope.tables import RESOLUTION

NAMED = 5  # skipped images named in a sentence


def _times(lengths: Sequence[int]) -> str:
    return "×".join(map(str, lengths))


def _per_side(before: Sequence[int], after: Sequence[int]) -> str:
    """Numbers of every side: one if they agree, else in the order of the sides."""
    values = [value for ends in zip(before, after, strict=True) for value in ends]
    return str(values[0]) if len(set(values)) == 1 else " ".join(map(str, values))


def site_listing(sites: pl.DataFrame) -> Table:
    """Draw the table of sites."""
    dims = max((len(size) for size in sites["map_size"]), default=2)
    order = ", ".join(side.name for side in sides_of(min(max(dims, 1), 3)))
    caption = f"padding and contact lines per side: {order}"
    if sites["op"].str.contains("transpose").any():
        caption += (
            "; of a transposed convolution, padding is what is cut off its output: with 0 its "
            "outermost windows still reach beyond its input"
        )
    table = Table(caption=caption, box=None, pad_edge=False)
    for name in ("site", "op", "kernel", "stride", "dilation", "groups", "padding", "fill", "map",
                 "contact", "filters", ""):  # fmt: skip
        table.add_column(name, overflow="fold")
    for row in sites.iter_rows(named=True):
        note = row["unscored"] or ("inside scripted code" if row["hidden"] else "")
        padding = _per_side(row["pad_before"], row["pad_after"])
        contact = _per_side(row["contact_before"], row["contact_after"])
        table.add_row(
            shown(row["site"]), shown(row["op"]), _times(row["kernel"]), _times(row["stride"]),
            _times(row["dilation"]), str(row["groups"]), padding, shown(row["fill"]),
            _times(row["map_size"]), contact, str(row["filters"] or "–"), shown(note),
        )  # fmt: skip
    return table


def summary_listing(study: Study) -> Table:
    """Draw one row per scored site: filters, candidates per side, the strongest."""
    summary = study.summary()
    sides = [name for name in summary.columns if name in study.sides["side"].unique()]
    table = Table(box=None, pad_edge=False)
    table.add_column("site", overflow="fold")
    for name in ("map", "filters", "unmeasured", f"KS ≥ {CANDIDATE:g}", f"≥ {STRONG:g}", *sides):
        table.add_column(name, justify="right")
    table.add_column("strongest filter")
    for row in summary.iter_rows(named=True):
        strongest = "–"
        if row["strongest_ks"] is not None:
            strongest = f"{row['strongest']} {row['strongest_side']} {row['strongest_ks']:.3f}"
        small = "*" if min(row["map_size"]) < SMALL_MAP else ""
        counts = [row[name] for name in ("filters", "unmeasured", "candidates", "strong", *sides)]
        table.add_row(
            shown(row["site"]), _times(row["map_size"]) + small, *map(str, counts), strongest
        )
    return table


def summary_lines(study: Study) -> list[str]:
    """Put the result, and what limits it, into sentences."""
    filters, sites = study.filters.height, study.sites["scored"].sum()
    nonfinite = int((study.filters["nonfinite"] > 0).sum())
    far, open_ = study.undecided()
    small = study.filters["needs_counterfactual"].sum()
    flagged = int(study.sides["flagged"].sum())
    lines = [
        *(f"Warning: {warning}" for warning in study.warnings),
        f"{sites} scored sites, {filters:,} filters, {study.scored_images} images.",
        responding_sentence(study.filters),
        f"At this number of images {open_:,} filters may lie on either side of {CANDIDATE:g} "
        f"(95 %), {far:,} of them farther than .05 from it.",
        f"{flagged:,} of {study.sides.height:,} filter-sides are resolved worse than "
        f"{RESOLUTION:g}; their bound is in sides.parquet.",
        "Responding is a first look, not proof: photographs have a top and a bottom, and untrained "
        "networks respond too.",
    ]
    if small:
        lines.append(
            f"* {small:,} filters have maps under {SMALL_MAP} positions, where the core is close "
            "to the border: do not trust their labels without a counterfactual."
        )
    if nonfinite:
        lines.append(
            f"Filters that gave NaN or infinite values, which were left out: {nonfinite:,}."
        )
    return lines + skipped_lines("could not be read", study.counted.skipped)


def skipped_lines(what: str, skipped: Sequence[Skipped]) -> list[str]:
    """Count and name images that were skipped; nothing if there are none."""
    if not skipped:
        return []
    named = "; ".join(f"{skip.name}: {skip.reason}" for skip in skipped[:NAMED])
    more = f"; and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
    return [f"Images that {what}, and were skipped: {len(skipped):,} ({named}{more})."]


def describe_sites(sites: Sequence[Site]) -> str:
    """Count sites in a sentence."""
    scored = [site for site in sites if site.scored]
    filters = sum(site.filters for site in scored)
    return (
        f"{len(scored)} scored sites, {filters:,} filters; {len(sites) - len(scored)} listed only."
    )
