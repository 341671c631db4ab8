"""Bins fitted to the first images.

Calibration belongs to the identity of a run: every worker, and a resumed run, must use the same
bins, or counts could not be added.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.tallies.bins import Bins

FloatArray = NDArray[np.float32]

# A filter whose values spread less than this, relative to their centre and to what is usual at its
# site, is noise of the arithmetic around a constant; its bins are no finer, so that it is seen to
# be dead.
LEAST_SPREAD = 1e-6
LEAST = 1e-24  # below it nothing is usual: finer bins could not hold other images' values
GREATEST = np.finfo(np.float32).max
# Quantiles at which a value that recurs is looked for: a 32nd of the sample is enough to be found.
GRID = 64


def fit_bins(values: Tensor) -> Bins:
    """Fit bins to a sample of every filter's values.

    Parameters
    ----------
    values : (S, C) float Tensor
        S values of each of C filters; NaN and infinities are left out.

    Returns
    -------
    Bins
    """
    ordered = np.array(values.t().float().numpy(), order="C")
    ordered[~np.isfinite(ordered)] = np.nan
    ordered.sort(axis=1)  # NaN goes last
    finite = np.maximum(np.isfinite(ordered).sum(axis=1), 1)
    places = (finite[:, None] - 1) * np.arange(GRID + 1) // GRID
    quantiles = np.nan_to_num(np.take_along_axis(ordered, places, axis=1))
    centre = _most_frequent(quantiles)
    with np.errstate(over="ignore"):  # the greatest values lie farther apart than can be said
        distances = np.minimum(np.abs(quantiles - centre[:, None]), GREATEST)
    apart = distances > 0
    distances.sort(axis=1)  # the centre's own, all zero, come first
    # Half of the values apart from the centre lie within one spread of it.
    middle = GRID - apart.sum(axis=1) // 2
    spread = np.take_along_axis(distances, middle[:, None], axis=1)[:, 0]
    usual = _usual(np.maximum(spread, np.abs(centre)))
    spread = np.maximum(spread, LEAST_SPREAD * np.maximum(usual, np.abs(centre)))
    return Bins(torch.from_numpy(centre), torch.from_numpy(spread.astype(np.float32)))


def _usual(sizes: FloatArray) -> float:
    """Upper quartile of what filters give: weight decay may have left most of them without any."""
    some = sizes[sizes > 0]
    return max(LEAST, float(np.quantile(some.astype(np.float64), 0.75))) if len(some) else 1.0


def _most_frequent(quantiles: FloatArray) -> FloatArray:
    """Value that most of each row's quantiles share; the median if none recurs."""
    run = np.zeros(len(quantiles), dtype=np.int64)
    longest, best = run.copy(), quantiles[:, GRID // 2].copy()
    for place in range(1, GRID + 1):
        value = quantiles[:, place]
        run = np.where(value == quantiles[:, place - 1], run + 1, 0)
        longer = run > longest
        longest[longer], best[longer] = run[longer], value[longer]
    return best
