"""What a scan found, as the command line shows it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from rich.table import Table

from padscope.console.terminal import shown
from padscope.evidence import CANDIDATE, SMALL_MAP, STRONG
from padscope.findings.checks import limits
from padscope.findings.rungs import rungs
from padscope.findings.words import plural, visible
from padscope.findings.words import size as times
from padscope.regions import sides_of
from padscope.sites import Site
from padscope.study import Study

NAMED = 5  # sites named in a sentence


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
            shown(row["site"]), shown(row["op"]), times(row["kernel"]), times(row["stride"]),
            times(row["dilation"]), str(row["groups"]), padding, shown(row["fill"]),
            times(row["map_size"]), contact, str(row["filters"] or "–"), shown(note),
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
            shown(row["site"]), times(row["map_size"]) + small, *map(str, counts), strongest
        )
    return table


def summary_lines(study: Study) -> list[str]:
    """Put the result, and what limits it, into sentences."""
    return [
        *(f"Warning: {warning}" for warning in study.warnings),
        rungs(study)[0].sentence,
        *limits(study),
    ]


def describe_uneven(uneven: Sequence[str], size: Sequence[int], even: Sequence[int] | None) -> str:
    """Name the strided sites that are padded more at one end, and a size at which none is.

    Parameters
    ----------
    uneven : sequence of str
        Names of the sites.
    size, even : sequence of int
        Pixels of the input, and of the nearest one that is even; None if there is none near.

    Examples
    --------
    >>> describe_uneven([], (224, 224), None)
    'At 224×224 every site with a stride sees as much padding at both ends.'
    """
    if not uneven:
        return f"At {times(size)} every site with a stride sees as much padding at both ends."
    named = ", ".join(map(visible, uneven[:NAMED])) + (" and more" if len(uneven) > NAMED else "")
    told = f"at {times(even)} none does" if even else "no size near it makes all of them even"
    return (
        f"At {times(size)}, {plural(len(uneven), 'site')} with a stride "
        f"{'sees' if len(uneven) == 1 else 'see'} more padding at one end than at the other "
        f"({named}); {told}."
    )


def describe_sites(sites: Sequence[Site]) -> str:
    """Count sites in a sentence."""
    scored = [site for site in sites if site.scored]
    filters = sum(site.filters for site in scored)
    return (
        f"{len(scored)} scored sites, {filters:,} filters; {len(sites) - len(scored)} listed only."
    )
