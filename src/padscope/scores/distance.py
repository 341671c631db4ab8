"""Kolmogorov-Smirnov distance and polarity from counts, with the resolution of the bins."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONTENT = 0.01  # of the core's values may lie beyond a threshold
FloatArray = NDArray[np.float64]
Sums = NDArray[Any]  # of integers, or shares of them


class Counts:
    """Border and core of some filters, counted in shared bins, and the sums that are made of both.

    Parameters
    ----------
    border, core : (..., B) integer array
        Counts in B ascending bins; leading axes broadcast.
    real : (..., B) integer array, optional
        The same border with real surroundings, where that is known.
    content : float
        Share of the core's values that may lie beyond a threshold; see `border_recall`.
    """

    def __init__(
        self,
        border: ArrayLike,
        core: ArrayLike,
        real: ArrayLike | None = None,
        content: float = CONTENT,
    ) -> None:
        self.border = np.asarray(border)
        self.core = np.asarray(core)
        self.real = None if real is None else np.asarray(real)
        self.content = content

    @cached_property
    def shift(self) -> Counts:
        """What the border is shifted against: itself with real surroundings, or else the core."""
        return self if self.real is None else Counts(self.border, self.real)

    @property
    def border_below(self) -> FloatArray:
        """Share of the border's values in every bin and those below it; NaN without a value."""
        return self._shares(0)

    @property
    def core_below(self) -> FloatArray:
        """Share of the core's values in every bin and those below it; NaN without a value."""
        return self._shares(1)

    def _shares(self, which: int) -> FloatArray:
        *sums, whole = self.cumulative
        return _divide(sums[which], whole[..., None])

    @cached_property
    def sums(self) -> tuple[Sums, Sums]:
        """Both counts summed over every bin and those below it; the last sum is the total."""
        return _cumulated(self.border), _cumulated(self.core)

    @cached_property
    def cumulative(self) -> tuple[Sums, Sums, Sums]:
        """Both cumulative distributions, and what a gap between them is to be divided by.

        Samples of one size, as of the same positions, are left as integers: they need a division of
        the greatest gap alone.
        """
        p, q = self.sums  # of integers, and exact
        totals = p[..., -1:], q[..., -1:]
        if (totals[0] == totals[1]).all():
            return p, q, np.maximum(totals[0], totals[1])[..., 0]
        return _divide(p, totals[0]), _divide(q, totals[1]), np.ones(())

    @cached_property
    def ks(self) -> FloatArray:
        """Greatest gap between the two cumulative distributions at the bins' edges, in [0, 1].

        A lower bound of the Kolmogorov-Smirnov distance of the binned values' originals. NaN where
        either side has no count.
        """
        return np.maximum(*self.gaps)

    @cached_property
    def gaps(self) -> tuple[FloatArray, FloatArray]:
        """Greatest gap where the border's distribution lies below the core's, and above it.

        The first is the larger one of a border whose values are greater than the core's.
        """
        p, q, whole = self.cumulative
        gap = p - q
        least, most = gap.min(axis=-1), gap.max(axis=-1)
        return _divide(-least, whole), _divide(most, whole)


def ks_distance(border: ArrayLike, core: ArrayLike) -> FloatArray:
    """Kolmogorov-Smirnov distance of distributions counted in shared bins: `Counts.ks`.

    References
    ----------
    Smirnov, Ann. Math. Statist. 19 (1948) 279-281.

    Examples
    --------
    >>> ks_distance([[3, 1, 0]], [[0, 1, 3]])
    array([0.75])
    """
    return Counts(border, core).ks


def ks_bound(counts: Counts, single: int | None = None) -> FloatArray:
    """How much larger than `Counts.ks` the exact distance can be at most.

    Parameters
    ----------
    counts : Counts
    single : int, optional
        A bin that holds one value only: it hides nothing.

    Examples
    --------
    >>> ks_bound(Counts([[3, 1, 0]], [[0, 1, 3]]))
    array([0.25])
    """
    bound: FloatArray = np.maximum(*gap_limits(counts, single)) - counts.ks
    return bound


def gap_limits(counts: Counts, single: int | None = None) -> tuple[FloatArray, FloatArray]:
    """How large the exact gaps can be at most whose lower bounds are `Counts.gaps`.

    Parameters
    ----------
    counts, single
        As for `ks_bound`.

    Notes
    -----
    Within a bin the order of the values is unknown. At worst all of one sample's lie below all of
    the other's: then the gap there is the one at the bin's lower edge plus the bin's own mass.
    """
    p, q, whole = counts.cumulative
    steps = _greatest_step(q, p, single), _greatest_step(p, q, single)
    # A distance cannot exceed 1; rounding of the sums could put a limit a hair below the gap.
    above, below = (
        np.maximum(np.minimum(_divide(step, whole), 1), gap)
        for step, gap in zip(steps, counts.gaps, strict=True)
    )
    return above, below


def polarity_of(border: ArrayLike, core: ArrayLike) -> FloatArray:
    """P(border > core) + P(border = core) / 2, ties being values of one bin; exactly ½ if all tie.

    References
    ----------
    Mann and Whitney, Ann. Math. Statist. 18 (1947) 50-60.

    Examples
    --------
    >>> polarity_of([[3, 1, 0]], [[0, 1, 3]])
    array([0.03125])
    """
    border, core = np.asarray(border), np.asarray(core)
    # Twice the pairs won, in float64: integers that large would overflow, and are exact.
    twice = _cumulated(core).astype(np.float64)
    twice *= 2
    twice -= core
    won = np.einsum("...b,...b->...", border.astype(np.float64), twice)
    pairs = border.sum(axis=-1, dtype=np.float64) * core.sum(axis=-1, dtype=np.float64)
    return _divide(won, 2 * pairs)


def _cumulated(counts: NDArray[np.integer[Any]]) -> Sums:
    """Sum over bins, exactly."""
    sums: Sums = counts.cumsum(axis=-1, dtype=_wide_enough(counts))
    return sums


def _wide_enough(counts: NDArray[np.integer[Any]]) -> type[np.int32] | type[np.int64]:
    """Choose the type of sums over bins; half as wide is nearly twice as fast."""
    most = int(counts.max(initial=0)) * counts.shape[-1]
    return np.int32 if most < 2**31 else np.int64


def _greatest_step(upper: Sums, lower: Sums, single: int | None) -> Sums:
    """Greatest rise from one distribution at a bin's lower edge to the other at its upper edge."""
    steps = np.empty(np.broadcast_shapes(upper.shape, lower.shape), upper.dtype)
    steps[..., 0] = upper[..., 0]  # below the first bin both are 0
    np.subtract(upper[..., 1:], lower[..., :-1], out=steps[..., 1:])
    if single is not None:
        steps[..., single] = 0
    greatest: Sums = steps.max(axis=-1)
    return greatest


def _divide(counts: Sums, total: Sums) -> FloatArray:
    """Divide, with NaN where there is no count."""
    with np.errstate(invalid="ignore"):
        shares: FloatArray = counts / total
    return shares
