"""A table in words, as page, terminal and Markdown lay it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Listing:
    """Headings and rows.

    Attributes
    ----------
    headings : tuple of str
    rows : tuple of tuple of str
        The first cell names the row; an interval stands in brackets behind its value. A row of one
        cell is a heading of those below it.
    words : frozenset of str
        Headings of further columns that hold words; all others hold numbers.
    caption : str
        "" for none.
    links : mapping
        First cell of a row → where a page links a cell of the row to.
    linked : int
        Column of that cell.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()
    caption: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    linked: int = 0

    def is_number(self, place: int) -> bool:
        """Whether a column holds numbers, which are aligned at their right."""
        return place > 0 and self.headings[place] not in self.words
