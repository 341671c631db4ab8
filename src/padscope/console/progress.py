"""How far long work is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from padscope.study import Progress
from padscope.study.stage import COUNTED

PLAIN_SECONDS = 5.0  # between two lines of progress where there is no terminal


@contextmanager
def show_progress(task: str) -> Iterator[Progress]:
    """Show how far a stage is: a bar on a terminal, a line now and then elsewhere."""
    unit = COUNTED[task]
    if sys.stderr.isatty():
        with _bar(task, unit) as progress:
            yield progress
    else:
        yield _Lines(task, unit)


@contextmanager
def _bar(task: str, unit: str) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn(f"{unit}, {{task.fields[speed]}}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True)) as bar:
        number = bar.add_task(task, total=None, speed="")
        start, first = time.monotonic(), None

        def progress(done: int, total: int | None) -> None:
            nonlocal start, first
            if first is None:  # what was done before, by a run that is resumed, has no speed
                start, first = time.monotonic(), done
            speed = (done - first) / max(time.monotonic() - start, 1e-9)
            bar.update(number, completed=done, total=total, speed=f"{speed:.1f}/s")

        yield progress


class _Lines:
    """Progress in plain lines."""

    def __init__(self, task: str, unit: str) -> None:
        self._task, self._unit = task, unit
        self._start = self._last = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._start, self._first = now, done
        if done != total and now - self._last < PLAIN_SECONDS:
            return
        self._last = now
        speed = (done - self._first) / max(now - self._start, 1e-9)
        line = f"{self._task} {done}/{total or '?'} {self._unit}, {speed:.1f}/s"
        if total and speed:
            line += f", {(total - done) / speed:.0f} s left"
        print(line, file=sys.stderr, flush=True)
