"""Kolmogorov-Smirnov distance and polarity from counts, with the resolution of the bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """How a border distribution differs from a core distribution.

    Attributes
    ----------
    ks : float64 array
        Greatest gap between the two cumulative distributions at the bins' edges, in [0, 1]: a
        lower bound of the Kolmogorov-Smirnov distance of the binned values' originals. NaN where
        either side has no count.
    bound : float64 array
        How much larger the exact distance can be at most.
    polarity : float64 array
        P(border > core) + P(border = core) / 2, ties being values of one bin: above ½ the border
        is excited, below inhibited.
    """

    ks: FloatArray
    bound: FloatArray
    polarity: FloatArray


def compare(border: ArrayLike, core: ArrayLike, single: int | None = None) -> Distance:
    """Compare distributions counted in shared bins.

    Parameters
    ----------
    border, core : (..., B) integer array
        Counts in B ascending bins; leading axes broadcast.
    single : int, optional
        A bin that holds one value only: it hides nothing.

    Returns
    -------
    Distance
        Arrays of the leading axes' shape.

    Notes
    -----
    Within a bin the order of the values is unknown. At worst all of one sample's lie below all of
    the other's: then the gap there is the one at the bin's lower edge plus the bin's own mass.

    References
    ----------
    Smirnov, Ann. Math. Statist. 19 (1948) 279-281; Mann and Whitney, ibid. 18 (1947) 50-60.

    Examples
    --------
    >>> distance = compare([[3, 1, 0]], [[0, 1, 3]])
    >>> distance.ks, distance.bound, distance.polarity
    (array([0.75]), array([0.25]), array([0.03125]))
    """
    p, q = _shares(border), _shares(core)
    gap = _gap(border, core)
    ks = np.abs(gap).max(axis=-1)
    within = np.maximum(gap + q, p - gap)
    if single is not None:
        within[..., single] = 0
    # A distance cannot exceed 1; rounding of the sums could put the bound a hair below 0.
    bound = np.maximum(np.minimum(within.max(axis=-1), 1) - ks, 0)
    below = np.cumsum(q, axis=-1) - q / 2
    return Distance(ks, bound, np.einsum("...b,...b", p, np.broadcast_to(below, p.shape)))


def ks_distance(border: ArrayLike, core: ArrayLike) -> FloatArray:
    """Return `compare(border, core).ks` alone, in a third of the time."""
    ks: FloatArray = np.abs(_gap(border, core)).max(axis=-1)
    return ks


def _gap(border: ArrayLike, core: ArrayLike) -> FloatArray:
    """Border's cumulative distribution less the core's, at each bin's upper edge."""
    return _cumulative(border) - _cumulative(core)


def _cumulative(counts: ArrayLike) -> FloatArray:
    # Sums of integers are exact, and the last one is the total.
    below = np.cumsum(counts, axis=-1, dtype=np.int32)
    return _divide(below, below[..., -1:])


def _shares(counts: ArrayLike) -> FloatArray:
    array = np.asarray(counts)
    return _divide(array, array.sum(axis=-1, keepdims=True))


def _divide(counts: NDArray[np.integer[Any]], total: NDArray[np.integer[Any]]) -> FloatArray:
    """Divide, with NaN where there is no count."""
    with np.errstate(invalid="ignore"):
        shares: FloatArray = counts / total
    return shares
