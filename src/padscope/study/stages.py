"""The stages: what they are called, what they count, and what their passes cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Called with how much is done, in the unit of `COUNTED`, and of how much (None if not known).
Progress = Callable[[int, int | None], None]

SCAN, EXPLAIN, IMPACT, DEPTH = "scan", "explain", "impact", "depth"
# What each stage counts while it runs. A forward pass is one of a single crop; a canvas counts by
# its area, a backward pass as two.
COUNTED = {SCAN: "images", **dict.fromkeys((EXPLAIN, IMPACT, DEPTH), "forward passes")}
# What a pass of each stage costs, in bare ones: docs/cost.md. That of a scan has its scores in it.
COST = {SCAN: 1.3, EXPLAIN: 1.2, IMPACT: 1.3, DEPTH: 1.2}


@dataclass(frozen=True)
class StageWork:
    """What a stage will take.

    Attributes
    ----------
    images : int
    passes : float
        Forward passes of single images, in the unit of `COUNTED`.
    """

    images: int
    passes: float
