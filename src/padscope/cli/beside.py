"""Commands that compare answers beside a run: of a model alone, or of a run, which keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from padscope.cli import work
from padscope.cli.effort import impact_settings
from padscope.errors import PadscopeError

if TYPE_CHECKING:
    from padscope.cli.given import Given
    from padscope.running import Runner


@dataclass(frozen=True)
class BesideRun:
    """How such a command was asked to work.

    Attributes
    ----------
    given : Given
        Its model is a spec, or the directory of a run.
    labels : str or None
    tested : int or None
        Most images, as given.
    device : str
    runner : Runner
    workers, batch_size : int
    checkpoint : float
        Seconds.
    """

    given: Given
    labels: str | None
    tested: int | None
    device: str
    runner: Runner
    workers: int
    batch_size: int
    checkpoint: float

    def measure(self, stage: str, settings: Any, alone: Callable[..., Any]) -> Any:
        """Do a stage and return what it finds; `alone` does it of a model that has no run."""
        given, run = self.given, Path(self.given.model)
        if not (run / "manifest.json").exists():
            loaded = work.load(given, self.device)
            settings = self._limited(settings, given.images)
            with work.show_progress(stage) as progress:
                return alone(
                    loaded, given.images, self.labels, settings, progress=progress,
                    workers=self.workers, runner=self.runner,
                )  # fmt: skip
        if given.size or given.mean or given.std:
            raise PadscopeError("a run has its own size, mean and std; leave them out")
        study, loaded, source = work.reopen(run, given.weights, given.images, self.device, stage)
        directory = work.RunDirectory(run, self.checkpoint, self.runner.leads)
        stages = work.Stages.of(loaded, directory, self.workers, self.runner, self.batch_size)
        do = getattr(stages, stage)
        return getattr(do(study, source, self.labels, self._limited(settings, source)), stage)

    def _limited(self, settings: Any, images: str | None) -> Any:
        return replace(settings, limit=impact_settings(self.tested, images).limit)
