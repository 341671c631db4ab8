"""`padscope sizes`: input sizes at which no stride is uneven, and what they do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.depth import Subject
from padscope.cli.effort import impact_settings
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
from padscope.errors import PadscopeError
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
    """Find input sizes at which no stride is uneven, and measure what they do to the answers."""
    settings = SizeSettings(
        seed=seed, batch_size=batch_size,
        output=output, metric=metric,
    )  # fmt: skip
    shared = work.find_runner(runner)
    run = Path(subject)
    with answering(as_json=json) as answer:
        if not (run / "manifest.json").exists():
            loaded = work.load(work.Given(subject, weights, size, mean, std, images), device)
            settings = replace(settings, limit=impact_settings(limit, images).limit)
            with work.show_progress(SIZES) as progress:
                found = work.measure_sizes(
                    loaded, images, labels, settings, progress=progress, workers=workers,
                    runner=shared,
                )  # fmt: skip
        else:
            if size or mean or std:
                raise PadscopeError("a run has its own size, mean and std; leave them out")
            study, loaded, source = work.reopen(run, weights, images, device, SIZES)
            settings = replace(settings, limit=impact_settings(limit, source).limit)
            directory = work.RunDirectory(run, checkpoint, shared.leads)
            stages = work.Stages.of(loaded, directory, workers, shared, batch_size)
            study = stages.sizes(study, source, labels, settings)
            assert study.sizes is not None
            found = study.sizes
        if shared.leads:
            console = work.make_console()
            for part in work.size_parts(found):
                console.table(part)
                console.print()
            console.say(work.size_sentences(found))
            answer(lambda: work.beside_json(found, work.size_sentences(found)))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("sizes")(sizes_command)
