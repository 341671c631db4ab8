"""The stages as the commands run them: with a bar, checkpoints, a page and an answer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from altair.utils.schemapi import debug_mode

from padscope.cli.figures import replace_figures
from padscope.cli.given import Given
from padscope.cli.interrupts import interruptible
from padscope.console import (
    QUESTIONS,
    Budget,
    answer_lines,
    cause_lines,
    impact_lines,
    make_console,
    summary_lines,
    verdict_lines,
)
from padscope.findings.depth import depth_lines, depth_listing
from padscope.findings.effects import effect_listing, measure_listing
from padscope.findings.listing import Listing
from padscope.findings.networks import network_listing
from padscope.findings.sites import cause_listing, summary_listing
from padscope.models import LoadedModel
from padscope.paths import printable
from padscope.report import render_report
from padscope.running import Runner
from padscope.settings import DepthSettings, ExplainSettings, ImpactSettings, ScanSettings
from padscope.store import RunDirectory, write_atomically
from padscope.study import Study, depth, explain, impact, scan
from padscope.study.budget import time_pass
from padscope.study.stages import DEPTH, EXPLAIN, IMPACT, SCAN, StageWork


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

    def depth(self, study: Study, images: str | None, settings: DepthSettings) -> Study:
        """Measure how deep padding reaches, and save what was found."""
        study = interruptible(
            DEPTH, self.budget,
            lambda **watch: depth(study, self.loaded, images, settings, **self._how, **watch),
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
            publish(study, self.run)
        return study


def say_answers(study: Study, *stages: str) -> None:
    """Print the sentences that answer the questions of stages."""
    console = make_console()
    for stage in stages:
        if stage == SCAN:
            console.say([study.model, study.images])
        if lines := answer_lines(study, stage):
            console.say([*lines, ""])


def tell(study: Study, *stages: str) -> None:
    """Print the tables of stages, and the sentences that were not said when they were answered."""
    console = make_console()
    said = {line for stage in stages for line in answer_lines(study, stage)}
    for part in (part for stage in stages for part in _parts(study, stage)):
        if isinstance(part, Listing):
            console.table(part)
        else:
            lines = [line for line in dict.fromkeys(part) if not (line and line in said)]
            console.say(lines)
            said |= {*lines}
        console.print()


def _parts(study: Study, stage: str) -> list[Listing | list[str]]:
    if stage == SCAN:
        return [summary_listing(study), summary_lines(study)]
    if stage == EXPLAIN and study.explanation:
        return [cause_listing(study), network_listing(study.explanation), cause_lines(study)]
    if stage == IMPACT and study.impact:
        listings = effect_listing(study.impact), measure_listing(study.impact)
        return [*listings, impact_lines(study), verdict_lines(study, notes=False)]
    if stage == DEPTH and study.depth:
        return [depth_listing(study.depth.table), depth_lines(study.depth)]
    return []


def publish(study: Study, run: RunDirectory) -> None:
    """Write the page."""
    with debug_mode(False):  # which checks every chart against the schema of all charts: a third
        page = render_report(study)
    write_atomically(run.path / "report.html", page.encode(errors="backslashreplace"))


def close(
    study: Study, run: RunDirectory, *stages: str, figures: bool = False, quick: bool = False
) -> None:
    """End a command: the tables of stages, what comes next; one process alone does it."""
    if not run.leads:
        return
    if figures:
        with debug_mode(False):
            replace_figures(run.path, study)
    tell(study, *stages)
    console, path = make_console(), printable(run.path)
    console.print(f"Tables: {path}/*.parquet", soft_wrap=True)
    if figures:
        console.print(f"Figures: {path}/figures/", soft_wrap=True)
    if study.invocation:  # a run from Python goes on there
        for line in _further(study, path, quick=quick):
            console.print(line, soft_wrap=True)
    console.print(f"Report: {path}/report.html", soft_wrap=True)


def _further(study: Study, path: str, *, quick: bool) -> Iterator[str]:
    """Say what was left out, and which command does it."""
    stages = [EXPLAIN, IMPACT] if quick else [study.next_stage] if study.next_stage else []
    commands = " && ".join(shlex.join(["padscope", stage, path]) for stage in stages)
    if quick:
        yield "Left out by --quick: more images, a check of the margin, and what the model uses."
    if stages:
        yield f"Next: {commands} ({QUESTIONS[stages[-1]]})"
