"""Why tiles differ from the whole: padding, statistics over the tile, or where the tile begins.

A tile is run as it is, and with each cause taken away, alone and together with the others: with
real surroundings as far as the image goes, yet the statistics of the tile; with those of the whole
image; and beginning in step with the strides. With all three it is the whole. A cause's part is its
mean over all orders in which they can be taken away, the Shapley value [1]_, so that the shares add
up.

References
----------
.. [1] Shapley, A value for n-person games, Contributions to the Theory of Games II, Princeton 1953.
   Why normalisation belongs among the causes: Buglakova et al., ICCV 2025.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from math import factorial

import numpy as np
import torch
from torch import Tensor, nn

from padscope.counts import plural
from padscope.effects.resampling import Bootstrap, FloatArray
from padscope.errors import PadscopeError
from padscope.running.model import Asking
from padscope.running.tiled import require_map
from padscope.sites.whole_statistics import WholeStatistics

PADDING, NORMALISATION, PHASE = "padding", "normalisation", "phase"
CAUSES = (PADDING, NORMALISATION, PHASE)
Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Share:
    """What one cause has a part in.

    Attributes
    ----------
    cause : str
        One of `CAUSES`.
    value : float
        Share of the mean squared difference; those of all causes add up to 1, unless there is no
        difference, and one is below 0 where it hides a part of what others do.
    low, high : float
        Ends of its 95 % interval over images; NaN for a single one.
    """

    cause: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class TileShares:
    """How far tiles are from the whole, and why.

    Attributes
    ----------
    difference : float
        Root of the mean squared difference, in spreads of each image's answer.
    shares : tuple of Share
        In the order of `CAUSES`.
    statistics : tuple of str
        What the network computes over all positions.
    images : int
    """

    difference: float
    shares: tuple[Share, ...]
    statistics: tuple[str, ...]
    images: int

    def __getitem__(self, cause: str) -> Share:
        """Return the share of a cause."""
        return next(share for share in self.shares if share.cause == cause)

    def __repr__(self) -> str:
        """Say what was found."""
        told = ", ".join(
            f"{share.cause} {share.value:.0%} [{share.low:.0%} to {share.high:.0%}]"
            for share in self.shares
        )
        over = (
            f"; over the tile it computes {', '.join(self.statistics)}" if self.statistics else ""
        )
        return (
            f"Tiles differ from the whole by {self.difference:.3g} spreads on "
            f"{plural(self.images, 'image')}: {told}{over}."
        )


def tile_shares(
    model: nn.Module,
    images: Tensor,
    tile: int,
    halo: int = 0,
    *,
    offset: int = 0,
    output: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> TileShares:
    """Split the difference between a tile and the whole into shares of its causes.

    The tile in the middle of each image is compared with the same positions of the whole. Between
    it and the ends of the image there should be as much as padding is deep, or what is given for
    real surroundings has padding of its own.

    Parameters
    ----------
    model : nn.Module
        In the mode that it is used in: batch norms in training mode are a cause too.
    images : (N, C, …) Tensor
    tile, halo : int
        Pixels along every spatial axis; see `padscope.tiled`.
    offset : int
        By how many pixels the tile begins behind a place that is in step with the strides.
    output : str, optional
        Which entry of what the model returns is its answer; see `padscope.effects.read_answer`.
    resamples, seed : int
        Of the images, for intervals.

    Raises
    ------
    PadscopeError
        The answer is no map, the tile does not fit the images, or the model fails on it.

    Examples
    --------
    >>> net = nn.Conv2d(1, 1, 5, padding=2)
    >>> found = tile_shares(net, torch.rand(4, 1, 48, 48, generator=torch.manual_seed(0)), 16)
    >>> [(share.cause, round(share.value, 3)) for share in found.shares]
    [('padding', 1.0), ('normalisation', 0.0), ('phase', 0.0)]
    """
    size = tuple(images.shape[2:])
    if not size or not len(images):
        raise PadscopeError(
            f"images have shape {tuple(images.shape)}; give (images, channels, size)"
        )
    if tile < 1 or halo < 0 or offset < 0:
        raise PadscopeError(
            f"a tile of {tile} with a halo of {halo} and an offset of {offset} cannot be run; give "
            "a tile of 1 or more, and no less than 0 of the others"
        )
    with torch.no_grad(), _unmoved(model):
        bounds = Asking(output).bounds(model, images[:1])
    answer = require_map(bounds, images.ndim - 2)
    tiles = _Tiles(model, images, tile, halo, offset, output, bounds.step, answer.stride)
    with torch.no_grad(), _unmoved(model):
        errors = tiles.errors()
    parts = np.stack([_shapley(errors, cause) for cause in CAUSES], axis=1)
    whole = errors[frozenset()]

    def shares(weights: FloatArray) -> FloatArray:
        total = weights @ whole
        divided: FloatArray = np.divide(
            weights @ parts, total[:, None], out=np.zeros((len(weights), len(CAUSES))),
            where=total[:, None] > 0,
        )  # fmt: skip
        return divided

    found = Bootstrap(None, resamples, seed).of(shares, np.arange(len(images)))
    low, high = found.interval()
    values = zip(CAUSES, found.value.tolist(), low.tolist(), high.tolist(), strict=True)
    return TileShares(
        float(np.sqrt(whole.mean())), tuple(Share(*each) for each in values),
        tuple(dict.fromkeys(tiles.names)), len(images),
    )  # fmt: skip


@contextmanager
def _unmoved(model: nn.Module) -> Iterator[None]:
    """Put buffers back, which batch norms in training mode move."""
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])


def _shapley(errors: dict[frozenset[str], FloatArray], cause: str) -> FloatArray:
    """By how much a cause's absence lowers the error, mean over all orders: (N,)."""
    others, n = [each for each in CAUSES if each != cause], len(CAUSES)
    total: FloatArray = np.zeros_like(errors[frozenset()])
    for count in range(n):
        weight = factorial(count) * factorial(n - count - 1) / factorial(n)
        for chosen in map(frozenset, combinations(others, count)):
            total = total + weight * (errors[chosen] - errors[chosen | {cause}])
    return total


@dataclass
class _Tiles:
    """The tile in the middle of images, run with some causes taken away."""

    model: nn.Module
    images: Tensor
    tile: int
    halo: int
    offset: int
    output: str | None
    step: Sequence[int]
    stride: Sequence[Fraction]
    names: list[str] = field(default_factory=list)

    def errors(self) -> dict[frozenset[str], FloatArray]:
        """Return the mean squared difference of every image, by what is taken away."""
        keeping = WholeStatistics()
        with keeping:
            whole = self._ask(self.images)
        self.names = keeping.names
        core = self._core()
        true = self._cut(whole, core, tuple((0, n) for n in self.images.shape[2:]))
        spread = whole.double().flatten(1).var(dim=1, correction=0).clamp_min(1e-300)
        known: dict[tuple[Box, Box | None], FloatArray] = {}
        found = {}
        for count in range(len(CAUSES) + 1):
            for taken in map(frozenset, combinations(CAUSES, count)):
                region, statistics = self._region(core, taken), None
                if keeping.found and NORMALISATION not in taken:
                    # Of the tile, however much of its surroundings is run with it.
                    statistics = self._region(core, taken - {PADDING})
                if (region, statistics) not in known:
                    kept = keeping.found if statistics is None else self._statistics(statistics)
                    answer = self._run(region, kept)
                    apart = self._cut(answer, core, region).double() - true.double()
                    mean = apart.square().flatten(1).mean(dim=1) / spread
                    known[region, statistics] = mean.cpu().numpy()
                found[taken] = known[region, statistics]
        return found

    def _statistics(self, region: Box) -> list[tuple[Tensor, ...]]:
        keeping = WholeStatistics()
        with keeping:
            self._ask(self._pixels(region))
        return keeping.found

    def _core(self) -> Box:
        """Tell where the tile is."""
        core = []
        for axis, (n, step, stride) in enumerate(
            zip(self.images.shape[2:], self.step, self.stride, strict=True)
        ):
            first = (n - self.tile) // 2 // step * step + self.offset
            if first - self.halo < 0 or first + self.tile + self.halo > n:
                raise PadscopeError(
                    f"a tile of {self.tile} with a halo of {self.halo} does not fit into "
                    f"the {n} there are along axis {axis}; give larger images"
                )
            if (first / stride).denominator != 1 or (self.tile / stride).denominator != 1:
                raise PadscopeError(
                    f"tile and offset must be multiples of {stride}, the step of one position of "
                    f"the answer; they are {self.tile} and {self.offset}"
                )
            core.append((first, first + self.tile))
        return tuple(core)

    def _region(self, core: Box, taken: frozenset[str]) -> Box:
        """Tell what is run for the tile."""
        region = []
        for (first, stop), n, step in zip(core, self.images.shape[2:], self.step, strict=True):
            start, end = first - self.halo, stop + self.halo
            if PHASE in taken:
                start = start // step * step
            if PADDING in taken:
                start, end = start % step, n
            if taken & {PADDING, PHASE}:  # some networks take sizes in step alone
                length = -(-(end - start) // step) * step
                end = start + (length if start + length <= n else length - step)
            region.append((start, max(end, stop)))
        return tuple(region)

    def _run(self, region: Box, kept: Sequence[tuple[Tensor, ...]]) -> Tensor:
        if not kept:
            return self._ask(self._pixels(region))
        with WholeStatistics(kept):
            return self._ask(self._pixels(region))

    def _pixels(self, region: Box) -> Tensor:
        pixels = self.images
        for axis, (start, end) in enumerate(region):
            pixels = pixels.narrow(axis + 2, start, end - start)
        return pixels

    def _ask(self, pixels: Tensor) -> Tensor:
        return Asking(self.output).ask(self.model, pixels, range(len(pixels)))

    def _cut(self, answer: Tensor, core: Box, region: Box) -> Tensor:
        """Cut the tile's own positions out of an answer to a region."""
        for axis, ((first, stop), (start, _), stride) in enumerate(
            zip(core, region, self.stride, strict=True)
        ):
            at, count = int((first - start) / stride), int((stop - first) / stride)
            if at + count > answer.shape[axis + 2]:
                raise PadscopeError(
                    f"a tile of {stop - first} along axis {axis} gives "
                    "too few positions for its own part; give a larger halo"
                )
            answer = answer.narrow(axis + 2, at, count)
        return answer
