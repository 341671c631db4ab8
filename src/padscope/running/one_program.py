"""What runners have in common whose program one process runs alone, whoever does the work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

T = TypeVar("T")


class OneProgram:
    """The process leads, and has nobody to share anything with."""

    @property
    def leads(self) -> bool:
        """Whether this process keeps checkpoints, and shows progress and results."""
        return True

    def together(self) -> AbstractContextManager[None]:
        """Do nothing: no other process runs the program."""
        return nullcontext()

    def share(self, mine: T, _pack: Callable[[T], bytes], _unpack: Callable[[bytes], T]) -> T:
        """Return what this process has."""
        return mine
