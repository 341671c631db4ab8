"""The parts of a stage that measures, one after the other: progress, checkpoints, stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import polars as pl

from padscope.engines import Measured, Measurement, measure_units
from padscope.errors import PadscopeError
from padscope.images import Batch, Skipped
from padscope.study.watch import Interrupted, Progress


@dataclass(frozen=True)
class Part:
    """One measurement over images.

    Attributes
    ----------
    name : str
    images : int or None
        How many, if it is known.
    passes : int
        Forward passes that it takes per image, about: what progress is counted in.
    batches : callable
        From the first unit still to do to the batches.
    make : callable
        Makes the measurement, once it is its turn.
    """

    name: str
    images: int | None
    passes: int
    batches: Callable[[int], Iterator[Batch]]
    make: Callable[[], Measurement]

    @property
    def work(self) -> int:
        """Forward passes of single images, in all."""
        return self.passes * (self.images or 0)


class ImpactJournal(Protocol):
    """Where measuring the impact keeps what it has found, so that it can be stopped and resumed."""

    def begin_impact(self, identity: dict[str, Any]) -> dict[str, Measured]:
        """Open the measurements of this identity; return what has been found already."""
        ...

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        ...

    def keep_impact(self, parts: Mapping[str, Measured]) -> None:
        """Keep what has been found."""
        ...


class Parts:
    """Runs parts, and goes on where they were stopped.

    Parameters
    ----------
    so_far : mapping
        Part → what it has found already.
    journal, progress, stop
        As of `padscope.study.scan`.
    total : int
        `Part.work` of all parts; 0 if it is not known.
    """

    def __init__(
        self,
        so_far: Mapping[str, Measured],
        journal: ImpactJournal | None,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
        total: int,
    ) -> None:
        self._found = dict(so_far)
        self._journal, self._progress, self._stop = journal, progress, stop
        self._total, self._before = total, 0
        self._part: Part | None = None
        self._state: Callable[[], Measured] = Measured  # of the part that is running
        self._images = self._within = 0

    def run(self, part: Part) -> Measured:
        """Run a part to its end, or return what it found when it was run before.

        Raises
        ------
        PadscopeError
            No image could be measured.
        Interrupted
            `stop` said so.
        """
        so_far = self._found.get(part.name, Measured())
        if not so_far.complete:
            self._part, self._state = part, partial(_same, so_far)
            self._images, self._within = len(so_far.images), 0
            so_far = measure_units(part.batches(so_far.units), part.make(), self, so_far)
            self._found[part.name] = so_far
            self._keep(force=False)
        if not so_far.images:
            raise PadscopeError(
                f"no image could be measured for {part.name}: all of them are unreadable or too "
                "small; give other images"
            )
        self._before += part.passes * len(so_far.images)
        return so_far

    def after(self, images: int, state: Callable[[], Measured]) -> None:
        """Look on after a unit."""
        self._images, self._within, self._state = images, 0, state
        if self._journal and self._journal.due():
            self._note()
        self._look()

    def pulse(self, images: int) -> None:
        """Look on within a unit, after one more forward pass of so many images."""
        self._within += images
        self._look()

    def _look(self) -> None:
        assert self._part is not None
        if self._progress:
            done = self._before + self._part.passes * self._images + self._within
            self._progress(done, max(self._total, done) if self._total else None)
        if self._stop is not None and self._stop():
            self._note()
            raise Interrupted(f"stopped after {self._images} images of {self._part.name}")

    def _note(self) -> None:
        """Keep what the units that are done have found."""
        assert self._part is not None
        self._found[self._part.name] = self._state()
        self._keep(force=True)

    def finish(self) -> None:
        """Keep everything."""
        self._keep(force=True)

    def _keep(self, *, force: bool) -> None:
        if self._journal and (force or self._journal.due()):
            self._journal.keep_impact(self._found)


def _same(measured: Measured) -> Measured:
    return measured


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
    """A question about the impact, answered by one or more parts."""

    @property
    def what(self) -> str:
        """What is measured, in words, for the note that it could not be."""
        ...

    @property
    def work(self) -> int:
        """Forward passes of single images that it takes, about."""
        ...

    def run(self, parts: Parts) -> Outcome:
        """Measure; raises `PadscopeError` if that cannot be done."""
        ...
