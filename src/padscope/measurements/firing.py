"""Whether filters answer to a false border inside the frame as they do to the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from padscope.measurements.bands import Band
from padscope.regions import Layout, Side, sides_of
from padscope.sites import Call

AROUND = 2  # lines on either side of the expected one that are looked at as well
SMALL = 14  # positions; a smaller map has no room for more than one
Watched = Mapping[str, Mapping[str, Sequence[int]]]  # site → side → filters


@dataclass(frozen=True)
class Lines:
    """Which lines of a map to read for one side.

    Attributes
    ----------
    border : int
        Line 0 of the side.
    behind : tuple of int
        The line right behind the band, and its neighbours.
    elsewhere : tuple of int
        As many around the mirrored place, where there is no band.
    """

    border: int
    behind: tuple[int, ...]
    elsewhere: tuple[int, ...]

    @classmethod
    def of(cls, side: Side, edge: int, pixels: int, positions: int) -> Lines:
        """Find them by the share of the frame.

        Parameters
        ----------
        side : Side
        edge : int
            See `Band.edge`.
        pixels, positions : int
            Size of the image, and of the map, along the side's axis.

        Examples
        --------
        >>> Lines.of(sides_of(2)[0], edge=64, pixels=224, positions=28)
        Lines(border=0, behind=(6, 7, 8, 9, 10), elsewhere=(18, 19, 20, 21, 22))
        """
        reach = AROUND if positions >= SMALL else 1

        def around(pixel: int) -> tuple[int, ...]:
            line = round(pixel * positions / pixels) - side.far
            near = range(line - reach, line + reach + 1)
            return tuple(min(max(at, 0), positions - 1) for at in near)

        border = positions - 1 if side.far else 0
        return cls(border, around(edge), around(pixels - edge))


class FiringReader:
    """Means over lines of chosen filters in one forward pass; a visitor.

    Means are over the lines' central half along the other axes, away from the other borders.

    Parameters
    ----------
    watched : mapping
        Site → side → filters.
    band : Band or None
        What is drawn on the images: its side alone is read. None: the images as they are; all
        sides are read, with the border's own line, and the core.
    edges : mapping
        Side name → `Band.edge`.
    size : sequence of int
        Pixels of an image, per axis.
    images : int
        Rows of the batch that count.

    Attributes
    ----------
    sums : dict
        Name → float64 Tensor, summed over images: ``{site}/{side}/behind`` and ``…/elsewhere``
        (lines, filters), ``…/border``, ``…/core`` and ``…/core squares`` (filters).
    """

    def __init__(
        self,
        watched: Watched,
        band: Band | None,
        edges: Mapping[str, int],
        size: Sequence[int],
        images: int,
    ) -> None:
        self.sums: dict[str, Tensor] = {}
        self._watched, self._band, self._edges = watched, band, edges
        self._size, self._images = tuple(size), images

    def __call__(self, call: Call) -> None:
        """Read one site; those whose maps have other axes than the image have no such sides."""
        if len(call.operation.window.out) != len(self._size):
            return
        for side in sides_of(len(self._size)):
            filters = self._watched.get(call.name, {}).get(side.name, ())
            if not filters or side.name not in self._edges:
                continue
            if self._band is None or self._band.side == side:
                self._read(call, side, filters)

    def _read(self, call: Call, side: Side, filters: Sequence[int]) -> None:
        dims = len(self._size)
        chosen = torch.tensor(filters, device=call.output.device)
        maps = call.output[: self._images][:, chosen].double()
        positions = call.operation.window.out
        layout = Layout(positions, ((0, 0),) * dims)
        for axis in range(dims):
            if axis != side.axis:
                first, stop = layout.core_range(axis)
                maps = maps.narrow(axis + 2, first, stop - first)
        across = tuple(axis + 2 for axis in range(dims) if axis != side.axis)
        along = maps.mean(dim=across) if across else maps  # (N, filters, positions)
        edge, pixels = self._edges[side.name], self._size[side.axis]
        lines = Lines.of(side, edge, pixels, positions[side.axis])
        key = f"{call.name}/{side.name}"
        self._add(f"{key}/behind", along[:, :, list(lines.behind)].transpose(1, 2))
        self._add(f"{key}/elsewhere", along[:, :, list(lines.elsewhere)].transpose(1, 2))
        if self._band is None:
            core = maps.narrow(side.axis + 2, *_length(layout.core_range(side.axis))).flatten(2)
            self._add(f"{key}/border", along[:, :, lines.border])
            self._add(f"{key}/core", core.mean(dim=-1))
            self._add(f"{key}/core squares", core.square().mean(dim=-1))

    def _add(self, name: str, values: Tensor) -> None:
        self.sums[name] = values.sum(dim=0).cpu()


def _length(span: tuple[int, int]) -> tuple[int, int]:
    return span[0], span[1] - span[0]
