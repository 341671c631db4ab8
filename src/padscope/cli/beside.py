"""Commands that stand beside a run: of a model alone, or of a run, which keeps what they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from padscope.cli import work
from padscope.cli.effort import impact_settings

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
    device : str
    runner : Runner
    workers, batch_size : int
    checkpoint : float
        Seconds.
    """

    given: Given
    device: str
    runner: Runner
    workers: int = 1
    batch_size: int = 1
    checkpoint: float = 60

    def measure(
        self,
        stage: str,
        alone: Callable[..., Any],
        settings: Callable[[str | None], Any],
        *more: object,
    ) -> Any:
        """Do a stage and return what it finds.

        Parameters
        ----------
        stage : str
        alone : callable
            Does it of a model that has no run.
        settings : callable
            Gives them, by the images.
        *more : object
            What it takes behind the images: labels.
        """
        study, loaded, images = work.open_subject(self.given, self.device, stage)
        if study is None:
            with work.show_progress(stage) as progress:
                return alone(
                    loaded, images, *more, settings(images), progress=progress,
                    workers=self.workers, runner=self.runner,
                )  # fmt: skip
        run = work.RunDirectory(Path(self.given.model), self.checkpoint, self.runner.leads)
        stages = work.Stages.of(loaded, run, self.workers, self.runner, self.batch_size)
        return getattr(stages.beside(stage, study, images, *more, settings(images)), stage)


def tested(settings: Any, limit: int | None) -> Callable[[str | None], Any]:
    """Give settings with as many images as an impact tests; `limit` as given."""
    return lambda images: replace(settings, limit=impact_settings(limit, images).limit)
