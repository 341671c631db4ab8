"""How far a changed answer is from the unchanged one, image by image, in all measures that apply.

======================  =======================  ==================================================
measure                 answers                  per image
======================  =======================  ==================================================
``kl``                  classes                  KL divergence from the unchanged answer, in nats
``flip``                classes                  1 if another class is the most probable one
``confidence``          classes                  change of the probability of the class that was
``nll``                 classes, with labels     change of the negative log-likelihood, in nats
``change``              dense, values            see `dense_change` and `value_change`
``distance``            dense                    see `change_by_distance`
``metric``              any, with a metric       change of the score
======================  =======================  ==================================================

Accuracy and calibration are no means of something per image; they are made of ``correct`` and
``top``, of the answer and of the unchanged one. Images without a label have NaN where it takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from padscope.counts import plural
from padscope.effects.answers import AnswerKind, kind_of_answer
from padscope.effects.classification import (
    ClassAnswer,
    confidence_change,
    correctness,
    flips,
    kl_divergence,
    nll_change,
)
from padscope.effects.dense import change_by_distance, dense_change, value_change
from padscope.effects.metric import Metric
from padscope.errors import PadscopeError

# Rows of a measurement beside the measures: `correct` and `top` of the unchanged answer, and the
# changes of each class's probability.
UNCHANGED = "unchanged/"
CLASS_CHANGE, CLASS_CONTROL = "class_change", "class_control"

LabelsOf = Callable[[Sequence[int]], Tensor]  # indices of images → (N,) int64, -1 where unknown


@dataclass(frozen=True)
class Unchanged:
    """The answers of a batch to which others are compared.

    Attributes
    ----------
    answers : (N, …) Tensor
        On the CPU.
    images : sequence of int
        Indices of the N images.
    labels : (N,) int64 Tensor or None
        -1 where unknown.
    metric : Metric or None

    Raises
    ------
    PadscopeError
        From every method: answers are not finite or have another shape, or the metric fails.
    """

    answers: Tensor
    images: Sequence[int]
    labels: Tensor | None = None
    metric: Metric | None = None

    @cached_property
    def kind(self) -> AnswerKind:
        """What kind of answers they are."""
        return kind_of_answer(self.answers)

    @cached_property
    def classes(self) -> ClassAnswer:
        """The answers as those of a classifier."""
        return ClassAnswer.of(self.answers)

    def of(self, rows: Sequence[int]) -> Unchanged:
        """Select the answers to some of the images, by their places in the batch."""
        if len(rows) == len(self.images):
            return self
        labels = None if self.labels is None else self.labels[rows]
        images = [self.images[row] for row in rows]
        return replace(self, answers=self.answers[rows], images=images, labels=labels)

    def own(self) -> dict[str, Tensor]:
        """Return ``correct`` and ``top`` of the unchanged answers, if there are labels."""
        if len(self.answers) != len(self.images):
            raise PadscopeError(
                f"the model's answer has {plural(len(self.answers), 'row')} for "
                f"{plural(len(self.images), 'image')}; "
                "effects need one row per image: name another entry with --output"
            )
        refuse_nonfinite(self.answers, self.images)
        return self._labelled(self.classes) if self.kind == "classes" else {}

    def compare(self, answers: Tensor) -> dict[str, Tensor]:
        """Compare with other answers to the same images.

        Parameters
        ----------
        answers : (N, …) Tensor
            On the CPU.

        Returns
        -------
        dict
            Measure → (N,) float64 Tensor, (N, D) for ``distance``.
        """
        if answers.shape != self.answers.shape:
            raise PadscopeError(
                f"the answer has shape {tuple(answers.shape)}, and {tuple(self.answers.shape)} "
                "when nothing is changed; it cannot be compared"
            )
        refuse_nonfinite(answers, self.images)
        found = self._compare_kind(answers)
        if self.metric:
            found["metric"] = self.metric(answers, self.labels) - self._score
        return found

    @cached_property
    def _score(self) -> Tensor:
        assert self.metric
        return self.metric(self.answers, self.labels)

    def _compare_kind(self, answers: Tensor) -> dict[str, Tensor]:
        if self.kind == "values":
            return {"change": value_change(self.answers, answers)}
        if self.kind == "dense":
            return {
                "change": dense_change(self.answers, answers),
                "distance": change_by_distance(self.answers, answers),
            }
        changed = ClassAnswer.of(answers)
        found = {
            "kl": kl_divergence(self.classes, changed),
            "flip": flips(self.classes, changed).double(),
            "confidence": confidence_change(self.classes, changed),
        }
        if self.labels is not None:
            found["nll"] = nll_change(self.classes, changed, self.labels)
        return found | self._labelled(changed)

    def _labelled(self, answer: ClassAnswer) -> dict[str, Tensor]:
        if self.labels is None:
            return {}
        return {"correct": correctness(answer, self.labels), "top": answer.confidence}


def refuse_nonfinite(answers: Tensor, images: Sequence[int]) -> None:
    """Refuse answers that hold NaN or infinity.

    Parameters
    ----------
    answers : (N, …) Tensor
    images : sequence of int
        Indices of the N images.

    Raises
    ------
    PadscopeError
        It says how many images are concerned, and which is the first.
    """
    finite = answers.reshape(len(answers), -1).isfinite().all(dim=1)
    if not finite.all():
        wrong = torch.nonzero(~finite).flatten().tolist()
        raise PadscopeError(
            f"the model answers with NaN or infinity to {len(wrong)} of "
            f"{plural(len(answers), 'image')}, "
            f"first to image {images[wrong[0]]}; effects need finite scores: leave such images "
            "out, or name another entry with --output"
        )
