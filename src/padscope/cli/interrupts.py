"""Ctrl-C: the first stops a stage in good order, the second at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from padscope.console import show_progress
from padscope.errors import Interrupted, PadscopeError
from padscope.study import Progress, Study


def interruptible(task: str, work: Callable[[Progress, Callable[[], bool]], Study]) -> Study:
    """Run a stage with a bar, which the first Ctrl-C stops in good order."""
    with stop_on_interrupt() as stop, show_progress(task) as progress:
        try:
            return work(progress, stop)
        except Interrupted as stopped:
            raise PadscopeError(f"{stopped}; the same command goes on from there") from None


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop after the batch; the second stops at once."""
    asked = False

    def note(signum: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, stop_at_once)

    with on_interrupt(note):
        yield lambda: asked


class StoppedAtOnce(BaseException):
    """Ctrl-C, on its way to `main`: a `KeyboardInterrupt` would be typer's to answer."""


def stop_at_once(signum: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
    """Answer a signal by ending the command."""
    raise StoppedAtOnce("stopped at once; the same command goes on from the last checkpoint")


@contextmanager
def on_interrupt(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Answer Ctrl-C in another way for the length of a block."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
