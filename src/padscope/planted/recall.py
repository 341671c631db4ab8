"""Border recall by brute force, on all raw outputs: the slow twin of what tallies give.

What a filter does is measured here, whatever it was made for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from padscope.errors import PadscopeError
from padscope.regions import Layout

FloatArray = NDArray[np.float64]

CONTENT = 0.01
LEAST_SHIFT = 0.3


def recall_of_values(
    border: FloatArray, core: FloatArray, direction: float, content: float = CONTENT
) -> float:
    """Share of one filter's border that lies beyond all but `content` of its core.

    Parameters
    ----------
    border, core : (N,), (M,) array
        Values, in any order.
    direction, content
        As for `raw_border_recall`.

    Examples
    --------
    >>> core = np.arange(100.0)
    >>> recall_of_values(np.array([98.0, 98.5]), core, 1), recall_of_values(core, core, -1)
    (0.5, 0.01)
    """
    if np.isnan(border).any() or np.isnan(core).any():
        return math.nan
    sign = np.sign(direction)
    ascending = np.sort(sign * core)
    # Where shares like .07 of 100 are meant to be whole numbers, rounding must not lose one.
    beyond = math.floor(content * len(core) + 1e-9)
    return float(np.mean(sign * border > ascending[len(core) - 1 - beyond]))


def shift_of_values(border: FloatArray, core: FloatArray) -> float:
    """Kolmogorov-Smirnov distance of one filter's border from its core, signed as by `raw_shift`.

    Examples
    --------
    >>> shift_of_values(np.array([1.0, 2.0]), np.array([1.0, 0.0, 0.0, 0.0]))
    0.75
    """
    values = np.unique(np.concatenate([border, core]))
    below = [
        np.searchsorted(np.sort(sample), values, side="right") / len(sample)
        for sample in (border, core)
    ]
    gap = below[1] - below[0]
    return float(max(gap.min(), gap.max(), key=abs))


def recall_of_shift(
    border: FloatArray,
    core: FloatArray,
    content: float = CONTENT,
    least_shift: float = LEAST_SHIFT,
) -> float:
    """Recall in the direction of `shift_of_values`; 0 where that is less than `least_shift`."""
    shift = shift_of_values(border, core)
    direction = np.sign(shift) if abs(shift) >= least_shift - 1e-9 else 0  # but for rounding
    return recall_of_values(border, core, direction, content)


def raw_border_recall(
    outputs: Tensor, line: str, direction: ArrayLike, content: float = CONTENT
) -> FloatArray:
    """Share of a line's outputs that lie beyond all but `content` of the core's.

    The threshold is the nearest value of the core beyond which, strictly, lie no more than
    `content` of the core's outputs. Outputs equal to it are not beyond it: a filter that is 0 on
    99.5 % of the core and never more than 0 at the border has recall 0.

    Parameters
    ----------
    outputs : (N, C, *spatial) Tensor
        Padded outputs of N images.
    line : str
        A region of `Layout`: ``top``, ``top+1``, ``top-left`` (its outermost position), ….
    direction : (C,) or () array
        1 where beyond means above, -1 where it means below, 0 where nothing is beyond.
    content : float
        In [0, 1).

    Returns
    -------
    (C,) float64
        In [0, 1]; NaN for a filter with an output that is NaN.

    Raises
    ------
    PadscopeError
        The maps have no such line, or `content` is out of range.
    """
    if not 0 <= content < 1:
        raise PadscopeError(f"content is {content}; it must be at least 0 and less than 1")
    signs = np.broadcast_to(np.sign(direction), (outputs.shape[1],))
    pairs = zip(_border_and_core(outputs, line), signs, strict=True)
    return np.array([recall_of_values(*samples, sign, content) for samples, sign in pairs])


def raw_shift(outputs: Tensor, line: str) -> FloatArray:
    """Kolmogorov-Smirnov distance of a line from the core, with the sign of the shift.

    Parameters
    ----------
    outputs, line
        As for `raw_border_recall`.

    Returns
    -------
    (C,) float64
        In [-1, 1]; positive where the line's outputs are the higher ones at the widest gap,
        negative where they are the lower ones or two gaps of opposite sign are equally wide.
    """
    return np.array([shift_of_values(*samples) for samples in _border_and_core(outputs, line)])


def raw_recalls(
    module: nn.Module,
    images: Tensor,
    content: float = CONTENT,
    least_shift: float = LEAST_SHIFT,
) -> dict[tuple[str, int, str], float]:
    """Border recall of every filter at every side, in the direction of its shift from the core.

    Parameters
    ----------
    module : nn.Module
        In eval mode; its convolutions wider than one position are measured, at their raw outputs.
    images : (N, C, *spatial) Tensor
    content : float
        As for `raw_border_recall`.
    least_shift : float
        Recall is 0 where the absolute `raw_shift` is less.

    Returns
    -------
    dict
        Recall by site, filter and side.
    """
    found = {}
    for site, outputs in _raw_outputs(module, images).items():
        for side in _layout(outputs).sides:
            for index, samples in enumerate(_border_and_core(outputs, side.name)):
                recall = recall_of_shift(*samples, content, least_shift)
                found[site, index, side.name] = recall
    return found


def _raw_outputs(module: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Collect the outputs of the convolutions, by module path."""
    found: dict[str, Tensor] = {}
    with ExitStack() as hooks, torch.no_grad():
        for name, part in module.named_modules():
            if isinstance(part, _ConvNd) and max(part.kernel_size) > 1:
                handle = part.register_forward_hook(
                    lambda _part, _args, out, name=name: found.__setitem__(name, out)
                )
                hooks.callback(handle.remove)
        module(images)
    return found


def _layout(outputs: Tensor) -> Layout:
    size = tuple(outputs.shape[2:])
    return Layout(size, ((1, 1),) * len(size))


def _border_and_core(outputs: Tensor, line: str) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Values of each channel on the line and in the core."""
    layout = _layout(outputs)
    regions = {region.name: layout.positions(region) for region in layout.regions}
    if line not in regions:
        shape = " × ".join(map(str, layout.size))
        raise PadscopeError(f"maps of {shape} have no line {line}; they have {', '.join(regions)}")
    flat = outputs.detach().cpu().double().flatten(2).transpose(0, 1).numpy()  # (C, N, positions)
    for channel in flat:
        yield channel[:, regions[line]].ravel(), channel[:, regions["core"]].ravel()
