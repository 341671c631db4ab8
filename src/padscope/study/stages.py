"""The stages: what they are called, what they count, and what their passes cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Called with how much is done, in the unit of `COUNTED`, of how much, and what is left of it, in
# forward passes of the cheapest kind (both None if not known).
Progress = Callable[[int, int | None, float | None], None]

SCAN, EXPLAIN, IMPACT, DEPTH = "scan", "explain", "impact", "depth"
RETROFIT, SWAPS, SIZES, TILES = "retrofit", "swaps", "sizes", "tiles"
BESIDE = (
    DEPTH,
    SWAPS,
    SIZES,
    TILES,
    RETROFIT,
)  # those that need a scan alone, and keep what they find beside it
# What each stage counts while it runs. A forward pass is one of a single crop; a canvas counts by
# its area, a backward pass as two.
COUNTED = {SCAN: "images", **dict.fromkeys((EXPLAIN, IMPACT, *BESIDE), "forward passes")}
# What the cheapest pass of each stage costs, in bare ones: docs/cost.md. That of a scan has its
# scores in it. What costs more says so where it is run, in `Effort`.
COST = {
    SCAN: 1.8,
    EXPLAIN: 1.5,
    IMPACT: 1.3,
    DEPTH: 1.2,
    RETROFIT: 1.2,
    SWAPS: 1.3,
    SIZES: 1,
    TILES: 1,
}


@dataclass(frozen=True)
class Effort:
    """Forward passes, and what they cost in those of the cheapest kind."""

    passes: float = 0.0
    cost: float = 0.0

    @classmethod
    def of(cls, passes: float, dear: float = 1) -> Effort:
        """Take passes that cost so much each."""
        return cls(passes, passes * dear)

    def __add__(self, other: Effort) -> Effort:
        """Add passes, and costs."""
        return Effort(self.passes + other.passes, self.cost + other.cost)


@dataclass(frozen=True)
class StageWork:
    """What a stage will take.

    Attributes
    ----------
    images : int
    effort : Effort
        In forward passes of single images.
    """

    images: int
    effort: Effort
