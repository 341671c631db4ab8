"""`padscope sizes`: input sizes at which no stride is uneven, and what they do."""

from __future__ import annotations

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
from padscope.settings import AUTO, SizeSettings
from padscope.study.stages import SIZES


def sizes_command(
    subject: Subject,
    images: Images = None,
    labels: LabelsFile = None,
    metric: Metric = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Tested = None,
    output: Output = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = 1,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Find input sizes at which no stride is uneven, and measure how they change the answers."""
    settings = SizeSettings(
        seed=seed, batch_size=batch_size,
        output=output, metric=metric,
    )  # fmt: skip
    how = BesideRun(
        work.Given(subject, weights, size, mean, std, images), device,
        work.find_runner(runner), workers, batch_size, checkpoint,
    )  # fmt: skip
    with answering(as_json=json) as answer:
        found = how.measure(SIZES, work.measure_sizes, tested(settings, limit), labels)
        if how.runner.leads:
            console = work.make_console()
            for part in work.size_parts(found):
                console.table(part)
                console.print()
            console.say(work.size_sentences(found))
            answer(lambda: work.beside_json(found, work.size_sentences(found)))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("sizes")(sizes_command)
