"""Which classes gain and lose more than with controls, by sign flips over images."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from padscope.effects.resampling import ROUNDING, Groups, numbered

FloatArray = NDArray[np.float64]
MOST_IMAGES = 10**9
ALL_FLIPS = 12  # groups, up to which every way to flip their signs is tried
AT_ONCE = 4_000_000  # flipped sums


def sign_flip_p(
    differences: ArrayLike, groups: Groups | None = None, *, flips: int, seed: int = 0
) -> FloatArray:
    """Probability of so large a mean, either way, if every sign is as likely as its opposite.

    Parameters
    ----------
    differences : (n, C) array
        One row per image.
    groups : sequence, optional
        What each image belongs to, such as the name of a photograph: images of one group may be
        alike, and their signs are flipped together. None: each is alone.
    flips : int
        Random flips, the same for all columns; with few groups all there are instead.
    seed : int

    Returns
    -------
    (C,) float64 array
        (1 + number of flips whose |mean| reaches that as it is) / (1 + flips); 1 where no image
        differs. NaN where a difference is, and with fewer than two groups.

    Notes
    -----
    No shape is assumed of the differences but that under the null their signs mean nothing, which
    Student's test asks much more of, and which holds where a set of filters and its controls could
    change places.

    References
    ----------
    Fisher, The Design of Experiments (1935), section 21; Winkler et al., NeuroImage 92 (2014)
    381-397, for whole groups.

    Examples
    --------
    >>> sign_flip_p([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]], flips=99).tolist()
    [0.25, 1.0]
    """
    sums = _sums(differences, groups)
    count = len(sums)
    if count < 2:
        return np.full(sums.shape[1], np.nan)
    least = np.abs(sums.sum(axis=0)) - ROUNDING * np.abs(sums).sum(axis=0)
    rng = np.random.default_rng(seed)
    every = count <= ALL_FLIPS
    number = 2**count if every else flips
    reached = np.zeros(sums.shape[1])
    step = max(1, AT_ONCE // max(sums.shape))
    for first in range(0, number, step):
        rows = np.arange(first, min(first + step, number))
        bits = rows[:, None] >> np.arange(count) & 1 if every else rng.integers(
            2, size=(len(rows), count)
        )  # fmt: skip
        reached += (np.abs((1.0 - 2 * bits) @ sums) >= least).sum(axis=0)
    # The signs as they are, are among all that there are.
    p: FloatArray = reached / number if every else (1 + reached) / (1 + number)
    return np.where(np.isnan(least), np.nan, p)


def images_needed(
    differences: ArrayLike, groups: Groups | None = None, level: float = 0.05
) -> int | None:
    """Count the images that it would take for the first of C classes to reach q < level.

    Parameters
    ----------
    differences, groups
        As of `sign_flip_p`.
    level : float

    Returns
    -------
    int or None
        None where no class differs, or with fewer than two groups. The images there are, if
        they suffice.

    Notes
    -----
    It supposes that mean and spread of every class stay as they are, that images come in
    groups of the same size, and that one class alone is affected: by Benjamini and Hochberg's
    rule it must then reach p < level / C, by Student's t. The class is the one whose mean is
    largest beside its spread. Since it is picked for that, the count is rather too low; and with as
    many images a class of just this effect gets there in about half of all trials only.
    """
    values = np.asarray(differences, dtype=np.float64)
    sums = _sums(values - values.mean(axis=0), groups)
    count = len(sums)
    if count < 2:
        return None
    error = np.sqrt(count / (count - 1) * np.square(sums).sum(axis=0)) / len(values)
    mean = values.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where((mean == 0) & (error == 0), 0.0, np.abs(mean / error))
    if np.isnan(t).all() or np.nanmax(t) == 0:
        return None
    standardised = np.nanmax(t) / np.sqrt(count)

    def reached(groups: int) -> bool:
        p = 2 * stats.t.sf(standardised * np.sqrt(groups), groups - 1)
        return bool(p * len(t) < level)

    most = count
    while not reached(most):
        most *= 2
        if most > MOST_IMAGES:
            return None
    tried = range(count, most + 1)
    return math.ceil(tried[bisect_left(tried, True, key=reached)] * len(values) / count)


def _sums(differences: ArrayLike, groups: Groups | None) -> FloatArray:
    """Add up the rows of each group."""
    values = np.asarray(differences, dtype=np.float64)
    members = numbered(groups, len(values))
    sums = np.zeros((int(members.max()) + 1, values.shape[1]))
    np.add.at(sums, members, values)
    return sums
