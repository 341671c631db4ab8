"""Where bins lie: in spreads from a filter's centre, and in units of its activation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from padscope.tallies.names import BINS, CENTRE


def _upper_ends() -> NDArray[np.float64]:
    """Upper ends of the bins in (-1, 1]; the last, which only rounding reaches, beyond it."""
    ends: NDArray[np.float64] = (np.arange(1, BINS + 1) - (np.arange(BINS) >= CENTRE)) / CENTRE - 1
    return ends


def _stretched(squeezed: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        scaled: NDArray[np.float64] = squeezed / (1 - np.abs(squeezed))
    return scaled


def bin_middles() -> NDArray[np.float64]:
    """Value that stands for each bin, in spreads from its filter's centre.

    Returns
    -------
    (BINS,) float64
        Ascending; 0 for the centre's bin. The outermost bins have no outer edge: what lies more
        than 122 spreads out is taken for 245.
    """
    upper = _upper_ends()
    middles = (upper + np.concatenate([[-1.0], upper[:-1]])) / 2
    return _stretched(np.clip(middles, middles[0], -middles[0]))


def bin_edges(centre: ArrayLike, spread: ArrayLike) -> NDArray[np.float64]:
    """Upper edge of every bin but the last.

    Parameters
    ----------
    centre, spread : (C,) array
        Of the filters' `Bins`, in units of the activation.

    Returns
    -------
    (C, BINS - 1) float64 array
        Ascending along the bins, in units of the activation. The centre's bin has no width: its
        edges are equal. The last edge is infinite: only rounding puts a value above it.
    """
    scaled = _stretched(_upper_ends()[:-1])
    middle, width = (np.asarray(each, np.float64)[:, None] for each in (centre, spread))
    edges: NDArray[np.float64] = middle + width * scaled
    return edges
