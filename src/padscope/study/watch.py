"""What looks on while a run counts: progress, checkpoints, and reasons to end early."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import polars as pl
import torch

from padscope.engines import Counted, Plan
from padscope.errors import PadscopeError
from padscope.kinds import CANDIDATE, MARGIN
from padscope.scores import score_site
from padscope.settings import Settings
from padscope.sites import Site
from padscope.tables import filter_table, side_table, undecided

FIRST_LOOK = 128.0  # images after which a run may be found stable
Progress = Callable[[int, int | None], None]


class Interrupted(PadscopeError):  # noqa: N818 - it names a state of the run
    """The run was asked to stop before its end."""


class Journal(Protocol):
    """Where a run keeps what it has counted, so that it can be stopped and resumed."""

    def begin(self, identity: dict[str, Any]) -> Counted | None:
        """Open the run of this identity; return what it has counted already."""
        ...

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        ...

    def checkpoint(self, counted: Counted) -> None:
        """Keep the counts so far."""
        ...


class Watcher:
    """Reports progress, writes checkpoints, and ends a run that is stable or asked to stop."""

    def __init__(
        self,
        settings: Settings,
        total: int | None,
        journal: Journal | None,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._settings = settings
        self._total = total
        self._journal = journal
        self._progress = progress
        self._stop = stop
        self._images = 0
        self._plan: Plan | None = None

    def begin(self, plan: Plan, identity: dict[str, Any]) -> Counted | None:
        """Open the journal; return what is counted already."""
        self._plan = plan
        so_far = self._journal.begin(identity) if self._journal else None
        self._images = so_far.images if so_far else 0
        return so_far

    def after(self, images: int, counts: Callable[[], Counted] | None) -> bool:
        """Look on after a unit."""
        before, self._images = self._images, images
        if self._progress:
            self._progress(images, self._total)
        # Before anything is kept: a run that goes on from here will not look again.
        look = self._settings.until_stable and _look(before, images)
        if counts and look and self._stable(counts()):
            return True
        stop = self._stop is not None and self._stop()
        if self._journal and counts and (stop or self._journal.due()):
            self._journal.checkpoint(counts())
        if stop:
            of_all = f" of {self._total}" if self._total else ""
            raise Interrupted(f"stopped after {images}{of_all} images")
        return False

    def _stable(self, counted: Counted) -> bool:
        assert self._plan is not None
        sides = score_plan(self._plan, counted)[1]
        return undecided(sides, CANDIDATE, MARGIN)[0] == 0


class UntilCalibrated:
    """Passes on to another watch, and ends as soon as the bins are final."""

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch

    def after(self, images: int, counts: Callable[[], Counted] | None) -> bool:
        """Look on after a unit."""
        return self._watch.after(images, counts) or counts is not None


def _look(before: int, after: int) -> bool:
    """Say whether to look at the scores between two numbers of images.

    Looks come at 128, 160, 200, … images, each a quarter later than the last: they cost time, and
    must not depend on where a run was resumed.
    """
    at = FIRST_LOOK
    while at <= before:
        at *= 1.25
    return at <= after


def score_plan(plan: Plan, counted: Counted) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score every filter: the tables of filters and of sides."""

    def tables(site: Site) -> tuple[pl.DataFrame, pl.DataFrame]:
        layout = plan.positions[site.name].layout
        scores = score_site(layout, counted.tallies[site.name])
        return filter_table(site, layout, scores), side_table(site, layout, scores)

    scored = [site for site in plan.observation.sites if site.scored]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # NumPy lets go of the lock
        filters, sides = zip(*pool.map(tables, scored), strict=True)
    return pl.concat(filters), pl.concat(sides)
