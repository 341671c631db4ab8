"""Which classes gain and lose, paired over images."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from padscope.effects.resampling import Groups, numbered

FloatArray = NDArray[np.float64]
MOST_IMAGES = 10**9


@dataclass(frozen=True)
class PairedMeans:
    """Means of C paired differences over images, with their errors.

    Attributes
    ----------
    mean, error : (C,) float64 array
        The error is that of the mean; NaN with fewer than two groups of images.
    images, groups : int
        Images, and groups of images that are independent of each other.
    """

    mean: FloatArray
    error: FloatArray
    images: int
    groups: int

    @property
    def p(self) -> FloatArray:
        """Probability of so large a mean, either way, if there is no difference: (C,) float64.

        Of Student's t with `groups` - 1 degrees of freedom; NaN with fewer than two groups, and 1
        where no image differs at all.
        """
        return np.where(self._nothing, 1.0, 2 * stats.t.sf(np.abs(self._t), self.groups - 1))

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the t intervals."""
        half = stats.t.ppf((1 + level) / 2, self.groups - 1) * self.error
        return self.mean - half, self.mean + half

    @property
    def _nothing(self) -> NDArray[np.bool_]:
        nothing: NDArray[np.bool_] = (self.mean == 0) & (self.error == 0)
        return nothing

    @property
    def _t(self) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            t: FloatArray = np.where(self._nothing, 0.0, self.mean / self.error)
        return t

    def images_needed(self, level: float = 0.05) -> int | None:
        """Count the images that it would take for the first class to reach q < level.

        Returns
        -------
        int or None
            None where no class differs, or with fewer than two groups. The images there are, if
            they suffice.

        Notes
        -----
        It supposes that mean and spread of every class stay as they are, that images come in
        groups of the same size, and that one class alone is affected: by Benjamini and Hochberg's
        rule it must then reach p < level / C. The class is the one whose mean is largest beside
        its spread. Since it is picked for that, the count is rather too low; and with as many
        images a class of just this effect gets there in about half of all trials only.
        """
        t = np.abs(self._t)
        if np.isnan(t).all() or np.nanmax(t) == 0:
            return None
        standardised = np.nanmax(t) / np.sqrt(self.groups)

        def reached(groups: int) -> bool:
            p = 2 * stats.t.sf(standardised * np.sqrt(groups), groups - 1)
            return bool(p * len(t) < level)

        most = self.groups
        while not reached(most):
            most *= 2
            if most > MOST_IMAGES:
                return None
        tried = range(self.groups, most + 1)
        groups = tried[bisect_left(tried, True, key=reached)]
        return math.ceil(groups * self.images / self.groups)


def paired_means(differences: ArrayLike, groups: Groups | None = None) -> PairedMeans:
    """Average paired differences over images.

    Parameters
    ----------
    differences : (n, C) array
        One row per image.
    groups : sequence, optional
        What each image belongs to, such as the name of a photograph: images of one group may be
        alike, and count as one observation. None: each is alone.

    Returns
    -------
    PairedMeans
        Without groups, p is that of the paired t test (Student, Biometrika 6 (1908) 1-25); with
        groups, its error is the cluster-robust one (Liang and Zeger, Biometrika 73 (1986) 13-22).

    Examples
    --------
    >>> found = paired_means([[0.1, 0.0], [0.3, 0.0], [0.2, 0.0]])
    >>> found.mean.round(3).tolist(), found.p.round(3).tolist()
    ([0.2, 0.0], [0.074, 1.0])
    """
    values = np.asarray(differences, dtype=np.float64)
    members = numbered(groups, len(values))
    count = int(members.max()) + 1
    mean = values.mean(axis=0)
    residuals = np.zeros((count, values.shape[1]))
    np.add.at(residuals, members, values - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.divide(count, count - 1)
        error = np.sqrt(scale * np.square(residuals).sum(axis=0)) / len(values)
    error = error if count > 1 else np.full_like(mean, np.nan)
    return PairedMeans(mean, error, len(values), count)
