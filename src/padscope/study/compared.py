"""Stages beside a run that compare answers: what they work on, and whose their results are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from padscope.effects import kind_of_answer, load_metric
from padscope.effects.metric import Metric
from padscope.effects.resampling import Bootstrap
from padscope.errors import PadscopeError
from padscope.models import LoadedModel, as_found
from padscope.running import Recorded, Recording, Runner, find_runner
from padscope.running.recorded import Look
from padscope.settings import DepthSettings, ImpactSettings, SizeSettings, SwapSettings
from padscope.study.context import Canvas
from padscope.study.depth import crop_size
from padscope.study.impact_images import GivenLabels, ImpactImages, open_impact_images
from padscope.study.inputs import as_loaded, beside_identity
from padscope.study.outcome import require_images
from padscope.study.result import Study
from padscope.study.stage import Journal, Stage
from padscope.study.stages import Effort, Progress
from padscope.study.subject import Asked, ask_first


@dataclass(frozen=True)
class Compared:
    """A model and images whose answers are compared.

    Attributes
    ----------
    loaded : LoadedModel
    module : nn.Module
        As it is run.
    asked : Asked
    size : tuple of int
        Pixels of an input per axis.
    metric : Metric or None
    stage : Stage
    identity : dict
        Of the results.
    settings : SwapSettings or SizeSettings
    workers : int
        Decoding threads.
    """

    loaded: LoadedModel
    module: nn.Module
    asked: Asked
    size: tuple[int, ...]
    metric: Metric | None
    stage: Stage
    identity: dict[str, Any]
    settings: SwapSettings | SizeSettings
    workers: int

    @property
    def tested(self) -> ImpactImages:
        """The images, with their labels."""
        return self.asked.tested

    @property
    def classes(self) -> Callable[[Sequence[int]], Tensor] | None:
        """What gives the classes of images; None without labels."""
        return self.tested.labels.of if self.tested.labels else None

    def run(self, name: str, canvas: Canvas, look: Look, passes: float, what: str) -> Recorded:
        """Look at images with surroundings, so many passes each; `what` is measured, in words."""
        if canvas.images is not None:
            self.stage.expect(Effort.of(passes * canvas.images))
        job = canvas.job(name, canvas.batches, lambda _: nullcontext(Recording(look)))
        job = replace(job, fingerprint=self.tested.fingerprint)  # whose digest the stage has
        return require_images(self.stage.run(job, Recorded(), passes=passes), what)

    def bootstrap(self, found: Recorded) -> Bootstrap:
        """Resample the photographs of what was found."""
        groups = self.tested.groups(found.indices)
        return Bootstrap(groups, self.settings.resamples, self.settings.seed)

    def described(self, found: Recorded) -> dict[str, Any]:
        """Say what answers were compared: the fields that the results begin with."""
        labels = self.tested.labels
        return {
            "identity": self.identity,
            "model": self.loaded.describe(),
            "images": self.tested.source.describe(),
            "labels": labels.described if labels else "",
            "counted": found.images,
            "answer": kind_of_answer(self.asked.answer),
            "skipped": found.skipped,
        }


@contextmanager
def comparing(
    name: str,
    model: nn.Module | LoadedModel | str,
    images: object,
    labels: GivenLabels | None,
    settings: SwapSettings | SizeSettings,
    *,
    study: Study | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Iterator[Compared]:
    """Open model, images and labels for a stage, whose block this is; as of `measure_swaps`."""
    if workers < 1:
        raise PadscopeError(f"workers is {workers}; give 1 or more")
    metric = load_metric(settings.metric) if settings.metric else None
    runner = find_runner(runner)
    with runner.together():
        loaded = as_loaded(model, study)
        size = crop_size(loaded, DepthSettings(size=settings.size), study)
        opening = ImpactSettings(
            limit=settings.limit, seed=settings.seed, batch_size=settings.batch_size,
            output=settings.output,
        )  # fmt: skip
        tested = open_impact_images(images, loaded, size, opening, workers)
        with as_found(loaded.module) as module:
            asked = ask_first(loaded, module, tested, labels, opening)
            compared = journal is not None or not runner.in_order
            digest = asked.tested.fingerprint(compared=compared)
            identity = beside_identity(study, loaded, digest, settings, size=size)
            stage = Stage(name, identity, runner, journal, progress, stop)
            yield Compared(
                loaded, module, asked, size, metric, stage, identity, settings, workers
            )  # fmt: skip
            stage.finish()
