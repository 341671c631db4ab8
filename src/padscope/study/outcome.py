"""A step of the impact, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from padscope.errors import PadscopeError
from padscope.images import Skipped
from padscope.running import Recorded
from padscope.study.stage import Stage
from padscope.study.stages import Effort


def require_images(found: Recorded, name: str) -> Recorded:
    """Refuse a job of which no image could be measured."""
    if not found.images:
        raise PadscopeError(
            f"no image could be measured for {name}: all of them are unreadable or too "
            "small; give other images"
        )
    return found


@dataclass(frozen=True)
class Outcome:
    """What one step of the impact comes to.

    Attributes
    ----------
    tables : dict
        Fields of `Impact` → tables.
    filters : polars.DataFrame or None
        Further columns of the filters, with ``site`` and ``filter``.
    agreement : dict
        See `Impact`.
    images : int
        How many it rests on.
    skipped : tuple of Skipped
    notes : tuple of str
    """

    tables: dict[str, Any] = field(default_factory=dict)
    filters: pl.DataFrame | None = None
    agreement: dict[str, float] = field(default_factory=dict)
    images: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


class Step(Protocol):
    """A question about the impact, answered by one or more jobs."""

    @property
    def what(self) -> str:
        """What is measured, in words, for the note that it could not be."""
        ...

    @property
    def effort(self) -> Effort:
        """Forward passes of single images that it takes, about."""
        ...

    def run(self, stage: Stage) -> Outcome:
        """Measure; raises `PadscopeError` if that cannot be done."""
        ...
