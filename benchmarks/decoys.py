"""How often decoys and counts of baselines mislead: on filters and networks that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from padscope.scores import Comparison, NetworkCount, compare_counts, decoy_q
from padscope.scores.comparison import SPREAD

FOLDS = 16


def null_recalls(rng: np.random.Generator, filters: int) -> NDArray[np.float64]:
    """Recalls of filters that are nothing: most of them 0, some of them large."""
    return np.where(rng.random(filters) < 0.6, 0.0, rng.beta(0.7, 3, filters))


def false_discoveries(
    rng: np.random.Generator, filters: int, share: float, seeds: int, level: float
) -> float:
    """Share of false discoveries in one planted mixture.

    Parameters
    ----------
    rng : Generator
    filters : int
    share : float
        Of filters that recognise the border; the others, and all decoys, have one law.
    seeds : int
        Of baselines.
    level : float
        Filters whose q is no greater are discoveries.

    Returns
    -------
    float
        0 where nothing is discovered.
    """
    real = round(share * filters)
    recall = null_recalls(rng, filters)
    recall[:real] = rng.beta(6, 2, real)
    q = decoy_q(recall, [null_recalls(rng, filters) for _ in range(seeds)])
    found = q <= level
    return float(found[real:].sum() / max(found.sum(), 1))


@dataclass(frozen=True)
class Law:
    """The law of a network's count over seeds and images.

    Attributes
    ----------
    mean : float
        Of the number of filters that recognise the border.
    filters : int
        Measured ones.
    spread : float
        Coefficient of variation of the rate, from seed to seed.
    clustered : int
        Filters recognise in groups of so many.
    images : float
        Standard deviation, over samples of images, of the logarithm of the rate.
    shared : bool
        The networks see the same images, which move their rates alike.
    skewed : bool
        The rate is log-normal, else it follows a gamma law: counts are negative binomial.
    """

    mean: float
    filters: int = 9000
    spread: float = 0.0
    clustered: int = 1
    images: float = 0.0
    shared: bool = True
    skewed: bool = False

    def networks(self, rng: np.random.Generator, number: int) -> list[NetworkCount]:
        """Draw networks, measured on the same images or each on its own."""
        rates = self.mean / self.clustered * self._factors(rng, number)
        independent = rng.normal(size=(number, FOLDS)) * self.images * np.sqrt(FOLDS)
        of_folds = independent[[0] + [int(not self.shared)] * (number - 1)]
        without = (of_folds.sum(axis=1, keepdims=True) - of_folds) / (FOLDS - 1)
        of_sample = np.concatenate([of_folds.mean(axis=1, keepdims=True), without], axis=1)
        groups = np.exp(of_sample) * rates[:, None]
        share = np.minimum(groups * self.clustered / self.filters, 1)
        drawn = rng.random((number, 1))
        counts = self.clustered * stats.binom.ppf(drawn, self.filters // self.clustered, share)
        return [
            NetworkCount(count, self.filters, tuple(left_out))
            for count, *left_out in counts.astype(int).tolist()
        ]

    def _factors(self, rng: np.random.Generator, number: int) -> NDArray[np.float64]:
        if not self.spread:
            return np.ones(number)
        if self.skewed:
            width = np.sqrt(np.log1p(self.spread**2))
            return rng.lognormal(-(width**2) / 2, width, number)
        return rng.gamma(self.spread**-2, self.spread**2, number)


def null_answers(
    rng: np.random.Generator, law: Law, baselines: int, times: int
) -> Iterator[Comparison]:
    """Compare networks with baselines of the same law."""
    for _ in range(times):
        given, *others = law.networks(rng, 1 + baselines)
        yield compare_counts(given, others, images=96, core_per_image=16, content=0.01)


@dataclass(frozen=True)
class Rates:
    """How often each answer comes."""

    more: float
    fewer: float

    def __str__(self) -> str:
        """Both, with three digits."""
        return f"more {self.more:.3f}, fewer {self.fewer:.3f}"

    @classmethod
    def of(cls, law: Law, baselines: int = 3, times: int = 1000, seed: int = 0) -> Rates:
        """Simulate them."""
        rng = np.random.default_rng(seed)
        answers = [found.answer for found in null_answers(rng, law, baselines, times)]
        return cls(answers.count("more") / times, answers.count("fewer") / times)


def describe_decoys(times: int = 1000) -> None:
    """Print how often decoys and counts mislead."""
    print(f"decoys: share of false discoveries, mean of {times} mixtures; at most q is promised")
    for filters in (50, 120, 1300, 9000):
        for share in (0, 0.03, 0.1, 0.3):
            for seeds in (1, 3):
                means = []
                for level in (0.05, 0.1):
                    rng = np.random.default_rng(0)
                    found = [
                        false_discoveries(rng, filters, share, seeds, level) for _ in range(times)
                    ]
                    means.append(f"{np.mean(found):.3f} at {level}")
                real = f"{share:.0%} of {filters:,} real, {seeds} baselines"
                print(f"  {real}: {', '.join(means)}", flush=True)
    print(f"counts: null networks that are said to have more or fewer, of {times} each")
    for law in null_laws():
        for baselines in (2, 3, 5) if law.spread == SPREAD else (3,):
            print(f"  {law}, {baselines} baselines: {Rates.of(law, baselines, times)}", flush=True)


def null_laws() -> Iterator[Law]:
    """Yield laws of few and many filters, with seeds and images that matter little and much."""
    for mean in (0.3, 1, 3, 10, 30, 100, 300, 1000, 3000):
        for spread in (0, 0.1, SPREAD):
            yield Law(mean, spread=spread)
        yield Law(mean, spread=SPREAD, skewed=True)
        yield Law(mean, spread=SPREAD, clustered=2)
        for shared in (True, False):
            yield Law(mean, spread=0.1, images=0.2, shared=shared)
    for mean, filters in ((1, 50), (10, 50), (25, 50), (60, 120), (110, 120), (600, 1344)):
        yield Law(mean, filters, spread=0.1)
