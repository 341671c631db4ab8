"""`padscope retrofit`: the same network with padding that is tuned."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.depth import Subject
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
    Weights,
    Workers,
)
from padscope.errors import PadscopeError
from padscope.paths import printable
from padscope.settings import AUTO, RetrofitSettings
from padscope.study.stages import RETROFIT


class Padding(StrEnum):
    """What torch's convolutions can pad with."""

    zeros = "zeros"
    reflect = "reflect"
    replicate = "replicate"
    circular = "circular"


Filled = Annotated[Padding, typer.Option("--fill", help="The padding that is tuned.")]
Written = Annotated[
    Path, typer.Option("--out", "-o", help="A new .safetensors file for the tuned weights.")
]
Most = Annotated[
    int,
    typer.Option(
        help="Maximum number of images; a third of the photographs is kept for comparing."
    ),
]
Steps = Annotated[int, typer.Option(help="Times that all padding is fitted anew.")]


def retrofit_command(
    subject: Subject,
    out: Written,
    fill: Filled = Padding.replicate,
    images: Images = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Most = 96,
    steps: Steps = RetrofitSettings.steps,
    margin: Margin = None,
    output: Output = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    workers: Workers = WORKERS,
    device: Device = AUTO,
    runner: RunnerSpec = "local",
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Tune the padding to real surroundings: all else of the network stays as it is.

    The result loads without padscope. It stands beside the network as given and every plain swap.
    """
    if out.exists():
        raise PadscopeError(f"{printable(out)} is there already; choose another file")
    settings = RetrofitSettings(
        limit=limit or None, fill=fill.value, steps=steps, margin=margin, output=output,
        seed=seed, batch_size=batch_size,
    )  # fmt: skip
    shared = work.find_runner(runner)
    given = work.Given(subject, weights, size, mean, std, images)
    study, loaded, source = work.open_subject(given, device, RETROFIT)
    settings = replace(settings, size=study.size) if study else settings
    journal = work.FileJournal(out.with_name(f"{out.name}.resume"), checkpoint)
    budget = work.Budget(lambda: work.time_pass(loaded, batch_size) if shared.in_order else None)
    found = work.interruptible(
        RETROFIT, budget,
        lambda **watch: work.retrofit(
            loaded, source, settings, journal=journal, workers=workers, runner=shared, **watch
        ),
    )  # fmt: skip
    if not shared.leads:
        return
    work.write_retrofit(out, found)
    if study:
        work.RunDirectory(Path(subject)).save(replace(study, retrofit=found))
    journal.remove()
    path = printable(out)
    with answering(as_json=json) as answer:
        console = work.make_console()
        console.table(work.retrofit_listing(found.table))
        console.print()
        console.say([*work.retrofit_lines(found), "", f"Weights: {path}. To load them:", ""])
        for line in work.loading_code(found, path).splitlines():
            console.print(line, soft_wrap=True, highlight=False)
        answer(lambda: work.plain(work.retrofit_json(found, path)))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("retrofit")(retrofit_command)
