"""Border recall: how much of a border a filter tells from what it is shown elsewhere.

A shift of the distribution at the border is no recognition: it may lie wholly within what the
filter gives inside the image too. Recall asks what a detector is asked: at a threshold that hardly
any of the content passes, how much of the border does?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from padscope.scores.distance import Counts, FloatArray, gap_limits
from padscope.tallies.names import BINS, CENTRE

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTENTS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # shares, evenly on a logarithmic axis
LEAST_SHIFT = 0.3  # a KS below it is no shift, and its direction is chance
ROUNDING = 1e-9  # of shares


def border_recall(counts: Counts) -> FloatArray:
    """Share of the border's values beyond a threshold that few of the core's exceed.

    Parameters
    ----------
    counts : Counts
        Of (..., B) arrays. No more than ``counts.content`` of the core's values lie beyond the
        threshold, in the direction in which the border is shifted: against the same border with
        real surroundings where that is counted, against the core where it is not.

    Returns
    -------
    (...) float64 array
        In [0, 1]. 0 where the KS of that shift is less than `LEAST_SHIFT`; NaN where either has no
        count, or the core has too few for its quantile: fewer than one in ``counts.content``.

    Notes
    -----
    Within the bin that holds the quantile values are taken to lie alike in border and core; see
    `recall_bound` for what that can cost. A bin of one value holds no threshold: values that tie
    with the quantile are not beyond it.

    Examples
    --------
    >>> core = [100, 98, 2]
    >>> border_recall(Counts([[0, 10, 90], [40, 60, 0]], core))
    array([0.9, 0. ])
    """
    above, below = counts.shift.gaps
    recall, _ = _beyond(counts, above > below)
    return _settled(counts, recall)


def recall_curve(counts: Counts, contents: Sequence[float] = CONTENTS) -> FloatArray:
    """Border recall at several shares of the content that may pass the threshold.

    A detector of the border has a high recall where hardly any content passes; what is merely
    shifted there gains recall as more content passes.

    Parameters
    ----------
    counts : Counts
        Of (..., B) arrays; their own ``content`` is not used.
    contents : sequence of float
        K shares.

    Returns
    -------
    (..., K) float64 array
        See `border_recall`.

    Examples
    --------
    >>> recall_curve(Counts([[0, 10, 90]], [900, 98, 2]), (0.001, 0.002, 0.1))
    array([[0.45, 0.9 , 1.  ]])
    """
    return np.stack(
        [
            border_recall(Counts(counts.border, counts.core, counts.real, content))
            for content in contents
        ],
        axis=-1,
    )


def recall_bound(counts: Counts) -> FloatArray:
    """How far the recall of the values themselves can lie from `border_recall`: (...) array.

    It covers what else the bins leave open: whether, and in which direction, the border is shifted.

    Examples
    --------
    >>> core = [100, 98, 2]
    >>> recall_bound(Counts([[0, 10, 90], [50, 100, 50]], core)).round(3)
    array([0.1 , 0.75])
    """
    above, below = counts.shift.gaps
    most_above, most_below = gap_limits(counts.shift, _single(counts))
    upwards, downwards = (_beyond(counts, np.array(up)) for up in (True, False))
    found = _settled(counts, np.where(above > below, upwards[0], downwards[0]))
    furthest = np.where(counts.shift.ks < LEAST_SHIFT + ROUNDING, found, 0)
    for (recall, hidden), most, other in (
        (upwards, most_above, below),
        (downwards, most_below, above),
    ):
        possible = most >= np.maximum(other, LEAST_SHIFT) - ROUNDING
        furthest = np.where(possible, np.maximum(furthest, abs(found - recall) + hidden), furthest)
    return np.where(np.isnan(found), np.nan, furthest)


def _settled(counts: Counts, recall: FloatArray) -> FloatArray:
    """Recall of 0 where there is no shift, and none where nothing can be said."""
    ks, (_, q) = counts.shift.ks, counts.sums
    unknown = np.isnan(ks) | (q[..., -1] * counts.content < 1)
    return np.where(unknown, np.nan, np.where(ks >= LEAST_SHIFT - ROUNDING, recall, 0.0))


def _single(counts: Counts) -> int | None:
    """Bin of one value, where bins are fine enough to have one."""
    return CENTRE if counts.core.shape[-1] == BINS else None


def _beyond(counts: Counts, upwards: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Share of the border beyond the core's quantile, and what the bins leave open of it."""
    p, q = counts.sums
    shape, bins = np.broadcast_shapes(p.shape, q.shape), q.shape[-1]
    whole, core = p[..., -1], q[..., -1]
    # In whole values, so that a share that is met exactly is not missed by rounding.
    allowed = np.floor(core * counts.content + ROUNDING)
    # The first bin with no more than that above it, or the last with no more than that below it:
    # the quantile lies in it.
    highest = (core[..., None] - q <= allowed[..., None]).argmax(axis=-1)
    lowest = np.minimum((q <= allowed[..., None]).sum(axis=-1), bins - 1)
    at = np.broadcast_to(np.where(upwards, highest, lowest), shape[:-1])

    def pick(values: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        return np.take_along_axis(np.broadcast_to(values, shape), at[..., None], axis=-1)[..., 0]

    inside, here = pick(counts.core), pick(counts.border)
    core_below, border_below = pick(q), pick(p)
    beyond = np.where(upwards, core - core_below, core_below - inside)
    further = np.where(upwards, whole - border_below, border_below - here)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(inside > 0, (allowed - beyond) / inside, 0.0)
        hidden = here / whole
        if (single := _single(counts)) is not None:
            part = np.where(at == single, 0.0, part)
            hidden = np.where(at == single, 0.0, hidden)
        recall = (further + part * here) / whole
    return recall, hidden * np.maximum(part, 1 - part)
