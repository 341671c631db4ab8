"""Counts of one site's activations under conditions that are to be contrasted.

Which conditions there are, and what is counted under each, is a table: `streams_of`. During a
forward pass values are only copied out; those of many images are binned and counted together, on
all cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from padscope.regions import FOLDS, Layout, lengths_of
from padscope.tallies.bins import Bins
from padscope.tallies.tally import Tally, count_values
from padscope.tallies.waiting import Folds, Waiting

PADDED, REAL, OWN, INCOMING, PSEUDO = "padded", "real", "own", "incoming", "pseudo"
NEAR, DEEP, CORNERS, LINES = "near", "deep", "corners", "lines"


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


@dataclass(frozen=True)
class Sheet:
    """Positions of a site's maps that are copied out together, under one condition.

    Attributes
    ----------
    every : int
        As of `Draw`.
    parts : dict
        Part of a `Stream` → columns of each of its regions, the first part's first.
    """

    every: int
    parts: dict[str, tuple[slice, ...]]

    @cached_property
    def positions(self) -> int:
        """Columns."""
        return sum(sum(lengths_of(spans)) for spans in self.parts.values())


class ContrastCounter:
    """Counts values under conditions.

    Parameters
    ----------
    streams : mapping
        Site name → its streams.
    tallies : dict
        (site name, stream key) → counts to add to, in place: everything up to the last `flush`.
    room : int
        Images whose values may wait to be counted.
    pool : Executor
        What counts, side by side.

    Attributes
    ----------
    bins : dict or None
        Site name → bins of its filters, the same for all conditions. Until there are some, values
        wait.
    """

    def __init__(
        self,
        streams: Mapping[str, tuple[Stream, ...]],
        tallies: dict[tuple[str, str], Tally],
        room: int,
        pool: Executor,
    ) -> None:
        self._streams = {(name, s.key): s for name, listed in streams.items() for s in listed}
        self.tallies = tallies
        self.bins: dict[str, Bins] | None = None
        self._room, self._pool = room, pool
        self._sheets: dict[tuple[str, str], tuple[Sheet, Waiting]] = {}

    def begin(self, images: int) -> None:
        """Begin with so many images; what was placed since the last `commit` is dropped."""
        for _, waiting in self._sheets.values():
            waiting.drop()
        if self.bins and any(not each.has_room(images) for _, each in self._sheets.values()):
            self.flush()

    def place(self, name: str, condition: str, sheet: Sheet, filters: int, folds: Folds) -> Tensor:
        """Give room for the values of a sheet.

        Parameters
        ----------
        name, condition : str
            Of the site, and of its streams.
        sheet : Sheet
        filters : int
            C of them.
        folds : (M,) int32 array
            Fold of each image that is looked at.

        Returns
        -------
        (M, P, C) float32 Tensor
            To be written to, and to be read until the next `begin`.
        """
        key = name, f"{condition}/{next(iter(sheet.parts))}"
        if key not in self._sheets:
            room = max(self._room // sheet.every + FOLDS, len(folds))
            self._sheets[key] = sheet, Waiting(room, sheet.positions, filters)
        return self._sheets[key][1].place(folds)

    def commit(self) -> None:
        """Accept what was placed since `begin`; without it, a pass that failed leaves no trace."""
        for _, waiting in self._sheets.values():
            waiting.commit()

    def kept(self, name: str, key: str) -> Tensor:
        """Values that wait of the stream that a sheet begins with: (N, P, C)."""
        found = self._sheets.get((name, key))
        return torch.empty(0, 1, 1) if found is None else found[1].values

    def flush(self) -> None:
        """Count what waits, side by side: every stream has tallies of its own.

        Between forward passes, for counting keeps one core busy, and the others would wait.
        """
        done = self._pool.map(lambda sheet: self._count(*sheet), self._sheets.items())
        deque(done, maxlen=0)  # raises what a thread raised
        for _, waiting in self._sheets.values():
            waiting.clear()

    def _count(self, key: tuple[str, str], kept: tuple[Sheet, Waiting]) -> None:
        assert self.bins is not None
        name, condition = key[0], key[1].split("/")[0]
        sheet, waiting = kept
        for part, spans in sheet.parts.items():
            if (name, f"{condition}/{part}") in self._streams and len(waiting.values):
                count_values(
                    self.tallies[name, f"{condition}/{part}"], self.bins[name],
                    waiting.values[:, spans[0].start : spans[-1].stop], waiting.folds,
                    lengths_of(spans),
                    settle=condition in (OWN, INCOMING),
                )  # fmt: skip


def no_contrast(
    streams: Mapping[str, tuple[Stream, ...]], filters: Mapping[str, int]
) -> dict[tuple[str, str], Tally]:
    """Tallies of no image."""
    return {
        (name, stream.key): Tally.zeros(filters[name], stream.fine, stream.coarse, stream.folds)
        for name, listed in streams.items()
        for stream in listed
    }
