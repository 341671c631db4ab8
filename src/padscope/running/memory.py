"""Keep freed activations in the process, and hand them back to the system in the end."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Stop glibc from returning large freed blocks to the system.

    A CNN on a CPU allocates and frees the same large activations for every batch. By default each
    of them is mapped afresh and every page of it faults: EfficientNet-Lite0 takes 2 to 4 times
    as long. The setting holds for the whole process, so the library leaves it to its caller; the
    command line uses it.

    Returns
    -------
    bool
        Whether it could be set; False where the C library is not glibc.
    """
    if (glibc := _glibc()) is None:
        return False
    mallopt = glibc.mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _NEVER) and mallopt(_M_TRIM_THRESHOLD, _NEVER))


def return_freed_memory() -> bool:
    """Hand back to the system what is freed now.

    Threads take memory of their own, and cannot use what the forward passes have left.

    Returns
    -------
    bool
        Whether there was anything to hand back; False where the C library is not glibc.
    """
    glibc = _glibc()
    return glibc is not None and bool(glibc.malloc_trim(0))


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return library if hasattr(library, "malloc_trim") else None
