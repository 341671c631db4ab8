"""Tensors as a file: in the narrowest type that holds them, and compressed.

The container is safetensors: its reader is a library's, checks every offset against the length of
the file, and runs nothing that a file says. Each tensor in it is a stream of zlib, of which the
header tells type and shape. What is compressed are histograms, whose neighbours are alike in size
and hardly ever repeat: Huffman codes and runs shorten them, a search for matches does not. The
counts behind an explanation of EfficientNet-Lite0, 136 MB in their narrowest types, on one core:

=====================================================  =======  ========  =======
                                                          size   written     read
=====================================================  =======  ========  =======
zlib, runs and Huffman codes, byte by byte: this        21.1 MB    1.1 s    0.6 s
zlib at level 6, as ``numpy.savez_compressed``          25.3 MB    9.5 s    0.6 s
parquet with Zstandard at level 3                       26.1 MB    2.0 s    0.4 s
arrow with Zstandard, byte by byte                      26.4 MB    0.7 s    0.3 s
lzma at preset 0                                        25.8 MB     15 s        –
=====================================================  =======  ========  =======

A checkpoint and the end of a run are written in the same way: the same content is the same bytes.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor

from padscope.store.files import read_arrays, readable

# How numbers lie in a file: counts in the narrowest of four types; float32 without its lower half
# where that is all zeros, as in what was rounded to bfloat16; anything else as it is in memory.
COUNTS = {"count1": "<u1", "count2": "<u2", "count4": "<u4", "count8": "<u8"}
UPPER = "upper"
AS_THEY_ARE = {
    "bool": "?", "uint8": "<u1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
    "float32": "<f4", "float64": "<f8",
}  # fmt: skip
KINDS = {kind: np.dtype(t) for kind, t in (COUNTS | {UPPER: "<u2"} | AS_THEY_ARE).items()}
MEMORY = 9  # zlib's most: 256 kB for each stream that is written
# What a file may unpack to: so much in any case, and so many times its own size. Counts take some
# ten times theirs; zeros alone would take a thousand times.
ALWAYS, TIMES = 2**30, 100


def pack(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bytes:
    """Pack tensors, and JSON about them.

    Parameters
    ----------
    tensors : mapping
        Name → Tensor of any shape.
    about : mapping
    """
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # zlib lets go of the lock
        packed = dict(zip(tensors, pool.map(_pack, tensors.values()), strict=True))
    described = {name: [kind, list(tensors[name].shape)] for name, (kind, _) in packed.items()}
    # One entry alone: safetensors writes several in an order that changes from call to call.
    header = {"progress": json.dumps({"about": about, "tensors": described})}
    return bytes(save({name: stream for name, (_, stream) in packed.items()}, header))


def _pack(values: Tensor) -> tuple[str, NDArray[np.uint8]]:
    kind, stored = _narrowest(values.detach().cpu().numpy())
    # Byte by byte: the upper bytes of most counts are zero, and lie together.
    planes = stored.reshape(-1).view(np.uint8).reshape(-1, stored.itemsize).T.copy()
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, MEMORY, zlib.Z_RLE)
    return kind, np.frombuffer(deflate.compress(planes.data) + deflate.flush(), np.uint8)


def _narrowest(values: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    kind = values.dtype.name
    stored = values.astype(KINDS[kind], order="C", copy=False)
    if kind == "float32":
        bits = stored.view("<u4")
        return (kind, stored) if (bits & 0xFFFF).any() else (UPPER, (bits >> 16).astype("<u2"))
    if kind not in ("int16", "int32", "int64") or values.min(initial=0) < 0:
        return kind, stored
    most = int(values.max(initial=0))
    kind = next(kind for kind in COUNTS if most <= np.iinfo(KINDS[kind]).max)
    return kind, values.astype(KINDS[kind], order="C")


class PackedFile(Mapping[str, Tensor]):
    """An open file of packed tensors, each of which is unpacked when it is asked for.

    Attributes
    ----------
    about : dict
        What was packed with them.
    """

    def __init__(
        self, streams: Mapping[str, NDArray[np.uint8]], header: Mapping[str, Any], size: int
    ) -> None:
        self._streams = streams
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

    def __getitem__(self, name: str) -> Tensor:
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
        content = inflate.decompress(self._streams[name].tobytes(), expected + 1)
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
        return torch.from_numpy(values).reshape(shape)


def _size(kind: str, shape: tuple[int, ...]) -> int:
    return KINDS[kind].itemsize * math.prod(shape)


def _described(kind: str, shape: list[int]) -> tuple[str, tuple[int, ...]]:
    if kind not in KINDS or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise ValueError(f"it describes a tensor as {kind} of {shape}")
    return kind, tuple(shape)


@contextmanager
def unpacking(path: Path) -> Iterator[PackedFile]:
    """Open a file of packed tensors; what goes wrong inside the block is damage of the file.

    Raises
    ------
    PadscopeError
        The file is missing, damaged, or would unpack to more than it can honestly hold.
    """
    with readable(path) as file:
        yield PackedFile(*read_arrays(file), file.stat().st_size)
