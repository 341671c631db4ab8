"""Scores that chance alone would give: tail probabilities, and how many discoveries are false."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def tail_probability(ks: ArrayLike, null: ArrayLike) -> FloatArray:
    """How often a site's null reaches a score: its p-value.

    Parameters
    ----------
    ks : array
        Scores of one site; NaN where unmeasured.
    null : array
        Scores of the same site where there is no border, such as lines inside its map, of any
        shape. Filters and sides are one pool; NaN is left out.

    Returns
    -------
    float64 array
        (1 + number of null scores ≥ ks) / (1 + number of null scores), of the shape of `ks`: in
        (0, 1], at best 1 / (1 + number of null scores), and 1 if there are none. NaN where `ks` is.

    Notes
    -----
    One pool per site makes small probabilities possible that a filter's own few null scores could
    not show. In return p holds for a filter drawn at random from its site: for a filter whose
    scores spread more than its neighbours' it is too small.

    References
    ----------
    Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39, for the 1 that is added.

    Examples
    --------
    >>> tail_probability([0.9, 0.2, float("nan")], [0.1, 0.2, 0.3])
    array([0.25, 0.75,  nan])
    """
    ks, pool = np.asarray(ks, dtype=np.float64), np.asarray(null, dtype=np.float64)
    pool = np.sort(pool[np.isfinite(pool)])
    reaching = len(pool) - np.searchsorted(pool, ks, side="left")
    return np.where(np.isnan(ks), np.nan, (1 + reaching) / (1 + len(pool)))


def simes(p: ArrayLike) -> FloatArray:
    """Combine the probabilities of several tests into one: that none of them has anything to it.

    Parameters
    ----------
    p : (..., S) array
        Probabilities of S tests, such as the sides of a filter, in [0, 1]; NaN where unmeasured.

    Returns
    -------
    (...) float64 array
        In [0, 1]: the least of (number of tests) × p ÷ (rank of p). NaN where nothing is measured.
        It holds if the tests are independent or positively dependent.

    References
    ----------
    Simes, Biometrika 73 (1986) 751-754.

    Examples
    --------
    >>> simes([[0.01, 0.5, 0.9, 0.7], [0.02, float("nan"), float("nan"), 0.03]])
    array([0.04, 0.03])
    """
    p = np.sort(np.asarray(p, dtype=np.float64))  # NaN last
    tests = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    levels = p * tests / np.arange(1, p.shape[-1] + 1)
    least: FloatArray = np.fmin.reduce(levels, axis=-1, initial=np.nan)
    return least


def q_values(p: ArrayLike) -> FloatArray:
    """Smallest false discovery rate at which each score counts as a discovery.

    Parameters
    ----------
    p : array
        Probabilities of all that is tested together, in [0, 1]; NaN where unmeasured.

    Returns
    -------
    float64 array
        In [0, 1], of the same shape; NaN where `p` is. Taking all with q ≤ α makes at most a share
        α of false discoveries on average, if the tests are independent or positively dependent.

    Raises
    ------
    ValueError
        A probability is not in [0, 1].

    References
    ----------
    Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300.

    Examples
    --------
    >>> q_values([0.01, 0.04, float("nan"), 0.5])
    array([0.03, 0.06,  nan, 0.5 ])
    """
    p = np.asarray(p, dtype=np.float64)
    q = np.full_like(p, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        q[tested] = scipy.stats.false_discovery_control(p[tested], method="bh")
    return q
