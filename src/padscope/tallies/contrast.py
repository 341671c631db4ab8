"""Counts of one site's activations under conditions that are to be contrasted.

Which conditions there are, and what is counted under each, is a table: `streams_of`. Values are
binned at once, while they are in the cache, and wait as codes of one byte. They are counted
together, for every pass over the histograms streams all of them through the cache.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from padscope.regions import FOLDS, Layout
from padscope.tallies.bins import Bins
from padscope.tallies.tally import Tally

PADDED, REAL, OWN, INCOMING, PSEUDO = "padded", "real", "own", "incoming", "pseudo"
NEAR, DEEP, CORNERS, LINES = "near", "deep", "corners", "lines"
WAITING = 96  # images that are counted together
# Values this close to the centre of the bins, in spreads, are the centre: where a part of an output
# was taken out of it by subtraction, a value that recurs comes back with rounding errors.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Stream:
    """What is counted of one condition.

    Attributes
    ----------
    condition : str
        ``padded``: on the crop; ``real``: at the same positions on the canvas; ``own``: real
        input, the site's own padding; ``incoming``: the crop's input, real surroundings instead
        of the site's own padding; ``pseudo``: on the crop, lines inside the core.
    part : str
        ``near``: line 0 of every side, and the core; ``lines``: line 0 alone; ``deep``: the other
        lines; ``corners``.
    fine, coarse, folds : int
        Regions in fine bins, regions in coarse bins, and in how many image folds those.
    """

    condition: str
    part: str
    fine: int
    coarse: int
    folds: int = FOLDS

    @property
    def key(self) -> str:
        """Name among the streams of a site."""
        return f"{self.condition}/{self.part}"


def streams_of(layout: Layout, *, real_context: bool) -> tuple[Stream, ...]:
    """Everything that explaining a padded site takes."""
    sides, compared = len(layout.sides), len(layout.compared)
    corners = sum(len(region.sides) > 1 for region in layout.regions)
    lines = len(layout.regions) - compared - corners
    both = (
        stream
        for condition in (PADDED, REAL)
        for stream in (
            Stream(condition, NEAR, compared, compared),
            Stream(condition, DEEP, 0, lines, 1),
            Stream(condition, CORNERS, 0, corners),
        )
    )
    origin = (OWN, INCOMING) if real_context else (OWN, PSEUDO)
    return (*both, *(Stream(condition, LINES, sides, 0) for condition in origin))


def border_streams(layout: Layout, *, core: bool) -> tuple[Stream, ...]:
    """Line 0 of every side alone, with or without the core: baselines, and what is not padded."""
    part, regions = (NEAR, len(layout.compared)) if core else (LINES, len(layout.sides))
    return tuple(Stream(condition, part, regions, 0) for condition in (PADDED, REAL))


class ContrastCounter:
    """Counts values under conditions.

    Parameters
    ----------
    streams : mapping
        Site name → its streams.
    bins : mapping
        Site name → bins of its filters, the same for all conditions.
    tallies : dict
        (site name, stream key) → counts to add to, in place: everything up to the last `flush`.
    """

    def __init__(
        self,
        streams: Mapping[str, tuple[Stream, ...]],
        bins: Mapping[str, Bins],
        tallies: dict[tuple[str, str], Tally],
    ) -> None:
        self._streams = {(name, s.key): s for name, listed in streams.items() for s in listed}
        self._bins = bins
        self.tallies = tallies
        self._waiting: dict[tuple[str, str], _Waiting] = {}

    def keep(
        self, name: str, key: str, values: Tensor, spans: tuple[slice, ...], folds: Tensor
    ) -> None:
        """Keep (M, P, C) values of one condition; regions lie in the columns `spans`."""
        stream = self._streams.get((name, key))
        if stream is None or not spans:
            return
        bins = self._bins[name]
        values = values[:, spans[0].start : spans[-1].stop]
        if stream.condition in (OWN, INCOMING):
            values = _settle(values, bins)
        waiting = self._waiting.get((name, key))
        if waiting is None or len(values) > len(waiting.codes):
            self._count(name, key)
            waiting = _Waiting.room_for(values, spans)
            self._waiting[name, key] = waiting
        elif waiting.filled + len(values) > len(waiting.codes):
            self._count(name, key)
        waiting.add(bins.codes(values), folds)

    def make_room(self, images: int) -> None:
        """Count what waits if so many more images would not find room in any stream."""
        if any(each.filled + images > len(each.codes) for each in self._waiting.values()):
            self.flush()

    def flush(self) -> None:
        """Count what waits, side by side: every stream has tallies of its own.

        Between forward passes, for counting keeps one core busy, and the others would wait.
        """
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            done = pool.map(lambda stream: self._count(*stream), self._waiting)
            deque(done, maxlen=0)  # raises what a thread raised

    def _count(self, name: str, key: str) -> None:
        waiting = self._waiting.get((name, key))
        if waiting is None or not waiting.filled:
            return
        codes, folds = waiting.codes[: waiting.filled], waiting.folds[: waiting.filled]
        for region, span in enumerate(waiting.spans):
            self.tallies[name, key].count(region, codes[:, span], folds)
        waiting.filled = 0


@dataclass
class _Waiting:
    """Codes of one stream that are not counted yet.

    In memory that is taken once: small tensors kept between the large ones of a forward pass would
    break the free memory into pieces, and the process would grow with the number of images.
    """

    codes: Tensor
    folds: Tensor
    spans: tuple[slice, ...]
    filled: int = 0

    @classmethod
    def room_for(cls, values: Tensor, spans: tuple[slice, ...]) -> _Waiting:
        images, first = max(WAITING, len(values)), spans[0].start
        with torch.inference_mode(mode=False):  # whose tensors could not be written to later
            codes = torch.zeros(images, *values.shape[1:], dtype=torch.uint8)
            folds = torch.zeros(images, dtype=torch.int32)
        return cls(codes, folds, tuple(slice(s.start - first, s.stop - first) for s in spans))

    def add(self, codes: Tensor, folds: Tensor) -> None:
        end = self.filled + len(codes)
        self.codes[self.filled : end] = codes
        self.folds[self.filled : end] = folds
        self.filled = end


def no_contrast(
    streams: Mapping[str, tuple[Stream, ...]], filters: Mapping[str, int]
) -> dict[tuple[str, str], Tally]:
    """Tallies of no image."""
    return {
        (name, stream.key): Tally.zeros(filters[name], stream.fine, stream.coarse, stream.folds)
        for name, listed in streams.items()
        for stream in listed
    }


def _settle(values: Tensor, bins: Bins) -> Tensor:
    near = (values - bins.centre).abs() <= ROUNDING * bins.spread + 1e-6 * bins.centre.abs()
    return torch.where(near, bins.centre, values)
