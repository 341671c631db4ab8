"""`padscope tiles`: the halo with which tiles equal the whole, and what tiles of each size cost."""

from __future__ import annotations

from typing import Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.options import (
    Device,
    Images,
    Model,
    Numbers,
    Output,
    Seed,
    Size,
    Tolerance,
    Weights,
)
from padscope.errors import PadscopeError
from padscope.settings import AUTO

Tile = Annotated[
    list[int], typer.Option("--tile", help="Pixels of a tile; several to compare their costs.")
]
Few = Annotated[int, typer.Option(help="Images that are run whole and in tiles.")]


def tiles_command(
    model: Model,
    tile: Tile,
    images: Images = None,
    weights: Weights = None,
    size: Size = None,
    mean: Numbers = None,
    std: Numbers = None,
    limit: Few = 4,
    tolerance: Tolerance = 0.01,
    output: Output = None,
    seed: Seed = 0,
    device: Device = AUTO,
    json: Json = False,
) -> None:
    """Find the smallest halo whose tiles equal the whole, by trying, and what tiles cost."""
    if limit < 1 or min(tile) < 1:
        raise PadscopeError("give 1 image or more, and tiles of 1 pixel or more")
    loaded = work.load(work.Given(model, weights, size, mean, std, images), device)
    pixels = work.first_images(loaded, images, limit, seed)
    advised = work.halo_of(loaded.module, pixels, min(tile), tolerance=tolerance, output=output)
    axes = pixels.ndim - 2
    with answering(as_json=json) as answer:
        console = work.make_console()
        console.table(work.tile_listing(advised, sorted(tile), axes))
        console.print()
        console.say(work.tile_lines(advised, tolerance))
        answer(lambda: work.plain(work.tiles_json(advised, sorted(tile), axes, tolerance)))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("tiles")(tiles_command)
