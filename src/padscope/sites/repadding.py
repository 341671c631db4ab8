"""An operation again with another padding around the same input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from padscope.sites.interception import Call

_CONVOLUTIONS: dict[int, Callable[..., Any]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def repadded(call: Call, mode: str) -> Tensor | None:
    """Output of a convolution with its padding filled in another way.

    Parameters
    ----------
    call : Call
        As the interception shows it.
    mode : {"reflect", "replicate", "circular"}
        Of `torch.nn.functional.pad`.

    Returns
    -------
    Tensor or None
        Of the output's shape; None for what is no padded plain convolution: poolings ignore or
        count their padding, and a transposed convolution's padding lies between its values.
    """
    operation, window = call.operation, call.operation.window
    dims = len(window.out)
    if not (operation.op == f"conv{dims}d" and window.padded) or call.weight is None:
        return None
    real = call.input
    for axis, (first, size) in enumerate(zip(operation.offset, window.size, strict=True)):
        real = real.narrow(axis - dims, first, size)
    pads = [
        pad for ends in zip(window.before[::-1], window.after[::-1], strict=True) for pad in ends
    ]
    if min(pads) < 0:
        return None
    with torch.no_grad():
        output: Tensor = _CONVOLUTIONS[dims](
            F.pad(real, pads, mode=mode), call.weight, call.bias, window.stride, 0,
            window.dilation, operation.groups,
        )  # fmt: skip
    return output
