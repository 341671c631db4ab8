"""A comparison of runs as a page, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import polars as pl

from padscope.counts import plural
from padscope.figures.comparison import profiles, shares, used
from padscope.figures.rendering import charted
from padscope.findings.comparison import (
    Comparison,
    Run,
    comparison_listing,
    kind_listing,
    kinds_found,
    lacking,
    read_comparison,
)
from padscope.findings.listing import Listing
from padscope.findings.words import NONE, visible
from padscope.report.parts import Part
from padscope.report.templates import render_page
from padscope.study.impact_result import LEVEL

READING = (
    f"{NONE}: not measured. Shares are of the measured filters. A share is not learned: untrained "
    "networks have such filters too, some architectures more than others; read each beside its own "
    "baselines.",
    "Used: the answer's change when the padding of the recognising filters is refilled, [95 % over "
    "images]; beside it the same done to random filters of the same sites and scale, [least to "
    f"greatest draw]. p up to {LEVEL:g} counts where the interval of what is beyond the controls "
    "lies above 0 too. Each p stands for its own run. None is corrected for the number of runs.",
)
# What Markdown or the HTML inside it would take for more than text.
_MARKUP = re.compile(r"([\\`*_\[\]|~$])|^(?=[#+-])|(?<=^\d)(?=[.)])")


def render_comparison(comparison: Comparison) -> str:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    str
        A page that loads nothing from elsewhere and runs no script; the same for the same runs.
    """
    return render_page(
        "tables", ("report", "opening"),
        title=f"{plural(len(comparison.runs), 'run')} compared", about="side by side",
        sentences=read_comparison(comparison.table), parts=list(_parts(comparison)),
    )  # fmt: skip


def _parts(comparison: Comparison) -> Iterator[Part]:
    table = comparison.table
    rows = [("models-rows", "Run by run", comparison_listing(table))]
    charts = [*shares(table), *used(table)]
    alt = "Drawn from the table below."
    yield Part(
        "models", "Run by run", comparison.cautions,
        READING if table["used"].count() else READING[:1],
        [charted(chart, alt) for chart in charts], tables=rows,
    )  # fmt: skip
    if known := [(run.name, run.profile) for run in comparison.runs if run.profile is not None]:
        yield Part(
            "profiles", "Along the depth",
            notes=[
                "Sites of a run in the order of its forward pass, spread evenly from the first to "
                "the last: the same place in two runs is the same share of their sites."
            ],
            charts=[charted(chart, told) for chart, told in profiles(known)],
        )  # fmt: skip
    yield from kind_parts(table)
    left_out = [(directory, f"Left out: {reason}.") for directory, reason in comparison.refused]
    note = "The rows are also in compare.csv, compare.md and compare.parquet beside this page."
    yield Part(
        "runs", "The runs", comparison.settings, [note],
        facts=[*((run.name, _identity(run)) for run in comparison.runs), *left_out],
    )  # fmt: skip


def kind_parts(table: pl.DataFrame) -> Iterator[Part]:
    """List the kinds of filters of every run that has some."""
    if kinds_found(table):
        yield Part(
            "kinds", "By kind",
            notes=["Which sides the filters that respond because of padding answer to."],
            tables=[("kind-rows", "Filters by kind", kind_listing(table))],
        )  # fmt: skip


def _identity(run: Run) -> str:
    told = f"{run.directory}: {run.model}, weights {run.weights}; {run.images}, {run.images_id}."
    return f"{told} Lacks {run.lacks}." if run.lacks else told


def plain(text: str) -> str:
    r"""Write a text so that Markdown shows it as it is.

    Examples
    --------
    >>> plain("a|b <i>*")
    'a\\|b &lt;i&gt;\\*'
    """
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", visible(text).replace("&", "&amp;"))
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def comparison_markdown(comparison: Comparison) -> str:
    """Write a comparison as Markdown: sentences, a table of models, what is lacking."""
    found, kinds = comparison_listing(comparison.table), kind_listing(comparison.table)
    both = Listing(
        (*found.headings, *kinds.headings[1:]),
        tuple(
            (*cells, *counts) for cells, (_, *counts) in zip(found.rows, kinds.rows, strict=True)
        ),
    )
    notes = [*lacking(comparison), *comparison.cautions, *comparison.settings]
    return markdown(read_comparison(comparison.table), both, notes)


def markdown(sentences: Iterable[str], listing: Listing, notes: Iterable[str]) -> str:
    """Write sentences, a table and a list of notes as Markdown."""
    lines = [*(f"{plain(sentence)}\n" for sentence in sentences), markdown_table(listing), ""]
    return "\n".join([*lines, *(f"- {plain(note)}" for note in notes)]).rstrip() + "\n"


def markdown_table(listing: Listing) -> str:
    """Write a table as Markdown."""
    rules = [
        "---:" if listing.is_number(place) else "---" for place in range(len(listing.headings))
    ]
    rows = [
        [cell if listing.is_number(place) else plain(cell) for place, cell in enumerate(row)]
        for row in listing.rows
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (listing.headings, rules, *rows))
