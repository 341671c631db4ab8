"""How sure an effect is: intervals over images, and how often controls reach it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from padscope.counts import plural

FloatArray = NDArray[np.float64]
# What each image belongs to, such as the name or the number of a photograph.
Groups: TypeAlias = Sequence[object] | NDArray[np.int64]
# From (R, n) weights of n images in R samples to R values, or R arrays.
Statistic = Callable[[FloatArray], FloatArray]

WEIGHTS_AT_ONCE = 4_000_000
ROUNDING = 1e-12  # what is closer is a tie: shares of images are equal only up to rounding


@dataclass(frozen=True)
class Resampled:
    """A statistic of some images, and of R samples drawn from them.

    Attributes
    ----------
    value : (…) float64 array
        Of the images as they are.
    draws : (R, …) float64 array
        Of the samples; R is 0 if there are fewer than two groups to draw from.
    groups : int
        Independent ones, such as photographs: what the interval rests on.
    """

    value: FloatArray
    draws: FloatArray
    groups: int = 0

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the expanded percentile interval; NaN if there are no samples.

        Samples of n groups vary less than means of n groups do, and of few groups the more so. So
        percentiles farther out are taken, by which the interval of a mean of normal values is that
        of Student's t [1]_.

        References
        ----------
        .. [1] Hesterberg, Am. Stat. 69 (2015) 371-386, section 4.

        Examples
        --------
        >>> low, high = Resampled(np.array(2.0), np.arange(5.0)).interval(0.5)
        >>> float(low), float(high)
        (1.0, 3.0)
        """
        if not len(self.draws):
            unknown = np.full_like(self.value, np.nan, dtype=np.float64)
            return unknown, unknown
        tail = (1 - level) / 2
        if self.groups > 1:
            spread = math.sqrt(self.groups / (self.groups - 1))
            tail = float(special.ndtr(spread * special.stdtrit(self.groups - 1, tail)))
        low, high = np.quantile(self.draws, [tail, 1 - tail], axis=0)
        return low, high

    def then(self, change: Callable[[FloatArray], FloatArray]) -> Resampled:
        """Apply a function of the trailing axes, such as the difference of two columns."""
        return Resampled(change(self.value[None])[0], change(self.draws), self.groups)


def resample(
    statistic: Statistic,
    images: int,
    groups: Groups | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Resampled:
    """Compute a statistic of some images and of samples drawn from them.

    A sample draws as many groups as there are, with replacement; an image counts as often as its
    group is drawn. Images of one photograph are thus never taken for independent.

    Parameters
    ----------
    statistic : callable
        From an (R, n) array, how often each of n images counts in each of R samples, to an (R, …)
        array.
    images : int
        n, at least 1.
    groups : sequence, optional
        What each image belongs to, such as its photograph. None: each is alone.
    resamples, seed : int
        The same seed draws the same samples, whatever the statistic: statistics can be subtracted.

    Raises
    ------
    ValueError
        There are no images, or not one group for each.

    References
    ----------
    Efron, Ann. Statist. 7 (1979) 1-26; Field and Welsh, J. R. Stat.
    Soc. B 69 (2007) 369-390, for drawing whole groups.
    """
    if images < 1:
        raise ValueError("there are no images to resample")
    value = statistic(np.ones((1, images)))
    members = numbered(groups, images)
    count = int(members.max()) + 1
    if count < 2:
        return Resampled(value[0], value[:0], count)
    at_once = max(1, WEIGHTS_AT_ONCE // images)
    samples: Iterable[NDArray[np.int64]]
    if at_once >= resamples:
        samples = _drawn_once(count, resamples, seed)
    else:
        samples = _drawn(count, resamples, seed, at_once)
    draws = [statistic(times[:, members].astype(np.float64)) for times in samples]
    return Resampled(value[0], np.concatenate(draws), count)


@dataclass(frozen=True)
class Bootstrap:
    """How images are resampled; see `resample`.

    Attributes
    ----------
    groups : sequence or None
        What each image belongs to.
    resamples, seed : int
    """

    groups: Groups | None = None
    resamples: int = 1000
    seed: int = 0

    def groups_of(self, used: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return which group each of some images belongs to, given by their places."""
        groups = None if self.groups is None else [self.groups[place] for place in used]
        return numbered(groups, len(used))

    def of(
        self, statistic: Statistic, used: NDArray[np.intp], groups: Groups | None = None
    ) -> Resampled:
        """Resample a statistic of some of the images, given by their places.

        `groups` are theirs, if they are not what the images belong to.
        """
        groups = self.groups_of(used) if groups is None else groups
        return resample(statistic, len(used), groups, resamples=self.resamples, seed=self.seed)

    def mean(
        self, values: FloatArray
    ) -> tuple[tuple[FloatArray, FloatArray, FloatArray], tuple[int, int]]:
        """Average (n, …) values over the images for which all of them are defined.

        Returns
        -------
        (mean, low, high) : (…) float64 arrays
            With the ends of its 95 % interval; NaN if there is no such image.
        images, groups : int
            How many there are.
        """
        used = np.flatnonzero(np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        if not len(used):
            nothing = np.full(values.shape[1:], np.nan)
            return (nothing, nothing, nothing), (0, 0)
        found = self.of(means(values[used]), used)
        return _with_interval(found), (len(used), found.groups)


def means(values: ArrayLike) -> Statistic:
    """Return the statistic that averages values over images.

    Parameters
    ----------
    values : (n, …) array
    """
    array = np.asarray(values, dtype=np.float64)
    flat = array.reshape(len(array), math.prod(array.shape[1:]))

    def average(weights: FloatArray) -> FloatArray:
        averages: FloatArray = weights @ flat / weights.sum(axis=1, keepdims=True)
        return averages.reshape(len(weights), *array.shape[1:])

    return average


def mean_interval(
    values: ArrayLike,
    groups: Groups | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean over images, with the ends of its 95 % interval.

    Parameters
    ----------
    values : (n,) or (n, …) array
        One entry per image; a paired comparison gives differences. NaN makes NaN.
    groups, resamples, seed
        As of `resample`.

    Returns
    -------
    mean, low, high : (…) float64 array
        The ends are NaN where there are fewer than two groups.
    """
    array = np.asarray(values, dtype=np.float64)
    return _with_interval(
        resample(means(array), len(array), groups, resamples=resamples, seed=seed)
    )


def empirical_p(
    observed: float, draws: ArrayLike, shared: float = 0.0, noise: float = 0.0
) -> float:
    """How often controls reach an effect.

    Parameters
    ----------
    observed : float
        Effect of a set of filters.
    draws : (D,) array
        The same effect of D control sets.
    shared : float
        Share of a control set's filters that another one has as well, in [0, 1], if controls are
        drawn from a pool that is not large.
    noise : float
        Variance of a draw's effect that comes of its images, not of its filters, where draws are
        run on different ones.

    Returns
    -------
    float
        (1 + number of |draw| ≥ |observed|) / (1 + D), in (0, 1]; ties count as reached.

    Notes
    -----
    Control sets that share filters differ less from each other than from an independent set, and
    the count would call too much significant: of n filters each, drawn from N, their sums have
    variance n(1 - n/N) about the pool's mean, and an independent set's has n(1 + n/N). They share
    n/N. So the draws are first moved away from their mean, by √((1 + shared) / (1 - shared)); this
    is exact in variance for effects that add up over filters, and p is then rather too large for
    effects of either sign. Effects of one sign are skewed the more they vary; they are moved on the
    scale of their logarithms, or of their square roots if some are 0. Noise is in the draws as it
    is, whatever filters they share; only the rest of their variance is made larger. Where all draws
    have the same filters, nothing can be said, and p is 1.

    Draws that are run on a part of the images differ by the noise of these as well, so that they
    reach what the set does on all images more often: p is then rather too large.

    References
    ----------
    North, Curtis and Sham, Am. J. Hum. Genet. 71 (2002) 439-441, for the 1 that is added.

    Examples
    --------
    >>> empirical_p(0.5, [0.1, -0.5, 0.2])
    0.5
    >>> empirical_p(0.0, [0.0] * 19)
    1.0
    """
    found = np.asarray(draws, dtype=np.float64)
    if shared >= 1:
        return 1.0
    if shared > 0 and len(found) > 1:
        total = found.var(ddof=1)
        own = max(0.0, 1 - noise / total) if total > 0 else 0.0
        wider = math.sqrt(1 + own * ((1 + shared) / (1 - shared) - 1))
        if observed > 0 and (found > 0).all():
            found = np.exp(_moved_apart(np.log(found), wider))
        elif observed > 0 and (found >= 0).all():
            found = np.maximum(_moved_apart(np.sqrt(found), wider), 0) ** 2
        else:
            found = _moved_apart(found, wider)
    reached = np.abs(found) >= abs(observed) * (1 - ROUNDING) - ROUNDING
    return float((1 + np.count_nonzero(reached)) / (1 + len(found)))


def _moved_apart(values: FloatArray, by: float) -> FloatArray:
    mean = values.mean()
    moved: FloatArray = mean + by * (values - mean)
    return moved


def _with_interval(resampled: Resampled) -> tuple[FloatArray, FloatArray, FloatArray]:
    return resampled.value, *resampled.interval()


def numbered(groups: Groups | None, images: int) -> NDArray[np.int64]:
    """Return the number of each image's group, from 0 on: (images,) int64.

    Examples
    --------
    >>> numbered(["a", "b", "a"], 3).tolist()
    [0, 1, 0]
    """
    if groups is None:
        return np.arange(images)
    if len(groups) != images:
        raise ValueError(f"{plural(len(groups), 'group')} do not fit {plural(images, 'image')}")
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups])


def _drawn(groups: int, resamples: int, seed: int, at_once: int) -> Iterator[NDArray[np.int64]]:
    """Give how often each group is drawn in each sample, some samples at a time."""
    rng = np.random.default_rng(seed)
    for done in range(0, resamples, at_once):
        size = min(at_once, resamples - done)
        yield rng.multinomial(groups, np.full(groups, 1 / groups), size=size)


@lru_cache(maxsize=4)
def _drawn_once(groups: int, resamples: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Draw all samples at once, for as many statistics as want them."""
    return tuple(_drawn(groups, resamples, seed, resamples))
