"""The differences that a change makes at the border, put into the core instead."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.interventions.fills import generator
from padscope.regions import Layout
from padscope.sites import (
    Box,
    Call,
    Window,
    add_at,
    contact_boxes,
    select_channels,
    writable,
)

Chosen: TypeAlias = tuple[int, ...] | None  # filters; None for all


def whole_map(call: Call) -> Box:
    """Box of all outputs."""
    return tuple((0, size) for size in call.operation.window.out)


def core_box(size: tuple[int, ...]) -> Box:
    """Box of the core of a map."""
    layout = Layout(size, ((0, 0),) * len(size))
    return tuple(layout.core_range(axis) for axis in range(len(size)))


def of_filters(part: Tensor, chosen: Chosen, dims: int) -> Tensor:
    """Select the chosen filters' channels."""
    if chosen is None:
        return part
    return select_channels(part, torch.tensor(chosen, device=part.device), dims)


def moved_to_core(
    call: Call,
    changes: Sequence[tuple[Box, Tensor]],
    chosen: Chosen,
    seed: int,
    images: Sequence[int],
) -> Tensor:
    """Add changes of some boxes to positions of the core instead.

    Parameters
    ----------
    call : Call
    changes : sequence of (Box, Tensor)
        Of the lines in contact with padding, from `refill_changes`.
    chosen : tuple of int or None
        The filters that they are for.
    seed : int
    images : sequence of int
        One index per row of the batch; with the seed and the site's name it fixes the positions.

    Returns
    -------
    Tensor
        The output, disturbed in the core.
    """
    dims = len(call.operation.window.out)
    values = torch.cat([change.flatten(-dims) for _, change in changes], dim=-1)  # (N, filters, P)
    count = values.shape[-1]
    room = _room(call.operation.window, count)
    if not len(room):
        raise PadscopeError(
            f"site {call.name!r} touches padding at every output and has no core to disturb; "
            "leave it out"
        )
    drawn = [_draw(generator(seed, f"{call.name} core", image), room, count) for image in images]
    places = torch.from_numpy(np.stack(drawn)).view(*values.shape[:-2], count)
    index = None if chosen is None else torch.tensor(chosen, device=values.device)
    return add_at(writable(call.output, values), dims, places, index, values)


def _draw(rng: np.random.Generator, room: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Draw positions, each as often as any other, give or take one."""
    rounds = [rng.permutation(room) for _ in range(-(-count // len(room)))]
    return np.concatenate(rounds)[:count]


@lru_cache(maxsize=1024)
def _room(window: Window, count: int) -> NDArray[np.int64]:
    """Flat outputs apart from padding: those of the core if there are enough, else all."""
    apart = np.ones(window.out, dtype=bool)
    for box in contact_boxes(window):
        apart[tuple(slice(*span) for span in box)] = False
    core = np.zeros(window.out, dtype=bool)
    core[tuple(slice(*span) for span in core_box(window.out))] = True
    enough = np.count_nonzero(apart & core) >= count
    return np.flatnonzero(apart & core if enough else apart)
