"""The same network with padding that is tuned to give what it gives with real surroundings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from padscope.counts import plural
from padscope.effects.resampling import Bootstrap
from padscope.errors import PadscopeError, near
from padscope.images import Batch, StreamedImages
from padscope.measurements import Counts, contrasting, plan_scan
from padscope.measurements.depth import DepthPlan
from padscope.measurements.retrofit import (
    BorderErrors,
    ComparedMap,
    PaddingFit,
    border_mask,
    fit_lines,
)
from padscope.models import LoadedModel, as_found
from padscope.models.baselines import copied
from padscope.models.borrowing import set_eval
from padscope.models.padding_modes import MODES, padding_modes, set_padding_modes
from padscope.models.tuned_padding import SCALE, SHIFT, tune_padding
from padscope.regions import SampleSize
from padscope.running import Measurement, Pulse, Recorded, Recording, Runner
from padscope.running.model import Asking, measures_of, observe_first
from padscope.settings import RetrofitSettings, ScanSettings
from padscope.study.baselines import network_scores
from padscope.study.context import Canvas
from padscope.study.depth import opened
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
    """Tune a network's padding to give at its border what real surroundings give.

    No labels are needed: what the layers of the given network have around the same pixels in the
    middle of a larger image is the aim. Each padded line of each channel is scaled and shifted, by
    least squares; all else of the network stays as it is, and so does what it gives away from the
    border. The same is done with the kind of padding that the network has.

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
    >>> found.modes, found.fitted, found.counted
    ({'0': 'replicate', '1': 'replicate'}, 6, 3)
    """
    settings = settings or RetrofitSettings()
    if settings.fill not in MODES:
        raise PadscopeError(
            f"no convolution of torch pads with {settings.fill!r}; {near(settings.fill, MODES)}"
        )
    with opened(
        RETROFIT, model, images, settings, journal=journal, progress=progress, stop=stop,
        workers=workers, runner=runner,
    ) as at:  # fmt: skip
        if isinstance(at.canvas.source, StreamedImages):
            raise PadscopeError(
                "a stream of images cannot be read twice; give a folder, a tensor or a Dataset"
            )
        return _Work(
            at.loaded, at.module, _modes(at.loaded), at.canvas, at.plan, settings, at.stage
        ).run(at.identity)


def _modes(loaded: LoadedModel) -> dict[str, str]:
    modes = padding_modes(loaded.module)
    if not modes:
        raise PadscopeError(
            f"no convolution of {loaded.spec} pads its input by itself, so there is no padding "
            "to exchange; where the padding is a step of its own, exchange it in the code"
        )
    return modes


@dataclass(frozen=True)
class _Work:
    """What is retrofitted, and on what."""

    loaded: LoadedModel
    given: nn.Module
    modes: dict[str, str]
    canvas: Canvas
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
        fitted, held = self._split()
        swapped, notes = self._swaps(first)
        fills = dict.fromkeys([self.own, settings.fill])
        tuned = [_Network(TUNED, fill) for fill in fills if fill in MODES]
        networks = [_Network(GIVEN, self.own), *swapped, *tuned]
        area = prod(canvas.canvas_size) / prod(canvas.size)
        self.stage.expect(Effort.of(
            len(tuned) * settings.steps * len(fitted) * (1 + area)
            + len(held) * (len(networks) + area * (1 + len(tuned)))
            + (1 + len(tuned)) * (canvas.images or 0)
        ))  # fmt: skip
        weights = {each.padding: self._fit(each, fitted, area) for each in tuned}
        built = {
            each.name: self._tuned(each.padding, weights[each.padding])
            if each in tuned
            else self.network(each.padding)
            for each in networks
        }
        found, measure = self._compare(built, {each.name for each in tuned}, held, area)
        counts = {
            each.name: self._count(each.name, built[each.name]) for each in (networks[0], *tuned)
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
        state = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in weights[settings.fill].items()
        }
        layers = [name.removesuffix(SCALE) for name in state if name.endswith(SCALE)]
        return Retrofit(
            identity, self.loaded.describe(), canvas.source.describe(), len(fitted), found.images,
            canvas.size, canvas.margin, self.compared.name, settings.fill, self.own, state,
            dict.fromkeys(layers, settings.fill), table, found.skipped,
            (*self._kept_padding(layers), *notes),
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
                f"{plural(len(groups), 'independent image')}; give {FEWEST} or more, of which a "
                "third is kept to compare on"
            )
        order = np.random.default_rng(self.settings.seed).permutation(len(groups))
        held = {groups[place] for place in order[: len(groups) // 3]}
        apart = frozenset(index for index in indices if self._group(index) in held)
        return frozenset(indices) - apart, apart

    def _kept_padding(self, layers: Collection[str]) -> list[str]:
        """Say which padding stays as it is: of what pads in its own way."""
        kept = [site.name for site in self.plan.observation.sites if site.name not in layers]
        more = f" and {len(kept) - 3} more" if len(kept) > 3 else ""
        return [f"Padded as before: {', '.join(kept[:3])}{more}."] if kept else []

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

    def _fit(self, network: _Network, fitted: frozenset[int], area: float) -> dict[str, Tensor]:
        """Tune the padding, several times: what deep layers are given depends on that before."""
        lines: dict[str, tuple[Tensor, Tensor]] = {}
        for name in self.modes.keys() & self.plan.maps.keys():
            conv: Any = self.given.get_submodule(name)
            size = conv.in_channels, sum(conv._reversed_padding_repeated_twice)
            lines[name] = torch.ones(size), torch.zeros(size)
        for step in range(self.settings.steps):
            model = self._tuned(network.padding, self._weights(lines))
            job = self.canvas.job(
                f"{network.name}, step {step + 1}", partial(_only, fitted, self.canvas.batches),
                partial(self._fitting, model, sorted(lines)),
            )  # fmt: skip
            found = self.stage.run(job, Recorded(), passes=1 + area)
            if not found.images:
                raise PadscopeError("no image is left to tune on; give more photographs")
            lines = {name: fit_lines(sums) for name, sums in found.sums.items()}
        if not lines:
            raise PadscopeError(
                f"no padding of {self.loaded.spec} can be tuned: its convolutions compute in their "
                "own way, or their maps do not align with those of a larger image; exchange the "
                "padding in its code"
            )
        return self._weights(lines)

    @contextmanager
    def _fitting(self, model: nn.Module, layers: list[str], _: Pulse) -> Iterator[Recording]:
        with as_found(self.given) as teacher, as_found(model) as student:
            asking = self.compared.asking
            yield Recording(PaddingFit(teacher, student, layers, self.plan, asking))

    def _weights(self, lines: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Put the given network's weights together with those of its padding."""
        state = dict(self.given.state_dict())
        for name, ends in lines.items():
            state |= {name + end: each for end, each in zip((SCALE, SHIFT), ends, strict=True)}
        return state

    def _tuned(self, padding: str, weights: Mapping[str, Tensor]) -> nn.Module:
        module = copied(self.loaded)
        tune_padding(module, weights, padding)
        set_eval(module)
        return module

    def _compare(
        self, networks: Mapping[str, nn.Module], tuned: Collection[str], held: frozenset[int],
        area: float,
    ) -> tuple[Recorded, str]:  # fmt: skip
        compared = self.compared
        border = border_mask(compared.aligned.size, compared.aligned.reach)
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

    def _count(self, name: str, network: nn.Module) -> dict[str, int]:
        """Count filters that respond to the border, and that recall it, as a scan does."""
        canvas, static = self.canvas, self.loaded.static_batch
        per_line, per_core = ScanSettings().positions(canvas.images)
        sample = SampleSize(self.settings.seed, canvas.images, per_line, per_core, per_line)
        plan = plan_scan(self.plan.observation, canvas.size, sample, static)
        plan = replace(plan, margin=canvas.margin)

        @contextmanager
        def start(_: Pulse) -> Iterator[Measurement[Counts]]:
            with as_found(network) as module, contrasting(module, plan, CALIBRATE) as contrast:
                yield contrast

        counts = self.stage.run(canvas.job(f"count {name}", canvas.batches, start), Counts())
        found = network_scores(name, plan, counts, CONTENT)
        filters, dead, responds, recalled = found.select(
            "filters", "unmeasured", "candidates", "recalled"
        ).sum().row(0)  # fmt: skip
        return {"filters": filters - dead, "responds": responds, "recalled": recalled}


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
