"""Networks of the same architecture, on the same images: what every count is set beside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property

import polars as pl
import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.images import central, unit_count
from padscope.measurements import ContentAroundFill, ContrastPlan, Counts, contrasting
from padscope.measurements.shortened import shortened
from padscope.models import (
    LoadedModel,
    Matching,
    as_found,
    fresh_weights,
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
    COMPARED,
    FRESH,
    GIVEN,
    MATCHED,
    REESTIMATED,
    SHUFFLED,
    UNSHIFTED,
)
from padscope.study.inputs import Start
from padscope.study.stage import Stage
from padscope.study.stages import Effort
from padscope.tables import network_table, zero_usual

DRAWS, OTHER_SEED = 3, 1000
USUAL_IMAGES = 16  # all of whose values are counted
USUAL = "usual"  # what comes of `measure_usual`, among the tables of networks
# What a pass costs over one of crop and canvas: few images bear the cost of their scores.
DEAR = {USUAL: 1.7, GIVEN: 2.0, MATCHED: 2.0}


@dataclass(frozen=True)
class Built:
    """A network, and what could not be done for it; "" if nothing."""

    module: nn.Module
    note: str = ""


def baseline_names(settings: ExplainSettings, *, fits: bool) -> list[str]:
    """Name what is to be run beside the explanation, the given network itself first.

    It is run again as the others are: on the same crops, at the same positions.

    Parameters
    ----------
    settings : ExplainSettings
    fits : bool
        Whether its statistics of batch norm are those of the images.
    """
    # From 1 on: a model that is itself untrained was built with seed 0.
    seeds = [settings.seed + number for number in range(1, settings.baselines + 1)]
    wanted = {
        REESTIMATED: not fits, UNSHIFTED: settings.explain_cause,
        f"{SHUFFLED} {settings.seed}": settings.shuffled,
    }  # fmt: skip
    return [
        GIVEN,
        *(f"{kind} {seed}" for kind in COMPARED for seed in seeds),
        *(name for name, asked in wanted.items() if asked),
    ]


def effort_of(name: str, images: int, settings: ExplainSettings) -> Effort:
    """Say what one of `baseline_names`, or `USUAL`, takes on some images."""
    return Effort.of(_passes(name, images, settings), _dear(name))


def _dear(name: str) -> float:
    return DEAR.get(name.partition(" ")[0], 1.5)


def _passes(name: str, images: int, settings: ExplainSettings) -> int:
    kind, _, number = name.partition(" ")
    if kind == USUAL:
        return min(USUAL_IMAGES, images) * (1 + settings.explain_cause)
    fitted = {GIVEN: 0, MATCHED: 2}.get(kind, 1)
    shared = kind == MATCHED and int(number) == settings.seed + 1  # what the given gives
    return images * (1 + fitted + shared)


@dataclass(frozen=True)
class Baselines:
    """Networks that stand beside the given one, on the crops of the first images.

    Attributes
    ----------
    loaded : LoadedModel
    canvas : Canvas
    plan : ContrastPlan
        Of crops alone.
    images : int
        How many they are run on.
    settings : ExplainSettings
    """

    loaded: LoadedModel
    canvas: Canvas
    plan: ContrastPlan
    images: int
    settings: ExplainSettings

    def crops(self, module: nn.Module, most: int | None = None) -> Iterator[Tensor]:
        """Give the crops, or the first of them, as a module takes them."""
        for batch in self.canvas.kept_of(min(most or self.images, self.images)):
            if batch.indices:
                crop = central(batch.pixels, self.plan.size, "a batch of images")
                yield as_input(module, crop)

    def effort(self, *names: str) -> Effort:
        """Say what some of `baseline_names`, or `USUAL`, take."""
        every = (effort_of(name, self.images, self.settings) for name in names)
        return sum(every, Effort())

    def build(self, name: str, redraw: int = 0) -> Built:
        """Build one of `baseline_names`, with `redraw` added to its seed."""
        kind, _, number = name.partition(" ")
        seed = int(number or 0) + redraw
        if kind == GIVEN:
            return Built(self.loaded.module)
        if kind == MATCHED:
            return self._matched(name, seed)
        networks: dict[str, Callable[[], nn.Module]] = {
            FRESH: lambda: fresh_weights(self.loaded, seed),
            SHUFFLED: lambda: shuffled_weights(self.loaded, seed),
            REESTIMATED: lambda: copied(self.loaded),
            UNSHIFTED: lambda: without_shifts(self.loaded),
        }
        return Built(self._settled(networks[kind]()))

    @cached_property
    def _matching(self) -> Matching:
        def run(module: nn.Module, pixels: Tensor) -> None:
            with shortened(module, self.plan) as short:
                short(pixels)

        return Matching(self.loaded, self.crops(self.loaded.module), run)

    def _matched(self, name: str, seed: int) -> Built:
        found = self._matching.draw(seed)
        if not found.unmatched:
            return Built(found.module)
        path, reason = next(iter(found.unmatched.items()))
        more = f", and {len(found.unmatched) - 1} more" if len(found.unmatched) > 1 else ""
        return Built(found.module, f"Not matched in baseline {name!r}: {path} ({reason}){more}.")

    def _settled(self, module: nn.Module) -> nn.Module:
        """Estimate statistics of batch norm on the crops.

        Those of the given network belong to activations that other weights do not bring about.
        """
        # A layer that the first pass makes has no name while it runs.
        with torch.no_grad():
            for crop in itertools.islice(self.crops(module), 1):
                module(crop[:2])
        with shortened(module, self.plan) as run:
            reestimate_batchnorm(module, self.crops(module), run)
        return module

    def usual(self, module: nn.Module, stage: Stage) -> pl.DataFrame:
        """Find how usual the padding's value is among the content; see `zero_usual`.

        Parameters
        ----------
        module : nn.Module
            The given network, borrowed.
        stage : Stage
        """

        def count(name: str, network: nn.Module) -> dict[str, Tensor]:
            look = ContentAroundFill(network, self.plan)
            images = self.canvas.first_images(USUAL_IMAGES, self.images)
            job = self.canvas.kept_job(name, images, lambda _: nullcontext(Recording(look)))
            return stage.run(job, Recorded(), dear=DEAR[USUAL]).sums

        given, without = count(f"{USUAL} {GIVEN}", module), None
        if self.settings.explain_cause:
            try:
                network = self.build(UNSHIFTED).module
            except PadscopeError:  # the row of this network says why
                network = None
            if network is not None:
                with as_found(network) as borrowed:
                    without = count(f"{USUAL} {UNSHIFTED}", borrowed)
        return zero_usual(self.plan.observation.sites, given, without)

    def run(self, name: str, stage: Stage) -> pl.DataFrame:
        """Run one network and score it, as `network_table` does.

        One that diverges, or none of whose filters gives more than one value, is drawn again.

        Raises
        ------
        PadscopeError
            The architecture has no such baseline.
        """
        calibrate = unit_count(self.settings.calibrate, self.canvas.batch_size)
        for draw in range(DRAWS):
            job = f"{name}, draw {draw + 1}" if draw else name
            note = f"Baseline {job!r}: what was drawn before was dead or diverged. " if draw else ""
            built = self.build(name, draw * OTHER_SEED)
            dear = _dear(name)
            own = _passes(name, self.images, self.settings) - self.images
            stage.spend(Effort.of(own, dear))
            with as_found(built.module) as module:
                start = _counting(module, self.plan, calibrate)
                job_of = self.canvas.kept_job(job, self.images, start)
                counts = stage.run(job_of, Counts(), dear=dear)
            content = self.settings.content
            scores = network_scores(name, self.plan, counts, content, f"{note}{built.note}")
            if name == GIVEN or (scores["unmeasured"] < scores["filters"]).any():
                return scores
        raise PadscopeError(f"all filters are dead, or diverge, in {DRAWS} draws of it")


def _counting(module: nn.Module, plan: ContrastPlan, calibrate: int) -> Start[Counts]:
    return lambda _: contrasting(module, plan, calibrate)


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
