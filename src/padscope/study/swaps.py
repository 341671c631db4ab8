"""What other padding does to a network, with its weights as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from math import prod
from typing import Any

import polars as pl
import torch
from torch import nn

from padscope.effects import kind_of_answer, load_metric
from padscope.effects.metric import Metric
from padscope.effects.resampling import Bootstrap, FloatArray
from padscope.errors import PadscopeError, Unfinished
from padscope.images import StreamedImages
from padscope.interventions.swaps import added_work, swap_treatments
from padscope.interventions.treatments import Treatment
from padscope.measurements.border_error import ERROR, MAP, MAPS, BorderError
from padscope.measurements.effects import TreatmentMeasurement
from padscope.models import LoadedModel, as_found
from padscope.running import Recorded, Recording, Runner, find_runner
from padscope.settings import DepthSettings, ImpactSettings, SwapSettings
from padscope.study.depth import crop_size, prepare
from padscope.study.impact_images import GivenLabels, ImpactImages, open_impact_images
from padscope.study.inputs import as_loaded
from padscope.study.outcome import require_images
from padscope.study.reestimated import reestimated, unchanged
from padscope.study.result import Study
from padscope.study.stage import Journal, Stage
from padscope.study.stages import SWAPS, Effort, Progress
from padscope.study.subject import Asked, ask_first, readable
from padscope.study.swaps_result import AS_IS, REESTIMATED, Swaps
from padscope.tables.efficiency import filter_costs
from padscope.tables.schema import BORDER_MAPS
from padscope.tables.swaps import border_maps, swap_table


def measure_swaps(
    model: nn.Module | LoadedModel | str,
    images: object = None,
    labels: GivenLabels | None = None,
    settings: SwapSettings | None = None,
    *,
    study: Study | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Swaps:
    """Measure what other padding does to a network's answers, and to its border.

    All padding of convolutions is filled anew while the model runs; its weights stay as they are.
    Answers are compared with those of the network as it is; the border of its last map, or of a
    dense answer, with what it is with real surroundings.

    Parameters
    ----------
    model : nn.Module, LoadedModel or str
        It comes back exactly as it was.
    images, labels
        As of `impact`.
    settings : SwapSettings, optional
    study : Study, optional
        Of the same model, whose size of crops is taken.
    journal : Journal, optional
        A `RunDirectory` with the scan of `study`, to keep checkpoints in and to resume from.
    progress, stop, workers, runner
        As of `scan`; what is done is counted in forward passes of single images.

    Raises
    ------
    PadscopeError
        The model, the images, the labels, the metric or a fill cannot be used.
    Interrupted
        `stop` said so; with a journal, the same call goes on from there.

    Examples
    --------
    >>> net = nn.Conv2d(1, 4, 3, padding=1)
    >>> images = torch.rand(20, 1, 64, 64, generator=torch.manual_seed(0))
    >>> settings = SwapSettings(("reflect",), size=(32, 32), margin=16)
    >>> found = measure_swaps(net, images, settings=settings)
    >>> found.table["measure"].to_list()
    ['change', 'border_error']
    """
    if workers < 1:
        raise PadscopeError(f"workers is {workers}; give 1 or more")
    settings = settings or SwapSettings()
    metric = load_metric(settings.metric) if settings.metric else None
    runner = find_runner(runner)
    with runner.together():
        weights = None if study is None else study.identity["weights"]
        loaded = as_loaded(model, weights=weights, done="scanned")
        size = crop_size(loaded, DepthSettings(size=settings.size), study)
        asking = ImpactSettings(
            limit=settings.limit, seed=settings.seed, batch_size=settings.batch_size,
            output=settings.output,
        )  # fmt: skip
        tested = open_impact_images(images, loaded, size, asking, workers)
        with as_found(loaded.module) as module:
            asked = ask_first(loaded, module, tested, labels, asking)
            compared = journal is not None or not runner.in_order
            identity = {
                "scan": None if study is None else study.identity,
                "weights": loaded.weights_hash,
                "images": asked.tested.fingerprint(compared=compared),
                "size": list(size),
                # The size has its own entry; tuples would be lists when they are read again.
                "settings": asdict(replace(settings, size=None)) | {"fills": [*settings.fills]},
                "versions": {"padscope": version("padscope"), "torch": torch.__version__},
            }
            stage = Stage(SWAPS, identity, runner, journal, progress, stop)
            swapping = _Swapping(loaded, module, asked, settings, metric, workers)
            found = swapping.run(stage)
            stage.finish()
    return replace(found, identity=identity)


def swaps(
    study: Study,
    model: nn.Module | LoadedModel | str,
    images: object = None,
    labels: GivenLabels | None = None,
    settings: SwapSettings | None = None,
    **how: Any,
) -> Study:
    """Measure what other padding does, and add it to a study; parameters as of `measure_swaps`."""
    found = measure_swaps(model, images, labels, settings, study=study, **how)
    return replace(study, swaps=found)


@dataclass(frozen=True)
class _Swapping:
    """The two jobs of a stage: answers, and borders."""

    loaded: LoadedModel
    module: nn.Module
    asked: Asked
    settings: SwapSettings
    metric: Metric | None
    workers: int

    @property
    def tested(self) -> ImpactImages:
        return self.asked.tested

    def run(self, stage: Stage) -> Swaps:
        settings, observed, notes = self.settings, self.asked.observation, list(self.asked.notes)
        treatments = swap_treatments(settings.fills, observed, seed=settings.seed)
        if settings.reestimate:
            treatments = (*treatments, *self._reestimated(treatments))
        passes = 1 + len(treatments)
        if (images := self.tested.images()) is not None:
            stage.expect(Effort.of(passes * images))
        make = partial(
            TreatmentMeasurement, self.module, treatments, (), self.asked.asking,
            self.tested.labels.of if self.tested.labels else None, self.metric,
        )  # fmt: skip
        job = self.tested.job("answers", make)
        answers = require_images(stage.run(job, Recorded(), passes=passes), "the swaps")
        border, name, maps = None, "", BORDER_MAPS.empty()
        try:
            if settings.border_images:
                border, name, maps = self._border(stage, treatments)
        except Unfinished:
            raise
        except PadscopeError as error:
            notes.append(f"Not measured: the border beside real surroundings ({error}).")
        sites = [site for site in observed.sites if site.refillable]
        table = swap_table(
            [treatment.change for treatment in treatments], answers.rows,
            self._bootstrap(answers), border, self._added(treatments), self.metric,
        )  # fmt: skip
        source, labels = self.tested.source, self.tested.labels
        return Swaps(
            {}, self.loaded.describe(), source.describe(), labels.described if labels else "",
            answers.images, kind_of_answer(self.asked.answer),
            tuple(dict.fromkeys(site.fill for site in sites)), name, table, maps,
            answers.skipped, tuple(notes),
        )  # fmt: skip

    def _reestimated(self, treatments: tuple[Treatment, ...]) -> Iterator[Treatment]:
        """Estimate batch norms anew under every swap; first without any, which is its price."""
        units = range(self.tested.units(self.settings.reestimate) or 1)
        batches = list(readable(self.tested.batches(units, self.settings.reestimate)))
        alone = replace(treatments[0], change=AS_IS.removesuffix(REESTIMATED), make=unchanged)
        for one in (alone, *treatments):
            # Their pixels are on the CPU until they are run.
            again = reestimated(one, self.module, (batch.pixels for batch in batches))
            if again is None:
                raise PadscopeError(
                    "the model has no batch norm whose statistics can be estimated anew; leave "
                    "reestimate out"
                )
            yield again

    def _border(
        self, stage: Stage, treatments: tuple[Treatment, ...]
    ) -> tuple[tuple[FloatArray, Bootstrap], str, pl.DataFrame]:
        """Compare the border with that of real surroundings."""
        settings, source = self.settings, self.tested.source
        if isinstance(source, StreamedImages):
            raise PadscopeError("images that come one after the other are gone through once")
        how = DepthSettings(
            limit=settings.border_images, margin=settings.margin, seed=settings.seed,
            batch_size=settings.batch_size, output=self.asked.asking.key,
        )  # fmt: skip
        canvas, _, plan = prepare(
            self.module, self.loaded, source, self.tested.size, how, self.workers
        )
        look = BorderError(self.module, plan, treatments, self.asked.asking)
        passes = 1 + len(treatments) + prod(canvas.canvas_size) / prod(canvas.size)
        if canvas.images is not None:
            stage.expect(Effort.of(passes * canvas.images))
        job = canvas.job("borders", canvas.batches, lambda _: nullcontext(Recording(look)))
        found = require_images(stage.run(job, Recorded(), passes=passes), "the border")
        swaps = [treatment.change for treatment in treatments]
        stride, images = plan.everything[look.name].stride, int(found.sums[MAPS])
        maps = border_maps(swaps, found.sums[MAP], images, stride)
        return (found.rows[ERROR].double().numpy(), self._bootstrap(found)), look.name, maps

    def _bootstrap(self, found: Recorded) -> Bootstrap:
        groups = self.tested.groups(found.indices)
        return Bootstrap(groups, self.settings.resamples, self.settings.seed)

    def _added(self, treatments: tuple[Treatment, ...]) -> dict[str, float]:
        """Values that every swap writes once more, over the multiply-adds."""
        observed = self.asked.observation
        sites = [site for site in observed.sites if site.name in observed.weights]
        work = int(filter_costs(sites, observed.weights)["macs"].sum())
        channels = []
        for site in sites:
            out, inner = observed.weights[site.name].shape[:2]
            channels.append(out if site.window.transposed else inner * site.groups)
        swapped = {
            one.change: added_work(one.change.removesuffix(REESTIMATED), sites, channels)
            for one in treatments
        }
        return {change: added / max(1, work) for change, added in (swapped | {AS_IS: 0}).items()}
