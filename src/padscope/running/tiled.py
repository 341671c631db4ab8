"""Inference in tiles, of images of any size, and the halo that makes it equal to the whole.

A tile is run with a halo of its surroundings, of which the answer is cut off again. Padding stands
at the true borders of the image alone; where it stands at the end of a halo, it reaches no farther
than the halo is wide, if that is as wide as padding is deep.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.running.model import Asking
from padscope.sites.depth_bounds import DepthBounds, MapBounds

T = TypeVar("T")
Progress = Callable[[int, int], None]
# Pixels at both ends of every axis; or of each axis, at both ends or (before, after).
Halo = int | tuple[int | tuple[int, int], ...]


@dataclass(frozen=True)
class _Span:
    """One tile along one axis, in pixels: its own part, and what is run for it."""

    core: tuple[int, int]
    run: tuple[int, int]
    last: bool


@dataclass(frozen=True)
class Tiled:
    """A model that is run in tiles; make it with `tiled`.

    Attributes
    ----------
    model : nn.Module
    tile : int or tuple of int
        Pixels per axis of `axes`.
    halo : int or tuple
        See `Halo`.
    axes : tuple of int or None
        Spatial axes along which images are cut, 0 first; None for all.
    blend : bool
        Whether neighbouring tiles are mixed across their seams.
    batch_size : int
        Tiles per forward pass.
    output : str or None
        Which entry of what the model returns is its answer; see `padscope.effects.read_answer`.
    inexact : bool
        Whether a model that looks at the whole frame is run all the same.
    progress : callable or None
    """

    model: nn.Module
    tile: int | tuple[int, ...]
    halo: Halo
    axes: tuple[int, ...] | None = None
    blend: bool = False
    batch_size: int = 1
    output: str | None = None
    inexact: bool = False
    progress: Progress | None = None
    _known: dict[tuple[int, ...], DepthBounds] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        if self.batch_size < 1:
            raise PadscopeError(f"batch_size is {self.batch_size}; give 1 or more")
        if min(_each(self.tile)) < 1 or min(map(min, _pairs(self.halo))) < 0:
            raise PadscopeError(
                f"a tile of {self.tile} with a halo of {self.halo} cannot be run; give tiles of "
                "1 or more, and halos of 0 or more"
            )

    @torch.no_grad()
    def __call__(self, images: Tensor, out: Tensor | None = None) -> Tensor:
        """Run the model on images, tile by tile.

        Parameters
        ----------
        images : (N, C, *spatial) Tensor
            Anywhere; tiles are copied to where the model is.
        out : (N, C', *spatial') Tensor, optional
            To write the answer to, such as one that is mapped to a file.

        Returns
        -------
        (N, C', *spatial') Tensor
            The answer, where the images are; of maps without channels, with one. Beside it, no more
            is in memory than a batch of tiles takes.

        Raises
        ------
        PadscopeError
            Tile or halo do not fit the images or are out of step with the strides, or the answer is
            no map, or depends on the whole frame.
        """
        size = tuple(images.shape[2:])
        if not size or not len(images):
            raise PadscopeError(
                f"images have shape {tuple(images.shape)}; give (images, channels, size)"
            )
        tile = self._along(size, _each(self.tile), size)
        halo = self._along(size, _pairs(self.halo), [(0, 0)] * len(size))
        for axis, (n, t, h) in enumerate(zip(size, tile, halo, strict=True)):
            if t != n and t + max(h) > n:
                raise PadscopeError(
                    f"a tile of {t} with a halo of {max(h)} takes more than the {n} there "
                    f"are along axis {axis}; give smaller ones, or leave that axis out of axes"
                )
        bounds, answer = self._learn(images, size, tile, halo)
        _require_step(bounds.step, size, tile, halo)
        spans = [
            _spans(n, t, h, s) for n, t, h, s in zip(size, tile, halo, bounds.step, strict=True)
        ]
        rates = tuple(1 / stride for stride in answer.stride)
        return self._run(images, spans, rates, out, tile, halo)

    def _along(self, size: Sequence[int], given: Sequence[T], uncut: Sequence[T]) -> tuple[T, ...]:
        """Give every axis its pixels: those that are not cut have their own."""
        axes = range(len(size)) if self.axes is None else self.axes
        if any(axis not in range(len(size)) for axis in axes):
            raise PadscopeError(
                f"axes are {self.axes}, but those of images are 0 to {len(size) - 1}"
            )
        values = [*given] * len(axes) if len(given) == 1 else given
        if len(values) != len(axes):
            raise PadscopeError(
                f"{given} are {plural(len(values), 'number')} for {plural(len(axes), 'axis')}"
            )
        along = [*uncut]
        for axis, value in zip(axes, values, strict=True):
            along[axis] = value
        return tuple(along)

    def _learn(
        self,
        images: Tensor,
        size: Sequence[int],
        tile: Sequence[int],
        halo: Sequence[tuple[int, int]],
    ) -> tuple[DepthBounds, MapBounds]:
        """Run the first tile, to see how the model's maps lie on its input."""
        first = tuple(min(n, t + max(h)) for n, t, h in zip(size, tile, halo, strict=True))
        key = (images.shape[1], *first)
        if key not in self._known:
            pixels = images[:1]
            for axis, n in enumerate(first):
                pixels = pixels.narrow(axis + 2, 0, n)
            self._known[key] = Asking(self.output).bounds(self.model, pixels)
        bounds = self._known[key]
        answer = require_map(bounds, len(size))
        if answer.whole and not self.inexact:
            raise PadscopeError(_sees_whole(answer.whole))
        return bounds, answer

    def _run(
        self,
        images: Tensor,
        spans: Sequence[Sequence[_Span]],
        rates: Sequence[Fraction],
        out: Tensor | None,
        tile: Sequence[int],
        halo: Sequence[tuple[int, int]],
    ) -> Tensor:
        # Of a seam, so many positions of the answer on either side are mixed.
        mixed = [
            int(min(t, *h) // 2 * r) if self.blend else 0
            for t, h, r in zip(tile, halo, rates, strict=True)
        ]
        places = list(itertools.product(*spans))
        total, done = len(places) * len(images), 0
        shape: list[int] = []
        for batch in _batches(places, len(images), self.batch_size):
            answers = self._ask(images, batch)
            if not shape:  # of the last tile, which ends where the image does
                last = batch[0][1]
                first = [_scaled(span.run[0], r) for span, r in zip(last, rates, strict=True)]
                shape = [f + n for f, n in zip(first, answers.shape[2:], strict=True)]
                out = _allocated(out, images, answers, shape)
            assert out is not None
            for answer, (image, place) in zip(answers, batch, strict=True):
                _write(out[image], answer, place, rates, shape, mixed)
            done += len(batch)
            if self.progress:
                self.progress(done, total)
        assert out is not None
        return out

    def _ask(self, images: Tensor, batch: Sequence[tuple[int, tuple[_Span, ...]]]) -> Tensor:
        cut = []
        for image, place in batch:
            pixels = images[image]
            for axis, span in enumerate(place):
                pixels = pixels.narrow(axis + 1, span.run[0], span.run[1] - span.run[0])
            cut.append(pixels)
        return Asking(self.output).ask(self.model, torch.stack(cut), [image for image, _ in batch])


def tiled(
    model: nn.Module,
    tile: int | tuple[int, ...],
    halo: Halo,
    *,
    axes: Sequence[int] | None = None,
    blend: bool = False,
    batch_size: int = 1,
    output: str | None = None,
    inexact: bool = False,
    progress: Progress | None = None,
) -> Tiled:
    """Run a model in tiles, of images of any size with one to three spatial axes.

    Parameters
    ----------
    model : nn.Module
        In eval mode, with a dense answer, of the size of its input or any constant multiple of it.
    tile : int or tuple of int
        Pixels that are a tile's own, along each of the axes.
    halo : int or tuple
        Pixels of surroundings that it is run with, at each end that is no border of the image:
        see `halo_of`. A tuple has one entry per axis, a number or a pair ``(before, after)``.
        Both must be in step with the strides: multiples of `DepthBounds.step`.
    axes : sequence of int, optional
        Spatial axes along which images are cut, 0 first; others are run whole. None: all.
    blend : bool
        Mix neighbouring tiles across their seams, over half the halo on either side, instead of
        cutting the halo off.
    batch_size : int
        Tiles per forward pass.
    output : str, optional
        Which entry of what the model returns is its answer; see `padscope.effects.read_answer`.
    inexact : bool
        Run a model that looks at the whole frame all the same; no halo makes tiles equal to the
        whole then.
    progress : callable, optional
        Called after every forward pass with how many tiles are done, and of how many.

    Returns
    -------
    Tiled
        To be called with images.

    Examples
    --------
    >>> net = nn.Conv2d(1, 1, 3, padding=1).eval()
    >>> image = torch.rand(1, 1, 40, 50, generator=torch.manual_seed(0))
    >>> bool(torch.allclose(tiled(net, 16, 1)(image), net(image), atol=1e-6))
    True
    """
    listed = None if axes is None else tuple(axes)
    return Tiled(model, tile, halo, listed, blend, batch_size, output, inexact, progress)


@dataclass(frozen=True)
class AdvisedHalo:
    """The smallest halo with which tiles equal the whole.

    Attributes
    ----------
    pixels : int
    error : float
        Greatest difference from the whole, in spreads of each image's answer.
    step : int
        Pixels between halos in step with the strides.
    tile : int or tuple of int
    tried : dict
        Halo → its error, of all that were tried.
    """

    pixels: int
    error: float
    step: int
    tried: dict[int, float]

    def cost(self, tile: int, axes: int) -> float:
        """Count the pixels that are run for each one of an image that is cut along so many axes.

        Examples
        --------
        >>> AdvisedHalo(8, 0.0, 1, {}).cost(32, axes=2)
        2.25
        """
        return cost_of(tile, self.pixels, axes)


def cost_of(tile: int, halo: int, axes: int) -> float:
    """Count the pixels that are run for each one of an image that is cut along so many axes."""
    return ((tile + 2 * halo) / tile) ** axes


@torch.no_grad()
def halo_of(
    model: nn.Module,
    images: Tensor,
    tile: int | tuple[int, ...],
    *,
    tolerance: float = 0.01,
    depth: float | None = None,
    axes: Sequence[int] | None = None,
    output: str | None = None,
    batch_size: int = 1,
) -> AdvisedHalo:
    """Find the smallest halo in step with the strides whose tiles equal the whole.

    It is found by trying: images are run whole, then in tiles with halos of bisected width.

    Parameters
    ----------
    model, tile, axes, output, batch_size
        As of `tiled`.
    images : (N, C, ...) Tensor
        Large enough to have seams; small enough to be run whole.
    tolerance : float
        Greatest difference of any value that is none, in spreads of each image's answer.
    depth : float, optional
        How deep padding reaches, in pixels, where it was measured (`Depth.deepest`): the search
        begins there.

    Raises
    ------
    PadscopeError
        No halo that fits the images suffices, or the model looks at the whole frame.
    """
    return BesideWhole(model, images, tile, axes, output, batch_size).advise(tolerance, depth)


class BesideWhole:
    """Images that were run whole, to be compared with tiles.

    Parameters
    ----------
    model, images, tile, axes, output, batch_size
        As of `halo_of`; without a tile, half the images' shortest axis.
    inexact : bool
        Compare a model that looks at the whole frame all the same.

    Attributes
    ----------
    bounds : DepthBounds
    answer : MapBounds
        Of the answer.
    step : int
        Pixels between halos in step with the strides.
    tried : dict
        Halo → greatest difference from the whole, in spreads of each image's answer.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        tile: int | tuple[int, ...] | None,
        axes: Sequence[int] | None = None,
        output: str | None = None,
        batch_size: int = 1,
        inexact: bool = False,
    ) -> None:
        self.bounds = Asking(output).bounds(model, images[:1])
        self.answer = require_map(self.bounds, images.ndim - 2)
        if self.answer.whole and not inexact:
            raise PadscopeError(_sees_whole(self.answer.whole))
        cut = range(images.ndim - 2) if axes is None else axes
        self.step = math.lcm(*(self.bounds.step[axis] for axis in cut))
        half = min(images.shape[2:]) // 2
        self.tile = tile or max(self.step, half // self.step * self.step)
        self.tried: dict[Halo, float] = {}
        self._images = images
        self._run = partial(
            tiled, model, self.tile, axes=axes, output=output, batch_size=batch_size,
            inexact=inexact,
        )  # fmt: skip
        with torch.no_grad():
            self._whole = Asking(output).ask(model, images, range(len(images))).double()
        spread = self._whole.flatten(1).std(dim=1, correction=0)
        self._spread = spread.clamp_min(torch.finfo(torch.float32).tiny)

    def error(self, halo: Halo) -> float:
        """Run tiles with a halo; infinite if they lack positions that are their own."""
        if halo not in self.tried:
            try:
                apart = (self._run(halo)(self._images).double() - self._whole).abs()
                self.tried[halo] = float((apart.flatten(1).amax(dim=1) / self._spread).max())
            except _TooFewError:
                self.tried[halo] = math.inf
        return self.tried[halo]

    @property
    def images(self) -> int:
        """How many were run."""
        return len(self._images)

    def advise(
        self,
        tolerance: float,
        depth: float | None = None,
        error: Callable[[int], float] | None = None,
    ) -> AdvisedHalo:
        """Find the smallest halo that suffices; see `halo_of`. `error` is asked for errors."""
        known = self.answer.deepest
        start = float(known if depth is None and known is not None else depth or 0)
        halo = smallest(error or self.error, start, self.step, tolerance)
        tried = {pixels: error for pixels, error in self.tried.items() if isinstance(pixels, int)}
        return AdvisedHalo(halo, tried[halo], self.step, dict(sorted(tried.items())))


def smallest(error: Callable[[int], float], start: float, step: int, tolerance: float) -> int:
    """Find the smallest multiple of a step whose error is within the tolerance, by bisection.

    The error must not grow with what is tried. The search begins at `start`, and doubles.

    Examples
    --------
    >>> smallest(lambda pixels: 10 - pixels, start=4, step=2, tolerance=3)
    8
    """
    most = math.ceil(start / step)
    while error(most * step) > tolerance:  # raises where the images have no room for more
        most = 2 * most or 1
    least = -1
    while most - least > 1:
        middle = (least + most) // 2
        if error(middle * step) > tolerance:
            least = middle
        else:
            most = middle
    return most * step


class _TooFewError(PadscopeError):
    """A tile's answer lacks positions that are its own."""


def require_map(bounds: DepthBounds, dims: int) -> MapBounds:
    """Return what holds of an answer that is a map; raises `PadscopeError` for any other."""
    answer = bounds.output
    if answer is None or not answer.is_map:
        raise PadscopeError(
            f"the model's answer is no map with channels and {plural(dims, 'axis')}, as the image "
            "has; tiles cannot be put together: name another entry with output"
        )
    return answer


def _sees_whole(operation: str) -> str:
    return (
        f"the model looks at the whole frame (its {operation}): no finite halo makes tiles equal "
        "to the whole; run it whole, or in tiles all the same with inexact=True"
    )


def _pairs(halo: Halo) -> list[tuple[int, int]]:
    """Give the halo of every axis at both ends; of one entry, the same of all axes."""
    entries = (halo,) if isinstance(halo, int) else halo
    return [(each, each) if isinstance(each, int) else each for each in entries]


def _each(given: int | tuple[int, ...]) -> tuple[int, ...]:
    return (given,) if isinstance(given, int) else given


def _require_step(
    step: Sequence[int],
    size: Sequence[int],
    tile: Sequence[int],
    halo: Sequence[tuple[int, int]],
) -> None:
    for axis, (s, n) in enumerate(zip(step, size, strict=True)):
        halos = [("halo", pixels) for pixels in halo[axis]]
        for what, pixels in (("tile", tile[axis]), *halos):
            if pixels % s and pixels != n:
                below = pixels // s * s
                nearest = f"{below} or {below + s}" if below or what == "halo" else str(s)
                raise PadscopeError(
                    f"a {what} of {pixels} along axis {axis} is out of step with the "
                    f"model's strides, {s} in all; {nearest} would be in step"
                )


def _spans(size: int, tile: int, halo: tuple[int, int], step: int) -> list[_Span]:
    """Cut an axis."""
    before, after = halo
    spans = []
    for first in range(0, size, tile):
        stop = min(size, first + tile)
        start = max(0, first - before)
        if stop == size:  # what is left over may be little: it is run with as much as the others
            start = max(0, min(start, (size - tile - before - after) // step * step))
        spans.append(_Span((first, stop), (start, min(size, stop + after)), stop == size))
    return spans


def _batches(
    places: Sequence[tuple[_Span, ...]], images: int, most: int
) -> Iterator[list[tuple[int, tuple[_Span, ...]]]]:
    """Give tiles of one shape together; the last of all tiles first, and alone."""
    yield [(0, places[-1])]
    shapes: dict[tuple[int, ...], list[tuple[int, tuple[_Span, ...]]]] = {}
    for image, place in itertools.product(range(images), places):
        if image == 0 and place is places[-1]:
            continue
        shape = tuple(span.run[1] - span.run[0] for span in place)
        waiting = shapes.setdefault(shape, [])
        waiting.append((image, place))
        if len(waiting) == most:
            yield shapes.pop(shape)
    yield from shapes.values()


def _scaled(pixels: int, rate: Fraction) -> int:
    return math.floor(pixels * rate)


def _allocated(out: Tensor | None, images: Tensor, answers: Tensor, shape: Sequence[int]) -> Tensor:
    full = (len(images), answers.shape[1], *shape)
    if out is None:
        return torch.zeros(full, dtype=answers.dtype, device=images.device)
    if tuple(out.shape) != full:
        raise PadscopeError(f"out has shape {tuple(out.shape)}, and the answer {full}")
    return out.zero_()


def _write(
    out: Tensor,
    answer: Tensor,
    place: tuple[_Span, ...],
    rates: Sequence[Fraction],
    shape: Sequence[int],
    mixed: Sequence[int],
) -> None:
    """Add a tile's own part of its answer (C', *tile) to that of the image."""
    part = answer
    for axis, (span, rate, end, half) in enumerate(zip(place, rates, shape, mixed, strict=True)):
        own = _scaled(span.core[0], rate), end if span.last else _scaled(span.core[1], rate)
        # Without padding, an answer may end before the last tile begins.
        first = min(end, own[0] - half if span.core[0] else own[0])
        stop = max(first, min(end, own[1] + half))
        if first == stop:
            return
        start = first - _scaled(span.run[0], rate)
        if start < 0 or start + stop - first > answer.shape[axis + 1]:
            raise _TooFewError(
                f"a tile of {span.run[1] - span.run[0]} along axis {axis} gives "
                f"{plural(answer.shape[axis + 1], 'position')}, too few for its own part; "
                "give a larger halo"
            )
        part = part.narrow(axis + 1, start, stop - first)
        if half:
            part = part * _ramps(own, first, stop, half, end).to(part).view(
                -1, *[1] * (len(shape) - axis - 1)
            )
        out = out.narrow(axis + 1, first, stop - first)
    out.add_(part.to(out.device)) if any(mixed) else out.copy_(part)


def _ramps(own: tuple[int, int], first: int, stop: int, half: int, end: int) -> Tensor:
    """Weights of positions first … stop - 1: up across the seam at one end, down at the other."""
    at = torch.arange(first, stop) + 0.5
    weights = torch.ones(stop - first)
    if own[0] > 0:
        weights = weights * ((at - (own[0] - half)) / (2 * half)).clamp(0, 1)
    if own[1] < end:
        weights = weights * (1 - (at - (own[1] - half)) / (2 * half)).clamp(0, 1)
    return weights
