"""What padding does to each planted filter, from which of its taps leave the frame.

One side at a time, away from corners. On a line near the side, a tap that leaves the frame reads
the fill instead of a real value: on average it gains the fill minus the level (mean) of its
channel. A tap inside the frame passes on what padding did to the line of the channel it reads.
Sums of these over the taps, own and incoming apart, are the origin and the sign. Terms that cancel
(a row that sums to zero; reflected values, whose mean is that of the real ones) change values but
shift nothing: such a side is faint.

Levels go through a ReLU as if every image were its mean. That is exact if a ReLU passes a channel
for all images or blocks it for all, and hidden channels of planted networks are built so; where
they are not, the filter brings its `known` causes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from padscope.planted.canvases import MEAN
from padscope.planted.layers import Filter, Layer
from padscope.planted.plant import BOTH, EXCITED, INHERITED, INHIBITED, NASCENT, Cause, Plant
from padscope.regions import Side, sides_of

LINES = 6  # lines followed at each side
CLEAR = 0.2  # part of its terms that has to remain of a sum for it to be a shift
HALF = 0.5

Shifts = dict[tuple[Side, int, int], float]  # by side, channel and line; absent: unchanged


@dataclass
class _Terms:
    """A sum of weight × change over taps, and how much there was to sum."""

    total: float = 0.0
    absolute: float = 0.0
    any: bool = False

    def add(self, signed: float, absolute: float, change: float) -> None:
        self.total += signed * change
        self.absolute += absolute * abs(change)
        self.any = True

    @property
    def clear(self) -> bool:
        return self.absolute > 0 and abs(self.total) >= CLEAR * self.absolute


@dataclass
class _Line:
    """What happens to one filter on one line."""

    own: _Terms
    incoming: _Terms
    gain: float = 0.0  # what its taps would sum up to without padding
    kept: bool = False  # whether a tap that counts stays in the frame

    @property
    def clear(self) -> bool:
        return self.own.clear or self.incoming.clear

    @property
    def shift(self) -> float:
        return self.own.total + self.incoming.total


def plants_of(layers: Sequence[Layer], channels: int, size: tuple[int, ...]) -> Iterator[Plant]:
    """Derive the truth about every filter of a chain of layers."""
    levels, shifts = [MEAN] * channels, Shifts()
    for number, layer in enumerate(layers, start=1):
        out: Shifts = {}
        for index, one in enumerate(layer.filters):
            found = _lines(layer, index, size, levels, shifts)
            yield _plant(f"conv{number}", index, one, found)
            before = _level(layer, index, levels)
            for (side, line), what in found.items():
                after = before + what.shift
                if before > 0 or after > 0:  # else the ReLU blocks it either way
                    out[side, index, line] = max(after, 0) - max(before, 0)
        levels = [max(_level(layer, index, levels), 0) for index in range(len(layer.filters))]
        shifts, size = out, layer.outputs(size)


def _level(layer: Layer, index: int, levels: Sequence[float]) -> float:
    one = layer.filters[index]
    channels = zip(one.weight, layer.inputs(index), strict=True)
    return one.bias + sum(float(kernel.sum()) * levels[channel] for kernel, channel in channels)


def _lines(
    layer: Layer, index: int, size: tuple[int, ...], levels: Sequence[float], shifts: Shifts
) -> dict[tuple[Side, int], _Line]:
    """Lines of one filter that padding changes."""
    found = {}
    for side in sides_of(len(size)):
        for number in range(LINES):
            line = _line(layer, index, size, side, number, levels, shifts)
            if line.own.any or line.incoming.any:
                found[side, number] = line
    return found


def _line(
    layer: Layer,
    index: int,
    size: tuple[int, ...],
    side: Side,
    number: int,
    levels: Sequence[float],
    shifts: Shifts,
) -> _Line:
    line = _Line(_Terms(), _Terms())
    for kernel, channel in zip(layer.filters[index].weight, layer.inputs(index), strict=True):
        for tap in range(layer.kernel[side.axis]):
            weights = kernel.select(side.axis, tap)
            place = _place(layer, size, side, number, tap)
            # A channel that is 0 everywhere looks like its padding.
            silent = levels[channel] == 0 == layer.fill
            if place is None or not weights.any():
                continue
            signed, absolute = float(weights.sum()), float(weights.abs().sum())
            line.gain += signed * levels[channel]
            line.kept |= place >= 0
            if place < 0 and not silent:
                fill = layer.fill if isinstance(layer.fill, float) else levels[channel]
                line.own.add(signed, absolute, fill - levels[channel])
            elif (side, channel, place) in shifts:
                line.incoming.add(signed, absolute, shifts[side, channel, place])
    return line


def _place(layer: Layer, size: tuple[int, ...], side: Side, line: int, tap: int) -> int | None:
    """Distance from the side of what a tap reads; negative in the padding, None between inputs."""
    out, n = layer.outputs(size)[side.axis], size[side.axis]
    at = out - 1 - line if side.far else line
    before = layer.padding[side.axis][0]
    if layer.transposed:
        at, gap = divmod(at + before - tap * layer.dilation, layer.stride)
        if gap:
            return None
    else:
        at = at * layer.stride + tap * layer.dilation - before
    return n - 1 - at if side.far else at


def _plant(site: str, index: int, one: Filter, found: dict[tuple[Side, int], _Line]) -> Plant:
    first = {side.name: line for (side, number), line in found.items() if number == 0}
    causes = one.known
    if causes is None:
        clear = {key: line for key, line in found.items() if line.clear}
        causes = tuple(_cause(side, clear) for side, number in clear if number == 0)
    sides = {cause.side for cause in causes}
    faint = frozenset(first) - sides
    return Plant(site, index, one.family, causes, faint, one.corners, one.dedicated)


def _cause(side: Side, clear: dict[tuple[Side, int], _Line]) -> Cause:
    line = clear[side, 0]
    both = line.own.clear and line.incoming.clear
    origin = BOTH if both else NASCENT if line.own.clear else INHERITED
    reach = sum(1 for _ in takewhile(lambda n: (side, n) in clear, range(1, LINES)))
    return Cause(side.name, origin, EXCITED if line.shift > 0 else INHIBITED, reach, _note(line))


def _note(line: _Line) -> str:
    """Whether the shift is small beside the spread, which follows the level in photographs."""
    if not line.kept or abs(line.shift) >= HALF * abs(line.gain):
        return ""
    return f"padding takes {abs(line.shift / line.gain):.0%} of what the filter sums up"
