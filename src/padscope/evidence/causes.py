"""Labels on the second rung of the ladder: responses that padding causes.

The evidence is the causal KS: the distance between a filter's activations at a padded border and
those at the same positions computed with real surroundings. It shows that padding makes the
difference. It does not show that the filter tells the border from content, nor that the network
makes use of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from padscope.evidence.labels import CANDIDATE
from padscope.scores import LEAST_SHIFT

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CONFIRMED = 0.5
GREY = LEAST_SHIFT
LADDER = ("unmeasured", "quiet", "rejected", "grey", "confirmed")  # weakest evidence first


def label_causes(ks: ArrayLike, causal: ArrayLike) -> NDArray[np.str_]:
    """Label responses by whether padding causes them.

    Parameters
    ----------
    ks : array
        KS between border and core, in [0, 1]; NaN where unmeasured.
    causal : array
        Causal KS of the same filters and sides, of the same shape; NaN where unmeasured.

    Returns
    -------
    array of str
        ``unmeasured`` where either is NaN; ``confirmed`` for candidates with a causal KS of
        `CONFIRMED` and more; ``grey`` for others, and filters that do not respond, from `GREY` on;
        below, ``rejected`` for candidates, which respond for another reason, and ``quiet`` for the
        rest.

    Examples
    --------
    >>> label_causes([0.9, 0.1, 0.7, 0.2, 0.9], [0.5, 0.5, 0.1, 0.1, float("nan")]).tolist()
    ['confirmed', 'grey', 'rejected', 'quiet', 'unmeasured']
    """
    ks, causal = np.asarray(ks), np.asarray(causal)
    conditions = [
        np.isnan(ks) | np.isnan(causal),
        (causal >= CONFIRMED) & (ks >= CANDIDATE),
        causal >= GREY,
        ks >= CANDIDATE,
    ]
    return np.select(conditions, ["unmeasured", "confirmed", "grey", "rejected"], "quiet")


def strongest_label(labels: ArrayLike) -> NDArray[np.str_]:
    """Label filters by the side with the strongest evidence.

    Parameters
    ----------
    labels : (S, C) array of str
        Labels of C filters at S sides, each one of `LADDER`.

    Returns
    -------
    (C,) array of str
        Of each filter's labels the one that comes last in `LADDER`; ``unmeasured`` if there is no
        side.

    Raises
    ------
    ValueError
        A label is not in `LADDER`.

    Examples
    --------
    >>> strongest_label([["quiet", "grey"], ["rejected", "unmeasured"]]).tolist()
    ['rejected', 'grey']
    """
    labels = np.asarray(labels, dtype=np.str_)
    if not np.isin(labels, LADDER).all():
        raise ValueError(f"labels must be among {', '.join(LADDER)}")
    present = [(labels == label).any(axis=0) for label in reversed(LADDER)]
    return np.select(present, LADDER[::-1], LADDER[0])


def reach_of(profile: ArrayLike) -> NDArray[np.float64]:
    """How far from the border the effect of padding reaches without a gap.

    Parameters
    ----------
    profile : (D, ...) array
        Causal KS of lines 0 … D-1, by their distance from the side; NaN where unmeasured.

    Returns
    -------
    (...) float64 array
        The last line d, in output positions, such that lines 0 … d all have at least `GREY`: an
        unmeasured line ends the reach. D-1 means "at least D-1": there is no deeper line to tell.
        NaN where line 0 itself is unmeasured or below `GREY`.

    Examples
    --------
    >>> reach_of([[0.8, 0.4, 0.2], [0.3, 0.1, 0.9], [0.1, 0.5, 0.9]])
    array([ 1.,  0., nan])
    """
    reached = np.logical_and.accumulate(np.asarray(profile) >= GREY, axis=0).sum(axis=0)
    return np.where(reached, reached - 1.0, np.nan)
