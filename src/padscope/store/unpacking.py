"""Packed tensors read back, with suspicion and without PyTorch; `packing` says how they lie."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from padscope.store.files import read_streams, readable

T = TypeVar("T")
# How numbers lie in a file: counts in the narrowest of four types; float32 without its lower half
# where that is all zeros, as in what was rounded to bfloat16; anything else as it is in memory.
COUNTS = {"count1": "<u1", "count2": "<u2", "count4": "<u4", "count8": "<u8"}
UPPER = "upper"
AS_THEY_ARE = {
    "bool": "?", "uint8": "<u1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
    "float32": "<f4", "float64": "<f8",
}  # fmt: skip
KINDS = {kind: np.dtype(t) for kind, t in (COUNTS | {UPPER: "<u2"} | AS_THEY_ARE).items()}
# What a file may unpack to: so much in any case, and so many times its own size. Counts take some
# ten times theirs; zeros alone would take a thousand times.
ALWAYS, TIMES = 2**30, 100


class PackedFile(Mapping[str, T]):
    """An open file of packed tensors, each of which is unpacked when it is asked for.

    Attributes
    ----------
    about : dict
        What was packed with them.
    """

    def __init__(
        self,
        convert: Callable[[NDArray[Any]], T],
        streams: Mapping[str, memoryview],
        header: Mapping[str, Any],
        size: int,
    ) -> None:
        self._convert, self._streams = convert, streams
        self.about: dict[str, Any] = header["about"]
        self._described = {n: _described(*each) for n, each in header["tensors"].items()}
        unpacked = sum(_size(*each) for each in self._described.values())
        if unpacked > max(ALWAYS, TIMES * size):
            raise ValueError(f"its {size:,} bytes claim to hold {unpacked:,}")

    def __iter__(self) -> Iterator[str]:
        """Name the tensors."""
        return iter(self._described)

    def __len__(self) -> int:
        """Count the tensors."""
        return len(self._described)

    def __getitem__(self, name: str) -> T:
        """Unpack a tensor. Counts are int32 if all of them fit, else int64.

        Raises
        ------
        ValueError, KeyError, zlib.error
            It is missing, or not what the header says.
        """
        kind, shape = self._described[name]
        expected, stored = _size(kind, shape), KINDS[kind]
        inflate = zlib.decompressobj()
        # One byte more than there should be, and no further: what is longer is not unpacked.
        content = inflate.decompress(self._streams[name], expected + 1)
        if len(content) != expected or not inflate.eof or inflate.unused_data:
            raise ValueError(f"{name} is not of the size that the header says")
        planes = np.frombuffer(content, np.uint8).reshape(stored.itemsize, -1)
        values = planes.T.copy().reshape(-1).view(stored)
        if kind == UPPER:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        elif kind in COUNTS:
            most = int(values.max(initial=0))
            if most > np.iinfo(np.int64).max:
                raise ValueError(f"{name} holds {most}, which is no count")
            values = values.astype(np.int32 if most <= np.iinfo(np.int32).max else np.int64)
        return self._convert(values.reshape(shape))


def _size(kind: str, shape: tuple[int, ...]) -> int:
    return KINDS[kind].itemsize * math.prod(shape)


def _described(kind: str, shape: list[int]) -> tuple[str, tuple[int, ...]]:
    if kind not in KINDS or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise ValueError(f"it describes a tensor as {kind} of {shape}")
    return kind, tuple(shape)


@contextmanager
def unpacking(path: Path, convert: Callable[[NDArray[Any]], T]) -> Iterator[PackedFile[T]]:
    """Open a file of packed tensors; what goes wrong inside the block is damage of the file.

    Parameters
    ----------
    path : Path
    convert : callable
        Makes what is wanted of an array.

    Raises
    ------
    PadscopeError
        The file is missing, damaged, or would unpack to more than it can honestly hold.
    """
    with readable(path) as file:
        yield PackedFile(convert, *read_streams(file), file.stat().st_size)
