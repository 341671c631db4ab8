"""Whether a module runs on images of some shape, found by running it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from padscope.models.borrowing import as_found

IMAGES = (2, 3)  # two numbers tell a batch axis from one that the module is built for


def takes(module: nn.Module, channels: int, size: Sequence[int]) -> bool:
    """Try whether a module runs on batches of images of one shape.

    Parameters
    ----------
    module : torch.nn.Module
        Comes back as it was; see `as_found`.
    channels : int
        Of the images.
    size : sequence of int
        Pixels per spatial axis.

    Returns
    -------
    bool
        Whether it raised nothing.
    """
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    with as_found(module, channels_last=False), torch.no_grad():
        try:
            for images in IMAGES:
                module(like.new_zeros(images, channels, *size))
        except Exception:  # somebody's own code raises what it likes
            return False
    return True
