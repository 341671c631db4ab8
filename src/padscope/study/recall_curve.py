"""Border recall of a filter by the share of its content that passes the threshold, as it is drawn.

It shows at a glance whether a filter is a detector of the border, or merely shifted there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    def value(self) -> str:
        """The recall at `content`, written; "–" where it is unknown."""
        found = self.recall[self.contents.index(self.content)]
        return "–" if found is None else f"{found:.2f}"

    @property
    def words(self) -> str:
        """The curve in words."""
        told = ", ".join(
            f"{value:.2f} at {100 * share:g} %"
            for share, value in zip(self.contents, self.recall, strict=True)
            if value is not None
        )
        return (
            f"Border recall at the {self.side} by share of the content that passes: "
            f"{told or 'unknown'}"
        )

    @property
    def ticks(self) -> list[tuple[float, str, str]]:
        """Places of labels on that axis, where their text is anchored, and the labels."""
        ends = {self.contents[0]: "start", self.contents[-1]: "end"}
        return [
            (self._place(share), ends.get(share, "middle"), f"{100 * share:g}\N{NO-BREAK SPACE}%")
            for share in TICKS
        ]

    def _place(self, share: float) -> float:
        least, most = math.log(self.contents[0]), math.log(self.contents[-1])
        return (math.log(share) - least) / (most - least)

    @property
    def points(self) -> list[tuple[float, float, bool]]:
        """Places on a logarithmic axis from 0 to 1, values, and which is that of `content`."""
        return [
            (self._place(share), value, share == self.content)
            for share, value in zip(self.contents, self.recall, strict=True)
            if value is not None
        ]
