"""Which filters can be told apart, one by one, from those of baselines: targets and decoys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def decoy_q(recall: ArrayLike, decoys: Sequence[ArrayLike]) -> FloatArray:
    """Smallest share of false discoveries at which each filter counts as a discovery.

    A discovery is a filter that recognises the border as no filter of a baseline does. Filters of
    baselines, the decoys, show how many of a network's filters reach a recall without that.

    Parameters
    ----------
    recall : (N,) array
        Border recall of a network's filters, no unit; NaN where unmeasured.
    decoys : sequence of (M,) arrays
        Border recall of the filters of each baseline network, one array a seed; NaN is left out.

    Returns
    -------
    (N,) float64 array
        In [1/N, 1]: the least, over all t ≤ the filter's recall, of (1 + mean over the baselines
        of their filters that reach t) ÷ (the network's filters that reach t), at most 1. NaN where
        `recall` is.

    Raises
    ------
    ValueError
        There are no baselines, or an array is not of one axis.

    Notes
    -----
    All decoys count as false discoveries, although not all filters of the network can be false:
    q is too large rather than too small. The 1 keeps few filters from being discoveries because
    few decoys happen to reach them; so q is at least 1 ÷ (number of filters).

    References
    ----------
    Elias and Gygi, Nat. Methods 4 (2007) 207-214, for targets and decoys; Barber and Candès, Ann.
    Statist. 43 (2015) 2055-2085, for the 1 that is added.

    Examples
    --------
    >>> decoy_q([0.9, 0.8, 0.2, float("nan")], [[0.5, 0.1], [0.1, 0.0]])
    array([0.5, 0.5, 0.5, nan])
    """
    recall = np.asarray(recall, dtype=np.float64)
    others = [np.asarray(of_baseline, dtype=np.float64) for of_baseline in decoys]
    if not others:
        raise ValueError("q needs a baseline to compare with")
    if any(array.ndim != 1 for array in (recall, *others)):
        raise ValueError("recall is one value a filter, network by network")
    measured = ~np.isnan(recall)
    # Between two filters' recalls only decoys change, so the least is at a filter's recall.
    levels = np.sort(recall[measured])
    reaching = _reaching(levels, levels)
    false = np.mean([_reaching(other[~np.isnan(other)], levels) for other in others], axis=0)
    least = np.minimum.accumulate(np.minimum((1 + false) / reaching, 1))
    q = np.full_like(recall, np.nan)
    q[measured] = least[np.searchsorted(levels, recall[measured], side="right") - 1]
    return q


def _reaching(values: FloatArray, levels: FloatArray) -> NDArray[np.intp]:
    """How many values are at least as large as each level."""
    return len(values) - np.searchsorted(np.sort(values), levels, side="left")


def told_apart(q: ArrayLike, level: float = 0.05) -> int:
    """Count the filters that can be told apart from those of baselines, one by one.

    Parameters
    ----------
    q : array
        As `decoy_q` gives it; NaN where unmeasured.
    level : float
        Of these filters, at most such a share is no different from decoys, on average.

    Returns
    -------
    int
        0 wherever fewer than 1 ÷ `level` filters are measured.

    Examples
    --------
    >>> told_apart([0.01, 0.05, 0.06, float("nan")])
    2
    """
    return int((np.asarray(q, dtype=np.float64) <= level).sum())
