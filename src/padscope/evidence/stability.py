"""Whether a filter's kind would be the same on other images: a bootstrap over image folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from padscope.counts import plural
from padscope.evidence.kind import BoolArray, Kinds, classify
from padscope.scores.distance import ks_distance, polarity_of

if TYPE_CHECKING:
    from padscope.regions import Side

TOGETHER = 32  # filters, whose resamples fit into the cache

FloatArray = NDArray[np.float64]
Counts = NDArray[np.integer]


def kind_stability(
    padded: ArrayLike,
    real: ArrayLike,
    sides: tuple[Side, ...],
    reported: Kinds,
    *,
    corner_padded: ArrayLike | None = None,
    corner_real: ArrayLike | None = None,
    resamples: int = 50,
    seed: int = 0,
) -> FloatArray:
    """Share of resamples of the images in which a filter's kind comes out as reported.

    Images are the unit of chance, not pixels: a resample draws as many folds of images as there
    are, with replacement, the same ones for all filters and sides, and scores and classifies anew.

    Parameters
    ----------
    padded, real : (S, F, C, B) integer array
        Activations of C filters at S sides, as padded and at the same positions with real
        surroundings, counted in B shared, ascending bins per fold of images. Folds without counts
        are not drawn.
    sides : tuple of Side
        The S sides.
    reported : Kinds
        Of the C filters. If scored in finer bins than these, filters near a cut may differ for
        that alone.
    corner_padded, corner_real : (K, F, C, B) integer array, optional
        The same at K corners.
    resamples : int
        How many, at least 1.
    seed : int
        The same seed draws the same folds.

    Returns
    -------
    (C,) float64
        In [0, 1]: kind, active sides and sign all as reported. NaN for filters without a reported
        kind, for ``corner`` kinds if no corner is given, and throughout if fewer than two folds
        have counts.

    Raises
    ------
    ValueError
        Shapes do not fit each other, only one of the corner arrays is given, or `resamples` is
        below 1.

    References
    ----------
    Efron, Ann. Statist. 7 (1979) 1-26; Field and Welsh, J. R. Stat. Soc. B 69 (2007) 369-390, for
    drawing whole groups.

    Examples
    --------
    >>> from padscope.regions import sides_of
    >>> padded, real = np.full((2, 8, 1, 2), [0, 9]), np.full((2, 8, 1, 2), [9, 0])
    >>> reported = classify([[1.0], [1.0]], [[1.0], [1.0]], sides_of(1))
    >>> kind_stability(padded, real, sides_of(1), reported)
    array([1.])
    """
    padded, real = np.asarray(padded), np.asarray(real)
    corners = _as_corners(corner_padded, corner_real)
    _require_shapes(padded, real, corners, reported, resamples)
    stability = np.full(len(reported.kind), np.nan)
    present: BoolArray = np.logical_and(padded.any(axis=(0, 2, 3)), real.any(axis=(0, 2, 3)))
    if present.sum() < 2:
        return stability
    weights = _multiplicities(present, resamples, seed)
    in_corner = reported.kind == "corner"
    on_sides = np.flatnonzero((reported.kind != "") & ~in_corner)
    resampling = _Resampling(padded, real, weights, sides, reported)
    if len(on_sides):
        stability[on_sides] = resampling.agreement(on_sides)
    if corners is not None and in_corner.any():
        chosen = np.flatnonzero(in_corner)
        stability[chosen] = resampling.agreement(chosen, corners)
    return stability


def _multiplicities(present: BoolArray, resamples: int, seed: int) -> NDArray[np.int32]:
    """How often each resample draws each of all folds: an (R, F) array."""
    folds = np.flatnonzero(present)
    drawn = np.random.default_rng(seed).choice(folds, size=(resamples, len(folds)))
    times: NDArray[np.int32] = (drawn[:, :, None] == np.arange(len(present))).sum(
        axis=1, dtype=np.int32
    )
    return times


@dataclass(frozen=True)
class _Resampling:
    """All that resamples are classified from, and what they are compared with."""

    padded: Counts
    real: Counts
    weights: NDArray[np.int32]
    sides: tuple[Side, ...]
    reported: Kinds

    def agreement(
        self, chosen: NDArray[np.intp], corners: tuple[Counts, Counts] | None = None
    ) -> FloatArray:
        """Share of resamples that agree with what is reported of the chosen filters."""
        cuts = range(TOGETHER, len(chosen), TOGETHER)
        blocks = [self._of_block(block, corners) for block in np.split(chosen, cuts)]
        return np.concatenate(blocks)

    def _of_block(
        self, chosen: NDArray[np.intp], corners: tuple[Counts, Counts] | None
    ) -> FloatArray:
        """Do so for a few filters, all resamples of them at once."""

        def drawn(counts: Counts) -> Counts:
            """Sum the folds' counts, each as often as it is drawn: (S, R · C, B)."""
            # A product of matrices in float64, in which counts are exact: far faster than integers.
            flat = counts[:, :, chosen].reshape(*counts.shape[:2], -1).astype(np.float64)
            total = self.weights.astype(np.float64) @ flat
            whole: Counts = total.astype(np.int32 if total.max(initial=0) < 2**31 else np.int64)
            return whole.reshape(len(counts), -1, counts.shape[-1])

        border, context = drawn(self.padded), drawn(self.real)
        corner = None
        if corners is not None:
            distances = ks_distance(drawn(corners[0]), drawn(corners[1]))
            corner = np.fmax.reduce(distances, axis=0, initial=np.nan)
        polarity = polarity_of(border, context)
        kinds = classify(ks_distance(border, context), polarity, self.sides, corner)
        shape, reported = (len(self.weights), len(chosen)), self.reported
        same: BoolArray = (
            (kinds.kind.reshape(shape) == reported.kind[chosen])
            & (kinds.active.reshape(-1, *shape) == reported.active[:, None, chosen]).all(axis=0)
            & (kinds.sign.reshape(shape) == reported.sign[chosen])
        )
        agreed: FloatArray = same.mean(axis=0)
        return agreed


def _as_corners(padded: ArrayLike | None, real: ArrayLike | None) -> tuple[Counts, Counts] | None:
    if padded is None and real is None:
        return None
    if padded is None or real is None:
        raise ValueError("corners need both their padded and their real counts")
    return np.asarray(padded), np.asarray(real)


def _require_shapes(
    padded: Counts,
    real: Counts,
    corners: tuple[Counts, Counts] | None,
    reported: Kinds,
    resamples: int,
) -> None:
    filters = len(reported.kind)
    fits = padded.ndim == 4 and padded.shape == real.shape
    fits = fits and reported.active.shape == (len(padded), filters) and padded.shape[2] == filters
    if fits and corners is not None:
        fits = corners[0].shape == corners[1].shape and corners[0].shape[1:] == padded.shape[1:]
    if not fits:
        raise ValueError(
            f"counts of {padded.shape} and {real.shape} (sides, folds, filters, bins) do not fit "
            f"each other, the corners or {plural(filters, 'reported filter')}"
        )
    if resamples < 1:
        raise ValueError("a bootstrap needs at least one resample")
