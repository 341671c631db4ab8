"""The stages as the commands run them: with a bar, checkpoints, a page and a summary."""

from __future__ import annotations

from collections.abc import Sequence
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
from padscope.console.terminal import Terminal
from padscope.models import LoadedModel
from padscope.paths import printable
from padscope.report import render_report
from padscope.running import Runner
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.store import RunDirectory, write_atomically
from padscope.study import Study, explain, impact, scan


def run_scan(
    given: Given,
    loaded: LoadedModel,
    settings: ScanSettings,
    run: RunDirectory,
    workers: int,
    runner: Runner,
) -> Study:
    """Scan, and save the study."""
    study = interruptible(
        "scan",
        lambda progress, stop: scan(
            loaded, given.images, settings, journal=run, progress=progress, stop=stop,
            workers=workers, runner=runner,
        ),
    )  # fmt: skip
    study = run.as_explained(replace(study, invocation=asdict(given)))
    run.save(study)
    return study


def run_explain(
    study: Study,
    loaded: LoadedModel,
    images: str | None,
    settings: ExplainSettings,
    run: RunDirectory,
    workers: int,
    runner: Runner,
) -> Study:
    """Explain a scanned study, and save it."""
    study = interruptible(
        "explain",
        lambda progress, stop: explain(
            study, loaded, images, settings, journal=run, progress=progress, stop=stop,
            workers=workers, runner=runner,
        ),
    )  # fmt: skip
    run.save(study)
    return study


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
    """Measure the impact of an explained study, and save it."""
    study = interruptible(
        "impact",
        lambda progress, stop: impact(
            study, loaded, images, labels, settings, journal=run, progress=progress, stop=stop,
            workers=workers, runner=runner,
        ),
    )  # fmt: skip
    run.save(study)
    return study


def show(study: Study, run: RunDirectory) -> None:
    """Write the page and the figures, and print what was found; one process alone does it."""
    if not run.leads:
        return
    write_atomically(
        run.path / "report.html", render_report(study).encode(errors="backslashreplace")
    )
    replace_figures(run.path, study)
    console = make_console()
    console.say([study.model, study.images])
    _print(console, [summary_listing(study)], summary_lines(study))
    if study.explanation:
        listings = [cause_listing(study), network_listing(study.explanation)]
        _print(console, listings, cause_lines(study))
    if study.impact:
        listings = [effect_listing(study.impact), measure_listing(study.impact)]
        _print(console, listings, [*impact_lines(study), "", *verdict_lines(study, notes=False)])
    console.print()
    path = printable(run.path)
    console.print(f"Tables: {path}/*.parquet", soft_wrap=True)
    console.print(f"Figures: {path}/figures/", soft_wrap=True)
    console.print(f"Report: {path}/report.html", soft_wrap=True)


def _print(console: Terminal, listings: Sequence[Table], lines: Sequence[str]) -> None:
    """Print what one stage found: tables, then sentences."""
    for listing in listings:
        console.print()
        console.print(listing)
    console.print()
    console.say(lines)
