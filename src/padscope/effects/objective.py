"""One number per image that stands for a model's answer, whose change is an effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from padscope.effects.answers import AnswerKind, kind_of_answer


@dataclass(frozen=True)
class Objective:
    """The number that an answer is reduced to, fixed by the unchanged answer.

    Of scores of classes it is the log-probability of the class that comes first in the unchanged
    answer: effects are in nats. Of maps and other values it is their sum with random signs, over
    the square root of their number: over images (and draws of the signs) the mean square of its
    change is the mean square change of the values, so the root mean square of effects estimates
    the RMS change of the answer, in its own units.

    Parameters
    ----------
    kind : {"classes", "dense", "values"}
        See `kind_of_answer`.
    weights : Tensor
        (N,) classes, or (N, outputs) signs over the square root of their number.

    References
    ----------
    Hutchinson, "A stochastic estimator of the trace of the influence matrix for Laplacian smoothing
    splines", Communications in Statistics - Simulation and Computation 19 (1990) 433-450.
    """

    kind: AnswerKind
    weights: Tensor

    @classmethod
    def of(cls, answer: Tensor, images: Sequence[int], seed: int) -> Objective:
        """Fix the number for some images.

        Parameters
        ----------
        answer : (N, …) Tensor
            Unchanged.
        images : sequence of N int
            Their indices; with the seed, they fix the signs.
        seed : int
        """
        kind = kind_of_answer(answer)
        if kind == "classes":
            return cls(kind, answer.detach().argmax(dim=1))
        outputs = answer[0].numel()
        signs = np.stack([_signs(outputs, seed, image) for image in images])
        weights = torch.from_numpy(signs).to(answer.device, _precise(answer)) / outputs**0.5
        return cls(kind, weights)

    def __call__(self, answer: Tensor) -> Tensor:
        """Reduce an answer, (N, …), to (N,) numbers in at least single precision."""
        precise = answer.to(_precise(answer))
        if self.kind == "classes":
            return precise.log_softmax(dim=1).gather(1, self.weights[:, None])[:, 0]
        return (precise.reshape(len(precise), -1) * self.weights).sum(dim=1)


def _precise(answer: Tensor) -> torch.dtype:
    return torch.promote_types(answer.dtype, torch.float32)


def _signs(count: int, seed: int, image: int) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Draw random signs: the same for an image however images are batched."""
    rng = np.random.default_rng([seed, image])
    bits = np.unpackbits(np.frombuffer(rng.bytes(-(-count // 8)), np.uint8), count=count)
    return bits.astype(np.int8) * 2 - 1
