"""What chosen positions of a window contribute to chosen outputs, read from any input.

A convolution is a sum over its window's positions, its taps, and so is each part of it. With a
tensor of real surroundings at hand, the part that padding plays can be taken out of an output, or
put in, without running the whole operation again: only the taps beyond the frame, at the outputs
that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.sites.geometry import Window
from padscope.sites.operations import Operation
from padscope.sites.padding import ZEROS

IntArray = NDArray[np.int64]
# Where taps are read: tap positions along an axis → positions there, and whether there is any.
Locate = Callable[[IntArray, int], tuple[IntArray, NDArray[np.bool_]]]


def equivalent_weight(operation: Operation, weight: Tensor) -> Tensor:
    """Weight of the plain convolution that an operation equals.

    Returns
    -------
    (C_out, C_in / groups, *kernel) Tensor
        Of a transposed convolution, the kernel that walks over its spread-out input.
    """
    if not operation.window.transposed:
        return weight
    groups = weight.reshape(operation.groups, -1, *weight.shape[1:]).transpose(1, 2)
    return groups.flatten(0, 1).flip(tuple(range(2, weight.ndim)))


@dataclass(frozen=True)
class Taps:
    """Some taps of an operation at P outputs of every image slot.

    Attributes
    ----------
    groups : int
    weight : (R, C_in / groups, C_out) Tensor
        Of the R taps.
    index : (SLOTS, P, R) int64 array
        Where each tap reads, as a flat index into the spatial axes of the input given.
    counted : (SLOTS, P, R) float32 Tensor or None
        1 where a tap counts, 0 where not; None if all of them do.
    constant : (SLOTS, P, C_out) float32 Tensor or None
        What is added for taps that read a constant.
    """

    groups: int
    weight: Tensor
    index: IntArray
    counted: Tensor | None
    constant: Tensor | None = None

    def part(self, source: Tensor, rows: Sequence[int], slots: Sequence[int]) -> Tensor:
        """Sum the taps' part of the outputs.

        Parameters
        ----------
        source : (N, C_in, *spatial) Tensor
            The operation's input, or one that is laid out as `index` expects.
        rows, slots : sequence of int
            M of the N images, and their rows in the tables.

        Returns
        -------
        (M, P, C_out) Tensor
            Without bias.
        """
        index = self.index[slots]  # (M, P, R)
        taps, channels = index.shape[-1], source.shape[1]
        outputs = self.weight.shape[-1]
        if not taps:
            total = torch.zeros(*index.shape[:2], outputs)
        else:
            area = source[0, 0].numel()
            flat = source.movedim(1, -1).reshape(-1, channels)
            places = torch.from_numpy(index + np.array(rows)[:, None, None] * area).flatten()
            values = flat.index_select(0, places.to(flat.device)).cpu().float()
            values = values.view(*index.shape, channels)
            if self.counted is not None:
                values = values * self.counted[slots][..., None]
            total = self._weighted(values.flatten(0, 1)).view(*index.shape[:2], outputs)
        return total if self.constant is None else total + self.constant[slots]

    def _weighted(self, values: Tensor) -> Tensor:
        """Weigh (X, R, C_in) values into (X, C_out) sums."""
        count, taps, channels = values.shape
        inside, outputs = self.weight.shape[1:]
        if self.groups == 1:
            return values.flatten(1) @ self.weight.flatten(0, 1)
        if inside == 1 and outputs == channels:  # depthwise
            return (values * self.weight[:, 0]).sum(dim=1)
        grouped = values.view(count, taps, self.groups, inside).permute(2, 0, 1, 3)
        kernels = self.weight.view(taps, inside, self.groups, -1).permute(2, 0, 1, 3)
        sums = torch.bmm(grouped.flatten(2), kernels.flatten(1, 2))
        return sums.transpose(0, 1).flatten(1)


def select_taps(
    operation: Operation,
    weight: Tensor,
    outputs: IntArray,
    shape: Sequence[int],
    locate: Locate,
    *,
    padding_only: bool = True,
    value: float = 0.0,
) -> Taps:
    """Choose taps of an operation at some outputs, and where they read.

    Parameters
    ----------
    operation : Operation
        Its window tells which taps lie in padding.
    weight : Tensor
        As the operation was given it.
    outputs : (SLOTS, P) int64 array
        Flat output positions.
    shape : sequence of int
        Spatial shape of the input that will be read.
    locate : callable
        From tap positions along an axis, real ones being 0 … size - 1, to positions in that
        input, and whether the tap reads there at all.
    padding_only : bool
        The taps that lie in padding; otherwise all.
    value : float
        What taps read where `locate` says that they read nothing.

    Returns
    -------
    Taps
    """
    window = operation.window
    beyond, places, present = _walk(window, outputs, locate)
    wanted = (beyond if padding_only else np.ones_like(beyond)) & _on_lattice(window, outputs)
    used = np.flatnonzero(wanted.any(axis=(0, 1)))
    reads = (wanted & present)[..., used]
    index = np.ravel_multi_index(
        [np.clip(place[..., used], 0, n - 1) for place, n in zip(places, shape, strict=True)],
        tuple(shape),
    )
    kernel = equivalent_weight(operation, weight.detach()).float().cpu()
    taps = kernel.flatten(2)[..., torch.from_numpy(used)].permute(2, 1, 0).contiguous()
    constant = None
    if value:
        fixed = torch.from_numpy((wanted & ~present)[..., used].astype(np.float32)) * value
        constant = fixed @ taps.sum(dim=1)
    counted = None if reads.all() else torch.from_numpy(reads.astype(np.float32))
    return Taps(operation.groups, taps, index, counted, constant)


def _walk(
    window: Window, outputs: IntArray, locate: Locate
) -> tuple[NDArray[np.bool_], list[IntArray], NDArray[np.bool_]]:
    """For every tap of the given outputs: whether it lies in padding, where it reads, if at all."""
    dims = len(window.out)
    beyond: NDArray[np.bool_] = np.zeros((1,) * (outputs.ndim + 1), dtype=bool)
    present = ~beyond
    places: list[IntArray] = []
    for axis, along in enumerate(np.unravel_index(outputs, window.out)):
        taps = _real_positions(window, axis)[along]  # (SLOTS, P, kernel along the axis)
        place, there = locate(taps, axis)
        outside = (taps < 0) | (taps >= window.size[axis])
        shape = _along(taps.shape, axis, dims)
        beyond, present = beyond | outside.reshape(shape), present & there.reshape(shape)
        places.append(place.reshape(shape))
    full = (*outputs.shape, *window.kernel)
    flat = (*outputs.shape, -1)
    return (
        np.broadcast_to(beyond, full).reshape(flat),
        [np.broadcast_to(place, full).reshape(flat) for place in places],
        np.broadcast_to(present, full).reshape(flat),
    )


def _along(shape: tuple[int, ...], axis: int, dims: int) -> tuple[int, ...]:
    """Shape in which an array of (SLOTS, P, k) broadcasts along one of the kernel's axes."""
    return (*shape[:-1], *(shape[-1] if a == axis else 1 for a in range(dims)))


def _real_positions(window: Window, axis: int) -> IntArray:
    """Taps of every output of an axis in real input positions; off the lattice, rounded down."""
    taps = window.taps(axis)
    return taps // window.stride[axis] if window.transposed else taps


def _on_lattice(window: Window, outputs: IntArray) -> NDArray[np.bool_]:
    """Whether every tap of the given outputs meets a value of a transposed convolution's input."""
    dims = len(window.out)
    on: NDArray[np.bool_] = np.ones((1,) * (outputs.ndim + dims), dtype=bool)
    if window.transposed:
        for axis, along in enumerate(np.unravel_index(outputs, window.out)):
            met = window.taps(axis)[along] % window.stride[axis] == 0
            on = on & met.reshape(_along(met.shape, axis, dims))
    full = (*outputs.shape, *window.kernel)
    return np.broadcast_to(on, full).reshape(*outputs.shape, -1)


def at_offset(offset: Sequence[int], shape: Sequence[int]) -> Locate:
    """Locate taps in a tensor in which the first real value stands at an offset."""

    def locate(taps: IntArray, axis: int) -> tuple[IntArray, NDArray[np.bool_]]:
        places = taps + offset[axis]
        return places, (places >= 0) & (places < shape[axis])

    return locate


def filled(fill: str, size: Sequence[int], offset: Sequence[int]) -> tuple[Locate, float] | None:
    """Locate taps beyond the frame as a kind of padding fills them from what lies within.

    Parameters
    ----------
    fill : str
        As of `Operation.fill`.
    size : sequence of int
        Real input positions per axis.
    offset : sequence of int
        Where the first of them stands in the tensor that will be read.

    Returns
    -------
    (locate, value) or None
        None for fills that this cannot follow: nested pads of different kinds.
    """
    if fill in ("", ZEROS) or (fill.startswith("constant ") and "+" not in fill):
        constant = float(fill.removeprefix("constant ")) if fill.startswith("constant") else 0.0
        return _within(size, offset), constant
    if fill not in _FOLDS:
        return None
    fold = _FOLDS[fill]

    def locate(taps: IntArray, axis: int) -> tuple[IntArray, NDArray[np.bool_]]:
        folded = fold(taps, size[axis])
        return folded + offset[axis], np.ones(taps.shape, dtype=bool)

    return locate, 0.0


def _within(size: Sequence[int], offset: Sequence[int]) -> Locate:
    def locate(taps: IntArray, axis: int) -> tuple[IntArray, NDArray[np.bool_]]:
        return taps + offset[axis], (taps >= 0) & (taps < size[axis])

    return locate


def _reflect(taps: IntArray, size: int) -> IntArray:
    period = max(1, 2 * (size - 1))
    place = np.abs(taps) % period
    return np.minimum(place, period - place) if size > 1 else np.zeros_like(taps)


_FOLDS: dict[str, Callable[[IntArray, int], IntArray]] = {
    "reflect": _reflect,
    "replicate": lambda taps, size: np.clip(taps, 0, size - 1),
    "circular": lambda taps, size: taps % size,
}
