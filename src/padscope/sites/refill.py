"""The outputs in contact with padding, computed again with other values around the same input.

A padded operation and its refilled twin differ nowhere but in the lines in contact with padding.
Those are cut into boxes that do not overlap: along the first axis its strips at full width, along
the next what lies between them, and so on. A box sees a slab of the input; the slab is cut with
its padding filled anew, and the operation runs on it without padding of its own.

A transposed convolution is refilled by putting the new values where its input would go on. Torch
has no such padding mode; it equals padding the input and cropping that much more of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from padscope.sites.call import Call
from padscope.sites.fills import Boundary, Box, Fill, select_channels
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


def refilled_boxes(
    call: Call, fill: Fill, filters: Sequence[int] | None = None
) -> list[tuple[Box, Tensor]]:
    """Compute the outputs in contact with padding as they would be with another filling.

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
        Of the output's type, worked out in single precision at least: boxes are narrow, and in
        bfloat16 torch leaves some narrow maps unwritten on some CPUs. Differentiable with respect
        to input, weight and bias. Empty if no output is in contact with padding, or the padding
        holds this already.
    """
    if fill.unchanged(call) or (filters is not None and not len(filters)):
        return []
    window, cut = call.operation.window, fill.around(call)
    kernels = _Kernels.of(call, filters)
    return [
        (box, kernels.run(call, cut(receptive_box(window, box)), box))
        for box in contact_boxes(window)
    ]


def refilled(
    call: Call, fill: Fill, filters: Sequence[int] | None = None, *, in_place: bool = False
) -> Tensor | None:
    """Output of a convolution with its padding filled anew.

    Parameters
    ----------
    call, fill, filters
        As of `refilled_boxes`.
    in_place : bool
        As of `write_boxes`.

    Returns
    -------
    Tensor or None
        The output with the lines in contact with padding replaced; None if there is nothing to
        replace.
    """
    with unobserved():
        boxes = refilled_boxes(call, fill, filters)
        return write_boxes(call.output, boxes, filters, in_place=in_place) if boxes else None


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
        summed = _Kernels.of(call, None).run(
            call, fill.around(call)(receptive_box(window, whole)), whole
        )
        apart = (summed - call.output).abs()
        largest = apart[apart.isfinite()].max() if apart.isfinite().any() else 0.0
        return float(largest) / (float(call.output.float().std().nan_to_num(0)) or 1.0)


def write_boxes(
    output: Tensor,
    boxes: Sequence[tuple[Box, Tensor]],
    filters: Sequence[int] | None = None,
    *,
    in_place: bool = False,
) -> Tensor:
    """Put other values into some boxes of an output.

    Parameters
    ----------
    output : (N, C, *spatial) Tensor
    boxes : sequence of (Box, (N, filters, *box) Tensor)
    filters : sequence of int, optional
        The channels that the values are for; all by default.
    in_place : bool
        Write into the output itself, as an activation in place would, unless gradients are
        recorded. A copy of every output is a tenth of a forward pass of EfficientNet-Lite0.

    Returns
    -------
    (N, C, *spatial) Tensor
    """
    recorded = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (output, *(values for _, values in boxes))
    )
    result = output if in_place and not recorded else output.clone()
    index = None if filters is None else torch.tensor(list(filters), device=output.device)
    for box, values in boxes:
        part, new = at_box(result, box), values.to(result.dtype)
        if index is None:
            part.copy_(new)
        else:
            part.index_copy_(-1 - len(box), index, new)
    return result


def at_box(output: Tensor, box: Box) -> Tensor:
    """View of a box of positions."""
    for axis, (first, stop) in enumerate(box):
        output = output.narrow(axis - len(box), first, stop - first)
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

    def run(self, call: Call, slab: Tensor, box: Box) -> Tensor:
        """Compute the outputs of a box from the slab that it sees."""
        window, dims = call.operation.window, len(box)
        if self.channels is not None:
            slab = select_channels(slab, self.channels.to(slab.device), dims)
        convolve = _CONVOLUTIONS[dims, window.transposed]
        given = (_precise(slab, call), self.weight, self.bias, window.stride)
        output: Tensor
        if window.transposed:
            output = at_box(
                convolve(*given, 0, 0, self.groups, window.dilation), _uncropped(window, box)
            )
        else:
            output = convolve(*given, 0, window.dilation, self.groups)
        output = output.to(call.output.dtype)
        if self.kept is None:
            return output
        return select_channels(output, self.kept.to(output.device), dims)


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
