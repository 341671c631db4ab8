"""The commands: parsing, and which stage answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Answer, Json, answering
from padscope.cli.effort import at_most, audit_effort, impact_settings, only_given
from padscope.cli.looking import name_missing
from padscope.cli.options import (
    WORKERS,
    Adapter,
    AuditLimit,
    Baselines,
    BatchSize,
    Checkpoint,
    Content,
    Debug,
    Device,
    Draws,
    ExplainCause,
    Explained,
    Figures,
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
    Quick,
    RunArgument,
    RunnerSpec,
    Seed,
    Shuffled,
    Size,
    Tested,
    Thorough,
    UntilStable,
    Version,
    Weights,
    Workers,
)
from padscope.errors import PadscopeError
from padscope.settings import AUTO, ExplainSettings, ScanSettings
from padscope.study.stages import COUNTED, EXPLAIN, IMPACT, SCAN

if TYPE_CHECKING:
    from padscope.store import RunDirectory
    from padscope.study import Study


app = typer.Typer(
    help="Find, explain and test padding-aware neurons in convolutional networks.",
    no_args_is_help=True,
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
    input_adapter: Adapter = None,
    json: Json = False,
) -> None:
    """List every padded operation of a model."""
    loaded = work.load(work.Given(model, weights, size, mean, std, None, input_adapter), "cpu")
    found = work.look_at(loaded)
    table = work.site_table(found)
    with answering(as_json=json) as answer:
        console = work.make_console()
        console.table(work.site_listing(table))
        console.print(work.describe_sites(found))
        uneven = [site.name for site in found if work.is_uneven(site.window)]
        assert loaded.preprocessing is not None
        own, even = loaded.preprocessing.size, work.nearest_even(loaded) if uneven else None
        console.print(work.describe_uneven(uneven, own, even), soft_wrap=True)
        sites = [row | work.census_of(row) for row in table.iter_rows(named=True)]
        answer(lambda: {"sites": work.plain(sites), "uneven": uneven, "even_size": even})


@app.command("scan")
def scan_command(
    model: Model,
    images: Images = None,
    out: Out = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    input_adapter: Adapter = None,
    limit: Limit = 1000,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    per_line: Positions = None,
    per_core: Positions = None,
    until_stable: UntilStable = False,
    workers: Workers = WORKERS,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    figures: Figures = False,
    json: Json = False,
) -> None:
    """Find the filters that respond to the border, and write a page about them."""
    settings = ScanSettings(
        limit=limit or None, seed=seed, batch_size=batch_size, per_line=per_line,
        per_core=per_core, until_stable=until_stable,
    )  # fmt: skip
    shared = work.find_runner(runner)
    run = work.RunDirectory(out or work.default_directory(model), checkpoint, shared.leads)
    given = work.Given(model, weights, size, mean, std, images, input_adapter)
    stages = work.Stages.of(work.load(given, device), run, workers, shared, batch_size)
    with answering(as_json=json) as answer:
        _end(stages.scan(given, settings), run, answer, SCAN, figures=figures)


@app.command("audit")
def audit_command(
    model: Model,
    images: Images = None,
    out: Out = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    input_adapter: Adapter = None,
    quick: Quick = False,
    thorough: Thorough = False,
    limit: AuditLimit = None,
    explained: Explained = None,
    margin: Margin = None,
    baselines: Baselines = None,
    content: Content = None,
    explain_cause: ExplainCause = False,
    shuffled: Shuffled = False,
    tested: Tested = None,
    labels: LabelsFile = None,
    metric: Metric = None,
    output: Output = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = WORKERS,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    figures: Figures = False,
    json: Json = False,
) -> None:
    """Run all stages and write the page: scan, explain, impact. Default: built-in photographs."""
    effort = audit_effort(
        quick=quick, thorough=thorough, images=images, limit=limit, explained=explained,
        tested=tested, labels=labels, shared={"seed": seed, "batch_size": batch_size},
        explain={"margin": margin, "baselines": baselines, "content": content,
                 "explain_cause": explain_cause, "shuffled": shuffled},
        impact={"output": output, "metric": metric},
    )  # fmt: skip
    shared = work.find_runner(runner)
    run = work.RunDirectory(out or work.default_directory(model), checkpoint, shared.leads)
    given = work.Given(model, weights, size, mean, std, images, input_adapter)
    loaded = work.load(given, device)
    if effort.impact:  # what the last stage would refuse is refused before all the others
        work.check_answer(loaded, effort.impact, given.images, labels)
    expected = work.expect_audit(
        loaded, images, effort.scan, effort.explain, effort.impact,
        work.THOROUGH_IMPACT if thorough else work.USUAL_IMPACT,
    )  # fmt: skip
    stages = work.Stages.of(loaded, run, workers, shared, batch_size, expected)
    with answering(as_json=json) as answer:
        study = stages.scan(given, effort.scan)
        try:
            study = stages.explain(study, images, effort.explain)
            if effort.impact:
                study = stages.impact(study, images, labels, effort.impact)
        except PadscopeError:  # what a stage has found stays even if the one behind it fails
            _end(study, run, answer, *COUNTED, figures=figures)
            raise
        _end(study, run, answer, *COUNTED, figures=figures, quick=quick and not effort.impact)


@app.command("explain")
def explain_command(
    run: RunArgument,
    images: Annotated[
        str | None, typer.Option(help="Photographs to use. Default: those of the scan.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="The file of the weights, if it has moved.")
    ] = None,
    thorough: Thorough = False,
    limit: Explained = None,
    margin: Margin = None,
    baselines: Baselines = None,
    content: Content = None,
    explain_cause: ExplainCause = False,
    shuffled: Shuffled = False,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = WORKERS,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    figures: Figures = False,
    json: Json = False,
) -> None:
    """Find out which responses padding causes, and compare with untrained networks."""
    make = ExplainSettings.thorough if thorough else ExplainSettings
    settings = make(
        seed=seed, batch_size=batch_size, explain_cause=explain_cause, shuffled=shuffled,
        **at_most(limit), **only_given(margin=margin, baselines=baselines, content=content),
    )  # fmt: skip
    study, loaded, source = work.reopen(run, weights, images, device, "explain")
    shared = work.find_runner(runner)
    directory = work.RunDirectory(run, checkpoint, shared.leads)
    stages = work.Stages.of(loaded, directory, workers, shared, batch_size)
    with answering(as_json=json) as answer:
        _end(stages.explain(study, source, settings), directory, answer, EXPLAIN, figures=figures)


@app.command("impact")
def impact_command(
    run: RunArgument,
    images: Annotated[
        str | None, typer.Option(help="Photographs to use. Default: those of the scan.")
    ] = None,
    labels: LabelsFile = None,
    metric: Metric = None,
    output: Output = None,
    weights: Annotated[
        str | None, typer.Option(help="The file of the weights, if it has moved.")
    ] = None,
    thorough: Thorough = False,
    limit: Tested = None,
    fill: Fill = "reflect",
    draws: Draws = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = WORKERS,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    figures: Figures = False,
    json: Json = False,
) -> None:
    """Find out whether the model uses what padding tells it, compared with controls."""
    study, loaded, source = work.reopen(run, weights, images, device, "impact")
    settings = impact_settings(
        limit, source, thorough=thorough, seed=seed, batch_size=batch_size, fill=fill,
        draws=draws, output=output, metric=metric,
    )  # fmt: skip
    shared = work.find_runner(runner)
    directory = work.RunDirectory(run, checkpoint, shared.leads)
    stages = work.Stages.of(loaded, directory, workers, shared, batch_size)
    with answering(as_json=json) as answer:
        _end(
            stages.impact(study, source, labels, settings),
            directory,
            answer,
            IMPACT,
            figures=figures,
        )


def _end(
    study: Study,
    run: RunDirectory,
    answer: Answer,
    *stages: str,
    figures: bool = False,
    quick: bool = False,
) -> None:
    """End a command, and give what was found as JSON if that is asked for."""
    if run.leads:  # one process alone
        work.close(study, run.path, *stages, figures=figures, quick=quick)
        answer(lambda: work.as_json(study))


@app.command("verdict")
def verdict_command(run: RunArgument, json: Json = False) -> None:
    """Say whether padding-aware neurons are desirable in this model, under four headings."""
    study = work.load_study(run, partial=True)
    name_missing(study)
    with answering(as_json=json) as answer:
        work.make_console().say(work.verdict_lines(study))
        answer(lambda: work.as_json(study))


@app.command("check")
def check_command(
    run: RunArgument,
    max_recognising: Annotated[
        int | None, typer.Option(help="Maximum number of filters that may recognise the border.")
    ] = None,
    max_share: Annotated[
        float | None,
        typer.Option(help="Maximum share of the measured filters that may recognise the border."),
    ] = None,
    json: Json = False,
) -> None:
    """Check a run against limits, for pipelines: exit status 1 if it exceeds one."""
    study = work.load_study(run, partial=True)
    found = work.check_recognising(study, max_recognising, max_share)
    with answering(as_json=json) as answer:
        typer.echo(found.sentence)
        answer(lambda: asdict(found))
    if not found.passed:
        raise typer.Exit(1)


@app.command("report")
def report_command(
    run: RunArgument,
    json: Json = False,
) -> None:
    """Write the page of a finished run again."""
    study = work.load_study(run, partial=True)
    name_missing(study)
    with answering(as_json=json) as answer:
        work.publish(study, run)
        work.say_answers(study, *COUNTED)
        work.close(study, run, *COUNTED)
        answer(lambda: work.as_json(study))
