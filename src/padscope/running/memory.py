"""Keep freed activations in the process, and hand them back to the system in the end."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_NEVER = 2**31 - 1
# What glibc's own threshold grows to where large blocks are freed, and where it then trims. Once it
# was set it cannot be told to grow by itself again.
_MMAP_USUAL = 2**25
_TRIM_USUAL = 2 * _MMAP_USUAL


class _Keeping:
    """Who keeps freed memory."""

    lock = Lock()
    holders = 0


def keep_freed_memory() -> bool:
    """Stop glibc from returning large freed blocks to the system.

    A CNN on a CPU allocates and frees the same large activations for every batch. By default each
    of them is mapped afresh and every page of it faults: EfficientNet-Lite0 takes 2 to 4 times
    as long. The setting holds for the whole process, and for good: the command line uses it.

    Returns
    -------
    bool
        Whether it could be set; False where the C library is not glibc.
    """
    with _Keeping.lock:
        _Keeping.holders += 1  # which never lets go
        return _set_thresholds(_NEVER, _NEVER)


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Keep freed memory as `keep_freed_memory` does, for the length of a block.

    Afterwards, unless somebody else keeps it, glibc returns large blocks as it does in a process
    that has freed large ones before, and what is free now.
    """
    with _Keeping.lock:
        _Keeping.holders += 1
        _set_thresholds(_NEVER, _NEVER)
    try:
        yield
    finally:
        with _Keeping.lock:
            _Keeping.holders -= 1
            if not _Keeping.holders:
                _set_thresholds(_MMAP_USUAL, _TRIM_USUAL)
                return_freed_memory()


def _set_thresholds(mmap: int, trim: int) -> bool:
    if (glibc := _glibc()) is None:
        return False
    set_one = glibc.mallopt
    return bool(set_one(_M_MMAP_THRESHOLD, mmap) and set_one(_M_TRIM_THRESHOLD, trim))


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
