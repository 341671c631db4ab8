"""What inference in tiles takes to be that of the whole: by running images whole and in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any

import polars as pl
import torch
from torch import nn

from padscope.counts import plural, told_bytes
from padscope.errors import Interrupted, PadscopeError
from padscope.images import stream
from padscope.models import LoadedModel, as_found
from padscope.running import Runner, find_runner
from padscope.running.held import bytes_held
from padscope.running.tile_shares import TileShares, tile_shares
from padscope.running.tiled import BesideWhole, cost_of
from padscope.settings import ScanSettings, TileSettings
from padscope.study.inputs import as_images, as_loaded, beside_identity, fingerprint
from padscope.study.result import Study
from padscope.study.stage import Journal, Stage
from padscope.study.stages import TILES, Effort, Progress
from padscope.study.tiles_result import Tiles
from padscope.tables.schema import HALOS, TILE_COSTS, TILE_SHARES

LADDER = (1, 2, 4, 8)  # tiles whose cost is told unasked, in those that were tried


def measure_tiles(
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: TileSettings | None = None,
    *,
    study: Study | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Tiles:
    """Find the smallest halo whose tiles equal the whole, what tiles cost, and why they differ.

    A few images are run whole, and in tiles with halos that are narrowed down.

    Parameters
    ----------
    model : nn.Module, LoadedModel or str
        It comes back exactly as it was. Its answer is a map.
    images
        As of `scan`; all of one size, large enough to have tiles.
    settings : TileSettings, optional
    study : Study, optional
        Of the same model.
    journal : Journal, optional
        A `RunDirectory` with the scan of `study`, to keep checkpoints in and to resume from.
    progress, stop, workers, runner
        As of `scan`; what is done is counted in images that were run, and how many it will take is
        not known. Of several processes, each does all of it.

    Raises
    ------
    PadscopeError
        The model's answer is no map, tiles do not fit the images or are out of step with the
        strides, or the limit of memory is too small for any tile.
    Interrupted
        `stop` said so; with a journal, the same call goes on from there.

    Examples
    --------
    >>> net = nn.Conv2d(1, 1, 5, padding=2)
    >>> images = torch.rand(4, 1, 48, 48, generator=torch.manual_seed(0))
    >>> found = measure_tiles(net, images, TileSettings((16,), memory=50_000))
    >>> found.halo, found.best, found.table["cost"].round(2).to_list()
    (2, 51, [1.56, 1.16])
    """
    settings = settings or TileSettings()
    runner = find_runner(runner)
    loaded = as_loaded(model, study)
    opening = ScanSettings(limit=settings.limit, crops=settings.limit, seed=settings.seed)
    source = as_images(images, loaded, opening)
    first = next(stream(source, range(1), settings.limit, workers), None)
    if first is None or not first.indices:
        raise PadscopeError("none of the images can be read; give photographs or tensors")
    pixels, notes = first.pixels[: settings.limit], list[str]()
    size = tuple(pixels.shape[2:])
    identity = beside_identity(study, loaded, fingerprint(source, settings.limit), settings)
    stage = Stage(TILES, identity, runner, journal, progress, stop)
    with as_found(loaded.module) as module, torch.no_grad():
        beside = BesideWhole(
            module, pixels, min(settings.tiles, default=None), output=settings.output, inexact=True,
        )  # fmt: skip
        tried = beside.tile
        assert isinstance(tried, int)
        trial = _Trial(beside, stage, tried, len(size))
        halo = trial.halo(settings, min(size))
        costs = _Costs(module, pixels.shape[1], len(size), halo or 0)
        best = None
        if settings.memory is not None and halo is not None:
            best = costs.largest(settings.memory, beside.step)
        wanted = settings.tiles or tuple(tried * times for times in LADDER)
        tiles = {*wanted, *([] if best is None else [best])}
        table = TILE_COSTS.frame(costs.row(tile, best) for tile in sorted(tiles))
        shares = None
        try:
            shares = tile_shares(
                module, pixels, tried, offset=settings.offset, output=settings.output,
                resamples=settings.resamples, seed=settings.seed,
            )  # fmt: skip
        except PadscopeError as error:
            notes.append(f"Not measured: why tiles differ ({error}).")
    if costs.problem:
        notes.append(f"Not known: what tiles hold ({costs.problem}).")
    stage.finish()
    return Tiles(
        identity, loaded.describe(), source.describe(), len(pixels), size, settings.tolerance,
        beside.step, tried, halo, beside.answer.whole, settings.memory, best,
        shares.difference if shares else None, settings.offset,
        shares.statistics if shares else (), table,
        trial.table(), _share_table(shares), first.skipped, tuple(notes),
    )  # fmt: skip


def tiles(
    study: Study,
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: TileSettings | None = None,
    **how: Any,
) -> Study:
    """Find what tiles take, and add it to a study; parameters as of `measure_tiles`."""
    return replace(study, tiles=measure_tiles(model, images, settings, study=study, **how))


@dataclass
class _Trial:
    """Halos that are tried, and kept, so that it can be gone on."""

    beside: BesideWhole
    stage: Stage
    tile: int
    axes: int

    def __post_init__(self) -> None:
        """Take up what was tried before."""
        kept = self.stage.kept.tables.get(HALOS.name)
        if isinstance(kept, pl.DataFrame):
            self.beside.tried |= {
                halo: inf if error is None else error
                for halo, error in kept.select("halo", "error").iter_rows()
            }

    def halo(self, settings: TileSettings, size: int) -> int | None:
        """Find the smallest; of a network that looks at the whole frame, try some that fit."""
        for each in (0, *settings.halos):  # the first for what it takes away
            self._error(each)
        if not self.beside.answer.whole:
            return self.beside.advise(settings.tolerance, error=self._error).pixels
        halo = 0
        while self.tile + halo <= size:
            self._error(halo)
            halo = 2 * halo or self.beside.step
        return None

    def _error(self, halo: int) -> float:
        if halo not in self.beside.tried:
            self.beside.error(halo)
            self.stage.spend(Effort.of(self.beside.images))
            self.stage.show(0)
            self.stage.conclude(HALOS.name, self.table())
        if self.stage.stopping():
            self.stage.finish()
            raise Interrupted(f"stopped after {plural(len(self.beside.tried), 'halo')}")
        return self.beside.tried[halo]

    def table(self) -> pl.DataFrame:
        """Return what was tried."""
        tried = [(halo, e) for halo, e in self.beside.tried.items() if isinstance(halo, int)]
        return HALOS.frame(
            (halo, e if isfinite(e) else None, cost_of(self.tile, halo, self.axes))
            for halo, e in sorted(tried)
        )


@dataclass
class _Costs:
    """What tiles of any size cost.

    Attributes
    ----------
    module : nn.Module
    channels, axes, halo : int
    problem : str
        Why it is not known what they hold.
    """

    module: nn.Module
    channels: int
    axes: int
    halo: int
    problem: str = ""

    def row(self, tile: int, best: int | None) -> dict[str, object]:
        """Tell what one size costs."""
        run, held = tile + 2 * self.halo, None
        try:
            held = self.held(tile)
        except PadscopeError as error:
            self.problem = str(error)
        cost = cost_of(tile, self.halo, self.axes)
        return {"tile": tile, "run": run, "cost": cost, "held": held, "best": tile == best}

    def held(self, tile: int) -> int:
        """Bound the bytes that a forward pass of one tile holds."""
        run = tile + 2 * self.halo
        return bytes_held(self.module, (1, self.channels, *[run] * self.axes))

    def largest(self, memory: int, step: int) -> int:
        """Find the largest tile in step that holds no more than so many bytes."""
        if (least := self.held(step)) > memory:
            raise PadscopeError(
                f"a memory limit of {told_bytes(memory)} is too small for one tile: the smallest "
                f"in step with the strides, {step} with a halo of {self.halo}, holds up to "
                f"{told_bytes(least)}; give that or more"
            )
        fits, beyond = 1, 2
        while self.held(beyond * step) <= memory:
            fits, beyond = beyond, 2 * beyond
        while beyond - fits > 1:
            middle = (fits + beyond) // 2
            if self.held(middle * step) <= memory:
                fits = middle
            else:
                beyond = middle
        return fits * step


def _share_table(shares: TileShares | None) -> pl.DataFrame:
    if shares is None:
        return TILE_SHARES.empty()
    return TILE_SHARES.frame(
        (each.cause, each.value, each.low, each.high, shares.images) for each in shares.shares
    )
