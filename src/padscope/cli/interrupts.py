"""Ctrl-C: the first stops a stage in good order, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from padscope.console.progress import show_progress
from padscope.errors import Interrupted

if TYPE_CHECKING:
    from padscope.console.budget import Budget

T = TypeVar("T")

STATUS = 130  # of a command that Ctrl-C ended, as shells have it
PATIENCE = 3.0  # seconds that a stage has to stop in good order
CLOCK = hasattr(signal, "setitimer")  # not on Windows, where the second Ctrl-C is needed


class Stopped(BaseException):
    """Ctrl-C, on its way to `main`: a `KeyboardInterrupt` would be typer's to answer."""


def interruptible(stage: str, budget: Budget, work: Callable[..., T]) -> T:
    """Run a stage with a budget and a bar, which the first Ctrl-C stops in good order.

    `work` takes what looks on: ``progress`` and ``stop``.
    """
    with stop_on_interrupt() as stop, show_progress(stage) as progress:
        try:
            found = work(progress=budget.announcing(stage, progress), stop=stop)
        except Interrupted as stopped:
            raise Stopped(f"{stopped}; the same command goes on from there") from None
        if stop():  # too late for the stage to heed it, and not for what comes next
            raise Stopped(f"stopped at the end of the {stage}; the same command goes on from there")
        return found


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop, which a stage is asked for between passes.

    A stage that is not asked within `PATIENCE`, as while it scores, is stopped at once.
    """
    asked = False

    def note(signum: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, stop_at_once)
        _answer()
        if CLOCK:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    with answered(signal.SIGINT, note):
        if not CLOCK:
            yield lambda: asked
            return
        with answered(signal.SIGALRM, stop_at_once):
            try:
                yield lambda: asked
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)


def _answer() -> None:
    """Say that Ctrl-C was heard: straight to the stream, for a signal may come within a `print`."""
    word = "\rstopping …\n" if sys.stderr.isatty() else "stopping …\n"
    with suppress(OSError, ValueError):
        os.write(sys.stderr.fileno(), word.encode(sys.stderr.encoding, "replace"))


def stop_at_once(signum: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
    """Answer a signal by ending the command."""
    raise Stopped("stopped at once; the same command goes on from the last checkpoint")


@contextmanager
def answered(number: int, handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Answer a signal in another way for the length of a block."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
