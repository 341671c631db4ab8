"""A plain convolution again with another padding mode around the same input."""

from __future__ import annotations

import torch
from torch import Tensor

from padscope.sites.call import Call
from padscope.sites.fills import Folded
from padscope.sites.strips import can_refill, refilled


def repadded(call: Call, mode: str) -> Tensor | None:
    """Output of a convolution with its padding filled in another way, without gradients.

    Parameters
    ----------
    call : Call
        As the interception shows it.
    mode : {"reflect", "replicate", "circular"}
        See `Folded`.

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
        replaced = refilled(call, Folded(mode))
    return call.output if replaced is None else replaced
