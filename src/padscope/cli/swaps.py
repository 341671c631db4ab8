"""`padscope swaps`: what other padding does to a model, with its weights as they are."""

from __future__ import annotations

from typing import Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.beside import BesideRun, tested
from padscope.cli.depth import Subject
from padscope.cli.options import (
    BatchSize,
    Checkpoint,
    Device,
    Images,
    LabelsFile,
    Margin,
    Metric,
    Numbers,
    Output,
    RunnerSpec,
    Seed,
    Size,
    Tested,
    Weights,
    Workers,
)
from padscope.settings import AUTO, SWAPPED, SwapSettings
from padscope.study.stages import SWAPS

ALL = ",".join(SWAPPED)
Fills = Annotated[
    str,
    typer.Option(
        help="Padding to try, separated by commas: fills as in padscope impact, or partial "
        "for partial convolution."
    ),
]
Borders = Annotated[
    int,
    typer.Option(help="Images whose border is compared with real surroundings; 0 for none."),
]

Reestimate = Annotated[
    int,
    typer.Option(
        help="Images from which batch norms are estimated anew, with and without swaps; 0 for none."
    ),
]


def swaps_command(
    subject: Subject,
    images: Images = None,
    labels: LabelsFile = None,
    metric: Metric = None,
    fills: Fills = ALL,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Tested = None,
    border_images: Borders = 16,
    reestimate: Reestimate = 0,
    margin: Margin = None,
    output: Output = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = 1,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Measure what other padding does to answers and border, without changing the weights."""
    settings = SwapSettings(
        tuple(fill.strip() for fill in fills.split(",") if fill.strip()),
        border_images=border_images,
        reestimate=reestimate, margin=margin,
        seed=seed, batch_size=batch_size, output=output, metric=metric,
    )  # fmt: skip
    how = BesideRun(
        work.Given(subject, weights, size, mean, std, images), device,
        work.find_runner(runner), workers, batch_size, checkpoint,
    )  # fmt: skip
    with answering(as_json=json) as answer:
        found = how.measure(SWAPS, work.measure_swaps, tested(settings, limit), labels)
        if how.runner.leads:
            console = work.make_console()
            console.table(work.swap_listing(found))
            console.print()
            console.say(work.swap_sentences(found))
            answer(lambda: work.beside_json(found, work.swap_sentences(found)))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("swaps")(swaps_command)
