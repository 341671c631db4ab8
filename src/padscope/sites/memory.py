"""Memory that runs out."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from padscope.errors import PadscopeError

if TYPE_CHECKING:  # the command line knows this module without torch
    from torch import Tensor

# How it is said where there is no class of its own for it: by torch, by C++, by the system.
_NO_MEMORY = ("DefaultCPUAllocator", "out of memory", "ALLOC_FAILED", "bad_alloc")


def ran_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, of the CPU or of a device."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or any(said in str(error) for said in _NO_MEMORY)


def told_images(pixels: Tensor) -> str:
    """Name a batch of images by its shape."""
    return f"images of shape {'×'.join(map(str, pixels.shape))} (batch, channels, size)"


def memory_error(error: Exception, images: str) -> PadscopeError:
    """Say that memory ran out on some images, which says nothing of the model."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return PadscopeError(
        f"memory ran out on {images}: {lines[-1]}; give fewer images at once, smaller ones, or a "
        "smaller margin"
    )
