"""Counts of one site's activations under conditions that are to be contrasted.

Which conditions there are, and what is counted under each, is a table: `streams_of`. During a
forward pass values are only copied out; those of many images are binned and counted together, on
all cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.regions import FOLDS, Layout, lengths_of
from padscope.tallies.bins import Bins
from padscope.tallies.names import CORNERS, DEEP, INCOMING, LINES, NEAR, OWN, PADDED, PSEUDO, REAL
from padscope.tallies.tally import Tally, count_values
from padscope.tallies.transfers import to_host

Folds = NDArray[np.int32]


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


def streams_under(layout: Layout, conditions: Sequence[str]) -> tuple[Stream, ...]:
    """All regions of a padded site under some conditions; a scan has one, ``padded``."""
    compared = len(layout.compared)
    corners = sum(len(region.sides) > 1 for region in layout.regions)
    lines = len(layout.regions) - compared - corners
    return tuple(
        stream
        for condition in conditions
        for stream in (
            Stream(condition, NEAR, compared, compared),
            Stream(condition, DEEP, 0, lines, 1),
            Stream(condition, CORNERS, 0, corners),
        )
    )


def streams_of(layout: Layout, *, real_context: bool) -> tuple[Stream, ...]:
    """Everything that explaining a padded site takes."""
    sides = len(layout.sides)
    both = streams_under(layout, (PADDED, REAL))
    origin = (OWN, INCOMING) if real_context else (OWN, PSEUDO)
    return (*both, *(Stream(condition, LINES, sides, 0) for condition in origin))


def border_streams(layout: Layout, *, core: bool) -> tuple[Stream, ...]:
    """Line 0 of every side alone, with or without the core: baselines, and what is not padded."""
    part, regions = (NEAR, len(layout.compared)) if core else (LINES, len(layout.sides))
    return tuple(Stream(condition, part, regions, 0) for condition in (PADDED, REAL))


@dataclass(frozen=True)
class PositionColumns:
    """Positions of a site's maps that are copied out together, under one condition.

    Attributes
    ----------
    fold_interval : int
        As of `Draw`.
    parts : dict
        Part of a `Stream` → columns of each of its regions, the first part's first.
    """

    fold_interval: int
    parts: dict[str, tuple[slice, ...]]

    @cached_property
    def positions(self) -> int:
        """Columns."""
        return sum(sum(lengths_of(spans)) for spans in self.parts.values())


class ValueBuffer:
    """Values of C filters at P positions, image after image, on the device they come from.

    In memory that is taken once: small tensors kept between the large ones of a forward pass would
    break the free memory into pieces, and the process would grow with the number of images.
    """

    def __init__(self, images: int, positions: int, filters: int, device: torch.device) -> None:
        self._shape, self._device = (positions, filters), device
        self._values, self._folds = self._room_for(images)
        self._filled = self._placed = 0

    def _room_for(self, images: int) -> tuple[Tensor, Folds]:
        with torch.inference_mode(mode=False):  # whose tensors could not be written to later
            # Written to at once, so that memory is taken now and not as images come in.
            values = torch.empty(images, *self._shape, device=self._device).zero_()
        return values, np.zeros(images, dtype=np.int32)

    @property
    def images(self) -> int:
        """How many were committed."""
        return self._filled

    @property
    def values(self) -> Tensor:
        """What was committed: (N, P, C) float32, on the CPU."""
        return to_host(self._values[: self._filled])

    @property
    def folds(self) -> Tensor:
        """Folds of the images: (N,) int32."""
        return torch.from_numpy(self._folds[: self._filled])

    def has_room(self, images: int) -> bool:
        """Whether so many more images find room."""
        return self._filled + images <= len(self._folds)

    def place(self, folds: Folds) -> Tensor:
        """Give room for the values of one image per fold: (M, P, C)."""
        self._placed = len(folds)
        end = self._filled + self._placed
        if end > len(self._folds):  # nothing can be counted yet
            values, known = self._values[: self._filled], self._folds[: self._filled]
            self._values, self._folds = self._room_for(2 * end)
            self._values[: self._filled], self._folds[: self._filled] = values, known
        self._folds[self._filled : end] = folds
        return self._values[self._filled : end]

    def commit(self) -> None:
        """Keep what was placed."""
        self._filled, self._placed = self._filled + self._placed, 0

    def drop(self) -> None:
        """Forget what was placed."""
        self._placed = 0

    def clear(self) -> None:
        """Forget everything."""
        self._filled = self._placed = 0


class ContrastCounter:
    """Counts values under conditions.

    Parameters
    ----------
    streams : mapping
        Site name → its streams.
    filters : mapping
        Site name → how many it has.
    tallies : dict
        (site name, stream key) → counts to add to, in place; none to begin with those of no image.
    room : int
        Images whose values may wait to be counted.
    calibrate : int
        Batches that wait in any case, until there are bins.
    pool : Executor
        What counts, side by side.
    device : torch.device
        Where values wait.

    Attributes
    ----------
    bins : dict or None
        Site name → bins of its filters, the same for all conditions. Until there are some, values
        wait.
    tallies : dict
        Everything up to the last `flush`; empty before the first.
    """

    def __init__(
        self,
        streams: Mapping[str, tuple[Stream, ...]],
        filters: Mapping[str, int],
        tallies: dict[tuple[str, str], Tally],
        room: int,
        calibrate: int,
        pool: Executor,
        device: torch.device,
    ) -> None:
        self._streams = {(name, s.key): s for name, listed in streams.items() for s in listed}
        self._filters, self.tallies = filters, tallies
        self.bins: dict[str, Bins] | None = None
        self._room, self._calibrate = room, calibrate
        self._pool, self._device = pool, device
        self._buffers: dict[tuple[str, str], tuple[PositionColumns, ValueBuffer]] = {}

    def begin(self, images: int) -> None:
        """Begin with so many images; what was placed since the last `commit` is dropped."""
        for _, waiting in self._buffers.values():
            waiting.drop()
        if self.bins and any(not each.has_room(images) for _, each in self._buffers.values()):
            self.flush()

    def place(
        self, name: str, condition: str, columns: PositionColumns, filters: int, folds: Folds
    ) -> Tensor:
        """Give room for the values of some columns.

        Parameters
        ----------
        name, condition : str
            Of the site, and of its streams.
        columns : PositionColumns
        filters : int
            C of them.
        folds : (M,) int32 array
            Fold of each image that is looked at.

        Returns
        -------
        (M, P, C) float32 Tensor
            To be written to, and to be read until the next `begin`.
        """
        key = name, f"{condition}/{next(iter(columns.parts))}"
        if key not in self._buffers:
            ahead = len(folds) if self.bins else len(folds) * self._calibrate
            room = max(self._room // columns.fold_interval + FOLDS, ahead)
            self._buffers[key] = (
                columns,
                ValueBuffer(room, columns.positions, filters, self._device),
            )
        return self._buffers[key][1].place(folds)

    def commit(self) -> None:
        """Accept what was placed since `begin`; without it, a pass that failed leaves no trace."""
        for _, waiting in self._buffers.values():
            waiting.commit()

    def kept(self, name: str, key: str) -> Tensor:
        """Values that wait of the stream that columns begin with: (N, P, C)."""
        found = self._buffers.get((name, key))
        return torch.empty(0, 1, 1) if found is None else found[1].values

    def flush(self) -> None:
        """Count what waits, side by side: every stream has tallies of its own.

        Between forward passes, for counting keeps one core busy, and the others would wait.
        """
        if not self.tallies:  # as late as can be: they are the most that a measurement holds
            self.tallies = self._no_counts()
        done = self._pool.map(lambda each: self._count(*each), self._buffers.items())
        deque(done, maxlen=0)  # raises what a thread raised
        for _, waiting in self._buffers.values():
            waiting.clear()

    def _count(self, first: tuple[str, str], kept: tuple[PositionColumns, ValueBuffer]) -> None:
        assert self.bins is not None
        name, condition = first[0], first[1].split("/")[0]
        columns, waiting = kept
        if not waiting.images:
            return
        every = waiting.values
        for part, spans in columns.parts.items():
            key = name, f"{condition}/{part}"
            if key in self._streams:
                values = every[:, spans[0].start : spans[-1].stop]
                lengths = lengths_of(spans)
                most = len(values) * max(lengths)  # in a bin, which is of one region
                self.tallies[key] = self.tallies[key].with_room(most)
                count_values(
                    self.tallies[key], self.bins[name], values, waiting.folds, lengths,
                    snap_to_centre=condition in (OWN, INCOMING),
                )  # fmt: skip

    def _no_counts(self) -> dict[tuple[str, str], Tally]:
        return {
            (name, key): Tally.zeros(self._filters[name], stream.fine, stream.coarse, stream.folds)
            for (name, key), stream in self._streams.items()
        }
