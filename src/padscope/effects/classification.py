"""What changes in the scores of classes: per image, and in how far confidence can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ClassAnswer:
    """A classifier's answer to N images, in the terms that effects are made of.

    Attributes
    ----------
    log_probabilities : (N, C) float64 Tensor
    """

    log_probabilities: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> ClassAnswer:
        """Read (N, C) logits; softmax is taken in float64, so that none overflows."""
        return cls(logits.detach().double().log_softmax(dim=1))

    @property
    def probabilities(self) -> Tensor:
        """(N, C) probabilities."""
        return self.log_probabilities.exp()

    @property
    def top(self) -> Tensor:
        """(N,) index of the most probable class; the first of several."""
        return self.log_probabilities.argmax(dim=1)

    @property
    def confidence(self) -> Tensor:
        """(N,) probability of the most probable class."""
        return self.log_probabilities.amax(dim=1).exp()

    def of_class(self, classes: Tensor) -> Tensor:
        """(N,) log-probability of one class per image."""
        return self.log_probabilities.gather(1, classes[:, None]).squeeze(1)


def kl_divergence(base: ClassAnswer, changed: ClassAnswer) -> Tensor:
    """Kullback-Leibler divergence KL(base ‖ changed).

    Returns
    -------
    (N,) float64 Tensor
        In nats, at least 0: by how much the changed answer misses the unchanged one.

    References
    ----------
    Kullback and Leibler, Ann. Math. Statist. 22 (1951) 79-86.

    Examples
    --------
    >>> even, sure = ClassAnswer.of(torch.zeros(1, 2)), ClassAnswer.of(torch.tensor([[0.0, -99]]))
    >>> round(kl_divergence(sure, even).item(), 4)
    0.6931
    """
    ratio = base.log_probabilities - changed.log_probabilities
    return (base.probabilities * ratio).sum(dim=1).clamp_min(0)


def flips(base: ClassAnswer, changed: ClassAnswer) -> Tensor:
    """Whether the most probable class is another one: (N,) bool Tensor."""
    return base.top != changed.top


def confidence_change(base: ClassAnswer, changed: ClassAnswer) -> Tensor:
    """Change of the probability of the class that was most probable: (N,) float64 Tensor."""
    return changed.of_class(base.top).exp() - base.confidence


def nll_change(base: ClassAnswer, changed: ClassAnswer, labels: Tensor) -> Tensor:
    """Change of the negative log-likelihood of the labels.

    Parameters
    ----------
    base, changed : ClassAnswer
    labels : (N,) int64 Tensor
        -1 where unknown.

    Returns
    -------
    (N,) float64 Tensor
        In nats; NaN where the label is unknown.
    """
    known = labels.clamp_min(0)
    difference = base.of_class(known) - changed.of_class(known)
    return difference.masked_fill(labels < 0, torch.nan)


def correctness(answer: ClassAnswer, labels: Tensor) -> Tensor:
    """Whether the most probable class is the label: (N,) float64, NaN where that is unknown."""
    return (answer.top == labels).double().masked_fill(labels < 0, torch.nan)


def calibration_error(
    confidence: ArrayLike, correct: ArrayLike, bins: int = 15, weights: ArrayLike | None = None
) -> FloatArray:
    """Return the expected calibration error: how far confidence is from the share of right answers.

    Parameters
    ----------
    confidence : (n,) array
        Probability of the most probable class, in (0, 1].
    correct : (n,) array
        1 where that class is right, else 0.
    bins : int
        Equal bins (0, 1/bins], (1/bins, 2/bins], …
    weights : (…, n) array, optional
        How often each image counts.

    Returns
    -------
    (…) float64 array
        In [0, 1]: mean over images of |mean confidence - share correct| of their bin.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, ICML 2017. It is biased upwards for few images.

    Examples
    --------
    >>> float(calibration_error([0.9, 0.9, 0.6], [1, 0, 1]).round(3))
    0.4
    """
    confidence, correct = np.asarray(confidence), np.asarray(correct, dtype=np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.zeros((len(confidence), bins))
    gaps[np.arange(len(confidence)), place] = correct - confidence
    counted = np.ones(len(confidence)) if weights is None else np.asarray(weights, dtype=np.float64)
    error: FloatArray = np.abs(counted @ gaps).sum(axis=-1) / counted.sum(axis=-1)
    return np.asarray(error)
