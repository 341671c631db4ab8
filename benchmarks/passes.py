"""What one pass of each kind costs over a bare forward pass of the same images.

The baseline is that of `benchmarks.scan`: the module in eval mode, under `torch.no_grad`, channels
last, freed memory kept. Pairs alternate in one process. Processor time tells most where others use
the machine. A pass that asks a whole answer includes entering the intervention, reading the answer
and comparing it; counted passes include counting. A backward pass counts as two bare ones, and a
canvas or view as many as its own bare pass takes.
"""

from __future__ import annotations

import copy
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.pairs import Ratio, in_clocked_pairs
from padscope import ScanSettings, load_model
from padscope.effects.comparison import Unchanged
from padscope.errors import PadscopeError
from padscope.images import Batch, central
from padscope.interventions import Intervention, Selection, disturb_core, repad, silence
from padscope.measurements import EstimateMeasurement, contrasting
from padscope.measurements.band_measurement import BandMeasurement
from padscope.measurements.bands import choose_bands, padding_value
from padscope.measurements.contrast_plan import ContrastPlan, plan_scan
from padscope.measurements.features import find_features
from padscope.measurements.view_measurement import ViewMeasurement, plan_views
from padscope.measurements.views import choose_views
from padscope.models import LoadedModel, as_found
from padscope.regions import SampleSize
from padscope.running.model import Asking, as_input, observe_first
from padscope.settings import ExplainSettings
from padscope.sites import Observation
from padscope.study import as_images
from padscope.study.context import Context, find_context

VDSR = Path(__file__).parents[2] / "shared" / "weights" / "vdsr.safetensors"
COUNTED = 48  # images that counted passes are measured on: counting waits for many of them
CALIBRATE = 2  # batches that bins are fitted to, before the first pair
STRIDE = 32  # pixels per position of the last map, for views and bands
DEFAULTS = ExplainSettings(limit=COUNTED)


@dataclass(frozen=True)
class Cost:
    """What a kind of pass costs.

    Attributes
    ----------
    kind : str
    passes : float
        Bare forward passes that each of them stands for.
    processor, wall : Ratio
        Of the passes, and of as many bare ones.
    """

    kind: str
    passes: float
    processor: Ratio
    wall: Ratio

    def __str__(self) -> str:
        """Give a line of the table."""
        ratios = self.processor.ratios
        return (
            f"{self.kind:34} {self.passes:6.1f}   {statistics.median(ratios):.3f} "
            f"[{ratios[0]:.2f} – {ratios[-1]:.2f}]   {statistics.median(self.wall.ratios):.3f}"
        )


def networks() -> dict[str, LoadedModel]:
    """Load what passes are measured on; VDSR where its weights are in ``../shared/weights``."""
    found = {
        "lite0": load_model("lite0"),
        "resnet50": load_model("torchvision:resnet50", weights="random"),
    }
    if VDSR.exists():
        found["vdsr"] = load_model("examples.vdsr:vdsr", weights=str(VDSR))
    return found


def describe_passes(batch: int = 16, pairs: int = 5, *kinds: str) -> None:
    """Print the table of every network."""
    print("cost of a pass ÷ bare forward (target: ≤ 1.15)")
    print(f"{'':34} passes   processor time           wall")
    for name, loaded in networks().items():
        print(f"  {name}, batches of {batch}")
        for cost in costs(loaded, batch, pairs, kinds):
            print(f"    {cost}", flush=True)


def costs(loaded: LoadedModel, batch: int, pairs: int, kinds: tuple[str, ...]) -> Iterator[Cost]:
    """Measure the passes of every kind, or of those whose names begin so."""
    source = as_images(None, loaded, ScanSettings(crops=COUNTED, limit=COUNTED))
    bare = copy.deepcopy(loaded.module).eval()  # which nobody intercepts
    with as_found(loaded.module) as module:
        assert loaded.preprocessing is not None
        size = loaded.preprocessing.size
        context = find_context(module, loaded, source, size, DEFAULTS, 1)
        units = list(context.canvas.batches(context.canvas.units))
        crops = torch.cat([central(unit.pixels, size, "a canvas") for unit in units])
        one = Batch(0, tuple(range(batch)), as_input(module, crops[:batch]))
        network = _Network(module, bare, observe_first(module, crops[:1]), context, one, units)
        for kind, making in network.kinds().items():
            if kinds and not kind.startswith(kinds):
                continue
            with making as (passes, ours, theirs):
                wall, processor = in_clocked_pairs(ours, theirs, pairs)
            yield Cost(kind, passes, processor, wall)


Work = Callable[[], object]
# How many bare passes a kind stands for, the kind, and those bare passes.
Making = AbstractContextManager[tuple[float, Work, Work]]


@dataclass(frozen=True)
class _Network:
    """A network and what it is run on.

    Attributes
    ----------
    module, bare : nn.Module
        As it is measured, and a copy.
    observed : Observation
    context : Context
        Of the canvases.
    one : Batch
        Of crops.
    units : list of Batch
        All canvases.
    """

    module: nn.Module
    bare: nn.Module
    observed: Observation
    context: Context
    one: Batch
    units: list[Batch]

    def kinds(self) -> dict[str, Making]:
        """Name the kinds of passes."""
        few, many = self._drawn(275), self._drawn(1100)
        seen = self.observed
        return {
            "unchanged": self._asked(None),
            "all padding refilled": self._asked(partial(repad, observed=seen)),
            "275 filters refilled": self._asked(partial(repad, filters=few, observed=seen)),
            "1,100 filters refilled": self._asked(partial(repad, filters=many, observed=seen)),
            "275 filters silenced": self._asked(partial(silence, selection=few, observed=seen)),
            "core disturbed for 275 filters": self._asked(
                partial(disturb_core, selection=few, observed=seen)
            ),
            "scan, counted": self._scanned(),
            "crop and canvas, counted": self._contrasted(),
            "estimates": self._estimated(),
            "views": self._viewed(),
            "bands": self._banded(),
        }

    def _drawn(self, count: int) -> Selection:
        """Draw filters of all sites alike; all of a network that has fewer."""
        every = [(s.name, index) for s in self.observed.sites for index in range(s.filters)]
        drawn = np.random.default_rng(0).permutation(len(every))[:count]
        chosen: dict[str, list[int]] = {}
        for site, index in (every[place] for place in drawn):
            chosen.setdefault(site, []).append(index)
        return Selection.of(chosen)

    def _forward(self, batches: Iterable[Tensor]) -> Work:
        def run() -> None:
            with torch.no_grad():
                for pixels in batches:
                    self.bare(pixels.contiguous(memory_format=torch.channels_last))

        return run

    @contextmanager
    def _asked(
        self, make: Callable[[nn.Module], Intervention] | None
    ) -> Iterator[tuple[float, Work, Work]]:
        pixels, images, asking = self.one.pixels, self.one.indices, Asking()
        with torch.no_grad():
            unchanged = Unchanged(asking.ask(self.module, pixels, images), images)

        def run() -> None:
            with torch.no_grad(), nullcontext() if make is None else make(self.module) as running:
                if running is not None:
                    running.images = images
                unchanged.compare(asking.ask(self.module, pixels, images))

        yield 1, run, self._forward([pixels])

    @contextmanager
    def _scanned(self) -> Iterator[tuple[float, Work, Work]]:
        settings = ScanSettings()
        sample = SampleSize(settings.seed, settings.limit, *settings.positions(settings.limit))
        plan = plan_scan(self.observed, self.context.plan.size, sample)
        crops = [
            replace(unit, pixels=central(unit.pixels, plan.size, "a canvas")) for unit in self.units
        ]
        with self._counted(plan, crops) as run:
            yield len(crops), run, self._forward([crop.pixels for crop in crops])

    @contextmanager
    def _contrasted(self) -> Iterator[tuple[float, Work, Work]]:
        plan = self.context.plan
        both = [
            part
            for unit in self.units
            for part in (central(unit.pixels, plan.size, "a canvas"), unit.pixels)
        ]
        area = math.prod(self.context.canvas.canvas_size) / math.prod(plan.size)
        with self._counted(plan, self.units) as run:
            yield len(self.units) * (1 + area), run, self._forward(both)

    @contextmanager
    def _counted(self, plan: ContrastPlan, batches: list[Batch]) -> Iterator[Work]:
        numbers = itertools.count()
        with contrasting(self.module, plan, calibrate=CALIBRATE) as contrast:

            def run() -> None:
                for batch in batches:
                    contrast.update(replace(batch, unit=next(numbers)))
                contrast.state()

            yield run

    @contextmanager
    def _estimated(self) -> Iterator[tuple[float, Work, Work]]:
        measure = EstimateMeasurement(self.module, self.observed)
        yield 3, lambda: measure(self.one), self._forward([self.one.pixels] * 3)

    @contextmanager
    def _viewed(self) -> Iterator[tuple[float, Work, Work]]:
        canvas, asking = self.context.canvas, Asking()
        unit = self.units[0]
        views = choose_views(canvas.size, canvas.margin, STRIDE)
        plan = plan_views(self.module, views, unit.pixels, asking)
        try:
            features = find_features(self.module, plan.centre.cut(unit.pixels))
        except PadscopeError:
            features = None
        measure = ViewMeasurement(self.module, plan, {}, asking, features)
        every = [view.cut(unit.pixels) for view in (plan.centre, *plan.others)]
        area = sum(each[0, 0].numel() for each in every) / math.prod(canvas.size)
        yield area, lambda: measure(unit), self._forward(every)

    @contextmanager
    def _banded(self) -> Iterator[tuple[float, Work, Work]]:
        value = padding_value(self.observed)
        assert isinstance(value, float)
        size, few = self.context.plan.size, self._drawn(275).chosen or {}
        watched = {name: {"top": list(indices or ())} for name, indices in few.items()}
        bands = choose_bands(size, STRIDE)
        measure = BandMeasurement(self.module, bands, value, size, self.observed, watched, Asking())
        passes = 1 + len(measure.compared)  # filters are watched at this side alone
        yield passes, lambda: measure(self.one), self._forward([self.one.pixels] * passes)
