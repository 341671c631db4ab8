"""What other padding does to a network, with its weights as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import polars as pl
from torch import nn

from padscope.effects.resampling import Bootstrap, FloatArray
from padscope.errors import PadscopeError, Unfinished
from padscope.images import StreamedImages
from padscope.interventions.swaps import added_work, swap_treatments
from padscope.interventions.treatments import Treatment
from padscope.measurements.border_error import ERROR, MAP, MAPS, BorderError
from padscope.measurements.effects import TreatmentMeasurement
from padscope.models import LoadedModel
from padscope.running import Recorded, Runner
from padscope.settings import DepthSettings, SwapSettings
from padscope.study.compared import Compared, comparing
from padscope.study.depth import prepare
from padscope.study.impact_images import GivenLabels
from padscope.study.outcome import require_images
from padscope.study.reestimated import reestimated, unchanged
from padscope.study.result import Study
from padscope.study.stage import Journal
from padscope.study.stages import SWAPS, Effort, Progress
from padscope.study.subject import readable
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
    >>> import torch
    >>> net = nn.Conv2d(1, 4, 3, padding=1)
    >>> images = torch.rand(20, 1, 64, 64, generator=torch.manual_seed(0))
    >>> settings = SwapSettings(("reflect",), size=(32, 32), margin=16)
    >>> found = measure_swaps(net, images, settings=settings)
    >>> found.table["measure"].to_list()
    ['change', 'border_error']
    """
    settings = settings or SwapSettings()
    with comparing(
        SWAPS, model, images, labels, settings, study=study, journal=journal, progress=progress,
        stop=stop, workers=workers, runner=runner,
    ) as compared:  # fmt: skip
        return _Swapping(compared, settings).run()


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

    compared: Compared
    settings: SwapSettings

    def run(self) -> Swaps:
        compared, stage, settings = self.compared, self.compared.stage, self.settings
        asked, tested = compared.asked, compared.tested
        observed, notes = asked.observation, list(asked.notes)
        treatments = swap_treatments(settings.fills, observed, seed=settings.seed)
        if settings.reestimate:
            treatments = (*treatments, *self._reestimated(treatments))
        passes = 1 + len(treatments)
        if (images := tested.images()) is not None:
            stage.expect(Effort.of(passes * images))
        make = partial(
            TreatmentMeasurement, compared.module, treatments, (), asked.asking, compared.classes,
            compared.metric,
        )  # fmt: skip
        job = tested.job("answers", make)
        answers = require_images(stage.run(job, Recorded(), passes=passes), "the swaps")
        border, name, maps = None, "", BORDER_MAPS.empty()
        try:
            if settings.border_images:
                border, name, maps = self._border(treatments)
        except Unfinished:
            raise
        except PadscopeError as error:
            notes.append(f"Not measured: the border beside real surroundings ({error}).")
        sites = [site for site in observed.sites if site.refillable]
        table = swap_table(
            [treatment.change for treatment in treatments], answers.rows,
            compared.bootstrap(answers), border, self._added(treatments), compared.metric,
        )  # fmt: skip
        held = tuple(dict.fromkeys(site.fill for site in sites))
        return Swaps(
            **compared.described(answers), held=held, border=name, table=table, maps=maps,
            notes=tuple(notes),
        )  # fmt: skip

    def _reestimated(self, treatments: tuple[Treatment, ...]) -> Iterator[Treatment]:
        """Estimate batch norms anew under every swap; first without any, which is its price."""
        tested, module = self.compared.tested, self.compared.module
        units = range(tested.units(self.settings.reestimate) or 1)
        batches = list(readable(tested.batches(units, self.settings.reestimate)))
        alone = replace(treatments[0], change=AS_IS.removesuffix(REESTIMATED), make=unchanged)
        for one in (alone, *treatments):
            # Their pixels are on the CPU until they are run.
            again = reestimated(one, module, (batch.pixels for batch in batches))
            if again is None:
                raise PadscopeError(
                    "the model has no batch norm whose statistics can be estimated anew; leave "
                    "reestimate out"
                )
            yield again

    def _border(
        self, treatments: tuple[Treatment, ...]
    ) -> tuple[tuple[FloatArray, Bootstrap], str, pl.DataFrame]:
        """Compare the border with that of real surroundings."""
        compared, settings = self.compared, self.settings
        source, asking = compared.tested.source, compared.asked.asking
        if isinstance(source, StreamedImages):
            raise PadscopeError(
                "a stream of images can be read only once; give a folder, a tensor or a Dataset"
            )
        how = DepthSettings(
            limit=settings.border_images, margin=settings.margin, seed=settings.seed,
            batch_size=settings.batch_size, output=asking.key,
        )  # fmt: skip
        canvas, _, plan = prepare(
            compared.module, compared.loaded, source, compared.size, how, compared.workers
        )
        look = BorderError(compared.module, plan, treatments, asking)
        passes = 1 + len(treatments) + prod(canvas.canvas_size) / prod(canvas.size)
        found = compared.run("borders", canvas, look, passes, "the border")
        swaps = [treatment.change for treatment in treatments]
        stride, images = plan.everything[look.name].stride, int(found.sums[MAPS])
        maps = border_maps(swaps, found.sums[MAP], images, stride)
        return (found.rows[ERROR].double().numpy(), compared.bootstrap(found)), look.name, maps

    def _added(self, treatments: tuple[Treatment, ...]) -> dict[str, float]:
        """Values that every swap writes once more, over the multiply-adds."""
        observed = self.compared.asked.observation
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
