"""What changes in maps, by distance to the border, and in single values."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LONGEST = 64  # distances that are told apart


def change_by_distance(base: Tensor, changed: Tensor) -> Tensor:
    """Mean absolute change of a map at each distance from its nearest end.

    Parameters
    ----------
    base, changed : (N, C, *spatial) Tensor

    Returns
    -------
    (N, D) float64 Tensor
        Relative to the standard deviation of the image's base answer over channels and positions.
        Distances are in output positions and begin at 0; D is how many there are, at most
        `LONGEST`. NaN where the base answer is the same everywhere and the changed one is not.
    """
    size = tuple(base.shape[2:])
    distance, counts = (torch.from_numpy(found) for found in _distances(size))
    change = (changed.double() - base.double()).abs().mean(dim=1).flatten(1)  # (N, P)
    sums = torch.zeros(len(base), len(counts), dtype=torch.float64, device=base.device)
    sums.index_add_(1, distance.to(base.device), change)
    by_distance = relative_to_spread(sums / counts.to(base.device), base)
    return by_distance[:, : min(LONGEST, len(counts))]


def dense_change(base: Tensor, changed: Tensor) -> Tensor:
    """Root of the mean squared change of a map.

    Parameters
    ----------
    base, changed : (N, C, *spatial) Tensor

    Returns
    -------
    (N,) float64 Tensor
        Relative to the standard deviation of the image's base answer; NaN as of
        `change_by_distance`.
    """
    squared = (changed.double() - base.double()).square().flatten(1).mean(dim=1, keepdim=True)
    return relative_to_spread(squared.sqrt(), base).squeeze(1)


def value_change(base: Tensor, changed: Tensor) -> Tensor:
    """Absolute change of a value.

    Parameters
    ----------
    base, changed : (N,) or (N, 1) Tensor

    Returns
    -------
    (N,) float64 Tensor
        In the answer's own units: a single value has no spread within its image.
    """
    return (changed.double() - base.double()).abs().reshape(len(base), -1).mean(dim=1)


def relative_to_spread(change: Tensor, base: Tensor) -> Tensor:
    """Divide changes by the spread of each image's map; no change is 0 of any spread.

    Parameters
    ----------
    change : (N, D) Tensor
    base : (N, …) Tensor
        Its standard deviation, image by image, is the spread.

    Returns
    -------
    (N, D) Tensor
        NaN where there is a change and no spread.
    """
    return over_spread(change, spreads(base))


def spreads(base: Tensor) -> Tensor:
    """Compute each image's standard deviation: (N,) float64, exactly 0 if all is one value.

    By sums and sums of squares, image by image within the processor's cache: `torch.std` takes six
    times as long. Where the mean is so large that little would be left of their difference, by
    `torch.var`.
    """
    values = base if base.dtype == torch.float64 else base.float()
    count = base[0].numel()
    recorded = torch.is_grad_enabled() and values.requires_grad
    scratch = None if recorded else torch.empty_like(values[0])
    found = [(row.sum(), torch.mul(row, row, out=scratch).sum()) for row in values]
    mean, square = (torch.stack(each).double() / count for each in zip(*found, strict=True))
    variance = square - mean.square()
    doubtful = ~(variance > 1e-2 * mean.square())
    for row in torch.nonzero(doubtful).flatten().tolist():
        exact = values[row].double()
        varied = exact.amax() > exact.amin()
        variance[row] = exact.var(correction=0) if varied else 0.0
    spread: Tensor = variance.sqrt()
    return spread


def over_spread(change: Tensor, spread: Tensor) -> Tensor:
    """Divide (N, D) changes by (N,) spreads; see `relative_to_spread`."""
    spread = spread[:, None].to(change)
    without = torch.zeros_like(change).masked_fill(change > 0, torch.nan)
    return torch.where(spread > 0, change / spread, without)


@lru_cache(maxsize=16)
def _distances(size: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distance of every position, row-major, from the nearest end, and how many have each."""
    places = np.indices(size).reshape(len(size), -1)
    last = np.array(size)[:, None] - 1
    nearest = np.minimum(places, last - places).min(axis=0)
    return nearest, np.bincount(nearest)
