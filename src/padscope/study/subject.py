"""The model whose impact is measured: what is known of it, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from padscope.effects import AnswerKind, kind_of_answer, load_metric
from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.interventions import Controls, draw_controls
from padscope.interventions.sets import NOT_RECOGNISING
from padscope.models import LoadedModel, as_found
from padscope.running.asking import learn_to_ask
from padscope.running.model import Asking, observe_first
from padscope.settings import ImpactSettings
from padscope.sites import Observation
from padscope.study.context import Canvas
from padscope.study.explanation import Explanation
from padscope.study.impact_images import GivenLabels, ImpactImages, open_impact_images, with_labels
from padscope.study.result import Study


@dataclass(frozen=True)
class Subject:
    """A model, what is known of it, and the images that it is tested on.

    Attributes
    ----------
    study : Study
    explanation : Explanation
        Of the study.
    loaded : LoadedModel
    module : nn.Module
        As it is run.
    tested : ImpactImages
    observation : Observation
        Of the module, on such images.
    asking : Asking
    answer : (N, …) Tensor
        To the first images.
    settings : ImpactSettings
    notes : tuple of str
        On how the model answers, in sentences.
    """

    study: Study
    explanation: Explanation
    loaded: LoadedModel
    module: nn.Module
    tested: ImpactImages
    observation: Observation
    asking: Asking
    answer: Tensor
    settings: ImpactSettings
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> AnswerKind:
        """What kind of answer the model gives."""
        return kind_of_answer(self.answer)

    @property
    def total_stride(self) -> int:
        """Greatest number of input pixels per position, of all explained sites."""
        strides = self.study.sites["total_stride"].list.max().max()
        return max(1, round(strides)) if isinstance(strides, int | float) else 1

    @property
    def masked(self) -> tuple[int, ...]:
        """Classes that are masked: without any probability for the first images."""
        if self.kind != "classes":
            return ()
        least = torch.finfo(self.answer.dtype).min
        return tuple(torch.nonzero((self.answer == least).all(dim=0)).flatten().tolist())

    def controls(self, chosen: pl.DataFrame, draws: int | None = None) -> Controls:
        """Draw control sets for a set of filters."""
        return draw_controls(
            chosen, self.study.filters, self._scale, draws or self.settings.draws,
            self.settings.seed,
        )  # fmt: skip

    def partners(self, recognising: pl.DataFrame) -> Controls:
        """Give recognising filters the confirmed ones that do not recognise, nearest in scale."""
        return draw_controls(
            recognising, self.study.filters, self._scale, 1, self.settings.seed,
            pool=NOT_RECOGNISING, nearest=1,
        )  # fmt: skip

    @property
    def _scale(self) -> dict[str, NDArray[np.float64]]:
        return {name: bins.spread.numpy() for name, bins in self.study.counted.bins.items()}

    def canvas(self) -> Canvas:
        """Give the images with the surroundings that they were explained with.

        Raises
        ------
        PadscopeError
            They have none.
        """
        margin = self.explanation.margin
        if not any(margin):
            raise PadscopeError("the images have no surroundings, and were explained without")
        work = self.tested.work
        canvases = 2 * max(n + 2 * m for n, m in zip(self.tested.size, margin, strict=True))
        batch = max(1, work.batch_size * self.tested.size[0] // canvases)
        return Canvas(
            work.source, self.tested.size, margin, self.settings.canvas_images,
            work.static_batch or batch, work.workers,
        )  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What running a model on its first images tells.

    Attributes
    ----------
    tested : ImpactImages
        With their labels.
    observation, asking, answer, notes
        As of `Subject`.
    """

    tested: ImpactImages
    observation: Observation
    asking: Asking
    answer: Tensor
    notes: tuple[str, ...]


def ask_first(
    loaded: LoadedModel,
    module: nn.Module,
    tested: ImpactImages,
    labels: GivenLabels | None,
    settings: ImpactSettings,
) -> Asked:
    """Run a model on the first images: its sites, and what kind of answer it gives.

    Raises
    ------
    PadscopeError
        No image can be read, the model fails, or its answer is none or not the same each time; or
        the labels do not fit.
    """
    first = tested.first()
    if first is None:
        raise PadscopeError("none of the images can be read; give others")
    observation = observe_first(module, first.pixels[:1], loaded.static_batch)
    asking, answer, notes = learn_to_ask(
        module, first.pixels, first.indices, settings.output, loaded.static_batch, settings.seed
    )
    return Asked(_labelled(tested, labels, loaded, answer), observation, asking, answer, notes)


def _labelled(
    tested: ImpactImages, labels: GivenLabels | None, loaded: LoadedModel, answer: Tensor
) -> ImpactImages:
    """Add labels, which only an answer of classes takes."""
    if labels is not None and kind_of_answer(answer) != "classes":
        raise PadscopeError(
            f"labels name classes, and the model answers with {tuple(answer.shape[1:])} values per "
            "image; leave them out, or give a metric"
        )
    return with_labels(tested, labels, loaded, answer.shape[-1])


def check_answer(
    loaded: LoadedModel,
    settings: ImpactSettings,
    images: object = None,
    labels: GivenLabels | None = None,
) -> None:
    """Ask a model for its answer to noise, before anything that takes long is run.

    Parameters
    ----------
    loaded : LoadedModel
    settings : ImpactSettings
    images, labels
        As of `impact`; looked into only where there are labels.

    Raises
    ------
    PadscopeError
        Its answer, the metric or the labels cannot be used. Nothing is asked where the input size
        is unknown.
    """
    if settings.metric:
        load_metric(settings.metric)
    if loaded.preprocessing is None:
        return
    size = loaded.preprocessing.size
    shape = (2, loaded.preprocessing.channels, *size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(settings.seed))
    with as_found(loaded.module) as module:
        _, answer, _ = learn_to_ask(
            module, noise, (0, 1), settings.output, loaded.static_batch, settings.seed
        )
    if labels is not None:
        _labelled(open_impact_images(images, loaded, size, settings, 1), labels, loaded, answer)


def readable(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Leave out the batches of which no image could be read."""
    return (batch for batch in batches if batch.indices)
