"""A comparison as Markdown."""

from __future__ import annotations

import re

from padscope.findings.comparison import (
    HEADINGS,
    Comparison,
    kinds_found,
    read_comparison,
    write_cells,
)
from padscope.findings.words import NONE, visible

# What Markdown or the HTML inside it would take for more than text.
_MARKUP = re.compile(r"([\\`*_\[\]|~$])|^(?=[#+-])|(?<=^\d)(?=[.)])")


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
    kinds = kinds_found(comparison.table)
    headings = [*HEADINGS, *kinds]
    lines = [
        *(plain(sentence) + "\n" for sentence in read_comparison(comparison.table)),
        _line(headings),
        _line(["---", *["---:"] * (len(headings) - 1)]),
    ]
    for row in comparison.table.iter_rows(named=True):
        name, *cells = write_cells(row).texts
        counts = [NONE if row[kind] is None else f"{row[kind]:,}" for kind in kinds]
        lines.append(_line([plain(name), *cells, *counts]))
    notes = [*told(comparison), *comparison.cautions, *comparison.settings]
    return "\n".join([*lines, "", *(f"- {plain(note)}" for note in notes)]).rstrip() + "\n"


def told(comparison: Comparison) -> list[str]:
    """Name what runs lack, and the runs that could not be read."""
    return [
        *(f"{run.name} lacks {run.lacks}." for run in comparison.runs if run.lacks),
        *(f"Left out: {reason}." for _, reason in comparison.refused),
    ]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
