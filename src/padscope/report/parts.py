"""A section of a page: sentences, charts and tables, which one template lays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from padscope.errors import PadscopeError
from padscope.figures.rendering import charted, draw
from padscope.findings.listing import Listing
from padscope.study import Study


@dataclass(frozen=True)
class Part:
    """One section.

    Attributes
    ----------
    id, title : str
    said, notes : sequence of str
        What was found, and how to read it.
    charts : sequence of Markup
    facts : sequence of (str, str)
        Terms, and what is said of each.
    tables : sequence of (str, str, Listing)
        Id, title and rows.
    folded : bool
        Whether the tables are opened by a click.
    """

    id: str
    title: str
    said: Sequence[str] = ()
    notes: Sequence[str] = ()
    charts: Sequence[Markup] = ()
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[tuple[str, str, Listing]] = ()
    folded: bool = False


def drawn(study: Study, name: str, alt: str) -> list[Markup]:
    """Draw a figure, described in words; nothing where its numbers were not measured."""
    try:
        return [charted(draw(study, name), alt)]
    except PadscopeError:
        return []
