"""The commands: parsing, and which stage answers."""

from __future__ import annotations

from typing import Annotated

import torch
import typer

from padscope.cli.answers import Answer, Json, answering
from padscope.cli.given import Given, default_directory, load, most_tested, reopen
from padscope.cli.looking import name_missing
from padscope.cli.options import (
    Baselines,
    BatchSize,
    Checkpoint,
    Content,
    Debug,
    Device,
    Draws,
    ExplainCause,
    Explained,
    Fill,
    Images,
    LabelsFile,
    Limit,
    Margin,
    Metric,
    Model,
    Numbers,
    Out,
    Output,
    Positions,
    RunArgument,
    RunnerSpec,
    Seed,
    Shuffled,
    Size,
    Tested,
    UntilStable,
    Version,
    Weights,
    Workers,
)
from padscope.cli.stages import close, publish, run_explain, run_impact, run_scan, tell
from padscope.console import describe_sites, make_console, site_listing, verdict_lines
from padscope.findings.json import as_json, plain
from padscope.running import find_runner
from padscope.running.model import AUTO, observe_first
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.store import RunDirectory, load_study
from padscope.study import Study, check_answer
from padscope.study.stage import COUNTED
from padscope.tables import site_table

app = typer.Typer(
    help="Find, explain and test padding-aware neurons in convolutional networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(version: Version = False, debug: Debug = False) -> None:
    pass


@app.command("sites")
def sites_command(
    model: Model,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    json: Json = False,
) -> None:
    """List every padded operation of a model."""
    loaded = load(Given(model, weights, size, mean, std), "cpu")
    assert loaded.preprocessing is not None
    shape = (1, loaded.preprocessing.channels, *loaded.preprocessing.size)
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = observe_first(loaded.module, image, loaded.static_batch).sites
    table = site_table(found)
    with answering(as_json=json) as answer:
        console = make_console()
        console.print(site_listing(table))
        console.print(describe_sites(found))
        answer({"sites": plain(table)})


@app.command("scan")
def scan_command(
    model: Model,
    images: Images = None,
    out: Out = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Limit = 1000,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    per_line: Positions = None,
    per_core: Positions = None,
    until_stable: UntilStable = False,
    workers: Workers = 1,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Find the filters that respond to the border, and show them on a page."""
    settings = ScanSettings(
        limit=limit or None, seed=seed, batch_size=batch_size, per_line=per_line,
        per_core=per_core, until_stable=until_stable,
    )  # fmt: skip
    shared = find_runner(runner)
    run = RunDirectory(out or default_directory(model), checkpoint, shared.leads)
    given = Given(model, weights, size, mean, std, images)
    with answering(as_json=json) as answer:
        study = run_scan(given, load(given, device), settings, run, workers, shared)
        _end(study, run, answer)


@app.command("audit")
def audit_command(
    model: Model,
    images: Images = None,
    out: Out = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Limit = 1000,
    explained: Explained = 96,
    margin: Margin = None,
    baselines: Baselines = 3,
    content: Content = 0.01,
    explain_cause: ExplainCause = False,
    shuffled: Shuffled = False,
    tested: Tested = None,
    labels: LabelsFile = None,
    metric: Metric = None,
    output: Output = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = 1,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Do all of it: scan, explain, impact and report, on built-in photographs by default."""
    settings = ScanSettings(limit=limit or None, seed=seed, batch_size=batch_size)
    further = ExplainSettings(
        limit=explained or None, margin=margin, baselines=baselines, seed=seed,
        batch_size=batch_size, content=content, explain_cause=explain_cause, shuffled=shuffled,
    )  # fmt: skip
    last = ImpactSettings(
        limit=most_tested(tested, images), seed=seed, batch_size=batch_size, output=output,
        metric=metric,
    )  # fmt: skip
    shared = find_runner(runner)
    run = RunDirectory(out or default_directory(model), checkpoint, shared.leads)
    given = Given(model, weights, size, mean, std, images)
    loaded = load(given, device)
    # What the last stage would refuse is refused before all the others.
    check_answer(loaded, last, given.images, labels)
    with answering(as_json=json) as answer:
        study = run_scan(given, loaded, settings, run, workers, shared)
        try:
            study = run_explain(study, loaded, given.images, further, run, workers, shared)
            study = run_impact(study, loaded, given.images, labels, last, run, workers, shared)
        finally:  # what a stage has found stays even if the one behind it fails
            _end(study, run, answer)


@app.command("explain")
def explain_command(
    run: RunArgument,
    images: Annotated[
        str | None, typer.Option(help="Photographs to explain on. Default: those scanned.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Where the weights lie now, if not where they did.")
    ] = None,
    limit: Explained = 96,
    margin: Margin = None,
    baselines: Baselines = 3,
    content: Content = 0.01,
    explain_cause: ExplainCause = False,
    shuffled: Shuffled = False,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = 1,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Find out which responses padding causes, and set them beside untrained networks."""
    settings = ExplainSettings(
        limit=limit or None, margin=margin, baselines=baselines, seed=seed,
        batch_size=batch_size, content=content, explain_cause=explain_cause, shuffled=shuffled,
    )  # fmt: skip
    study, loaded, source = reopen(run, weights, images, device, "explain")
    shared = find_runner(runner)
    directory = RunDirectory(run, checkpoint, shared.leads)
    with answering(as_json=json) as answer:
        study = run_explain(study, loaded, source, settings, directory, workers, shared)
        _end(study, directory, answer)


@app.command("impact")
def impact_command(
    run: RunArgument,
    images: Annotated[
        str | None, typer.Option(help="Photographs to test on. Default: those scanned.")
    ] = None,
    labels: LabelsFile = None,
    metric: Metric = None,
    output: Output = None,
    weights: Annotated[
        str | None, typer.Option(help="Where the weights lie now, if not where they did.")
    ] = None,
    limit: Tested = None,
    fill: Fill = "reflect",
    draws: Draws = 20,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = 1,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Find out whether the model uses what padding tells it: effects beside controls."""
    study, loaded, source = reopen(run, weights, images, device, "impact")
    settings = ImpactSettings(
        limit=most_tested(limit, source), seed=seed, batch_size=batch_size, fill=fill,
        draws=draws, output=output, metric=metric,
    )  # fmt: skip
    shared = find_runner(runner)
    directory = RunDirectory(run, checkpoint, shared.leads)
    with answering(as_json=json) as answer:
        study = run_impact(study, loaded, source, labels, settings, directory, workers, shared)
        _end(study, directory, answer)


def _end(study: Study, run: RunDirectory, answer: Answer) -> None:
    """Say where everything is, and what was found as JSON if that is asked for."""
    close(study, run)
    if run.leads:
        answer(as_json(study))


@app.command("verdict")
def verdict_command(run: RunArgument, json: Json = False) -> None:
    """Are padding-aware neurons desirable in this model? Four headings, measured."""
    study = load_study(run, partial=True)
    name_missing(study)
    with answering(as_json=json) as answer:
        make_console().say(verdict_lines(study))
        answer(as_json(study))


@app.command("report")
def report_command(
    run: RunArgument,
    json: Json = False,
) -> None:
    """Write the page and the figures of a finished run again."""
    study = load_study(run, partial=True)
    name_missing(study)
    directory = RunDirectory(run)
    with answering(as_json=json) as answer:
        publish(study, directory)
        tell(study, *COUNTED)
        _end(study, directory, answer)
