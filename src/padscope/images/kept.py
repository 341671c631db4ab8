"""Batches that are gone through several times, and made once where memory allows."""

from collections.abc import Callable, Iterator

from padscope.images.batches import Batch

MOST = 2**29
"""Bytes of pixels that are kept: 512 MB, or 190 canvases of 480×480 pixels."""


class KeptBatches:
    """Batches in order, of which the first ones stay in memory.

    Parameters
    ----------
    source : callable
        Takes the number of a unit, and gives the batches from it on.
    most : int
        Bytes of pixels to keep.
    """

    def __init__(self, source: Callable[[int], Iterator[Batch]], most: int = MOST) -> None:
        self._source = source
        self._most = most
        self._kept: list[tuple[Batch, int]] = []
        self._complete = False

    def __call__(self, first: int = 0) -> Iterator[Batch]:
        """Give the batches from a unit on."""
        unit = first
        while unit < len(self._kept):
            batch, version = self._kept[unit]
            if batch.pixels._version != version:  # a model worked on its input in place
                del self._kept[unit:]
                self._complete = False
                break
            yield batch
            unit += 1
        if self._complete:
            return
        for batch in self._source(unit):
            if unit == len(self._kept) and self._fits(batch):
                self._kept.append((batch, batch.pixels._version))
            unit += 1
            yield batch
        self._complete = unit == len(self._kept)

    def _fits(self, batch: Batch) -> bool:
        # Tensors of inference mode do not tell whether they were changed.
        used = sum(kept.pixels.nbytes for kept, _ in self._kept)
        return not batch.pixels.is_inference() and used + batch.pixels.nbytes <= self._most
