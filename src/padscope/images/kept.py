"""Batches that are gone through several times, and made once where memory allows."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, takewhile
from typing import Any

from padscope.images.batches import Batch

MOST = 2**29
"""Bytes of pixels that are kept: 512 MB, or 190 canvases of 480×480 pixels."""


class KeptBatches:
    """Batches of which those of the first units stay in memory.

    Parameters
    ----------
    source : callable
        Takes numbers of units, and gives their batches.
    units : int
        How many units are asked for again.
    most : int
        Bytes of pixels to keep.
    """

    def __init__(
        self,
        source: Callable[[Iterable[int]], Iterator[Batch]],
        units: int,
        most: int = MOST,
    ) -> None:
        self._source, self._units, self._most = source, units, most
        self._kept: dict[int, Batch] = {}
        self._used = 0
        self._end: int | None = None  # units there are, once that is known

    def __call__(self, units: Iterable[int]) -> Iterator[Batch]:
        """Give the batches of some units, in the given order."""
        known = takewhile(lambda unit: self._end is None or unit < self._end, units)
        for kept, run in groupby(known, key=self._kept.__contains__):
            if kept:
                yield from (self._kept[unit] for unit in run)
            else:
                yield from self._fetch(run)

    def _fetch(self, units: Iterator[int]) -> Iterator[Batch]:
        asked = -1

        def noted() -> Iterator[int]:
            nonlocal asked
            for unit in units:
                asked = unit
                yield unit

        last = -1
        for batch in self._source(noted()):
            last = batch.unit
            fits = self._used + batch.pixels.nbytes <= self._most
            if last < self._units and fits and last not in self._kept:
                self._kept[last] = batch
                self._used += batch.pixels.nbytes
            yield batch
        if asked > last:  # a stream has come to its end
            self._end = last + 1

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is kept behind: another process decodes anew."""
        return self.__dict__ | {"_kept": {}, "_used": 0}
