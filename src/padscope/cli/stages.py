"""The stages as the commands run them: with a bar, checkpoints, a page and an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from padscope.cli.endings import publish, say_answers
from padscope.cli.given import Given
from padscope.cli.interrupts import interruptible
from padscope.console.budget import Budget
from padscope.models import LoadedModel
from padscope.running import Runner
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.store import RunDirectory
from padscope.study import Study, depth, explain, impact, scan, sizes, swaps, tiles
from padscope.study.budget import time_pass
from padscope.study.stages import DEPTH, EXPLAIN, IMPACT, SCAN, SIZES, SWAPS, TILES, StageWork

# Those that stand beside a run.
STAGES: Mapping[str, Callable[..., Study]] = {
    DEPTH: depth, SWAPS: swaps, SIZES: sizes, TILES: tiles
}  # fmt: skip


@dataclass(frozen=True)
class Stages:
    """The stages of one command.

    Attributes
    ----------
    loaded : LoadedModel
    run : RunDirectory
    workers : int
        Threads that decode photographs.
    runner : Runner
    budget : Budget
        Says what a stage takes when it begins.
    """

    loaded: LoadedModel
    run: RunDirectory
    workers: int
    runner: Runner
    budget: Budget

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        run: RunDirectory,
        workers: int,
        runner: Runner,
        batch_size: int,
        expected: Mapping[str, StageWork] | None = None,
    ) -> Stages:
        """Take what the stages need; `expected` as of `Budget`."""

        def seconds() -> float | None:  # how many share the work elsewhere is not known
            return time_pass(loaded, batch_size) if runner.in_order else None

        return cls(loaded, run, workers, runner, Budget(seconds, expected))

    def scan(self, given: Given, settings: ScanSettings) -> Study:
        """Scan, and give the answer."""
        study = interruptible(
            SCAN, self.budget,
            lambda **watch: scan(self.loaded, given.images, settings, **self._how, **watch),
        )  # fmt: skip
        study = self.run.as_explained(replace(study, invocation=asdict(given)))
        return self._finish(study, SCAN)

    def explain(self, study: Study, images: str | None, settings: ExplainSettings) -> Study:
        """Explain a scanned study, and give the answer."""
        study = interruptible(
            EXPLAIN, self.budget,
            lambda **watch: explain(study, self.loaded, images, settings, **self._how, **watch),
        )  # fmt: skip
        return self._finish(study, EXPLAIN)

    def impact(
        self, study: Study, images: str | None, labels: str | None, settings: ImpactSettings
    ) -> Study:
        """Measure the impact of an explained study, and give the answer."""
        study = interruptible(
            IMPACT, self.budget,
            lambda **watch: impact(
                study, self.loaded, images, labels, settings, **self._how, **watch
            ),
        )  # fmt: skip
        return self._finish(study, IMPACT)

    def beside(self, stage: str, study: Study, *given: object) -> Study:
        """Do a stage that stands beside a run, and save what was found.

        Parameters
        ----------
        stage : str
        study : Study
        *given : object
            What the stage takes behind study and model.
        """
        do = STAGES[stage]
        study = interruptible(
            stage, self.budget,
            lambda **watch: do(study, self.loaded, *given, **self._how, **watch),
        )  # fmt: skip
        self.run.save(study)
        return study

    @property
    def _how(self) -> dict[str, Any]:
        return {"journal": self.run, "workers": self.workers, "runner": self.runner}

    def _finish(self, study: Study, stage: str) -> Study:
        """Save what a stage has found, give the answer, and write the page."""
        self.run.save(study)
        if self.run.leads:
            say_answers(study, stage)
            publish(study, self.run.path)
        return study
