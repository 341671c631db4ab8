"""The terminal: what is written to it is text, in whatever encoding it has."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from padscope.findings.listing import Listing
from padscope.findings.words import visible

UNBOUNDED = 10_000  # columns where there is no terminal, so that no name is broken for want of room
# What an encoding lacks, written in ASCII; most of it as wide as it was, so that tables stay in
# line. Heights of columns become darker characters.
STAND_INS = dict(zip("▁▂▃▄▅▆▇█", "_,:-=+*#", strict=True)) | {
    **dict.fromkeys("▏▎▍", "|"), **dict.fromkeys("▌▋▊▉━", "#"), **dict.fromkeys("┌┐└┘", "+"),
    "─": "-", "│": "|", "–": "-", "−": "-", "×": "x", "·": ".", "…": "...", "≥": ">=", "≤": "<=",
    "±": "+-", "†": "+", "‡": "#", "\N{NO-BREAK SPACE}": " ",
    **dict.fromkeys("“”", '"'), **dict.fromkeys("‘’", "'"),
}  # fmt: skip


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded by its stand-in, or else its code."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    written = (STAND_INS.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking)
    return "".join(written), error.end


codecs.register_error("padscope", _stand_in)


def write_anything() -> None:
    """Let the standard streams take every character, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="padscope")


class Terminal(Console):
    """A console on which strings are text: no markup, and every character is shown."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text of a string, control characters as their codes."""
        return super().render_str(visible(text), **(options | {"markup": False}))

    def table(self, listing: Listing) -> None:
        """Print a table."""
        self.print(draw_listing(listing))

    def say(self, lines: Iterable[str]) -> None:
        """Print sentences, one a line."""
        for line in lines:
            self.print(line)


def make_console() -> Terminal:
    """Return the console for results: as wide as its tables where it is no terminal."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    return Terminal(width=width, highlight=False, emoji=False)


def shown(text: str) -> Text:
    """Make a cell of a name, with every character of it."""
    return Text(visible(text))


def draw_listing(listing: Listing) -> Table:
    """Lay out a table; rows below a heading are set in."""
    table = Table(caption=listing.caption or None, box=None, pad_edge=False)
    for place, heading in enumerate(listing.headings):
        table.add_column(
            shown(heading), justify="right" if listing.is_number(place) else "left",
            overflow="fold" if place == 0 or not listing.is_number(place) else "ellipsis",
        )  # fmt: skip
    grouped = False
    for first, *cells in listing.rows:
        grouped |= not cells
        table.add_row(shown(f"  {first}" if grouped and cells else first), *map(shown, cells))
    return table
