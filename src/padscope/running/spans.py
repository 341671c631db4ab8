"""Which units of a run are done."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Spans:
    """A set of unit numbers.

    Attributes
    ----------
    spans : tuple of (int, int)
        First unit and one past the last, ascending; no two touch.

    Examples
    --------
    >>> done = Spans.of([0, 1, 2, 7])
    >>> done, len(done), list(done.missing(10))
    (Spans(spans=((0, 3), (7, 8))), 4, [3, 4, 5, 6, 8, 9])
    """

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, units: Iterable[int]) -> Spans:
        """Collect some units, none of them twice."""
        return cls._joined((unit, unit + 1) for unit in units)

    @classmethod
    def _joined(cls, spans: Iterable[tuple[int, int]]) -> Spans:
        joined: list[tuple[int, int]] = []
        for first, stop in sorted(spans):
            if joined and first < joined[-1][1]:
                raise ValueError(f"unit {first} is done twice")
            if joined and first == joined[-1][1]:
                joined[-1] = joined[-1][0], stop
            else:
                joined.append((first, stop))
        return cls(tuple(joined))

    def __len__(self) -> int:
        """Return how many units there are."""
        return sum(stop - first for first, stop in self.spans)

    def __contains__(self, unit: int) -> bool:
        """Say whether a unit is among them."""
        return any(first <= unit < stop for first, stop in self.spans)

    def merge(self, other: Spans) -> Spans:
        """Return the units of both.

        Raises
        ------
        ValueError
            They share a unit: what came of it would be counted twice.
        """
        return self._joined((*self.spans, *other.spans))

    def missing(self, units: int | None) -> Iterator[int]:
        """Give the other units below a number, ascending; of a stream of unknown length, None."""
        start = 0
        for first, stop in self.spans:
            yield from range(start, first if units is None else min(first, units))
            start = stop
        yield from itertools.count(start) if units is None else range(start, units)
