"""The two ways between the device that a model is on and the CPU.

Values are copied out of a forward pass on the device, and come to the CPU when a buffer is full:
to wait for the device at every site would leave it idle.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to a device, without waiting for it."""
    return tensor.to(device, non_blocking=True)


def to_host(tensor: Tensor) -> Tensor:
    """Copy to the CPU; waits for the device."""
    return tensor.cpu()
