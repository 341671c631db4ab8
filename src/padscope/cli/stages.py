"""The stages as the commands run them: with a bar, checkpoints, a page and an answer."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace

from rich.table import Table

from padscope.cli.figures import replace_figures
from padscope.cli.given import Given
from padscope.cli.interrupts import interruptible
from padscope.console import (
    cause_lines,
    cause_listing,
    effect_listing,
    impact_lines,
    make_console,
    measure_listing,
    network_listing,
    summary_lines,
    summary_listing,
    verdict_lines,
)
from padscope.models import LoadedModel
from padscope.paths import printable
from padscope.report import render_report
from padscope.running import Runner
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.store import RunDirectory, write_atomically
from padscope.study import Study, explain, impact, scan
from padscope.study.stage import EXPLAIN, IMPACT, SCAN

QUESTIONS = {EXPLAIN: "which responses padding causes", IMPACT: "whether the model uses them"}


def run_scan(
    given: Given,
    loaded: LoadedModel,
    settings: ScanSettings,
    run: RunDirectory,
    workers: int,
    runner: Runner,
) -> Study:
    """Scan, save the study, and show what was found."""
    study = interruptible(
        "scan",
        lambda progress, stop: scan(
            loaded, given.images, settings, journal=run, progress=progress, stop=stop,
            workers=workers, runner=runner,
        ),
    )  # fmt: skip
    study = run.as_explained(replace(study, invocation=asdict(given)))
    return _finish(study, run, SCAN)


def run_explain(
    study: Study,
    loaded: LoadedModel,
    images: str | None,
    settings: ExplainSettings,
    run: RunDirectory,
    workers: int,
    runner: Runner,
) -> Study:
    """Explain a scanned study, save it, and show what was found."""
    study = interruptible(
        "explain",
        lambda progress, stop: explain(
            study, loaded, images, settings, journal=run, progress=progress, stop=stop,
            workers=workers, runner=runner,
        ),
    )  # fmt: skip
    return _finish(study, run, EXPLAIN)


def run_impact(
    study: Study,
    loaded: LoadedModel,
    images: str | None,
    labels: str | None,
    settings: ImpactSettings,
    run: RunDirectory,
    workers: int,
    runner: Runner,
) -> Study:
    """Measure the impact of an explained study, save it, and show what was found."""
    study = interruptible(
        "impact",
        lambda progress, stop: impact(
            study, loaded, images, labels, settings, journal=run, progress=progress, stop=stop,
            workers=workers, runner=runner,
        ),
    )  # fmt: skip
    return _finish(study, run, IMPACT)


def _finish(study: Study, run: RunDirectory, stage: str) -> Study:
    run.save(study)
    if run.leads:
        publish(study, run)
        tell(study, stage)
    return study


def tell(study: Study, *stages: str) -> None:
    """Print what stages have found: of each its tables, then its sentences."""
    console = make_console()
    for stage in stages:
        for part in _parts(study, stage):
            if isinstance(part, Table):
                console.print(part)
            else:
                console.say(part)
            console.print()


def _parts(study: Study, stage: str) -> list[Table | list[str]]:
    if stage == SCAN:
        return [[study.model, study.images], summary_listing(study), summary_lines(study)]
    if stage == EXPLAIN and study.explanation:
        return [cause_listing(study), network_listing(study.explanation), cause_lines(study)]
    if stage == IMPACT and study.impact:
        listings = effect_listing(study.impact), measure_listing(study.impact)
        return [*listings, impact_lines(study), verdict_lines(study, notes=False)]
    return []


def publish(study: Study, run: RunDirectory) -> None:
    """Write the page and the figures."""
    write_atomically(
        run.path / "report.html", render_report(study).encode(errors="backslashreplace")
    )
    replace_figures(run.path, study)


def close(study: Study, run: RunDirectory) -> None:
    """Say where everything is, and what comes next; one process alone does it."""
    if not run.leads:
        return
    console, path = make_console(), printable(run.path)
    console.print(f"Tables: {path}/*.parquet", soft_wrap=True)
    console.print(f"Figures: {path}/figures/", soft_wrap=True)
    console.print(f"Report: {path}/report.html", soft_wrap=True)
    stage = study.next_stage
    if stage and study.invocation:  # a run from Python goes on there
        command = shlex.join(["padscope", stage, path])
        console.print(f"Next: {command} ({QUESTIONS[stage]})", soft_wrap=True)
