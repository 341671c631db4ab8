"""What the geometry of padding alone tells: uneven sides, contact, and how often pixels are seen.

Where a stride is larger than 1, the windows may not reach the end of the padding: then the first
end of an axis is padded by more than the last, and the maps lean. Which positions are seen how
often is called foveation [1]_: with zeros, positions near the border take part in fewer windows
than others; padding that repeats the input gives some of them their share back.

References
----------
.. [1] Alsallakh, Kokhlikyan, Miglani, Yuan, Reblitz-Richardson, Mind the Pad, ICLR 2021,
   arXiv:2010.02178.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from padscope.sites.fill_words import PARTIAL, ZEROS
from padscope.sites.geometry import Window
from padscope.sites.locating import filled

if TYPE_CHECKING:
    from padscope.sites.site import Site

FARTHEST = 32  # pixels from the wanted size at which an even one is looked for


def used_padding(window: Window) -> tuple[tuple[int, int], ...]:
    """Count the padding that windows reach, at both ends of every axis.

    Of a transposed convolution, whose windows walk in steps of 1, all of it.

    Examples
    --------
    >>> used_padding(Window((7,), (2,), (1,), (3,), (3,), (224,), (112,)))
    ((3, 2),)
    """
    pairs = []
    for axis, (before, after) in enumerate(zip(window.before, window.after, strict=True)):
        if not window.transposed:
            reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1
            last = (window.out[axis] - 1) * window.stride[axis] + reach - before
            after = last - window.size[axis]
        pairs.append((max(before, 0), max(after, 0)))
    return tuple(pairs)


def is_uneven(window: Window) -> bool:
    """Tell a walk with a stride that reaches more padding at one end of an axis than at the other.

    Examples
    --------
    >>> walk = {"kernel": (7,), "stride": (2,), "dilation": (1,), "before": (3,), "after": (3,)}
    >>> is_uneven(Window(size=(224,), out=(112,), **walk))
    True
    >>> is_uneven(Window(size=(225,), out=(113,), **walk))
    False
    """
    strided = (step > 1 for step in window.stride)
    ends = used_padding(window)
    return not window.transposed and any(
        steps and before != after for steps, (before, after) in zip(strided, ends, strict=True)
    )


def other_end(window: Window) -> tuple[int, ...]:
    """Count the padding before the first position, per axis, with the odd line at the other end.

    Examples
    --------
    >>> other_end(Window((3,), (2,), (1,), (1,), (1,), (224,), (112,)))
    (0,)
    """
    return tuple(
        after if step > 1 else before
        for step, (before, after) in zip(window.stride, used_padding(window), strict=True)
    )


def contact_share(window: Window) -> float:
    """Share of the output positions whose window touches padding.

    Examples
    --------
    >>> contact_share(Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1), (8, 8), (8, 8)))
    0.4375
    """
    apart = []
    for axis, length in enumerate(window.out):
        before, after = window.contact(axis)
        touched = {*before, *(length - 1 - line for line in after)}
        apart.append(1 - len(touched) / length)
    return 1 - prod(apart)


def taps_per_real(window: Window) -> tuple[NDArray[np.float64], ...]:
    """Say how many times as many taps a window has as it reads real positions with.

    Returns
    -------
    tuple of (out,) float64 array
        Per axis; the product over axes holds of an output. 1 where no padding is touched, 0 where
        nothing else is.

    Examples
    --------
    >>> taps_per_real(Window((3,), (1,), (1,), (1,), (1,), (4,), (4,)))[0].tolist()
    [1.5, 1.0, 1.0, 1.5]
    """
    along: list[NDArray[np.float64]] = []
    for axis, length in enumerate(window.size):
        taps = window.taps(axis)
        real = ((taps >= 0) & (taps < length)).sum(axis=1)
        along.append(np.divide(taps.shape[1], real, out=np.zeros(len(real)), where=real > 0))
    return tuple(along)


def touches(window: Window, fill: str = "zeros") -> tuple[NDArray[np.float64], ...]:
    """Count the windows' taps that read each position of the input, by way of padding too.

    Parameters
    ----------
    window : Window
    fill : str
        What the padding holds; see `padscope.sites.Operation.fill`. Constants read no position.
        With ``partial`` convolution, a tap counts for as much as it is scaled by.

    Returns
    -------
    tuple of (size,) float64 array
        Per axis; the product over axes holds of a position.

    Raises
    ------
    ValueError
        What fills the padding cannot be followed.

    Examples
    --------
    >>> window = Window((3,), (1,), (1,), (1,), (1,), (4,), (4,))
    >>> touches(window)[0].tolist(), touches(window, "replicate")[0].tolist()
    ([2.0, 3.0, 3.0, 2.0], [3.0, 3.0, 3.0, 3.0])
    """
    partial = fill == PARTIAL
    located = filled(ZEROS if partial else fill, window.size, (0,) * len(window.size))
    if located is None:
        raise ValueError(f"positions cannot be told in padding that holds {fill}")
    locate = located[0]
    along: list[NDArray[np.float64]] = []
    for axis, length in enumerate(window.size):
        taps = window.taps(axis)
        scale = np.ones(taps.shape)
        if partial:
            scale *= taps_per_real(window)[axis][:, None]
        if window.transposed:  # of the lattice, only its points hold anything
            spacing = window.stride[axis]
            held = taps % spacing == 0
            taps, scale = taps[held] // spacing, scale[held]
        places, there = locate(taps, axis)
        counted = np.bincount(places[there], scale[there], minlength=length)
        along.append(counted.astype(np.float64))
    return tuple(along)


def even_size(
    size: Sequence[int],
    sites_at: Callable[[tuple[int, ...]], Sequence[Site] | None],
    signs: Sequence[int] = (1, -1),
) -> tuple[int, ...] | None:
    """Find the input size nearest to a wanted one at which no site is uneven.

    All axes are changed by the same number of pixels; of two that are as near, the larger is given.

    Parameters
    ----------
    size : sequence of int
        Pixels per axis.
    sites_at : callable
        From a size to the sites of the network there; None where it does not run.
    signs : sequence of int
        Whether larger sizes are tried (1), or smaller ones (−1).

    Returns
    -------
    tuple of int or None
        None if there is none within `FARTHEST` pixels.
    """
    for apart in range(FARTHEST + 1):
        for by in dict.fromkeys(sign * apart for sign in signs):
            tried = tuple(n + by for n in size)
            found = sites_at(tried) if min(tried) > 0 else None
            if found is not None and not any(is_uneven(site.window) for site in found):
                return tried
    return None
