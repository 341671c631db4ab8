"""`padscope depth`: how deep padding reaches into a model's maps and its answer."""

from __future__ import annotations

from typing import Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.beside import BesideRun
from padscope.cli.options import (
    WORKERS,
    BatchSize,
    Checkpoint,
    Device,
    Images,
    Margin,
    Numbers,
    Output,
    RunnerSpec,
    Seed,
    Size,
    Tolerance,
    Weights,
    Workers,
)
from padscope.settings import AUTO, DepthSettings
from padscope.study.stages import DEPTH

Subject = Annotated[
    str,
    typer.Argument(
        metavar="RUN|MODEL",
        help="The directory of a run, which stores the result; or a model, as in padscope scan.",
    ),
]
Most = Annotated[int, typer.Option(help="Maximum number of images; 0 for all.")]


def depth_command(
    subject: Subject,
    images: Images = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Most = 32,
    margin: Margin = None,
    tolerance: Tolerance = 0.01,
    output: Output = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = WORKERS,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Measure how deep padding reaches from every side, and compute how deep it can."""
    settings = DepthSettings(
        limit=limit or None, margin=margin, tolerance=tolerance, seed=seed, batch_size=batch_size,
        output=output,
    )  # fmt: skip
    how = BesideRun(
        work.Given(subject, weights, size, mean, std, images), device,
        work.find_runner(runner), workers, batch_size, checkpoint,
    )  # fmt: skip
    with answering(as_json=json) as answer:
        found = how.measure(DEPTH, work.measure_depth, lambda _: settings)
        if how.runner.leads:
            console = work.make_console()
            console.table(work.depth_listing(found))
            console.print()
            console.say(work.depth_lines(found))
            answer(lambda: work.plain(work.depth_json(found)))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("depth")(depth_command)
