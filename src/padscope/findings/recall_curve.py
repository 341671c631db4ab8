"""Border recall of a filter by the share of its content that passes the threshold, as it is drawn.

It shows at a glance whether a filter is a detector of the border, or merely shifted there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from padscope.findings.words import fixed, share
from padscope.study import Study

TICKS = (0.001, 0.01, 0.05)  # shares of the content that have a label


@dataclass(frozen=True)
class RecallCurve:
    """How much of one side's border a filter tells from its content.

    Attributes
    ----------
    side : str
        Where that is most; of a study that is not explained, where the KS is greatest.
    contents : tuple of float
        Shares of the content that pass the threshold, ascending.
    recall : tuple of float or None
        Share of the border that passes it; None where the core has too few values.
    content : float
        The one of `contents` at which a filter recognises the border or does not.
    """

    side: str
    contents: tuple[float, ...]
    recall: tuple[float | None, ...]
    content: float

    @property
    def words(self) -> str:
        """The curve in words."""
        told = ", ".join(
            f"{fixed(value)} at {share(part)}"
            for part, value in zip(self.contents, self.recall, strict=True)
            if value is not None
        )
        return (
            f"Border recall at the {self.side} by share of the content that passes: "
            f"{told or 'unknown'}"
        )


def recall_curve(study: Study, site: str, index: int) -> RecallCurve | None:
    """Return the curve of one filter; None if it has one value everywhere."""
    here = (pl.col("site") == site) & (pl.col("filter") == index)
    row = study.filters.row(by_predicate=here, named=True)
    side = row.get("recall_side") or row["side"]
    if row["ks"] is None or side is None:
        return None
    place = np.array([study.sides.filter(here)["side"].to_list().index(side)])
    (curve,) = study.recall_curves(site, np.array([index]), place).tolist()
    recall = tuple(None if math.isnan(value) else value for value in curve)
    return RecallCurve(side, study.contents, recall, study.content)
