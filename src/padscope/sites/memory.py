"""Memory that runs out."""

from __future__ import annotations

# How torch says that memory ran out where it has no class of its own for it.
_NO_MEMORY = ("DefaultCPUAllocator", "out of memory", "ALLOC_FAILED")


def ran_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, of the CPU or of a device."""
    return isinstance(error, MemoryError) or any(said in str(error) for said in _NO_MEMORY)
