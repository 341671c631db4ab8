"""Which images, read how, as one digest of all that they hold."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import BinaryIO
from zlib import crc32

import torch
from torch import Tensor

from padscope.images.source import Images, UnreadableImage

BLOCK = 2**20  # bytes read at once


def fingerprint_files(
    files: Iterable[tuple[str, Callable[[], BinaryIO]]], *settings: object
) -> str:
    """Digest the names, sizes and contents of files, in their order, and how they are used.

    Where the files lie and when they were written does not matter: a copy has the same digest.

    Parameters
    ----------
    files : iterable of (name, callable)
        The name is digested, and so is what the callable opens. An unreadable file counts as an
        empty one.
    *settings : object
        Whatever else makes the images what they are, as their `repr`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return _digest(((name, *_size_and_sum(open_file)) for name, open_file in files), settings)


def fingerprint_tensors(images: Iterable[Tensor], *settings: object) -> str:
    """Digest the shapes and values of images, in their order, and how they are used.

    Parameters
    ----------
    images : iterable of tensor
        Of a type that NumPy knows; their layout in memory does not matter.
    *settings : object
        As of `fingerprint_files`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return _digest(map(_shape_and_sum, images), settings)


def one_by_one(images: Images) -> Iterator[Tensor]:
    """Read every image in turn; one that cannot be read counts as an empty one."""
    for index in range(len(images)):
        try:
            yield images.tensor(index)
        except UnreadableImage:
            yield torch.empty(0)


def _digest(parts: Iterable[object], settings: tuple[object, ...]) -> str:
    digest = blake2b(repr(settings).encode(), digest_size=16)
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()


# Checksums, which nobody has a reason to forge: several times as fast as digests, so that every
# byte is looked at.


def _size_and_sum(open_file: Callable[[], BinaryIO]) -> tuple[int, int]:
    size, found = 0, 0
    try:
        with open_file() as file:
            while block := file.read(BLOCK):
                size, found = size + len(block), crc32(block, found)
    except (OSError, ValueError):
        return 0, 0
    return size, found


def _shape_and_sum(image: Tensor) -> tuple[tuple[int, ...], int]:
    pixels = image.cpu().contiguous().numpy()
    return pixels.shape, crc32(pixels.data) if pixels.size else 0
