"""How far long work is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from padscope.study import Progress
from padscope.study.stages import COUNTED

PLAIN_SECONDS = 10.0  # between two lines of progress where there is no terminal
WINDOW, REPORTS = 60.0, 20  # the pace is that of so many seconds, and at least so many reports


def duration(seconds: float) -> str:
    """Write a time as people say it.

    Examples
    --------
    >>> duration(0), duration(75), duration(100), duration(3 * 3600)
    ('0 s', '75 s', '2 min', '3 h')
    """
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


class Pace:
    """How fast work goes at present, and how long the rest takes at that pace.

    The pace is that of the last minute: another kind of pass costs otherwise, and so does a machine
    that others use. What was done before the first report, by a run that is resumed, has none.
    """

    def __init__(self) -> None:
        # When, how much was done by then, and what was left of it.
        self._reports: deque[tuple[float, int, float | None]] = deque()

    def report(self, done: int, left: float | None) -> None:
        """Hear how much is done now."""
        now = time.monotonic()
        self._reports.append((now, done, left))
        while len(self._reports) > REPORTS and self._reports[1][0] <= now - WINDOW:
            self._reports.popleft()

    @property
    def per_second(self) -> float:
        """Of what is counted; 0 as long as nothing tells."""
        (begun, before, _), (now, done, _) = self._reports[0], self._reports[-1]
        return (done - before) / (now - begun) if now > begun else 0.0

    @property
    def seconds_left(self) -> float | None:
        """What the rest takes; None as long as nothing tells."""
        (begun, _, before), (now, _, left) = self._reports[0], self._reports[-1]
        if not left or before is None:
            return left
        return left / (before - left) * (now - begun) if left < before else None

    def told(self) -> str:
        """Write the pace, and the time left if it is known: ``20.0/s, 75 s left``."""
        left = self.seconds_left
        rest = "" if left is None else f", {duration(left)} left"
        return f"{self.per_second:.1f}/s{rest}"


def _lines(task: str, pace: Pace) -> Progress:
    """Tell progress in plain lines."""
    last = time.monotonic()

    def progress(done: int, total: int | None, left: float | None) -> None:
        nonlocal last
        pace.report(done, left)
        now = time.monotonic()
        if done == total or now - last >= PLAIN_SECONDS:
            last = now
            told = f"{task} {done}/{total or '?'} {COUNTED[task]}, {pace.told()}"
            print(told, file=sys.stderr, flush=True)

    return progress


@contextmanager
def show_progress(task: str) -> Iterator[Progress]:
    """Show how far a stage is: a bar on a terminal, a line now and then elsewhere."""
    pace = Pace()
    if not sys.stderr.isatty():
        yield _lines(task, pace)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn(f"{COUNTED[task]}, {{task.fields[pace]}}"),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True)) as bar:
        number = bar.add_task(task, total=None, pace="")

        def progress(done: int, total: int | None, left: float | None) -> None:
            pace.report(done, left)
            bar.update(number, completed=done, total=total, pace=pace.told())

        yield progress
