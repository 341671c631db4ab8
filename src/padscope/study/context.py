"""Real surroundings for the images of a study: canvases, how they align, and what to look at."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.images import (
    Batch,
    Canvases,
    Images,
    KeptBatches,
    StreamedImages,
    TooSmall,
    UnreadableImage,
    central,
    stream,
    unit_count,
)
from padscope.images.element import elements
from padscope.images.skipped import Skipped
from padscope.measurements import (
    ContrastPlan,
    Verification,
    find_margin,
    plan_contrast,
    verify_alignment,
)
from padscope.models import LoadedModel
from padscope.regions import SampleSize
from padscope.running import Job
from padscope.running.loop import S
from padscope.running.model import as_input, observe_first
from padscope.settings import ExplainSettings
from padscope.sites import Observation, observe
from padscope.study.inputs import Batches, Start, job_over, up_to

TRIED = 16  # images looked at to find one that is large enough
# Pixels of a batch of canvases, in crops of the batch size: larger batches are no faster.
CANVAS_CROPS = 2


@dataclass(frozen=True)
class Canvas:
    """Where the images with real surroundings come from.

    Attributes
    ----------
    source : Images or StreamedImages
    size, margin : tuple of int
        Of the crop and of its surroundings, in pixels per axis.
    limit : int or None
        Most images.
    batch_size : int
        Canvases per unit.
    workers : int
        Decoding threads.
    repeated : int
        How many of the first images are gone through several times, and kept in memory.
    """

    source: Images | StreamedImages
    size: tuple[int, ...]
    margin: tuple[int, ...]
    limit: int | None
    batch_size: int
    workers: int
    repeated: int = 0

    def with_margin(self, margin: tuple[int, ...], limit: int | None) -> Canvas:
        """Return the same images with other surroundings."""
        return replace(self, margin=margin, limit=limit)

    @property
    def images(self) -> int | None:
        """Number of images, if it is known."""
        if isinstance(self.source, StreamedImages) and self.source.length is None:
            return self.limit
        return min(len(self.source), self.limit or len(self.source))

    def sample_size(self, settings: ExplainSettings) -> SampleSize:
        """Find how many positions to look at."""
        counts = settings.per_line, settings.per_core, settings.per_deeper
        return SampleSize(settings.seed, self.images, *counts)

    @property
    def canvas_size(self) -> tuple[int, ...]:
        """Pixels of a canvas per axis."""
        return tuple(n + 2 * m for n, m in zip(self.size, self.margin, strict=True))

    @property
    def units(self) -> Iterable[int]:
        """All units; of a stream of unknown length, without end."""
        return self.units_of(self.images)

    def first_images(
        self, limit: int, seen: int | None = None, skipped: Iterable[Skipped] = ()
    ) -> int:
        """Find how many images there are up to a limit; `seen` if no more came.

        One that is skipped makes room for the next.
        """
        there = self.images if seen is None else seen
        for skip in sorted(skipped, key=lambda skip: skip.index):
            limit += skip.index < limit
        return limit if there is None else min(limit, there)

    def units_of(self, images: int | None) -> Iterable[int]:
        """Give the units of the first images."""
        return itertools.count() if images is None else range(self._count(images))

    def _count(self, images: int) -> int:
        return unit_count(images, self.batch_size)

    def batches(self, units: Iterable[int]) -> Iterator[Batch]:
        """Give the canvases of some units; no more than `limit`."""
        limit = self.images
        if not isinstance(self.source, StreamedImages):
            canvases = Canvases(self.source, self.size, self.margin)
            return up_to(limit, stream(canvases, units, self.batch_size, self.workers))
        # What comes one after the other is cut here; it must be as large as a canvas.
        return up_to(
            limit,
            (
                replace(batch, pixels=central(batch.pixels, self.canvas_size, "a batch of images"))
                for batch in stream(self.source, units, self.batch_size)
            ),
        )

    def job(
        self, name: str, batches: Batches, start: Start[S], images: int | None = None
    ) -> Job[S]:
        """Describe a job over all units, or those of the first images."""
        images = self.images if images is None else images
        units = None if images is None else self._count(images)
        return job_over(self.source, name, batches, start, units, images)

    @cached_property
    def kept(self) -> KeptBatches:
        """What `batches` gives; the first images are kept."""
        return KeptBatches(self.batches, self._count(self.repeated))

    def kept_of(self, images: int) -> Iterator[Batch]:
        """Give the batches of the first images."""
        return up_to(images, self.kept(self.units_of(images)))

    def kept_job(self, name: str, images: int, start: Start[S]) -> Job[S]:
        """Describe a job over the first images, of which `kept` keeps what it can."""
        return self.job(name, lambda units: up_to(images, self.kept(units)), start, images)

    def first(self) -> Tensor:
        """Give the first canvas that can be had, as a batch of one; raises `PadscopeError`."""
        if isinstance(self.source, StreamedImages):
            batch = next(self.batches(self.units), None)
            if batch is None:
                raise PadscopeError("the iterable gave no images; give at least one batch")
            return batch.pixels[:1]
        canvases = Canvases(self.source, self.size, self.margin)
        problems: list[UnreadableImage] = []
        for index in range(min(TRIED, self.images or TRIED)):
            try:
                return canvases.tensor(index)[None]
            except UnreadableImage as error:
                problems.append(error)
        # Among images that are too small, one that is damaged changes nothing.
        for problem in sorted(problems, key=lambda problem: not isinstance(problem, TooSmall)):
            raise problem
        raise PadscopeError("there are no images to explain; give at least one")

    def describe(self) -> str:
        """Return one line for people."""
        margin = "×".join(map(str, dict.fromkeys(self.margin)))
        unit = elements(len(self.margin))
        surroundings = f" with {margin} {unit} of real surroundings" if any(self.margin) else ""
        return f"{self.source.describe()}{surroundings}"


@dataclass(frozen=True)
class Context:
    """What an explanation works on.

    Attributes
    ----------
    canvas : Canvas
    plan : ContrastPlan
    verified : dict
        Site name → how its alignment was checked.
    notes : tuple of str
        What could not be done, and why.
    """

    canvas: Canvas
    plan: ContrastPlan
    verified: dict[str, Verification]
    notes: tuple[str, ...]


def find_context(
    module: nn.Module,
    loaded: LoadedModel,
    source: Images | StreamedImages,
    size: tuple[int, ...],
    settings: ExplainSettings,
    workers: int,
) -> Context:
    """Find how much real context a model needs, whether the images have it, and what aligns.

    Raises
    ------
    PadscopeError
        The model fails, or no image can be read.
    """
    static = loaded.static_batch
    none = tuple(0 for _ in size)
    bare = Canvas(
        source, size, none, settings.limit, static or settings.batch_size, workers,
        repeated=settings.baseline_images,
    )  # fmt: skip
    sample = bare.sample_size(settings)
    image = bare.first()
    crop = observe_first(module, image, static)
    if not any(site.scored for site in crop.sites):
        raise PadscopeError("nothing to explain: no padded operation of the model can be scored")
    chosen = settings.margin or find_margin(module, crop, image)

    def seen(pixels: Tensor) -> Observation:
        example = pixels.repeat_interleave(static or 2, dim=0)
        return observe(module, as_input(module, example), partial=True)

    def planned(
        canvas: Canvas, observed: Observation | None, unusable: dict[str, str]
    ) -> ContrastPlan:
        return plan_contrast(crop, observed, size, canvas.margin, sample, unusable, static)

    def without(reason: str) -> Context:
        note = f"Explained without real context: {reason}."
        unusable = {site.name: reason for site in crop.sites}
        return Context(bare, planned(bare, None, unusable), {}, (note,))

    if chosen is None:
        return without("the model does not run on inputs larger than it was given")
    margin = tuple(chosen for _ in size)
    area = torch.tensor([(n + 2 * chosen) / n for n in size]).prod().item()
    batch = max(1, min(bare.batch_size, round(CANVAS_CROPS * bare.batch_size / area)))
    canvas = replace(bare, margin=margin, batch_size=static or batch)
    try:
        pixels = canvas.first()
    except TooSmall as error:
        return without(f"the images are too small for it ({error.name}: {error.reason})")
    observed = seen(pixels)
    plan = planned(canvas, observed, {})
    apart = not all(site.contextual for site in plan.sites.values())
    if settings.margin and apart and (better := find_margin(module, crop, image)):
        blank = torch.zeros(1, image.shape[1], *(n + 2 * better for n in size))
        wider = replace(canvas, margin=tuple(better for _ in size))
        _refuse_out_of_step(plan, planned(wider, seen(blank), {}))
    verified = verify_alignment(module, pixels, plan)
    if unusable := {name: found.problem for name, found in verified.items() if found.problem}:
        plan = planned(canvas, observed, unusable)
    if not any(site.contextual for site in plan.sites.values()):
        reason = next(iter(plan.sites.values())).reason
        return without(f"no site aligns with its canvas; of the first, {reason}")
    return Context(canvas, plan, verified, _misaligned(plan))


def _refuse_out_of_step(plan: ContrastPlan, better: ContrastPlan) -> None:
    """Refuse a margin chosen by the user under which sites do not align that could."""
    for name, site in plan.sites.items():
        if not site.contextual and better.sites[name].contextual:
            raise PadscopeError(
                f"a margin of {plan.margin[0]} is out of step with the strides before "
                f"{name}; give another, such as {better.margin[0]}"
            )


def _misaligned(plan: ContrastPlan) -> tuple[str, ...]:
    apart = [f"{name} ({site.reason})" for name, site in plan.sites.items() if not site.contextual]
    if not apart:
        return ()
    more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
    return (f"Sites explained without real context: {'; '.join(apart[:3])}{more}.",)
