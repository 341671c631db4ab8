"""`padscope tiles`: the halo with which tiles equal the whole, and what tiles of each size cost."""

from __future__ import annotations

from typing import Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.beside import BesideRun
from padscope.cli.depth import Subject
from padscope.cli.options import (
    Checkpoint,
    Device,
    Images,
    Numbers,
    Output,
    Seed,
    Size,
    Tolerance,
    Weights,
)
from padscope.counts import parse_bytes
from padscope.settings import AUTO, TileSettings
from padscope.study.stages import TILES

Sizes = Annotated[
    list[int] | None,
    typer.Option(
        "--tile",
        help="Length of a tile; repeat it to compare costs. Default: half an image and up.",
    ),
]
Halos = Annotated[
    list[int] | None,
    typer.Option("--halo", help="A halo to compare with the smallest; repeat it for several."),
]
Memory = Annotated[
    str | None,
    typer.Option(help="Memory of a tile, such as 2GB: finds the largest tile that fits."),
]
Offset = Annotated[int, typer.Option(help="How far tiles start out of step, to see the effect.")]
Few = Annotated[int, typer.Option(help="Images to run both whole and in tiles.")]


def tiles_command(
    subject: Subject,
    tile: Sizes = None,
    halo: Halos = None,
    memory: Memory = None,
    images: Images = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Few = 4,
    tolerance: Tolerance = 0.01,
    offset: Offset = 0,
    output: Output = None,
    seed: Seed = 0,
    device: Device = AUTO,
    checkpoint: Checkpoint = 60,
    json: Json = False,
) -> None:
    """Find the smallest halo for which tiles equal the whole, and what tiles cost."""
    settings = TileSettings(
        tuple(tile or ()), tuple(halo or ()), tolerance, parse_bytes(memory) if memory else None,
        offset, limit, seed, output=output,
    )  # fmt: skip
    how = BesideRun(
        work.Given(subject, weights, size, mean, std, images), device, work.find_runner("local"),
        checkpoint=checkpoint,
    )  # fmt: skip
    with answering(as_json=json) as answer:
        found = how.measure(TILES, work.measure_tiles, lambda _: settings)
        console = work.make_console()
        for listing in (work.halo_listing(found), work.tile_listing(found)):
            console.table(listing)
            console.print()
        console.say(work.tile_sentences(found))
        answer(lambda: work.beside_json(found, work.tile_sentences(found)))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("tiles")(tiles_command)
