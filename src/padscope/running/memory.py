"""Keep freed activations in the process, and take no more memory than there is."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

try:
    import resource
except ImportError:  # as on Windows
    resource = None  # type: ignore[assignment]  # it is asked for before it is used

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_NEVER = 2**31 - 1
_STATUS = Path("/proc/self/status")
_CONTAINER = (  # what Linux grants to a control group, in its two versions
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
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


def refuse_more_than_there_is() -> None:
    """Have an allocation fail if the machine has no memory for it.

    Attention over every position of a large canvas may ask for more than there is. Linux grants
    that, and ends the process without a word when it is used; where an allocation fails, it can be
    said which images are too large. The limit is what the process has now and what is available.
    """
    if resource is None or (available := available_memory()) is None:
        return
    taken = _read_kilobytes(_STATUS, "VmData")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = (taken or 0) + available
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def available_memory() -> int | None:
    """Return the bytes that this process can still take; None where nobody says.

    A container may be given less than its machine has.
    """
    free = _read_kilobytes(Path("/proc/meminfo"), "MemAvailable")
    if free is None:
        return None
    resident = _read_kilobytes(_STATUS, "VmRSS") or 0
    granted = (path.read_text().strip() for path in _CONTAINER if path.exists())
    return min([free, *(int(most) - resident for most in granted if most.isdigit())])


def _read_kilobytes(path: Path, name: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # no Linux
        return None
    found = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return next((int(kilobytes) << 10 for kilobytes in found), None)
