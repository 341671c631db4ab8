"""Networks of the same architecture, on the same images: what every count is set beside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import polars as pl
import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.images import central, unit_count
from padscope.measurements import ContentAroundFill, ContrastPlan, Counts, contrasting
from padscope.measurements.shortened import shortened
from padscope.models import (
    LoadedModel,
    as_found,
    fresh_weights,
    matched_weights,
    reestimate_batchnorm,
    shuffled_weights,
    without_shifts,
)
from padscope.models.baselines import copied
from padscope.running import Recorded, Recording
from padscope.running.model import as_input
from padscope.scores import recall_of
from padscope.settings import ExplainSettings
from padscope.study.context import Canvas
from padscope.study.explanation import (
    FRESH,
    GIVEN,
    MATCHED,
    REESTIMATED,
    SHUFFLED,
    UNSHIFTED,
)
from padscope.study.stage import Stage
from padscope.tables import network_table, zero_usual

Crops = Callable[[nn.Module], Iterator[Tensor]]  # as a module takes them
Build = Callable[[Crops, ContrastPlan], "Built"]
USUAL = "usual"  # what comes of `measure_usual`, among the tables of networks


@dataclass(frozen=True)
class Built:
    """A baseline network, and what could not be done for it; "" if nothing."""

    module: nn.Module
    note: str = ""


def baseline_networks(
    loaded: LoadedModel, settings: ExplainSettings, *, fits: bool
) -> dict[str, Build]:
    """Name the baselines of a model, each with what builds it.

    Parameters
    ----------
    loaded : LoadedModel
    settings : ExplainSettings
    fits : bool
        Whether its statistics of batch norm are those of the images.
    """
    # From 1 on: a model that is itself untrained was built with seed 0.
    seeds = [settings.seed + number for number in range(1, settings.baselines + 1)]
    named: dict[str, Build] = {f"{FRESH} {seed}": partial(_fresh, loaded, seed) for seed in seeds}
    named |= {f"{MATCHED} {seed}": partial(_matched, loaded, seed) for seed in seeds}
    if not fits:
        named[REESTIMATED] = partial(_reestimated, loaded)
    if settings.explain_cause:
        named[UNSHIFTED] = partial(_unshifted, loaded)
    if settings.shuffled:
        named[SHUFFLED] = partial(_shuffled, loaded, settings.seed)
    return named


def _fresh(loaded: LoadedModel, seed: int, crops: Crops, plan: ContrastPlan) -> Built:
    return Built(_settled(fresh_weights(loaded, seed), crops, plan))


def _reestimated(loaded: LoadedModel, crops: Crops, plan: ContrastPlan) -> Built:
    return Built(_settled(copied(loaded), crops, plan))


def _unshifted(loaded: LoadedModel, crops: Crops, plan: ContrastPlan) -> Built:
    return Built(_settled(without_shifts(loaded), crops, plan))


def _shuffled(loaded: LoadedModel, seed: int, crops: Crops, plan: ContrastPlan) -> Built:
    return Built(_settled(shuffled_weights(loaded, seed), crops, plan))


def _matched(loaded: LoadedModel, seed: int, crops: Crops, plan: ContrastPlan) -> Built:
    def run(module: nn.Module, pixels: Tensor) -> None:
        with shortened(module, plan) as short:
            short(pixels)

    found = matched_weights(loaded, seed, crops(loaded.module), run)
    if not found.unmatched:
        return Built(found.module)
    name, reason = next(iter(found.unmatched.items()))
    more = f", and {len(found.unmatched) - 1} more" if len(found.unmatched) > 1 else ""
    note = f"Not matched in baseline {f'{MATCHED} {seed}'!r}: {name} ({reason}){more}."
    return Built(found.module, note)


def _settled(module: nn.Module, crops: Crops, plan: ContrastPlan) -> nn.Module:
    """Estimate statistics of batch norm on the crops.

    Those of the given network belong to activations that other weights do not bring about.
    """
    # A layer that the first pass makes has no name while it runs.
    with torch.no_grad():
        for crop in itertools.islice(crops(module), 1):
            module(crop[:2])
    with shortened(module, plan) as run:
        reestimate_batchnorm(module, crops(module), run)
    return module


def first_crops(
    canvas: Canvas, size: tuple[int, ...], images: int, module: nn.Module
) -> Iterator[Tensor]:
    """Give the crops of the first images, as a module takes them."""
    for batch in canvas.kept(canvas.units_of(images)):
        if batch.indices:
            yield as_input(module, central(batch.pixels, size, "a batch of images"))


def measure_usual(
    loaded: LoadedModel,
    module: nn.Module,
    canvas: Canvas,
    plan: ContrastPlan,
    images: int,
    settings: ExplainSettings,
    stage: Stage,
) -> pl.DataFrame:
    """Find how usual the padding's value is among the content; see `zero_usual`."""

    def count(name: str, network: nn.Module) -> dict[str, Tensor]:
        look = ContentAroundFill(network, plan)
        job = canvas.job(name, canvas.kept, lambda _: nullcontext(Recording(look)), images)
        return stage.run(job, Recorded()).sums

    given, without = count(f"{USUAL} {GIVEN}", module), None
    if settings.explain_cause:
        crops = partial(first_crops, canvas, plan.size, images)
        try:
            network = _unshifted(loaded, crops, plan).module
        except PadscopeError:  # the row of this network says why
            network = None
        if network is not None:
            with as_found(network) as borrowed:
                without = count(f"{USUAL} {UNSHIFTED}", borrowed)
    return zero_usual(plan.observation.sites, given, without)


def run_baseline(
    name: str,
    build: Build,
    canvas: Canvas,
    plan: ContrastPlan,
    images: int,
    settings: ExplainSettings,
    stage: Stage,
) -> pl.DataFrame:
    """Run one baseline on crops of the first images and score it, as `network_table` does.

    Raises
    ------
    PadscopeError
        The architecture has no such baseline.
    """
    crops = partial(first_crops, canvas, plan.size, images)
    calibrate = unit_count(settings.calibrate, canvas.batch_size)
    built = build(crops, plan)
    with as_found(built.module) as module:
        job = canvas.job(name, canvas.kept, lambda _: contrasting(module, plan, calibrate), images)
        counts = stage.run(job, Counts())
    return network_scores(name, plan, counts, settings.content, built.note)


def network_scores(
    name: str, plan: ContrastPlan, counts: Counts, content: float, note: str = ""
) -> pl.DataFrame:
    """Score line 0 at every padded site of one network, as it is seen on crops alone."""
    if not counts.images:
        raise PadscopeError("no image could be run; give images that are large enough")
    sites = plan.sites.values()
    core = {site.site.name: site.positions.draws[0].lengths[-1] for site in sites}
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # NumPy lets go of the lock
        scored = pool.map(
            lambda site: recall_of(site.layout, counts.of_site(site.site.name), content), sites
        )
        scores = dict(zip(plan.sites, scored, strict=True))
    return network_table(name, scores, core, counts.images, note)
