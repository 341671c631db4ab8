"""The third rung of the ladder: filters that tell the border from what they are shown elsewhere.

A border that padding makes different is *recognised* if the filter gives there what it hardly ever
gives inside the image. It does not show that training aimed at it, nor that the network makes use
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RECOGNISED = 0.5
STRONGLY_RECOGNISED = 0.8


def recognises(labels: ArrayLike, recall: ArrayLike) -> NDArray[np.bool_]:
    """Tell which filters recognise a border.

    Parameters
    ----------
    labels : array of str
        Of `label_causes`.
    recall : array
        `padscope.scores.border_recall` of the same filters and sides; NaN where unmeasured.

    Returns
    -------
    bool array
        True for what is ``confirmed`` and has a recall of `RECOGNISED` or more.

    Examples
    --------
    >>> recognises(["confirmed", "confirmed", "grey"], [0.9, 0.2, 0.9]).tolist()
    [True, False, False]
    """
    found: NDArray[np.bool_] = (np.asarray(labels) == "confirmed") & (
        np.asarray(recall) >= RECOGNISED
    )
    return found
