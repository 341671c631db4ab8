"""How deep padding reaches into a network, by measurement, beside how deep it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor, nn

from padscope.effects.resampling import Bootstrap
from padscope.errors import PadscopeError
from padscope.images import Images, StreamedImages, TooSmall
from padscope.images.element import told_length
from padscope.measurements import find_margin
from padscope.measurements.depth import DepthMeasurement, DepthPlan, plan_depth
from padscope.measurements.output import OUTPUT
from padscope.models import LoadedModel, as_found
from padscope.running import Recorded, Recording, Runner, find_runner
from padscope.running.model import Asking, as_input, observe_first
from padscope.settings import DepthSettings, ScanSettings
from padscope.sites import observe
from padscope.sites.depth_bounds import DepthBounds
from padscope.study.context import CANVAS_CROPS, Canvas
from padscope.study.depth_result import Depth
from padscope.study.inputs import as_images, as_loaded, beside_identity, fingerprint
from padscope.study.outcome import require_images
from padscope.study.result import Study
from padscope.study.stage import Journal, Stage
from padscope.study.stages import DEPTH, Effort, Progress
from padscope.tables.depth import MeasuredMap, depth_tables


def measure_depth(
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: DepthSettings | None = None,
    *,
    study: Study | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Depth:
    """Measure how deep padding reaches into a network's maps and its answer.

    Every image is run as a crop, and with real surroundings; what differs is due to padding. Each
    is one forward pass, that of the canvas counted by its area.

    Parameters
    ----------
    model : nn.Module, LoadedModel or str
        It comes back exactly as it was.
    images : path, Tensor, Dataset, iterable or None
        As of `scan`. Photographs have surroundings; tensors must be larger than the crop, by the
        margin at every end.
    settings : DepthSettings, optional
    study : Study, optional
        Of the same model, whose size of crops is taken.
    journal : Journal, optional
        A `RunDirectory` with the scan of `study`, to keep checkpoints in and to resume from.
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
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 1, 3, padding=1))
    >>> images = torch.rand(8, 1, 200, 200, generator=torch.manual_seed(0))
    >>> found = measure_depth(net, images, DepthSettings(size=(40, 40)))
    >>> found.of_map("(output)").select("side", "bound").rows()
    [('top', 3.0), ('bottom', 3.0), ('left', 3.0), ('right', 3.0)]
    """
    settings = settings or DepthSettings()
    with opened(
        DEPTH, model, images, settings, study=study, journal=journal, progress=progress, stop=stop,
        workers=workers, runner=runner,
    ) as at:  # fmt: skip
        # A crop, and a canvas by its area.
        passes = 1 + prod(at.canvas.canvas_size) / prod(at.canvas.size)
        if at.canvas.images is not None:
            at.stage.expect(Effort.of(passes * at.canvas.images))
        asking = Asking(settings.output, at.loaded.static_batch)
        look = DepthMeasurement(at.module, at.plan, asking)
        job = at.canvas.job(DEPTH, at.canvas.batches, lambda _: nullcontext(Recording(look)))
        found = require_images(at.stage.run(job, Recorded(), passes=passes), "the depth")
    return _conclude(at, found, settings)


def depth(
    study: Study,
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: DepthSettings | None = None,
    **how: Any,
) -> Study:
    """Measure how deep padding reaches, and add it to a study; parameters as of `measure_depth`."""
    found = measure_depth(model, images, settings, study=study, **how)
    return replace(study, depth=found)


@dataclass(frozen=True)
class Opened:
    """What a stage over images with real surroundings works on.

    Attributes
    ----------
    loaded : LoadedModel
    module : nn.Module
        In eval mode, until the block ends.
    canvas : Canvas
    bounds : DepthBounds
    plan : DepthPlan
    identity : dict
        Model, images, settings and versions.
    stage : Stage
    """

    loaded: LoadedModel
    module: nn.Module
    canvas: Canvas
    bounds: DepthBounds
    plan: DepthPlan
    identity: dict[str, Any]
    stage: Stage


@contextmanager
def opened(
    name: str,
    model: nn.Module | LoadedModel | str,
    images: object,
    settings: DepthSettings,
    *,
    study: Study | None = None,
    journal: Journal | None,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
    workers: int,
    runner: str | Runner,
) -> Iterator[Opened]:
    """Open a model and images for a stage of this name, which ends with the block.

    Parameters as of `measure_depth`.
    """
    if workers < 1:
        raise PadscopeError(f"workers is {workers}; give 1 or more")
    runner = find_runner(runner)
    with runner.together():
        loaded = as_loaded(model, study)
        source = open_large(images, loaded, settings, study)
        size = crop_size(loaded, settings, study)
        with as_found(loaded.module) as module:
            canvas, bounds, plan = prepare(module, loaded, source, size, settings, workers)
            compared = journal is not None or not runner.in_order
            digest = fingerprint(source, settings.limit, compared=compared)
            identity = beside_identity(
                study, loaded, digest, settings, size=size, margin=canvas.margin
            )
            stage = Stage(name, identity, runner, journal, progress, stop)
            yield Opened(loaded, module, canvas, bounds, plan, identity, stage)
            stage.finish()


def open_large(
    images: object, loaded: LoadedModel, settings: DepthSettings, study: Study | None = None
) -> Images | StreamedImages:
    """Open images that have real surroundings; chosen as those of a study, if there is one."""
    opening = ScanSettings(limit=settings.limit, seed=settings.seed)
    if study is not None:
        opening = replace(opening, seed=study.identity["settings"]["seed"])
    if settings.limit:
        opening = replace(opening, crops=settings.limit)
    return as_images(images, loaded, opening)


def crop_size(
    loaded: LoadedModel, settings: DepthSettings, study: Study | None = None
) -> tuple[int, ...]:
    """Find how many pixels a crop has per axis."""
    if settings.size:
        return settings.size
    if study is not None:
        return study.size
    if loaded.preprocessing is None:
        raise PadscopeError(
            f"the input size of {loaded.spec} is not known; give DepthSettings(size=…), that of a "
            "crop per axis"
        )
    return tuple(loaded.preprocessing.size)


def prepare(
    module: nn.Module,
    loaded: LoadedModel,
    source: Images | StreamedImages,
    size: tuple[int, ...],
    settings: DepthSettings,
    workers: int,
) -> tuple[Canvas, DepthBounds, DepthPlan]:
    """Find how far padding can reach, how much real context to give, and what to compare."""
    static = loaded.static_batch
    none = tuple(0 for _ in size)
    bare = Canvas(source, size, none, settings.limit, static or settings.batch_size, workers)
    image = bare.first()
    crop = observe_first(module, image, static)

    def several(pixels: Tensor) -> Tensor:
        return pixels.repeat_interleave(static or 2, dim=0)

    asking = Asking(settings.output, static)
    bounds = asking.bounds(module, several(image))
    margin = settings.margin or find_margin(module, crop, image)
    if margin is None:
        raise PadscopeError(
            "the model does not run on inputs larger than it was given: it cannot be shown real "
            "surroundings, and the depth of its padding cannot be measured"
        )
    area = prod((n + 2 * margin) / n for n in size)
    batch = max(1, round(CANVAS_CROPS * bare.batch_size / area))
    canvas = replace(
        bare, margin=tuple(margin for _ in size), batch_size=static or min(batch, bare.batch_size)
    )
    try:
        pixels = canvas.first()
    except TooSmall as error:
        raise PadscopeError(
            f"the images are too small for {told_length(margin, len(size))} of real surroundings "
            f"({error.name}: {error.reason}); give larger images, or a smaller margin"
        ) from error
    observed = observe(module, as_input(module, several(pixels)), partial=True)
    answers = None
    if observed.failure is None:
        with torch.no_grad():
            answers = asking.ask(module, image, [0]), asking.ask(module, pixels, [0])
    plan = plan_depth(crop, observed, size, canvas.margin, answers, bounds)
    if not plan.everything:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(plan.apart.items())[:3])
        in_step = ceil(margin / bounds.step[0]) * bounds.step[0]
        raise PadscopeError(
            f"no map of the model aligns with that of a larger image ({why}); give another "
            f"margin, such as {in_step}"
        )
    return canvas, bounds, plan


def _conclude(at: Opened, found: Recorded, settings: DepthSettings) -> Depth:
    canvas, bounds, plan = at.canvas, at.bounds, at.plan
    source, known = canvas.source, bounds.sites | {OUTPUT: bounds.output}
    groups = None
    if not isinstance(source, StreamedImages):
        groups = [source.group(index) for index in found.indices]
    maps = [
        MeasuredMap(
            name, aligned.stride,
            {
                axis: found.rows[f"{name}/{axis}"].double().numpy()
                for axis in range(len(aligned.stride))
            },
            known.get(name),
        )
        for name, aligned in plan.everything.items()
    ]  # fmt: skip
    bootstrap = Bootstrap(groups, settings.resamples, settings.seed)
    table, curves = depth_tables(maps, settings.tolerance, bootstrap)
    whole = [each.whole for each in (*bounds.sites.values(), bounds.output) if each is not None]
    if plan.answer is None and maps:  # what lies behind the last map is none of its business
        last = known.get(maps[-1].name)
        whole = [last.whole] if last is not None else []
    notes = [f"Not measured: {name} ({reason})." for name, reason in plan.apart.items()]
    deepest = [each.bounds.deepest for each in maps if each.bounds is not None]
    axes = len(canvas.size)
    reach = max((pixels for pixels in deepest if pixels is not None), default=0)
    if reach > min(canvas.margin):
        notes.append(
            f"Real surroundings are {told_length(min(canvas.margin), axes)} wide, and padding can "
            f"reach {told_length(float(reach), axes)}: some of the canvas's own may reach what is "
            "compared, and depths be too small."
        )
    return Depth(
        at.identity, at.loaded.describe(), source.describe(), found.images, canvas.size,
        canvas.margin, settings.tolerance, bounds.step, next(filter(None, whole), ""), table,
        curves, found.skipped, tuple(notes),
    )  # fmt: skip
