"""Files that hold arrays: NumPy, Zarr, sound, NIfTI. They are read in pieces where that can be."""

import gzip
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.images.folders import ARRAYS, Container, Folder, ends_in

LARGEST = 2**32  # bytes of an array that can only be read as a whole
# What may have encoded the chunks of a Zarr array. Others might run code, as "pickle" does.
CODECS = frozenset(
    (
        "blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd", "bytes", "crc32c", "delta",
        "endian", "fixedscaleoffset", "packbits", "quantize", "shuffle", "sharding_indexed",
        "transpose", "astype", "bitround",
    )
)  # fmt: skip

# Something of which `shape` and `dtype` are known, and that gives its parts by index.
Stored = Any


class Sound:
    """A recording, (channels, samples); where one channel is wanted, the mean of all.

    Attributes
    ----------
    shape : (int, int)
    dtype : numpy.dtype
    rate : int
        Samples a second.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, file: BinaryIO, channels: int) -> None:
        import soundfile

        self._file = soundfile.SoundFile(file)
        self._mixed = channels == 1
        self.shape = (1 if self._mixed else self._file.channels, self._file.frames)
        self.rate = self._file.samplerate

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[np.float32]:
        """Read some samples of all channels."""
        start, end, _ = index[1].indices(self.shape[1])
        self._file.seek(start)
        samples = self._file.read(end - start, dtype="float32", always_2d=True).T
        if samples.shape[1] < end - start:
            raise ValueError("the recording ends before it should")
        mixed: NDArray[np.float32] = samples.mean(0, keepdims=True) if self._mixed else samples
        return mixed


class Npz:
    """An array of an ``.npz`` file, which is read when a part of it is asked for."""

    def __init__(self, archive: ZipFile, member: str) -> None:
        self._archive, self._member = archive, member
        with archive.open(member) as file:
            self.shape, _, self.dtype = _header(file)
        _check_size(self.shape, self.dtype)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read the array, and give a part of it."""
        with self._archive.open(self._member) as file:
            part: NDArray[Any] = npy.read_array(file, allow_pickle=False)[index]
        return part


class Volume:
    """An array of a NIfTI file, with its last axis first if it has more than the spatial ones."""

    def __init__(self, file: Any, dims: int) -> None:
        import nibabel

        kind = nibabel.Nifti2Image if file.read(4) in NIFTI2 else nibabel.Nifti1Image
        file.seek(0)
        self._data = kind.from_stream(file).dataobj
        shape = tuple(map(int, self._data.shape))
        if len(shape) > dims + 1:
            raise ValueError(f"it has {plural(len(shape), 'axis')}, {dims + 1} at most are read")
        self._moved = len(shape) > dims
        self.shape = (shape[-1], *shape[:-1]) if self._moved else shape
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float32]:
        """Read a part, scaled as the header says."""
        if not self._moved:
            return np.asarray(self._data[index], np.float32)
        part = np.asarray(self._data[(*index[1:], index[0])], np.float32)
        return part if isinstance(index[0], int) else np.moveaxis(part, -1, 0)


NIFTI2 = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))


def _npy(file: BinaryIO, *_: int) -> dict[str, Stored]:
    shape, fortran, dtype = _header(file)
    order: Any = "F" if fortran else "C"
    if isinstance(file, io.BufferedReader):  # on disk: only what is asked for is read
        return {"": np.memmap(file, dtype, "r", file.tell(), shape, order)}
    count = int(np.prod(shape, dtype=np.int64))
    return {"": np.frombuffer(file.read(), dtype, count).reshape(shape, order=order)}


def _npz(file: BinaryIO, *_: int) -> dict[str, Stored]:
    archive = ZipFile(file)
    members = sorted(name for name in archive.namelist() if name.endswith(".npy"))
    return {member.removesuffix(".npy"): Npz(archive, member) for member in members}


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    readers: dict[tuple[int, int], Callable[[Any], tuple[tuple[int, ...], bool, np.dtype[Any]]]]
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:
        raise ValueError(f"version {version} of the format holds no numbers")
    return readers[version](file)


def _check_size(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    size = int(np.prod(shape, dtype=np.float64) * dtype.itemsize)
    if size > LARGEST:
        raise ValueError(f"{size / 2**30:.1f} GiB, which must be read as a whole; unpack it")


def _packed_volume(file: BinaryIO, dims: int, _: int) -> dict[str, Stored]:
    unpacked: Any = gzip.GzipFile(fileobj=file)
    volume = Volume(unpacked, dims)
    _check_size(volume.shape, volume.dtype)
    return {"": volume}


# Ending → what is needed beside the core, and what gives the arrays of an open file by name, for a
# model of so many spatial axes and channels.
READERS: Mapping[str, tuple[str, Callable[[BinaryIO, int, int], dict[str, Stored]]]] = {
    ".npy": ("", _npy),
    ".npz": ("", _npz),
    ".wav": ("soundfile", lambda file, _, channels: {"": Sound(file, channels)}),
    ".flac": ("soundfile", lambda file, _, channels: {"": Sound(file, channels)}),
    ".nii": ("nibabel", lambda file, dims, _: {"": Volume(file, dims)}),
    ".nii.gz": ("nibabel", _packed_volume),
}
ZARR = ("zarr.json", ".zarray", ".zgroup")  # one of them is in the folder of an array or group
EXTRAS = {"soundfile": "audio", "nibabel": "nifti", "zarr": "zarr"}


def is_zarr(folder: Path) -> bool:
    """Tell the folder of a Zarr array or group."""
    return any((folder / name).is_file() for name in ZARR)


@contextmanager
def opened(
    container: Container, name: str, dims: int, channels: int
) -> Iterator[dict[str, Stored]]:
    """Open the arrays of a file, or of a Zarr folder on disk, by name.

    Raises
    ------
    PadscopeError
        A library is missing that the file needs.
    Exception
        Of nearly any kind, if the file is damaged.
    """
    known = ends_in(name, ARRAYS)
    if known is None:
        assert isinstance(container, Folder)
        yield _zarr(container.root / name)
        return
    needed, read = READERS[known]
    _require(needed)
    with container.open(name) as file:
        yield read(file, dims, channels)


def decoders_of(name: str) -> dict[str, str]:
    """Return what reads a file: library → version."""
    known = ends_in(name, ARRAYS)
    needed = READERS[known][0] if known else "zarr"
    return {needed: metadata.version(needed)} if needed else {}


def files_of(container: Container, name: str) -> list[str]:
    """Name all files that hold the bytes of a file: itself, or those in the folder of a Zarr."""
    if ends_in(name, ARRAYS) or not isinstance(container, Folder):
        return [name]
    root = container.root
    return sorted(
        Path(folder, file).relative_to(root).as_posix()
        for folder, _, files in os.walk(root / name)
        for file in files
    )


def _require(package: str) -> None:
    try:
        if package:
            metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise PadscopeError(
            f'such files need {package}: run pip install "padscope[{EXTRAS[package]}]"'
        ) from error


def _zarr(path: Path) -> dict[str, Stored]:
    _require("zarr")
    import zarr

    for folder, _, files in os.walk(path):
        for name in {*files} & {"zarr.json", ".zarray"}:
            _check_codecs(json.loads(Path(folder, name).read_text(encoding="utf-8")))
    found = zarr.open(str(path), mode="r")
    return {"": found} if isinstance(found, zarr.Array) else dict(sorted(found.arrays()))


def _check_codecs(description: Mapping[str, Any]) -> None:
    """Refuse what might run code as its chunks are read."""

    def walk(codec: Any) -> Iterator[str]:
        if isinstance(codec, list):
            for each in codec:
                yield from walk(each)
        elif isinstance(codec, dict):
            yield str(codec.get("id", codec.get("name", "?")))
            inside = codec.get("configuration") or {}
            for key in ("codecs", "index_codecs"):
                yield from walk(inside.get(key))

    named = [description.get(key) for key in ("codecs", "compressor", "filters")]
    strange = [name for name in walk(named) if name.removeprefix("numcodecs.") not in CODECS]
    if strange:
        raise ValueError(f"its chunks are encoded with {strange[0]}, which is not read")
