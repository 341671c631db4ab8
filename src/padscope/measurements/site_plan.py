"""How one operation's activations are looked at when crop and canvas are contrasted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from padscope.regions import Draw, Layout, Positions
from padscope.sites import Alignment, Operation, Site, Window
from padscope.tallies import CORNERS, DEEP, LINES, NEAR, OWN, PositionColumns, Stream
from padscope.tallies.names import PADDED, REAL

CROP, CANVAS, REPLICATED = "crop", "canvas", "replicated"  # what passes run on
# Values of a filter that its bins are fitted to: they rest on 64 quantiles, which take no more.
FITTED = 512


@dataclass(frozen=True)
class SitePlan:
    """How one operation's activations are looked at.

    Attributes
    ----------
    site : Site
        As it ran on the crop.
    alignment : Alignment or None
        None for a site that is explained without real context.
    reason : str
        Why there is none; "" if there is one.
    positions : Positions
        Drawn on the crop's map; of what is not padded, line 0 alone.
    on_canvas : Positions or None
        The same positions on the canvas's map.
    pseudo : Draw or None
        Lines inside the core, where there is no canvas to take the null from.
    streams : tuple of Stream
        What is counted.
    fitted : int or None
        Values of a filter that its bins are fitted to; None for all of the first images.
    """

    site: Site
    alignment: Alignment | None
    reason: str
    positions: Positions
    on_canvas: Positions | None
    pseudo: Draw | None
    streams: tuple[Stream, ...]
    fitted: int | None = FITTED

    @property
    def layout(self) -> Layout:
        """Regions of the crop's maps."""
        return self.positions.layout

    @property
    def window(self) -> Window:
        """Walk over the crop."""
        return self.site.window

    @property
    def contextual(self) -> bool:
        """Whether there is a canvas to contrast with."""
        return self.alignment is not None

    @property
    def conditions(self) -> tuple[str, ...]:
        """Those of whole maps: ``padded``, and in a contrast ``real``."""
        counted = {stream.condition for stream in self.streams}
        return tuple(condition for condition in (PADDED, REAL) if condition in counted)

    @property
    def seen_on(self) -> str:
        """What the second pass runs on; the first one again where nothing is contrasted."""
        if REAL not in self.conditions:
            return CROP
        return CANVAS if self.contextual else REPLICATED

    @property
    def whole(self) -> bool:
        """Whether all regions are looked at, and mean maps are kept: not of baselines."""
        return any(stream.part == CORNERS for stream in self.streams)

    @property
    def columns(self) -> tuple[PositionColumns, ...]:
        """What is copied out, draw by draw."""
        return (self.near, *self.deeper)

    @property
    def full(self) -> bool:
        """Whether the site's own padding is told apart from what comes in."""
        return any(stream.condition == OWN for stream in self.streams)

    @property
    def lines(self) -> tuple[slice, ...]:
        """Columns of line 0 of every side, among the positions compared."""
        return self.positions.draws[0].spans[: len(self.layout.sides)]

    @cached_property
    def near(self) -> PositionColumns:
        """What is copied out of line 0 and the core, or of line 0 alone."""
        part = NEAR if any(stream.part == NEAR for stream in self.streams) else LINES
        draw = self.positions.draws[0]
        return PositionColumns(draw.fold_interval, {part: draw.spans})

    @cached_property
    def border(self) -> PositionColumns:
        """Of line 0 of every side."""
        return PositionColumns(1, {LINES: self.lines})

    @cached_property
    def inside(self) -> PositionColumns:
        """Of lines inside the core."""
        assert self.pseudo is not None
        return PositionColumns(1, {LINES: self.pseudo.spans})

    @cached_property
    def deeper(self) -> tuple[PositionColumns, ...]:
        """Of the deeper lines and the corners, if they are looked at."""
        regions = self.layout.regions[len(self.layout.compared) :]
        listed = []
        for draw in self.positions.draws[1:]:
            parts: dict[str, tuple[slice, ...]] = {DEEP: (), CORNERS: ()}
            for region, span in zip(regions, draw.spans, strict=True):
                parts[CORNERS if len(region.sides) > 1 else DEEP] += (span,)
            listed.append(
                PositionColumns(
                    draw.fold_interval, {part: parts[part] for part in parts if parts[part]}
                )
            )
        return tuple(listed)

    @property
    def values(self) -> float:
        """How many are copied out of an image, on average."""
        filters = self.site.filters
        both = len(self.conditions) * sum(
            sum(draw.lengths) / draw.fold_interval for draw in self.positions.draws
        )
        lines = self.border.positions if self.full else 0
        pseudo = 0 if self.pseudo is None else sum(self.pseudo.lengths)
        return filters * (both + 2 * lines + pseudo)

    def as_on_crop(self, operation: Operation) -> Operation:
        """Give an operation that ran on the canvas the window it has on the crop."""
        return replace(operation, window=self.window)
