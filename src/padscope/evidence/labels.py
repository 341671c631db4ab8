"""Labels on the first rung of the ladder: filters that respond to the border.

Observational only. A response is no proof that padding causes it, nor that the network has learned
it: untrained networks respond too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CANDIDATE = 0.5
STRONG = 0.8
UNDECIDED_BAND = 0.05  # a filter this close to a cut may stay undecided
# On smaller maps the core lies within a few positions of the border itself: there the label agrees
# with the causal truth in a third of cases (Jaccard .35, against .87 and more on larger maps).
SMALL_MAP = 14


def label_responses(ks: ArrayLike) -> NDArray[np.str_]:
    """Label filters by their strongest side.

    Parameters
    ----------
    ks : array
        Greatest KS over the sides; NaN for a dead filter.

    Returns
    -------
    array of str
        ``strong``, ``candidate``, ``quiet`` or, for dead filters, ``unmeasured``.

    Examples
    --------
    >>> label_responses([0.85, 0.5, 0.1, float("nan")]).tolist()
    ['strong', 'candidate', 'quiet', 'unmeasured']
    """
    ks = np.asarray(ks)
    conditions = [np.isnan(ks), ks >= STRONG, ks >= CANDIDATE]
    return np.select(conditions, ["unmeasured", "strong", "candidate"], "quiet")
