"""Counts read right, one of a thing as much as many: `padscope.counts.plural` writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from padscope.counts import plural

SOURCE = Path(__file__).parents[1] / "src" / "padscope"
FILES = {path.relative_to(SOURCE).as_posix(): path.read_text() for path in SOURCE.rglob("*.py")}
LENGTH = re.compile(r"^len\([^+A-Z]+\)$|\.(height|counted|ndim|numel\(\)|sum\(\)|size|images)$")
AFTER = re.compile(r"^ (?:[a-z-]+ )?([a-z-]+)\b")


def counted_nouns(sources: Iterable[str]) -> set[str]:
    """Plurals of the nouns that are counted somewhere."""
    calls = (node for source in sources for node in ast.walk(ast.parse(source)))
    return {
        plural(2, str(call.args[1].value)).rpartition(" ")[2]
        for call in calls
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "plural"
        and len(call.args) == 2 and isinstance(call.args[1], ast.Constant)
    }  # fmt: skip


def uncounted(source: str, nouns: set[str]) -> Iterator[str]:
    """Numbers that a sentence writes before the plural of such a noun, whatever they are."""
    for text in ast.walk(ast.parse(source)):
        if not isinstance(text, ast.JoinedStr):
            continue
        for value, behind in zip(text.values, text.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(behind, ast.Constant):
                continue
            noun = AFTER.match(str(behind.value))
            if noun and noun[1] in nouns and is_count(value):
                yield f"line {value.lineno}: {{{ast.unparse(value.value)}}}{noun[0]}"


def is_count(value: ast.FormattedValue) -> bool:
    """Whether it may be a number of things: a length, a height, or what is written as 1,234."""
    if value.format_spec is not None:
        return "," in ast.unparse(value.format_spec)
    return LENGTH.search(ast.unparse(value.value)) is not None


def test_counts_agree_with_their_nouns() -> None:
    nouns = counted_nouns(FILES.values())
    assert {"images", "sites", "axes", "classes"} <= nouns
    found = {name: [*uncounted(source, nouns)] for name, source in FILES.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_noun_that_does_not_agree_is_found() -> None:
    source = (
        'f"{len(found)} scored sites", f"{n:,} axes", f"{plural(n, \'site\')} of", f"{n} sites"'
    )
    assert [*uncounted(source, {"sites", "axes"})] == [
        "line 1: {len(found)} scored sites", "line 1: {n} axes"
    ]  # fmt: skip
