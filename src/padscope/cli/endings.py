"""How a command ends: answers, tables, the page, and what comes next. PyTorch is not needed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from padscope.cli.figures import replace_figures
from padscope.console.budget import QUESTIONS
from padscope.console.sentences import (
    answer_lines,
    cause_lines,
    impact_lines,
    summary_lines,
    verdict_lines,
)
from padscope.console.terminal import make_console
from padscope.findings.effects import effect_listing, measure_listing
from padscope.findings.listing import Listing
from padscope.findings.networks import network_listing
from padscope.findings.sites import cause_listing, summary_listing
from padscope.paths import printable
from padscope.report import render_report
from padscope.store import write_atomically
from padscope.study import Study
from padscope.study.stages import EXPLAIN, IMPACT, SCAN


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
    return []


def publish(study: Study, run: Path) -> None:
    """Write the page into the directory of a run."""
    page = render_report(study)
    write_atomically(run / "report.html", page.encode(errors="backslashreplace"))


def close(
    study: Study, run: Path, *stages: str, figures: bool = False, quick: bool = False
) -> None:
    """End a command: the tables of stages, and what comes next."""
    if figures:
        replace_figures(run, study)
    tell(study, *stages)
    console, path = make_console(), printable(run)
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
