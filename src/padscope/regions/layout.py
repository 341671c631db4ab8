"""The regions of a map: lines along its sides, corners, core.

On each axis the core is the central half. A line lies at one distance from one side and leaves out
the positions that are as near to another side, which see two borders; those among them in contact
with both are the corners.
A line that would reach into the core is left out, so small maps have fewer of them, and maps of
unequal sides have as many everywhere as their shortest axis allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from padscope.regions.sides import Side, sides_of
from padscope.sites.geometry import core_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH = 4  # lines 0 … 3 of each side
CORE = "core"


@dataclass(frozen=True)
class Region:
    """Part of a map.

    Attributes
    ----------
    name : str
        ``top``, ``top+1``, ``top-left``, ``core``.
    sides : tuple of Side
        One for a line, two for a corner, none for the core.
    distance : int
        Distance of a line from its side; 0 for the others.
    """

    name: str
    sides: tuple[Side, ...] = ()
    distance: int = 0


@dataclass(frozen=True)
class Layout:
    """The regions of maps of one size.

    Parameters
    ----------
    size : tuple of int
        Output positions per axis. Axes of fewer than 3 have no sides of their own.
    contact : tuple of (int, int)
        Per axis, how many lines of the first and the last side are in contact with padding: the
        extent of the corners.
    """

    size: tuple[int, ...]
    contact: tuple[tuple[int, int], ...]

    def core_range(self, axis: int) -> tuple[int, int]:
        """Where the core lies on an axis; see `padscope.sites.geometry.core_range`."""
        return core_range(self.size[axis])

    def depth(self, axis: int) -> int:
        """How many lines an axis has at each end."""
        outside_core = [self.core_range(other)[0] for other in range(len(self.size))]
        return min(DEPTH, *filter(None, outside_core)) if outside_core[axis] else 0

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """Sides that have lines."""
        return tuple(side for side in sides_of(len(self.size)) if self.depth(side.axis))

    @cached_property
    def compared(self) -> tuple[Region, ...]:
        """The regions a score compares: line 0 of every side, then the core."""
        return (*(Region(side.name, (side,)) for side in self.sides), Region(CORE))

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """All regions, those compared first."""
        lines = [
            Region(f"{side.name}+{d}", (side,), d)
            for side in self.sides
            for d in range(1, self.depth(side.axis))
        ]
        corners = [
            Region(f"{a.name}-{b.name}", (a, b))
            for a, b in combinations(self.sides, 2)
            if a.axis != b.axis
        ]
        return (*self.compared, *lines, *corners)

    def positions(self, region: Region) -> NDArray[np.int64]:
        """Flat indices, row-major, of a region's positions.

        Returns
        -------
        (n,) int64
            Ascending, never empty.
        """
        spans = [self._span(region, axis) for axis in range(len(self.size))]
        return np.ravel_multi_index(np.meshgrid(*spans, indexing="ij"), self.size).ravel()

    def core_line(self, side: Side) -> NDArray[np.int64]:
        """Flat indices of the core's outermost line on a side."""
        spans = [np.arange(*self.core_range(axis)) for axis in range(len(self.size))]
        spans[side.axis] = spans[side.axis][-1:] if side.far else spans[side.axis][:1]
        return np.ravel_multi_index(np.meshgrid(*spans, indexing="ij"), self.size).ravel()

    def _span(self, region: Region, axis: int) -> NDArray[np.int64]:
        """Positions along one axis that belong to a region."""
        n = self.size[axis]
        side = next((side for side in region.sides if side.axis == axis), None)
        if side is None:
            if not region.sides:
                return np.arange(*self.core_range(axis))
            return np.arange(self.depth(axis), n - self.depth(axis))
        if len(region.sides) == 1:
            near = np.array([region.distance])
        else:
            near = np.arange(min(max(1, self.contact[axis][side.far]), self.depth(axis)))
        return np.sort(n - 1 - near) if side.far else near
