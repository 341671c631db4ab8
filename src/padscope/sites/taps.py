"""What chosen positions of a window contribute to chosen outputs, read from any input.

A convolution is a sum over its window's positions, its taps, and so is each part of it. With a
tensor of real surroundings at hand, the part that padding plays can be taken out of an output, or
put in, without running the whole operation again: only the taps beyond the frame, at the outputs
that are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.sites.geometry import Window
from padscope.sites.locating import IntArray, Locate
from padscope.sites.operations import Operation


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

    All tensors are on the weight's device, where the input has to be.

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
        (M, P, C_out) float32 Tensor
            Without bias.
        """
        return JoinedTaps.of([self]).part(source, rows, slots)

    def weigh(self, values: Tensor, slots: Sequence[int]) -> Tensor:
        """Sum what the taps read.

        Parameters
        ----------
        values : (M, P, R, C_in) Tensor
        slots : sequence of int

        Returns
        -------
        (M, P, C_out) Tensor
        """
        if self.counted is not None:
            values = values * self.counted[slots][..., None]
        total = self._weighted(values)
        return total if self.constant is None else total + self.constant[slots]

    def _weighted(self, values: Tensor) -> Tensor:
        taps, channels = values.shape[2:]
        inside, outputs = self.weight.shape[1:]
        if not taps:
            return values.new_zeros(*values.shape[:2], outputs)
        if self.groups == 1:
            return values.flatten(2) @ self.weight.flatten(0, 1)
        if inside == 1 and outputs == channels:  # depthwise
            return (values * self.weight[:, 0]).sum(dim=2)
        grouped = values.reshape(-1, taps, self.groups, inside).permute(2, 0, 1, 3)
        kernels = self.weight.view(taps, inside, self.groups, -1).permute(2, 0, 1, 3)
        sums = torch.bmm(grouped.flatten(2), kernels.flatten(1, 2))
        return sums.transpose(0, 1).reshape(*values.shape[:2], outputs)


@dataclass(frozen=True)
class JoinedTaps:
    """Taps of one operation at several sets of outputs, read together.

    Attributes
    ----------
    sets : tuple of Taps
    index : (SLOTS, reads) int64 Tensor
        Where they read, set after set.
    """

    sets: tuple[Taps, ...]
    index: Tensor

    @classmethod
    def of(cls, sets: Sequence[Taps]) -> JoinedTaps:
        """Join sets of taps."""
        index = [taps.index.reshape(len(taps.index), -1) for taps in sets]
        joined = torch.from_numpy(np.concatenate(index, axis=1))
        return cls(tuple(sets), joined.to(sets[0].weight.device))

    def part(self, source: Tensor, rows: Sequence[int], slots: Sequence[int]) -> Tensor:
        """Sum the taps' part of the outputs, as `Taps.part` does; set after set along P."""
        starts = torch.tensor(rows, device=self.index.device)[:, None] * source[0, 0].numel()
        return self.part_at(source, (self.index[list(slots)] + starts).flatten(), slots)

    def part_at(self, source: Tensor, places: Tensor, slots: Sequence[int]) -> Tensor:
        """Sum the taps' part of the outputs, knowing where in a batch they read.

        Parameters
        ----------
        source : (N, C_in, *spatial) Tensor
        places : (M · reads,) int64 Tensor
            Flat places among all positions of the batch, of rows of `index`.
        slots : sequence of int
            Those M rows.
        """
        images, channels = len(slots), source.shape[1]
        flat = source.movedim(1, -1).reshape(-1, channels)
        values = flat.index_select(0, places).float()
        if self._alike is not None:
            sets, _, reads, _ = self._alike.shape
            outputs = self.sets[0].index.shape[1]
            values = values.view(images, sets, outputs, reads, channels)
            return (values * self._alike).sum(dim=3).flatten(1, 2)
        values = values.view(images, self.index.shape[1], channels)
        parts, first = [], 0
        for taps in self.sets:
            outputs, reads = taps.index.shape[1:]
            of_set = values.narrow(1, first, outputs * reads)
            parts.append(taps.weigh(of_set.view(images, outputs, reads, channels), slots))
            first += outputs * reads
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    @cached_property
    def _alike(self) -> Tensor | None:
        """Weights (sets, 1, R, C) of depthwise sets of one shape, in which every tap counts."""
        reads, inside, outputs = self.sets[0].weight.shape
        depthwise = inside == 1 and self.sets[0].groups == outputs
        plain = all(taps.counted is None and taps.constant is None for taps in self.sets)
        alike = len({taps.index.shape for taps in self.sets}) == 1
        if not (reads and depthwise and plain and alike):
            return None
        return torch.stack([taps.weight.transpose(0, 1) for taps in self.sets])


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
    kernel = equivalent_weight(operation, weight.detach()).float()
    taps = (
        kernel.flatten(2)[..., torch.from_numpy(used).to(kernel.device)]
        .permute(2, 1, 0)
        .contiguous()
    )
    constant = None
    if value:
        fixed = torch.from_numpy((wanted & ~present)[..., used].astype(np.float32)) * value
        constant = fixed.to(taps.device) @ taps.sum(dim=1)
    counted = None
    if not reads.all():
        counted = torch.from_numpy(reads.astype(np.float32)).to(taps.device)
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
