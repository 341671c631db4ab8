"""Mean activation maps, kept small enough to have one for every filter."""

from __future__ import annotations

import torch
from torch import Tensor

from padscope.tallies.lines import kept_lines


def sum_maps(output: Tensor) -> Tensor:
    """Sum the maps of a batch, thinned to the kept lines.

    Parameters
    ----------
    output : (N, C, *spatial) Tensor

    Returns
    -------
    (C, *kept) float64 Tensor
        On the same device; float32 where that has no float64.
    """
    for axis, size in enumerate(output.shape[2:], start=2):
        lines = kept_lines(size, output.ndim - 2)
        if len(lines) < size:
            output = output.index_select(axis, torch.tensor(lines, device=output.device))
    if output.stride(1) == 1:  # channels last: summed as they lie, twenty times as fast
        return _sum(output.movedim(1, -1)).movedim(-1, 0)
    return _sum(output)


def _sum(maps: Tensor) -> Tensor:
    total = maps.float().sum(dim=0)
    if maps.device.type == "cpu" and not total.isfinite().all():  # it may be, in double precision
        total = maps.double().sum(dim=0)
    return total if total.device.type == "mps" else total.double()


def as_pictured(means: Tensor) -> Tensor:
    """Round what is looked at and never scored to eight significant bits, in float32.

    Pictures have 256 levels; files of what is rounded so are a third of the size.

    Examples
    --------
    >>> as_pictured(torch.tensor([1 / 3, 1e30]))
    tensor([3.3398e-01, 1.0003e+30])
    """
    return means.bfloat16().float()
