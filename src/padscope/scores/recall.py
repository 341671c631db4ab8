"""Border recall: how much of a border a filter tells from what it is shown elsewhere.

A shift of the distribution at the border is no recognition: it may lie wholly within what the
filter gives inside the image too. Recall asks what a detector is asked: at a threshold that hardly
any of the content passes, how much of the border does?
"""

from __future__ import annotations

import numpy as np

from padscope.scores.distance import Counts, FloatArray
from padscope.tallies.bins import BINS, CENTRE

LEAST_SHIFT = 0.3  # a KS below it is no shift, and its direction is chance


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
    return _directed(counts)[0]


def recall_bound(counts: Counts) -> FloatArray:
    """How far the recall of the values themselves can lie from `border_recall`: (...) array.

    Examples
    --------
    >>> recall_bound(Counts([[0, 10, 90]], [100, 98, 2]))
    array([0.1])
    """
    return _directed(counts)[1]


def _directed(counts: Counts) -> tuple[FloatArray, FloatArray]:
    shift = counts if counts.real is None else Counts(counts.border, counts.real)
    above, below = shift.gaps
    upwards = above > below
    # What lies below is what lies above once the order of the bins is turned round.
    found = (_beyond(counts), _beyond(counts, turned=True))
    unknown = np.isnan(shift.ks) | (counts.core.sum(axis=-1) * counts.content < 1)
    shifted = shift.ks >= LEAST_SHIFT
    recall, bound = (
        np.where(unknown, np.nan, np.where(shifted, np.where(upwards, up, down), 0.0))
        for up, down in zip(*found, strict=True)
    )
    return recall, bound


def _beyond(counts: Counts, *, turned: bool = False) -> tuple[FloatArray, FloatArray]:
    """Share of the border above the core's upper quantile, and what the bins leave open of it."""
    border, core = counts.border, counts.core
    p, q = counts.sums
    single = CENTRE if core.shape[-1] == BINS else None
    bins = core.shape[-1]
    if turned:
        border, core = border[..., ::-1], core[..., ::-1]
        p, q = (sums[..., -1:] - sums[..., ::-1] + each
                for sums, each in ((p, border), (q, core)))  # fmt: skip
        single = None if single is None else bins - 1 - single
    # In whole values, so that a share that is met exactly is not missed by rounding.
    allowed = np.floor(q[..., -1] * counts.content + 1e-9)
    # The first bin with no more than that above it: the quantile lies in it.
    at = (q[..., -1:] - q <= allowed[..., None]).argmax(axis=-1)[..., None]
    beyond = (q[..., -1:] - np.take_along_axis(q, at, axis=-1))[..., 0]
    inside = np.take_along_axis(core, at, axis=-1)[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(inside > 0, (allowed - beyond) / inside, 0.0)
        if single is not None:
            part = np.where(at[..., 0] == single, 0.0, part)
        shape = (*np.broadcast_shapes(border.shape[:-1], core.shape[:-1]), 1)
        at = np.broadcast_to(at, shape)
        whole = p[..., -1]
        above = whole - np.take_along_axis(p, at, axis=-1)[..., 0]
        here = np.take_along_axis(border, at, axis=-1)[..., 0]
        recall = (above + part * here) / whole
        hidden = here / whole
        if single is not None:
            hidden = np.where(at[..., 0] == single, 0.0, hidden)
    return recall, hidden * np.maximum(part, 1 - part)
