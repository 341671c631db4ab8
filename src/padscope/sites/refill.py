"""The outputs in contact with padding, as they would be with other values around the same input.

A padded operation and its refilled twin differ nowhere but in the lines in contact with padding,
and there by what the taps in the padding contribute. So the padding along each end of each axis, a
strip, is filled with the difference between its new values and those that it holds, and goes
through those taps of the operation that reach it. Along the first axis strips are as wide as the
frame, along the next as what is real on the one before, and so on: every padded position is in one.

Where it is not known what the padding holds, or outputs are rounded to less than single precision,
the lines in contact with padding are computed anew: cut into boxes that do not overlap, of which
each sees a slab of the input, on which the operation runs without padding of its own.

A transposed convolution is refilled by putting the new values where its input would go on. Torch
has no such padding mode; it equals padding the input and cropping that much more of the output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from padscope.sites.call import Call
from padscope.sites.fill_words import ZEROS, constant_value
from padscope.sites.fills import (
    Boundary,
    Box,
    Cut,
    Fill,
    flat_maps,
    flat_places,
    joint_index,
    select_channels,
    surrounded,
    told_fill,
)
from padscope.sites.focus import unobserved
from padscope.sites.geometry import Window
from padscope.sites.padding import has_storage

# By number of axes, and whether it is transposed.
_CONVOLUTIONS: dict[tuple[int, bool], Callable[..., Any]] = {
    (1, False): F.conv1d, (2, False): F.conv2d, (3, False): F.conv3d,
    (1, True): F.conv_transpose1d, (2, True): F.conv_transpose2d, (3, True): F.conv_transpose3d,
}  # fmt: skip


def can_refill(call: Call) -> bool:
    """Whether a call is a convolution, plain or transposed, whose padding can be filled anew."""
    operation = call.operation
    window = operation.window
    known = not operation.unscored and (len(window.out), window.transposed) in _CONVOLUTIONS
    return known and window.padded and has_storage(call.input)


@lru_cache(maxsize=4096)
def contact_boxes(window: Window) -> tuple[Box, ...]:
    """Cut the outputs in contact with padding into boxes that do not overlap.

    Examples
    --------
    >>> contact_boxes(Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 0), (6, 8), (6, 7)))
    (((0, 1), (0, 7)), ((5, 6), (0, 7)), ((1, 5), (0, 1)))
    """
    boxes: list[Box] = []
    apart: list[Box] = [()]  # what touches no padding on the axes done so far
    for axis, size in enumerate(window.out):
        touching = np.zeros(size, dtype=bool)
        before, after = window.contact(axis)
        touching[np.array(before, dtype=int)] = True
        touching[size - 1 - np.array(after, dtype=int)] = True
        whole = tuple((0, other) for other in window.out[axis + 1 :])
        boxes += [(*box, run, *whole) for box in apart for run in _runs(touching)]
        apart = [(*box, run) for box in apart for run in _runs(~touching)]
    return tuple(boxes)


def _runs(chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of neighbouring positions."""
    ends = np.flatnonzero(np.diff(chosen, prepend=False, append=False)).tolist()
    return list(zip(ends[::2], ends[1::2], strict=True))


@lru_cache(maxsize=4096)
def receptive_box(window: Window, outputs: Box) -> Box:
    """Box of input positions that a box of outputs sees; beyond 0 … size - 1 they are padding."""
    seen = []
    for axis, (first, stop) in enumerate(outputs):
        stride, before = window.stride[axis], window.before[axis]
        reach = window.dilation[axis] * (window.kernel[axis] - 1)
        if window.transposed:  # the outputs' lattice positions, then the real ones around them
            start, last = first - before, stop - 1 - before
            seen.append((start // stride, max((last + reach) // stride, -(-last // stride)) + 1))
        else:
            seen.append((first * stride - before, (stop - 1) * stride - before + reach + 1))
    return tuple(seen)


def refill_changes(
    call: Call, fill: Fill, filters: Sequence[int] | None = None
) -> list[tuple[Box, Tensor]]:
    """Compute by how much outputs in contact with padding change with another filling.

    Parameters
    ----------
    call : Call
        One that `can_refill`.
    fill : Fill
    filters : sequence of int, optional
        Output channels to compute; all by default.

    Returns
    -------
    list of (Box, (N, filters, *box) Tensor)
        For each of `contact_boxes`: new less old values, of the output's type. Empty if no output
        is in contact with padding, or the padding holds this already.
    """
    changes = _strip_changes(call, fill, filters)
    if changes is None:
        index = _index(filters, call.output)
        return [
            (box, values - _of_filters(at_box(call.output, box), index, len(box)))
            for box, values in _new_boxes(call, fill, filters)
        ]
    boxes = contact_boxes(call.operation.window) if changes else ()
    return [(box, _summed(changes, box)) for box in boxes]


def refilled(
    call: Call, fill: Fill, filters: Sequence[int] | None = None, *, in_place: bool = False
) -> Tensor | None:
    """Output of a convolution with its padding filled anew.

    Parameters
    ----------
    call, fill, filters
        As of `refill_changes`.
    in_place : bool
        As of `write_boxes`.

    Returns
    -------
    Tensor or None
        The output with the lines in contact with padding as they would be, but for rounding;
        None if there is nothing to replace. Differentiable with respect to input and weight.
    """
    with unobserved():
        changes = _strip_changes(call, fill, filters)
        boxes = _new_boxes(call, fill, filters) if changes is None else changes
        if not boxes:
            return None
        add = changes is not None
        return write_boxes(call.output, boxes, filters, in_place=in_place, add=add)


def _strip_changes(
    call: Call, fill: Fill, filters: Sequence[int] | None
) -> list[tuple[Box, Tensor]] | None:
    """Compute the change that each strip of padding makes, in the outputs that see it.

    The boxes may overlap, where the changes add up. None where changes do not tell, see `_changed`.
    """
    if fill.unchanged(call) or (filters is not None and not len(filters)):
        return []
    if (changed := _changed(call, fill)) is None:
        return None
    kernels = _Kernels.of(call, filters)
    strips = _strips(call.operation.window)
    return [(strip.outputs, kernels.change(call, changed, strip)) for strip in strips]


def _new_boxes(call: Call, fill: Fill, filters: Sequence[int] | None) -> list[tuple[Box, Tensor]]:
    """Compute the outputs in contact with padding, whatever they were.

    Worked out in single precision at least: boxes are narrow, and in bfloat16 torch leaves some
    narrow maps unwritten on some CPUs.
    """
    kernels, new = _Kernels.of(call, filters), fill.around(call)
    return [(box, kernels.run(call, new, box)) for box in contact_boxes(call.operation.window)]


def _summed(changes: Sequence[tuple[Box, Tensor]], box: Box) -> Tensor:
    """Add up what lies in one of `contact_boxes` of changes in boxes that overlap."""
    like = changes[0][1]
    total = like.new_zeros(*like.shape[: -len(box)], *(stop - first for first, stop in box))
    for outputs, change in changes:
        shared = tuple(
            (max(one[0], other[0]), min(one[1], other[1]))
            for one, other in zip(outputs, box, strict=True)
        )
        if all(first < stop for first, stop in shared):
            at_box(total, _within(shared, box)).add_(at_box(change, _within(shared, outputs)))
    return total


def _within(part: Box, whole: Box) -> Box:
    """Tell where a box lies in another that holds it."""
    return tuple((a - start, b - start) for (a, b), (start, _) in zip(part, whole, strict=True))


def moved(call: Call, before: Sequence[int]) -> Tensor | None:
    """Output of a convolution whose windows begin farther in or out of its padding.

    Parameters
    ----------
    call : Call
        One that `can_refill`, no transposed one.
    before : sequence of int
        Padding before the first real position, per axis; there are as many outputs as were, and
        padding behind the last as far as they reach.

    Returns
    -------
    Tensor or None
        None if it is not known what the padding holds.
    """
    fill, window = told_fill(call), replace(call.operation.window, before=tuple(before))
    if fill is None:
        return None
    other = replace(call, operation=replace(call.operation, window=window))
    with unobserved():
        whole = tuple((0, size) for size in window.out)
        return _Kernels.of(call, None).run(other, fill.around(call), whole)


def window_error(call: Call, fill: Fill) -> float:
    """Compare the output of a convolution with the sums over its windows.

    Parameters
    ----------
    call : Call
        One without `Operation.unscored`.
    fill : Fill
        What its padding holds.

    Returns
    -------
    float
        Greatest difference, in spreads of the output; what is not finite is left out.
    """
    window = call.operation.window
    whole = tuple((0, size) for size in window.out)
    with torch.no_grad(), unobserved():
        summed = _Kernels.of(call, None).run(call, fill.around(call), whole)
        apart = (summed - call.output).abs()
        largest = apart[apart.isfinite()].max() if apart.isfinite().any() else 0.0
        return float(largest) / (float(call.output.float().std().nan_to_num(0)) or 1.0)


def write_boxes(
    output: Tensor,
    boxes: Sequence[tuple[Box, Tensor]],
    filters: Sequence[int] | None = None,
    *,
    in_place: bool = False,
    add: bool = False,
) -> Tensor:
    """Put other values into some boxes of an output.

    Parameters
    ----------
    output : (N, C, *spatial) Tensor
    boxes : sequence of (Box, (N, filters, *box) Tensor)
    filters : sequence of int, optional
        The channels that the values are for; all by default.
    in_place : bool
        Write into the output itself, as an activation in place would, if it is `writable`.
    add : bool
        Add them to what is there, one box after the other.

    Returns
    -------
    (N, C, *spatial) Tensor
    """
    result = writable(output, *(values for _, values in boxes)) if in_place else output.clone()
    index = _index(filters, output)
    for box, values in boxes:
        part = at_box(result, box)
        if index is None:
            part.add_(values) if add else part.copy_(values)
        elif add:
            places = torch.from_numpy(flat_places((box,), tuple(output.shape[-len(box) :])))
            result = add_at(result, len(box), places, index, values.flatten(-len(box)))
        else:
            new = values.to(result.dtype)
            if part is result and (flat := _in_memory(result, len(box))):
                # Over the whole map a third of the time that it takes along all axes.
                maps, last = flat
                new = flat_maps(new, len(box), last=last)[0]
                maps.index_copy_(-1 if last else -2, index, new)
            else:
                part.index_copy_(-1 - len(box), index, new)
    return result


def writable(output: Tensor, *values: Tensor) -> Tensor:
    """Return an output to write some values into: itself, or a copy where gradients are recorded.

    A copy of every output is a tenth of a forward pass of EfficientNet-Lite0.
    """
    recorded = any(tensor.requires_grad for tensor in (output, *values))
    return output.clone() if recorded and torch.is_grad_enabled() else output


def _in_memory(output: Tensor, dims: int) -> tuple[Tensor, bool] | None:
    """View maps as `flat_maps` does; None if there are gaps in memory."""
    maps, last = flat_maps(output, dims)
    dense = maps.is_contiguous() and maps.data_ptr() == output.data_ptr()
    return (maps, last) if dense else None


def add_at(
    output: Tensor, dims: int, places: Tensor, channels: Tensor | None, values: Tensor
) -> Tensor:
    """Add values to some channels of an output at flat places, in place if it has no gaps.

    Parameters
    ----------
    output : (…, C, *spatial) Tensor
        With `dims` spatial axes.
    dims : int
    places : (P,) or (…, P) int64 Tensor
        The same for all images, or each image's own.
    channels : (K,) int64 Tensor, optional
        All by default.
    values : (…, K, P) Tensor

    Returns
    -------
    (…, C, *spatial) Tensor
    """
    if (flat := _in_memory(output, dims)) is None:
        output = output.clone(memory_format=torch.contiguous_format)
        flat = flat_maps(output, dims, last=False)
    maps, last = flat
    if channels is None:
        channels = torch.arange(output.shape[-1 - dims], device=output.device)
    index = joint_index(maps, places.to(output.device), channels, last=last)
    added = flat_maps(values, 1, last=last)[0].flatten(-2).to(output.dtype)
    maps.flatten(-2).scatter_add_(-1, index.expand_as(added), added)
    return output


def _index(filters: Sequence[int] | None, output: Tensor) -> Tensor | None:
    return None if filters is None else torch.tensor(list(filters), device=output.device)


def _of_filters(part: Tensor, index: Tensor | None, dims: int) -> Tensor:
    return part if index is None else select_channels(part, index, dims)


def at_box(output: Tensor, box: Box) -> Tensor:
    """View of a box of positions."""
    for axis, (first, stop) in enumerate(box, start=-len(box)):
        if (first, stop) != (0, output.shape[axis]):
            output = output.narrow(axis, first, stop - first)
    return output


@dataclass(frozen=True)
class _Kernels:
    """Weights of the chosen filters, and of what shares a group with them."""

    weight: Tensor
    bias: Tensor | None
    groups: int
    channels: Tensor | None  # input channels that those groups take; None for all
    kept: Tensor | None  # outputs that were asked for; None for all

    @classmethod
    def of(cls, call: Call, filters: Sequence[int] | None) -> _Kernels:
        assert call.weight is not None
        weight, groups = _precise(call.weight, call), call.operation.groups
        bias = None if call.bias is None else _precise(call.bias, call)
        if filters is None:
            return cls(weight, bias, groups, None, None)
        chosen = np.array(list(filters), dtype=np.int64)
        transposed = call.operation.window.transposed
        if groups == 1:
            kernels = _select(weight, int(transposed), chosen)
            bias = None if bias is None else _select(bias, 0, chosen)
            return cls(kernels, bias, 1, None, None)
        outputs = call.operation.filters // groups
        inputs = weight.shape[0] // groups if transposed else weight.shape[1]
        used = np.unique(chosen // outputs)
        rows = (used[:, None] * outputs + np.arange(outputs)).ravel()
        channels = (used[:, None] * inputs + np.arange(inputs)).ravel()
        kept = np.searchsorted(used, chosen // outputs) * outputs + chosen % outputs
        return cls(
            _select(weight, 0, channels if transposed else rows),
            None if bias is None else _select(bias, 0, rows),
            len(used),
            torch.from_numpy(channels),
            None if np.array_equal(kept, np.arange(len(rows))) else torch.from_numpy(kept),
        )

    def run(self, call: Call, cut: Cut, box: Box) -> Tensor:
        """Compute the outputs of a box from the slab that it sees."""
        window = call.operation.window
        slab = cut(receptive_box(window, box), self._channels_on(call))
        output = self._convolve(call, slab, self.weight, self.bias, (0,) * len(box))
        return at_box(output, _uncropped(window, box)) if window.transposed else output

    def change(self, call: Call, cut: Cut, strip: _Strip) -> Tensor:
        """Compute how the outputs that see a strip change, from how its values do."""
        slab = cut(strip.inputs, self._channels_on(call))
        taps = at_box(self.weight, strip.taps)
        return at_box(self._convolve(call, slab, taps, None, strip.zeros), strip.crop)

    def _channels_on(self, call: Call) -> Tensor | None:
        return None if self.channels is None else self.channels.to(call.input.device)

    def _convolve(
        self, call: Call, slab: Tensor, weight: Tensor, bias: Tensor | None, zeros: tuple[int, ...]
    ) -> Tensor:
        window, dims = call.operation.window, len(zeros)
        convolve = _CONVOLUTIONS[dims, window.transposed]
        given = (_precise(slab, call), weight, bias, window.stride, zeros)
        output: Tensor
        if window.transposed:
            output = convolve(*given, 0, self.groups, window.dilation)
        else:
            output = convolve(*given, window.dilation, self.groups)
        output = output.to(call.output.dtype)
        if self.kept is None:
            return output
        return select_channels(output, self.kept.to(output.device), dims)


def _changed(call: Call, fill: Fill) -> Cut | None:
    """Cut the new values of a call's padding, less those that it holds.

    None if what it holds is not known, if the output is not what the operation made of it, or if
    outputs are too coarse to be told by how they change.
    """
    operation, window, new = call.operation, call.operation.window, fill.around(call)
    if call.replaced or torch.finfo(call.output.dtype).bits < 32:
        return None
    values = [constant_value(each) for each in operation.fill.split(" + ")]
    if not all(value is None or math.isfinite(value) for value in values):
        return None  # infinity less infinity is nothing
    shape = tuple(call.input.shape[-len(window.size) :])
    if shape != window.size:
        held = _read(call) if operation.entry == "own" else None
    elif operation.fill == ZEROS:
        return new
    else:
        told = told_fill(call)
        held = None if told is None else told.around(call)
    if held is None:
        return None
    return lambda box, channels=None: new(box, channels) - held(box, channels)


def _read(call: Call) -> Cut:
    """Cut the padding inside a call's input; around it is the convolution's own, of zeros."""
    operation = call.operation
    shape = tuple(call.input.shape[-len(operation.offset) :])
    inner = replace(
        operation, window=replace(operation.window, size=shape), offset=(0,) * len(shape)
    )
    cut = surrounded(replace(call, operation=inner), 0.0)

    def shifted(box: Box, channels: Tensor | None = None) -> Tensor:
        ends = zip(box, operation.offset, strict=True)
        return cut(tuple((a + offset, b + offset) for (a, b), offset in ends), channels)

    return shifted


@dataclass(frozen=True)
class _Strip:
    """The padding along one end of an axis.

    Attributes
    ----------
    inputs : Box
        Positions in it that are seen.
    taps : Box
        Which part of the kernel sees them.
    zeros : tuple of int
        How many stand around them, at both ends of each axis, for torch.
    outputs : Box
        What sees them.
    crop : Box
        Where that stands in what torch makes of them.
    """

    inputs: Box
    taps: Box
    zeros: tuple[int, ...]
    outputs: Box
    crop: Box


@lru_cache(maxsize=4096)
def _strips(window: Window) -> tuple[_Strip, ...]:
    """Cut the padding into strips."""
    frame = receptive_box(window, tuple((0, size) for size in window.out))
    real = tuple((0, size) for size in window.size)
    sighted = _sighted_transposed if window.transposed else _sighted
    strips = []
    for axis, ((first, stop), size) in enumerate(zip(frame, window.size, strict=True)):
        for span in ((first, 0), (size, stop)):
            if span[0] >= span[1]:
                continue
            box = (*real[:axis], span, *frame[axis + 1 :])
            seen = [sighted(window, a, span) for a, span in enumerate(box)]
            if all(each is not None for each in seen):
                strips.append(_Strip(*zip(*(each for each in seen if each), strict=True)))
    return tuple(strips)


# Of one axis: inputs, taps, zeros, outputs and crop of a `_Strip`.
_Sighted = tuple[tuple[int, int], tuple[int, int], int, tuple[int, int], tuple[int, int]]


def _sighted(window: Window, axis: int, span: tuple[int, int]) -> _Sighted | None:
    taps = window.taps(axis)  # (out, kernel)
    inside = (taps >= span[0]) & (taps < span[1])
    if not inside.any():
        return None
    outputs, kernel = _extent(inside, 0), _extent(inside, 1)
    low, high = int(taps[outputs[0], kernel[0]]), int(taps[outputs[1] - 1, kernel[1] - 1]) + 1
    start, stop = max(span[0], low), min(span[1], high)
    # Torch puts as many zeros in front as behind: whole strides more, and outputs that are cropped.
    more = max(0, -(-((high - stop) - (start - low)) // window.stride[axis]))
    zeros = start - low + more * window.stride[axis]
    return (start, stop), kernel, zeros, outputs, (more, more + outputs[1] - outputs[0])


def _sighted_transposed(window: Window, axis: int, span: tuple[int, int]) -> _Sighted | None:
    kernel, stride, before = window.kernel[axis], window.stride[axis], window.before[axis]
    first = span[0] * stride + before - window.dilation[axis] * (kernel - 1)
    outputs = max(0, first), min(window.out[axis], (span[1] - 1) * stride + before + 1)
    if outputs[0] >= outputs[1]:
        return None
    crop = outputs[0] - first, outputs[1] - first
    return span, (0, kernel), 0, outputs, crop


def _extent(chosen: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """Tell the first and one past the last along an axis of a table."""
    places = np.flatnonzero(chosen.any(axis=1 - axis))
    return int(places[0]), int(places[-1]) + 1


def _precise(tensor: Tensor, call: Call) -> Tensor:
    """Round to the type that an operation worked in, in single precision at least."""
    dtype = call.output.dtype
    return tensor.to(dtype).to(torch.promote_types(dtype, torch.float32))


def _select(parameter: Tensor, axis: int, index: NDArray[np.int64]) -> Tensor:
    return parameter.index_select(axis, torch.from_numpy(index).to(parameter.device))


def _uncropped(window: Window, box: Box) -> Box:
    """Where a box stands in what a transposed convolution makes of its slab."""
    places = []
    for axis, ((first, stop), (start, _)) in enumerate(
        zip(box, receptive_box(window, box), strict=True)
    ):
        reach = window.dilation[axis] * (window.kernel[axis] - 1)
        place = first - window.before[axis] + reach - start * window.stride[axis]
        places.append((place, place + stop - first))
    return tuple(places)


def repadded(call: Call, mode: str) -> Tensor | None:
    """Output of a convolution with its padding filled in another way, without gradients.

    Parameters
    ----------
    call : Call
        As the interception shows it.
    mode : {"reflect", "replicate", "circular"}
        See `Boundary`.

    Returns
    -------
    Tensor or None
        Of the output's shape; the output itself if no window touches the padding, or the padding
        holds this already. None for what is no padded plain convolution: poolings ignore or count
        their padding, and a transposed convolution's padding lies between its values.
    """
    if call.operation.window.transposed or not can_refill(call):
        return None
    with torch.no_grad():
        replaced = refilled(call, Boundary(mode))
    return call.output if replaced is None else replaced
