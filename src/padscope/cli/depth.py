"""`padscope depth`: how deep padding reaches into a model's maps and its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from padscope.cli.given import Given, load, reopen
from padscope.cli.options import (
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
    Weights,
    Workers,
)
from padscope.cli.stages import Stages, tell
from padscope.console import depth_lines, depth_listing, make_console, show_progress
from padscope.errors import PadscopeError
from padscope.running import find_runner
from padscope.running.model import AUTO
from padscope.settings import DepthSettings
from padscope.store import RunDirectory
from padscope.study import DEPTH, measure_depth

Subject = Annotated[
    str,
    typer.Argument(
        metavar="RUN|MODEL",
        help="The directory of a run, which keeps what is found; or a model, as of padscope scan.",
    ),
]
Tolerance = Annotated[
    float, typer.Option(help="What is no difference, as a share of the spread of a map.")
]
Most = Annotated[int, typer.Option(help="Most images, with real surroundings; 0 for all.")]


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
    workers: Workers = 1,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
) -> None:
    """Measure how deep padding reaches, from every side, beside how deep it can."""
    settings = DepthSettings(
        limit=limit or None, margin=margin, tolerance=tolerance, seed=seed, batch_size=batch_size,
        output=output,
    )  # fmt: skip
    shared = find_runner(runner)
    run = Path(subject)
    if not (run / "manifest.json").exists():
        loaded = load(Given(subject, weights, size, mean, std, images), device)
        with show_progress(DEPTH) as progress:
            found = measure_depth(
                loaded, images, settings, progress=progress, workers=workers, runner=shared
            )
        if shared.leads:
            console = make_console()
            console.print(depth_listing(found))
            console.print()
            console.say(depth_lines(found))
        return
    if size or mean or std:
        raise PadscopeError("a run has its own size, mean and std; leave them out")
    study, loaded, source = reopen(run, weights, images, device, DEPTH)
    directory = RunDirectory(run, checkpoint, shared.leads)
    study = Stages.of(loaded, directory, workers, shared, batch_size).depth(study, source, settings)
    if shared.leads:
        tell(study, DEPTH)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("depth")(depth_command)
