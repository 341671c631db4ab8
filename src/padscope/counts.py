"""Counts as people write them: with their noun, and of bytes."""

from __future__ import annotations

import re

from padscope.errors import PadscopeError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
         "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}  # fmt: skip


def plural(count: int, one: str, many: str = "") -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "image"), plural(1200, "image"), plural(2, "axis"), plural(0, "class")
    ('1 image', '1,200 images', '2 axes', '0 classes')
    """
    return f"{count:,} {one if count == 1 else many or _many(one)}"


def _many(one: str) -> str:
    for ending, instead in (("ss", "sses"), ("is", "es"), ("ry", "ries")):
        if one.endswith(ending):
            return one.removesuffix(ending) + instead
    return f"{one}s"


def parse_bytes(text: str) -> int:
    """Read a count of bytes.

    Raises
    ------
    PadscopeError
        It is none.

    Examples
    --------
    >>> parse_bytes("2GB"), parse_bytes("1.5 MiB"), parse_bytes("4096")
    (2000000000, 1572864, 4096)
    """
    found = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?I?)B?\s*", text.upper())
    try:
        count = float(found[1]) * UNITS[found[2]] if found else 0.0
    except (KeyError, ValueError):
        count = 0.0
    if count < 1:
        raise PadscopeError(f"{text!r} is not an amount of memory; give one such as 500MB or 2GB")
    return int(count)


def told_bytes(count: int) -> str:
    """Write a count of bytes.

    Examples
    --------
    >>> told_bytes(999), told_bytes(2_500_000), told_bytes(1_200_000_000_000)
    ('999 B', '2.5 MB', '1,200 GB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= size:
            units = count / size
            return f"{units:,.0f} {unit}" if units >= 100 else f"{units:.3g} {unit}"
    return f"{count} B"
