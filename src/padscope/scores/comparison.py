"""Whether a network has more filters that recognise the border than its baselines, or fewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import asinh, ceil, sinh, sqrt
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Of p; as counts of few seeds are a little skewed, 5 % of null networks are then said to differ.
LEVEL = 0.045
# Networks that differ by their seed alone have counts that vary no more than if every filter had
# a twin (twice the variance of independent filters) and the rate differed by 30 % besides.
TWINS = 2
SPREAD = 0.3
FEWEST_FILTERS = 50
FEWEST_BASELINES = 2  # one shows no spread
HALVINGS = 60  # of an interval that holds a root: to the last digit
FEWEST_IMAGES = 16  # a share of all or nothing per image is known to ±.25: .25 · (1.96 / .25)²


@dataclass(frozen=True)
class NetworkCount:
    """How many filters of a network recognise the border, and how many without some images.

    Attributes
    ----------
    count : int
        Filters that recognise the border.
    filters : int
        Filters that are measured.
    left_out : tuple of int
        `count` without the images of the first, second, … fold.
    """

    count: int
    filters: int
    left_out: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot have been counted."""
        if not all(0 <= count <= self.filters for count in (self.count, *self.left_out)):
            raise ValueError("a count lies between 0 and the number of measured filters")


@dataclass(frozen=True)
class Comparison:
    """What comparing a network's count with those of its baselines says.

    Attributes
    ----------
    answer : {"more", "as many", "fewer"} or None
        What the network has, compared with its baselines. "As many": no difference is shown.
    reason : str
        Why there is no answer; empty if there is one.
    count : int
        Of the given network.
    baselines : tuple of int
        Counts of the baselines, seed by seed.
    low, high : int or None
        One more baseline would have a count from `low` to `high`, in 95 % of cases. Outside, the
        answer is "more" or "fewer".
    p : float or None
        How often one more baseline would differ as much, in either direction.
    """

    answer: Literal["more", "as many", "fewer"] | None
    reason: str
    count: int
    baselines: tuple[int, ...]
    low: int | None = None
    high: int | None = None
    p: float | None = None


def images_needed(core_per_image: int, content: float) -> int:
    """How many images a comparison, or a q, needs.

    Parameters
    ----------
    core_per_image : int
        Core outputs of a filter per image; the fewest that a measured filter has.
    content : float
        Share of core outputs that may exceed a filter's threshold.

    Returns
    -------
    int
        At least 16: border and core of an image are no independent draws, and with so many images
        a recall of .5 can be told from .25 and .75 even if it is all or nothing in every image.
        More where there would be less than one core output beyond the threshold.

    Examples
    --------
    >>> images_needed(16, 0.01), images_needed(4, 0.01), images_needed(16, 0.002)
    (16, 25, 32)
    """
    # Rounded: 1 / .005 / 25 is not to need a ninth image because of its last bit.
    return max(FEWEST_IMAGES, ceil(round(1 / content / core_per_image, 9)))


def compare_counts(
    given: NetworkCount,
    baselines: Sequence[NetworkCount],
    *,
    images: int,
    core_per_image: int,
    content: float,
) -> Comparison:
    """Say whether a network has more filters that recognise the border than its baselines have.

    Parameters
    ----------
    given : NetworkCount
    baselines : sequence of NetworkCount
        Networks of one kind that differ by their seed only, with the same folds of images.
    images : int
        On which the network with the fewest was measured.
    core_per_image, content
        See `images_needed`.

    Returns
    -------
    Comparison
        Without an answer where filters, baselines or images are too few.

    Raises
    ------
    ValueError
        Networks have different numbers of folds, or fewer than two.

    Notes
    -----
    Null hypothesis: the given network is one more draw from the law of its baselines. A rank test
    of S = 3 baselines cannot reach 5 %, and their own variance is hardly known. So the law has a
    bound: of N filters, counts n vary by V(n) = 2 n (1 - n/N) + (.3 n)² over seeds, at most.
    Counts are compared as y(n), the integral of 1 / √V, on which the bound is 1. Then

        t = |y - ȳ| / √((1 + 1/S) max(f, s²) + J)

    with the mean ȳ and the variance s² of S baselines; the variance f that counts of independent
    filters have; and the variance J over images, of the jackknife over folds of y - ȳ, in which
    what images do to all networks alike cancels. p is the probability of t at the bound, over the
    normal law of y - ȳ and the χ² law of s². With a smaller variance t is smaller.
    Where counts are large this is the t-test with S - 1 degrees of freedom, which holds for any
    spread of networks; where they are small it rests on the bound.

    On simulated null networks (Poisson; negative binomial and log-normal with a spread up to .3;
    2, 3 or 5 baselines) "more" is wrong in up to 2.5 %, "fewer" in up to 3 % (4 % where nearly all
    filters recognise the border), both together in up to 5 %; in up to 2 % where seeds differ by
    10 % and counts are below 100. If all filters come in pairs besides, both are wrong in up to
    6 %.

    References
    ----------
    Anscombe, Biometrika 35 (1948) 246-254, for y, and the 3/8 that is added to counts; Miller,
    Biometrika 61 (1974) 1-15, for the jackknife; Satterthwaite, Biometrics Bull. 2 (1946) 110-114,
    for the degrees of freedom of a variance that is J in part.

    Examples
    --------
    >>> seeds = [NetworkCount(n, 4224, (n,) * 16) for n in (6, 10, 14)]
    >>> given = NetworkCount(31, 4224, (31,) * 16)
    >>> found = compare_counts(given, seeds, images=96, core_per_image=16, content=0.01)
    >>> found.answer, found.low, found.high, round(found.p, 2)
    ('more', 2, 29, 0.03)
    """
    counts = tuple(network.count for network in baselines)
    networks = (given, *baselines)
    filters = min(network.filters for network in networks)
    needed = images_needed(core_per_image, content)
    for there, least, what in (
        (filters, FEWEST_FILTERS, "measured filters"),
        (len(baselines), FEWEST_BASELINES, "baselines"),
        (images, needed, "images"),
    ):
        if there < least:
            reason = f"comparing counts takes {least} {what}, not {there}"
            return Comparison(None, reason, given.count, counts)
    folds = len(given.left_out)
    if folds < 2 or any(len(network.left_out) != folds for network in networks):
        raise ValueError("counts are compared over the same folds of images, two or more")

    scale = _Scale(filters)

    def gap(of_given: int, of_baselines: Sequence[int]) -> float:
        others = map(scale.of, of_baselines, baselines)
        return scale.of(of_given, given) - float(np.mean(list(others)))

    of_seeds = np.array([scale.of(network.count, network) for network in baselines])
    centre = float(of_seeds.mean())
    by_fold = zip(*(network.left_out for network in networks), strict=True)
    over_images = (folds - 1) * float(np.var([gap(first, others) for first, *others in by_fold]))
    weight = 1 + 1 / len(baselines)
    floor = scale.independent(centre)
    error = sqrt(weight * max(floor, of_seeds.var(ddof=1)) + over_images)
    true = weight + over_images
    estimated = weight * np.maximum(floor, _mean_squares(len(baselines) - 1)) + over_images
    freedom = (folds - 1) * (true / over_images) ** 2 if over_images else np.inf

    def probability(distance: float) -> float:
        """Of a greater distance, over what the baselines' variance may be estimated as."""
        reached = distance / error * np.sqrt(estimated / true)
        return float(2 * scipy.special.stdtr(freedom, -reached).mean())

    found = gap(given.count, counts)
    p = probability(abs(found))
    reach, beyond = 0.0, 1e4 * error
    for _ in range(HALVINGS):  # by hand: importing `scipy.optimize` takes longer than all of them
        middle = (reach + beyond) / 2
        reach, beyond = (middle, beyond) if probability(middle) > LEVEL else (reach, middle)
    answer: Literal["more", "as many", "fewer"] = "as many"
    if p <= LEVEL:
        answer = "more" if found > 0 else "fewer"
    low, high = (scale.count(end, given) for end in (centre - reach, centre + reach))
    return Comparison(answer, "", given.count, counts, ceil(low), int(high), p)


@dataclass(frozen=True)
class _Scale:
    """Counts on a scale on which their greatest variance over seeds is 1, as if of N filters."""

    filters: int

    @property
    def _curve(self) -> float:
        """V(n) = TWINS · n + this · n²; positive from 23 filters on."""
        return SPREAD**2 - TWINS / self.filters

    def of(self, count: int, network: NetworkCount) -> float:
        """Scale a network's count."""
        moved = count * self.filters / network.filters + 3 / 8
        return 2 / sqrt(self._curve) * asinh(sqrt(self._curve / TWINS * moved))

    def count(self, scaled: float, network: NetworkCount) -> float:
        """Invert `of`, within what a network can count."""
        count = min(max(self._moved(max(scaled, 0)) - 3 / 8, 0), self.filters)
        return count * network.filters / self.filters

    def independent(self, scaled: float) -> float:
        """Variance of independent filters; above 0 even where none or all recognise the border."""
        moved = self._moved(scaled)
        return (1 - moved / (self.filters + 3 / 4)) / (TWINS + self._curve * moved)

    def _moved(self, scaled: float) -> float:
        return TWINS / self._curve * sinh(scaled * sqrt(self._curve) / 2) ** 2


@cache
def _mean_squares(freedom: int) -> FloatArray:
    """Estimates of a variance of 1 with some degrees of freedom, equally likely each."""
    nodes = 200
    middle: FloatArray = (
        2 * scipy.special.gammaincinv(freedom / 2, (np.arange(nodes) + 0.5) / nodes) / freedom
    )
    return middle
