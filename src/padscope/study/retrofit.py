"""The same network with other padding, tuned to give what it gives with real surroundings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from padscope.effects.resampling import Bootstrap
from padscope.errors import PadscopeError, near
from padscope.images import Batch, StreamedImages
from padscope.measurements import Counts, contrasting, plan_scan
from padscope.measurements.depth import DepthPlan
from padscope.measurements.output import OUTPUT
from padscope.measurements.retrofit import (
    BorderErrors,
    ComparedMap,
    Fitting,
    Parameters,
    Tuning,
    border_mask,
)
from padscope.models import LoadedModel, as_found
from padscope.models.baselines import copied
from padscope.models.padding_modes import MODES, padding_modes, set_padding_modes
from padscope.regions import SampleSize
from padscope.running import Pulse, Recorded, Recording, Runner, find_runner
from padscope.running.model import Asking, measures_of, observe_first
from padscope.settings import RetrofitSettings, ScanSettings
from padscope.sites.depth_bounds import DepthBounds
from padscope.study.baselines import network_scores
from padscope.study.context import Canvas
from padscope.study.depth import crop_size, open_large, prepare
from padscope.study.inputs import as_loaded, fingerprint
from padscope.study.retrofit_result import Retrofit
from padscope.study.stage import Journal, Stage
from padscope.study.stages import RETROFIT, Effort, Progress
from padscope.tables.retrofit import ComparedNetwork, retrofit_table

GIVEN, SWAPPED, TUNED = "given", "swapped", "tuned"
CONTENT = 0.01  # share of the content beyond which a filter recalls the border
FEWEST = 3  # photographs, of which one compares
CALIBRATE = 4  # units


@dataclass(frozen=True)
class _Network:
    """A network of the comparison."""

    kind: str
    padding: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.padding}"


def retrofit(
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: RetrofitSettings | None = None,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Retrofit:
    """Give a network other padding, and tune it to give at its border what real surroundings give.

    No labels are needed: what the given network gives for the same pixels in the middle of a larger
    image is the aim. Norms stay in eval mode; shifts are tuned first, then the kernels of the
    convolutions that pad as well, while the map far from the border is held where it is. The same
    is done with the padding that the network has, to tell what tuning brings by itself.

    Parameters
    ----------
    model : nn.Module, LoadedModel or str
        With convolutions of torch's own that pad. It comes back exactly as it was.
    images : path, Tensor, Dataset or None
        As of `measure_depth`: photographs, or tensors larger than the crop. Of a third of the
        photographs nothing is used but to compare.
    settings : RetrofitSettings, optional
    journal : Journal, optional
        To keep checkpoints in, and to resume from.
    progress, stop, workers, runner
        As of `scan`; what is done is counted in forward passes of crops.

    Raises
    ------
    PadscopeError
        The model, the images or the two together cannot be used.
    Interrupted
        `stop` said so; with a journal, the same call goes on from there.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1))
    >>> images = torch.rand(9, 1, 200, 200, generator=torch.manual_seed(0))
    >>> found = retrofit(net, images, RetrofitSettings(size=(16, 16), steps=2))
    >>> set(found.modes.values()), found.fitted, found.counted
    ({'reflect'}, 6, 3)
    """
    if workers < 1:
        raise PadscopeError(f"workers is {workers}; give 1 or more")
    settings = settings or RetrofitSettings()
    if settings.fill not in MODES:
        raise PadscopeError(
            f"no convolution of torch pads with {settings.fill!r}; {near(settings.fill, MODES)}"
        )
    runner = find_runner(runner)
    with runner.together():
        loaded = as_loaded(model)
        modes = _modes(loaded)
        source = open_large(images, loaded, settings)
        if isinstance(source, StreamedImages):
            raise PadscopeError(
                "images that come one after the other cannot be gone through again; give a "
                "folder, a tensor or a Dataset"
            )
        size = crop_size(loaded, settings)
        with as_found(loaded.module) as module:
            canvas, bounds, plan = prepare(module, loaded, source, size, settings, workers)
            compared = journal is not None or not runner.in_order
            identity = {
                "weights": loaded.weights_hash,
                "images": fingerprint(source, settings.limit, compared=compared),
                "size": list(size),
                "margin": list(canvas.margin),
                "settings": asdict(replace(settings, size=None)),  # it has its own entry
                "versions": {"padscope": version("padscope"), "torch": torch.__version__},
            }
            stage = Stage(RETROFIT, identity, runner, journal, progress, stop)
            work = _Work(loaded, module, modes, canvas, bounds, plan, settings, stage)
            found = work.run(identity)
            stage.finish()
    return found


def _modes(loaded: LoadedModel) -> dict[str, str]:
    modes = padding_modes(loaded.module)
    if not modes:
        raise PadscopeError(
            f"no convolution of {loaded.spec} pads its input by itself, so there is no padding "
            "to exchange; where the padding is a step of its own, exchange it in the code"
        )
    parameters = [*loaded.module.parameters()]
    if any(each.dtype != torch.float32 for each in parameters):
        raise PadscopeError(f"{loaded.spec} is not in float32; convert it, and tune it then")
    return modes


@dataclass(frozen=True)
class _Work:
    """What is retrofitted, and on what."""

    loaded: LoadedModel
    given: nn.Module
    modes: dict[str, str]
    canvas: Canvas
    bounds: DepthBounds
    plan: DepthPlan
    settings: RetrofitSettings
    stage: Stage

    @property
    def own(self) -> str:
        """What the given network pads with."""
        modes = {*self.modes.values()}
        return modes.pop() if len(modes) == 1 else "mixed"

    @property
    def compared(self) -> ComparedMap:
        return ComparedMap(self.plan, Asking(self.settings.output, self.loaded.static_batch))

    def network(self, padding: str) -> nn.Module:
        """Copy the given network with other padding."""
        module = copied(self.loaded)
        return module if padding == "mixed" else set_padding_modes(module, padding)

    def run(self, identity: dict[str, Any]) -> Retrofit:
        settings, canvas = self.settings, self.canvas
        first = canvas.first()
        kept = self._kept_padding(first)
        fitted, held = self._split()
        swapped, notes = self._swaps(first)
        tuned = [_Network(TUNED, each) for each in dict.fromkeys([self.own, settings.fill])]
        networks = [_Network(GIVEN, self.own), *swapped, *tuned]
        area = prod(canvas.canvas_size) / prod(canvas.size)
        steps = settings.steps * self._tuning(({}, {})).passes(area)
        self.stage.expect(Effort.of(
            len(tuned) * (steps + len(fitted) * area)
            + len(held) * (len(networks) + area * (1 + len(tuned)))
            + (1 + len(tuned)) * (canvas.images or 0)
        ))  # fmt: skip
        weights = {each.padding: self._fit(each, fitted, steps, area) for each in tuned}
        built = {
            each.name: self._with(each.padding, weights[each.padding] if each in tuned else {})
            for each in networks
        }
        found, measure = self._compare(built, {each.name for each in tuned}, held, area)
        counts = {
            each.name: self._count(each.name, built[each.name], first)
            for each in (networks[0], *tuned)
        }
        table = retrofit_table(
            [
                ComparedNetwork(
                    each.kind, each.padding, found.rows[f"error/{each.name}"].numpy(),
                    found.rows[f"answer/{each.name}"].numpy(),
                    found.rows[f"interior/{each.name}"].numpy() if each in tuned else None,
                    counts.get(each.name, {}),
                )
                for each in networks
            ],
            measure,
            Bootstrap([self._group(i) for i in found.indices], settings.resamples, settings.seed),
        )  # fmt: skip
        last = built[tuned[-1].name]
        state = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in last.state_dict().items()
        }
        return Retrofit(
            identity, self.loaded.describe(), canvas.source.describe(), len(fitted), found.images,
            canvas.size, canvas.margin, self.compared.name, settings.fill, self.own, state,
            padding_modes(last), table, found.skipped, (*kept, *notes),
        )  # fmt: skip

    def _group(self, index: int) -> int:
        assert not isinstance(self.canvas.source, StreamedImages)
        return self.canvas.source.group(index)

    def _split(self) -> tuple[frozenset[int], frozenset[int]]:
        """Choose which images are tuned on, and which compare: no photograph is among both."""
        indices = range(self.canvas.images or 0)
        groups = sorted({self._group(index) for index in indices})
        if len(groups) < FEWEST:
            raise PadscopeError(
                f"{len(groups)} of the images are independent; give {FEWEST} or more, of which a "
                "third is kept to compare on"
            )
        order = np.random.default_rng(self.settings.seed).permutation(len(groups))
        held = {groups[place] for place in order[: len(groups) // 3]}
        apart = frozenset(index for index in indices if self._group(index) in held)
        return frozenset(indices) - apart, apart

    def _kept_padding(self, first: Tensor) -> list[str]:
        """Say which padding stays as it is: of what pads in its own way."""
        observed = self._observe(self.network(self.settings.fill), first)
        was = {site.name: site.fill for site in self.plan.observation.sites}
        convolutions = [site for site in observed if site.op.startswith("conv")]
        kept = [
            site.name
            for site in convolutions
            if site.fill != self.settings.fill and site.fill == was.get(site.name)
        ]
        if len(kept) == len(convolutions):
            raise PadscopeError(
                f"setting padding_mode changes nothing in {self.loaded.spec}: its convolutions "
                "compute in their own way; exchange the padding in its code"
            )
        if not kept:
            return []
        more = f" and {len(kept) - 3} more" if len(kept) > 3 else ""
        return [f"Padded as before: {', '.join(kept[:3])}{more}."]

    def _observe(self, network: nn.Module, first: Tensor) -> Iterable[Any]:
        crop = self._crop(first)
        with as_found(network) as module:
            return observe_first(module, crop, self.loaded.static_batch).sites

    def _crop(self, canvas: Tensor) -> Tensor:
        for axis, (size, margin) in enumerate(
            zip(self.canvas.size, self.canvas.margin, strict=True), start=2
        ):
            canvas = canvas.narrow(axis, margin, size)
        return canvas

    def _swaps(self, first: Tensor) -> tuple[list[_Network], list[str]]:
        """List the plain swaps that run at all."""
        swaps, notes = [], []
        for mode in MODES:
            if mode == self.own:
                continue
            try:
                self._observe(self.network(mode), first)
            except PadscopeError as error:
                if mode == self.settings.fill:
                    raise
                notes.append(f"Not compared: padding with {mode} ({error}).")
            else:
                swaps.append(_Network(SWAPPED, mode))
        return swaps, notes

    def _fit(
        self, network: _Network, fitted: frozenset[int], passes: float, area: float
    ) -> dict[str, Tensor]:
        """Tune a network; return what was tuned."""
        model = self.network(network.padding)
        parameters = _parameters(model, self.modes)

        @contextmanager
        def start(pulse: Pulse) -> Iterator[Recording]:
            with as_found(self.given) as teacher, as_found(model) as student:
                tuning = self._tuning(parameters)
                yield Recording(Fitting(teacher, student, self.compared, tuning, pulse))

        everything = replace(self.canvas, batch_size=self.canvas.images or 1)
        job = everything.job(network.name, partial(_only, fitted, everything.batches), start)
        each = passes / len(fitted) + area
        return self.stage.run(job, Recorded(), passes=each).sums

    def _tuning(self, parameters: Parameters) -> Tuning:
        settings = self.settings
        return Tuning(
            parameters, settings.steps, settings.batch_size, settings.rate, settings.hold,
            settings.seed,
        )  # fmt: skip

    def _with(self, padding: str, weights: Mapping[str, Tensor]) -> nn.Module:
        module = self.network(padding)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name in weights:
                    parameter.copy_(weights[name])
        return module

    def _compare(
        self, networks: Mapping[str, nn.Module], tuned: Collection[str], held: frozenset[int],
        area: float,
    ) -> tuple[Recorded, str]:  # fmt: skip
        compared = self.compared
        bounds = self.bounds.output if compared.name == OUTPUT else None
        bounds = bounds or self.bounds.sites.get(compared.name)
        size = compared.aligned.size
        reach = [
            tuple(
                _lines(bounds.ends[axis, far].lines if bounds else None, n) for far in (False, True)
            )
            for axis, n in enumerate(size)
        ]
        border = border_mask(size, [(near, far) for near, far in reach])
        first = self._crop(self.canvas.first())
        with torch.no_grad():
            answer = compared.asking.ask(self.given, first, [0])
        measure = measures_of(answer)[-1]

        @contextmanager
        def start(pulse: Pulse) -> Iterator[Recording]:
            with ExitStack() as stack:
                opened = {name: stack.enter_context(as_found(m)) for name, m in networks.items()}
                yield Recording(BorderErrors(
                    self.given, opened, frozenset(tuned), compared, border, measure, pulse
                ))  # fmt: skip

        job = self.canvas.job("compare", partial(_only, held, self.canvas.batches), start)
        passes = len(networks) + area * (1 + len(tuned))
        found = self.stage.run(job, Recorded(), passes=passes)
        if not found.images:
            raise PadscopeError("no image is left to compare on; give more")
        return found, measure

    def _count(self, name: str, network: nn.Module, first: Tensor) -> dict[str, int]:
        """Count filters that respond to the border, and that recall it, as a scan does."""
        canvas, static = self.canvas, self.loaded.static_batch
        per_line, per_core = ScanSettings().positions(canvas.images)
        sample = SampleSize(self.settings.seed, canvas.images, per_line, per_core, per_line)
        with as_found(network) as module:
            observed = observe_first(module, self._crop(first), static)
            plan = replace(plan_scan(observed, canvas.size, sample, static), margin=canvas.margin)

            def start(_: Pulse) -> AbstractContextManager[Any]:
                return contrasting(module, plan, CALIBRATE)

            job = canvas.job(f"count {name}", canvas.batches, start)
            counts = self.stage.run(job, Counts())
        found = network_scores(name, plan, counts, CONTENT)
        filters, dead, responds, recalled = found.select(
            "filters", "unmeasured", "candidates", "recalled"
        ).sum().row(0)  # fmt: skip
        return {"filters": filters - dead, "responds": responds, "recalled": recalled}


def _lines(found: int | None, size: int) -> int:
    return size if found is None else min(found, size)


def _parameters(model: nn.Module, modes: Collection[str]) -> Parameters:
    """Name the shifts of convolutions and norms, and the kernels that see padding."""
    owners = {
        f"{path}.{name}".removeprefix("."): (path, layer)
        for path, layer in model.named_modules()
        for name in layer._parameters
    }
    shifts, kernels = {}, {}
    for name, parameter in model.named_parameters():
        path, layer = owners[name]
        if name.endswith("weight") and path in modes:
            kernels[name] = parameter
        elif name.endswith("bias") and not isinstance(layer, nn.Linear):
            shifts[name] = parameter
    return shifts, kernels


def _only(
    chosen: frozenset[int], batches: Callable[[Iterable[int]], Iterator[Batch]],
    units: Iterable[int],
) -> Iterator[Batch]:  # fmt: skip
    """Leave out all images but some."""
    for batch in batches(units):
        rows = [row for row, index in enumerate(batch.indices) if index in chosen]
        indices = tuple(batch.indices[row] for row in rows)
        skipped = tuple(skip for skip in batch.skipped if skip.index in chosen)
        yield replace(batch, indices=indices, pixels=batch.pixels[rows], skipped=skipped)
