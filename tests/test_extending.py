"""The pages on how to extend padscope: what they show is run, each page from its first block on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from padscope import images, models
from padscope.running import RUNNERS
from padscope.scores import STATISTICS
from padscope.sites import FILLS, OPERATIONS

PAGES = sorted((Path(__file__).parents[1] / "docs" / "extending").glob("[a-z]*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


# What the pages add to, and must be as it was for other tests.
TABLES: tuple[dict[str, Any], ...] = (
    STATISTICS, FILLS, OPERATIONS, RUNNERS, models.SOURCES, images.SOURCES,
)  # fmt: skip


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "\nassert " in text, "a page must show that the extension is seen"
    for table in TABLES:
        stack.enter_context(patch.dict(table))
    module = ModuleType(f"extending_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in BLOCK.finditer(text):
        # Empty lines, so that a traceback names the line of the page.
        lines = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(lines + block[1], page, "exec", dont_inherit=True), vars(module))
