"""Timing in interleaved pairs, so that a machine whose speed drifts slows both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Times of two ways to do something, in pairs.

    Attributes
    ----------
    ours, theirs : tuple of float
        Seconds, pair by pair.
    """

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ratios of the pairs, ascending."""
        return sorted(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    def __str__(self) -> str:
        """Median and range of the ratios, and the median times."""
        ratios = self.ratios
        return (
            f"{statistics.median(ratios):.3f} [{ratios[0]:.3f} – {ratios[-1]:.3f}] "
            f"in {len(ratios)} pairs ({statistics.median(self.ours):.2f} s against "
            f"{statistics.median(self.theirs):.2f} s)"
        )


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_pairs(ours: Callable[[], object], theirs: Callable[[], object], pairs: int) -> Ratio:
    """Time two things alternately, each first in every second pair, after one untimed round."""
    return in_clocked_pairs(ours, theirs, pairs)[0]


def in_clocked_pairs(
    ours: Callable[[], object], theirs: Callable[[], object], pairs: int
) -> tuple[Ratio, Ratio]:
    """Time as `in_pairs` does: by the wall clock, and by processor time of all threads."""
    ours(), theirs()
    times: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for pair in range(pairs):
        if pair % 2:
            b, a = _clocked(theirs), _clocked(ours)
        else:
            a, b = _clocked(ours), _clocked(theirs)
        times.append((a, b))
    wall, processor = (
        Ratio(tuple(a[clock] for a, _ in times), tuple(b[clock] for _, b in times))
        for clock in (0, 1)
    )
    return wall, processor


def _clocked(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that something takes, of the wall clock and of the processors."""
    before = time.process_time()
    wall = timed(work)
    return wall, time.process_time() - before
