"""The same architecture untrained, on the same images: what every count is set beside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polars as pl
import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.images import central, unit_count
from padscope.measurements import ContrastPlan, Counts, contrasting
from padscope.measurements.shortened import shortened
from padscope.models import (
    LoadedModel,
    as_found,
    fresh_weights,
    reestimate_batchnorm,
    shuffled_weights,
)
from padscope.running.model import as_input
from padscope.scores import score_borders
from padscope.settings import ExplainSettings
from padscope.study.context import Canvas
from padscope.study.explanation import FRESH, SHUFFLED
from padscope.study.stage import Stage
from padscope.tables import network_table

Build = Callable[[], nn.Module]


def baseline_networks(loaded: LoadedModel, settings: ExplainSettings) -> dict[str, Build]:
    """Name the baselines of a model, each with what builds it."""
    if not settings.baselines:
        return {}
    # From 1 on: a model that is itself untrained was built with seed 0.
    seeds = [settings.seed + number for number in range(1, settings.baselines + 1)]
    fresh: dict[str, Build] = {
        f"{FRESH} {seed}": partial(fresh_weights, loaded, seed) for seed in seeds
    }
    return fresh | {SHUFFLED: partial(shuffled_weights, loaded, settings.seed)}


def run_baseline(
    name: str,
    build: Build,
    canvas: Canvas,
    plan: ContrastPlan,
    settings: ExplainSettings,
    stage: Stage,
) -> pl.DataFrame:
    """Run one baseline on the images and score it, as `network_table` does.

    Batch norm statistics are estimated anew on the crops: those of the trained network belong to
    activations that a baseline does not have.

    Raises
    ------
    PadscopeError
        The architecture has no such baseline.
    """
    light = plan.light()
    calibrate = unit_count(settings.calibrate, canvas.batch_size)
    with as_found(build()) as module:

        def crops() -> Iterator[Tensor]:
            for batch in canvas.kept(canvas.units):
                if batch.indices:
                    yield as_input(module, central(batch.pixels, plan.size, "a batch of images"))

        # A layer that the first pass makes has no name while it runs.
        with torch.no_grad():
            for crop in itertools.islice(crops(), 1):
                module(crop[:2])
        with shortened(module, light) as run:
            reestimate_batchnorm(module, crops(), run)
        job = canvas.job(name, canvas.kept, lambda _: contrasting(module, light, calibrate))
        counts = stage.run(job, Counts())
    return network_scores(name, light, counts)


def network_scores(name: str, plan: ContrastPlan, counts: Counts) -> pl.DataFrame:
    """Score line 0 at every padded site of one network."""
    if not counts.images:
        raise PadscopeError("no image could be run; give images that are large enough")
    sites = plan.sites.values()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # NumPy lets go of the lock
        scored = pool.map(
            lambda site: score_borders(site.layout, counts.of_site(site.site.name)), sites
        )
        scores = dict(zip(plan.sites, scored, strict=True))
    return network_table(
        name,
        {site: score.response for site, score in scores.items()},
        {site: score.causal for site, score in scores.items()},
    )
