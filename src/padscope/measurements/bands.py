"""False borders: bands of the padding's value drawn inside the frame, and bands to compare with.

A band runs across the whole frame along one axis, like a border that has moved inwards. It ends, or
begins, a multiple of the network's total stride from the frame's end: the outputs right behind it
then look into the band exactly as the first outputs of the map look out of the image.

A band of pixels imitates the padding of the image. Deeper layers pad their own maps, with values
that need not be what the layers before them make of the band; how much of their answer to the true
border a band can call up is what `firing` measures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from padscope.regions import Side, sides_of
from padscope.sites import Observation
from padscope.sites.fill_words import constant_value

BandContent: TypeAlias = Literal["fill", "mean colour", "mean colour elsewhere", "elsewhere"]

WIDTHS = (1, 2, 4, 8)  # pixels
FEW_WIDTHS = (2, 8)
FIRED_AT: tuple[BandContent, ...] = ("fill", "mean colour")  # at which filters are watched
NARROWEST_FRAME = 4  # a band takes up no more than one part in so many of the frame


@dataclass(frozen=True)
class Band:
    """A band across the frame.

    Attributes
    ----------
    side : Side
        The border that it imitates: for the top, what lies below the band is behind it.
    start, width : int
        First pixel along the side's axis, and pixels.
    content : str
        ``fill``, the value that the padding holds; ``mean colour``, of the image; ``mean colour
        elsewhere``, at the mirrored place; or ``elsewhere``, the image's own from there.
    """

    side: Side
    start: int
    width: int
    content: BandContent

    @property
    def edge(self) -> int:
        """Where what is behind the band begins, in pixels from the axis's first end.

        For a far side, the pixel before it is the last one behind the band.
        """
        return self.start if self.side.far else self.start + self.width

    def drawn_from(self, pixels: int) -> int:
        """First pixel that is drawn, on an axis of so many."""
        elsewhere = self.content == "mean colour elsewhere"
        return pixels - self.start - self.width if elsewhere else self.start

    def outside(self, answer: Tensor, pixels: int) -> Tensor:
        """Leave out what a map says of the band itself.

        Parameters
        ----------
        answer : (N, C, *spatial) Tensor
        pixels : int
            Size of the image along the band's axis.

        Returns
        -------
        (N, C, *spatial) Tensor
            Without the lines that lie over the band; all of a map that has no others.
        """
        axis = self.side.axis + 2
        positions, place = answer.shape[axis], self.drawn_from(pixels)
        first = place * positions // pixels
        stop = -(-(place + self.width) * positions // pixels)
        if stop - first >= positions:
            return answer
        parts = answer.narrow(axis, 0, first), answer.narrow(axis, stop, positions - stop)
        return torch.cat(parts, dim=axis)

    def drawn_on(self, pixels: Tensor, value: float) -> Tensor:
        """Draw the band on a copy of a batch of images.

        Parameters
        ----------
        pixels : (N, C, *spatial) Tensor
        value : float
            Of the padding.

        Returns
        -------
        (N, C, *spatial) Tensor
            In the same memory format.
        """
        axis, width = self.side.axis + 2, self.width
        drawn, size = pixels.clone(), pixels.shape[axis]
        target = drawn.narrow(axis, self.drawn_from(size), width)
        if self.content == "fill":
            target.fill_(value)
        elif self.content == "elsewhere":
            target.copy_(pixels.narrow(axis, size - self.start - width, width))
        else:
            target.copy_(mean_colour(pixels))
        return drawn


def mean_colour(pixels: Tensor) -> Tensor:
    """Mean of every channel of every image: (N, C, 1, …) Tensor."""
    return pixels.mean(dim=tuple(range(2, pixels.ndim)), keepdim=True)


def choose_bands(
    size: Sequence[int], step: int = 1, widths: Sequence[int] = WIDTHS
) -> tuple[Band, ...]:
    """Choose bands of some widths near both ends of every axis, near the first one of all contents.

    Those that imitate a far side, of fill and of mean colour, show only whether filters fire.

    Parameters
    ----------
    size : sequence of int
        Pixels of an image, per axis.
    step : int
        The network's total stride.
    widths : sequence of int
        Pixels.

    Returns
    -------
    tuple of Band
        Along an axis of fewer than 4 pixels there is none.

    Examples
    --------
    >>> bands = choose_bands((224,), 32)
    >>> [(band.start, band.width) for band in bands if band.content == "fill"]
    [(63, 1), (62, 2), (60, 4), (56, 8), (160, 1), (160, 2), (160, 4), (160, 8)]
    """
    bands: list[Band] = []
    for side in sides_of(len(size)):
        n = size[side.axis]
        fitting = [width for width in widths if width * NARROWEST_FRAME <= n]
        contents: tuple[BandContent, ...] = FIRED_AT
        if not side.far:
            contents = (*FIRED_AT, "mean colour elsewhere", "elsewhere")
        for width in fitting:
            edge = _edge(n, max(fitting), step)
            start = n - edge if side.far else edge - width
            bands += [Band(side, start, width, content) for content in contents]
    return tuple(bands)


def _edge(pixels: int, widest: int, step: int) -> int:
    """Pixels from the frame's end to what lies behind a band.

    A quarter of the frame, or what leaves a pixel before the widest band; in steps of the total
    stride if that stays in the nearer half.
    """
    least = max(-(-pixels // 4), widest + 1)
    in_step = -(-least // step) * step
    return in_step if 2 * in_step <= pixels else least


def fires(band: Band, watched: Mapping[str, Mapping[str, Sequence[int]]]) -> bool:
    """Whether filters are watched while a band is shown.

    Parameters
    ----------
    band : Band
    watched : mapping
        Site → side → filters that are expected to fire there.
    """
    sides = (side for sides in watched.values() for side, found in sides.items() if found)
    return band.content in FIRED_AT and band.side.name in sides


def padding_value(observed: Observation) -> float | str:
    """Value that a network's first padded convolution is padded with, or why there is none.

    Parameters
    ----------
    observed : Observation
        Of the network.

    Returns
    -------
    float or str
        In the units of the images that the network takes. If that convolution is not the first of
        all, the value is of its input, and a band of it in the image is only a guess.
    """
    fills = [site.fill for site in observed.sites if site.scored]
    if not fills:
        return "the network has no padded convolution"
    value = constant_value(fills[0])
    if value is not None and math.isfinite(value):
        return value
    return f"the first padded convolution is padded with {fills[0]}, which no band can imitate"
