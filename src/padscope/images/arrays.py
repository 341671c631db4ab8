"""Windows of arrays in files: sound, volumes, images of any number of channels."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from padscope.counts import plural
from padscope.errors import PadscopeError, brief
from padscope.images.canvas import TooSmall
from padscope.images.fingerprint import fingerprint_files
from padscope.images.folders import ARRAYS, Container, Folder, ends_in
from padscope.images.readers import decoders_of, files_of, opened
from padscope.images.source import UnreadableImage
from padscope.images.window import Box, Window
from padscope.paths import printable, reason_of

STRETCHES = 16
"""Independent groups that fewer arrays than these are divided into."""

MOST_ITEMS = 1_000_000  # along the first axis of one array

KINDS = {".wav": "recording", ".flac": "recording", ".nii": "volume", ".nii.gz": "volume"}


@dataclass(frozen=True)
class StoredArray:
    """An array, (C, *extent), in a file.

    Attributes
    ----------
    file, key : str
        The file, and which of its arrays.
    item : int or None
        Which element of that, if it holds several along its first axis.
    has_channels : bool
        Whether it has an axis of channels.
    extent : tuple of int
        Per spatial axis; zeros if it cannot be read.
    problem : str
        Why it cannot be read.
    """

    file: str
    key: str = ""
    item: int | None = None
    has_channels: bool = False
    extent: tuple[int, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        parts = [self.file, self.key, "" if self.item is None else f"item {self.item}"]
        return printable(", ".join(filter(None, parts)))

    def index(self, box: Box) -> tuple[Any, ...]:
        """Return where a box of it lies in what is stored."""
        lead: list[Any] = [] if self.item is None else [self.item]
        return (*lead, *([slice(None)] if self.has_channels else []), *box)


@dataclass(frozen=True)
class ArrayFiles:
    """Windows of arrays in files; an `Images`.

    Parameters
    ----------
    container : Container
        What opens the files.
    arrays : tuple of StoredArray
    chosen : tuple of int
        The windows, counted through all arrays.
    window : Window
        What becomes an input.
    description : str
        One line for people.
    """

    container: Container
    arrays: tuple[StoredArray, ...]
    chosen: tuple[int, ...]
    window: Window
    description: str

    @classmethod
    def sampled(
        cls,
        container: Container,
        names: Sequence[str],
        window: Window,
        where: str,
        limit: int | None = None,
        seed: int = 0,
    ) -> "ArrayFiles":
        """Take a random sample of the windows of the arrays in some files.

        Parameters
        ----------
        container, names, where, limit, seed
            As of `PhotoFiles.sampled`.
        window : Window
            What becomes an input.

        Raises
        ------
        PadscopeError
            No array can be read, recordings differ in their rate, the limit is below 1, or a
            library is missing.
        """
        if limit is not None and limit < 1:
            raise PadscopeError(f"the limit on images is {limit}; it must be at least 1")
        rates: dict[int, str] = {}
        arrays = [array for name in names for array in _stored_in(container, name, window, rates)]
        problems = [array for array in arrays if array.problem]
        if len(problems) == len(arrays):
            first = problems[0] if problems else StoredArray("", problem="there is none")
            raise PadscopeError(f"no array {where} can be read ({first.name}: {first.problem})")
        if len(rates) > 1:
            said = " and ".join(f"{rate:,} Hz ({name})" for rate, name in rates.items())
            raise PadscopeError(f"the recordings have {said}; resample them to one rate")
        total = sum(window.count(array.extent) for array in arrays)
        order = np.random.default_rng(seed).permutation(total)[:limit]
        rate = "".join(f", {rate:,} Hz" for rate in rates)
        described = _describe(arrays, len(order), total, f"{where}{rate}", seed)
        return cls(container, tuple(arrays), tuple(map(int, order)), window, described)

    @property
    def decoders(self) -> Mapping[str, str]:
        """What reads the files: library → version."""
        return {k: v for array in self.arrays for k, v in decoders_of(array.file).items()}

    @property
    def root(self) -> Path | None:
        """The folder on disk that the names start from, if there is one."""
        return self.container.root if isinstance(self.container, Folder) else None

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.chosen)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(self.window.count(array.extent) for array in self.arrays))

    def _place(self, index: int) -> tuple[int, int]:
        """Find the array of a window, and its cell there."""
        place = bisect_right(self._ends, self.chosen[index])
        before = self._ends[place - 1] if place else 0
        return place, self.chosen[index] - before

    def name(self, index: int) -> str:
        """Return the array's name, and which of its windows, if it has several."""
        place, cell = self._place(index)
        array = self.arrays[place]
        several = self.window.count(array.extent) > 1
        return f"{array.name}, window {cell}" if several else array.name

    def group(self, index: int) -> int:
        """Return which independent stretch the window comes from.

        That is its array; of fewer than `STRETCHES` arrays, part of it. Neighbouring windows are
        alike, and windows far apart as good as independent: so stretches are drawn as a whole, as
        blocks of a time series are [1]_.

        References
        ----------
        .. [1] Künsch, Ann. Statist. 17 (1989) 1217-1241.
        """
        place, cell = self._place(index)
        parts = ceil(STRETCHES / len(self.arrays))
        return place * parts + cell * parts // self.window.count(self.arrays[place].extent)

    def tensor(self, index: int) -> Tensor:
        """Return the window, (C, *size) float32; raises `UnreadableImage`."""
        return self._cut(index, self.window, None)

    def canvas(self, index: int, size: tuple[int, ...], margin: tuple[int, ...]) -> Tensor:
        """Return a window of some size with its surroundings; raises `UnreadableImage`."""
        window = Window(size, self.window.mean, self.window.std, self.window.seed)
        return self._cut(index, window, margin)

    def _cut(self, index: int, window: Window, margin: tuple[int, ...] | None) -> Tensor:
        place, cell = self._place(index)
        array, name = self.arrays[place], self.name(index)
        if array.problem:
            raise UnreadableImage(name, array.problem)
        around = margin or (0,) * len(window.size)
        whole = tuple(n + 2 * m for n, m in zip(window.size, around, strict=True))
        if any(have < want for have, want in zip(array.extent, whole, strict=True)):
            raise TooSmall.of(name, array.extent, whole)
        # Another size has other cells; the place is that of the share of the way.
        cell = cell * window.count(array.extent) // self.window.count(array.extent)
        box = window.box(index, cell, array.extent, margin)
        try:
            dims, channels = len(window.size), window.channels
            with opened(self.container, array.file, dims, channels) as stored:
                values = np.asarray(stored[array.key][array.index(box)])
            values = values.reshape(channels, *whole)
            pixels = window.normalised(values)
        except PadscopeError:
            raise
        except Exception as error:  # damaged files make readers raise nearly anything
            raise UnreadableImage(name, reason_of(error)) from error
        if not np.isfinite(pixels.numpy()).all():
            count = int((~np.isfinite(pixels.numpy())).sum())
            of_all = plural(pixels.numel(), "value")
            reason = f"NaN or infinity in {count:,} of {of_all}; fill them first"
            raise UnreadableImage(name, reason)
        return pixels

    def fingerprint(self) -> str:
        """Return a digest of the files' names and of all their bytes, the windows and the sizes."""
        names = dict.fromkeys(array.file for array in self.arrays)
        files = (
            (file, partial(self.container.open, file))
            for name in names
            for file in files_of(self.container, name)
        )
        return fingerprint_files(files, self.window, self.chosen)

    def describe(self) -> str:
        """Return one line for people."""
        return self.description


def _stored_in(
    container: Container, name: str, window: Window, rates: dict[int, str]
) -> Iterable[StoredArray]:
    """Find the arrays in a file; one that cannot be read is one array with a problem."""
    dims, channels = len(window.size), window.channels
    none = StoredArray(name, extent=(0,) * dims)
    found: list[StoredArray] = []
    try:
        with opened(container, name, dims, channels) as stored:
            for key, array in stored.items():
                found += _elements(name, key, array, dims, channels)
                if rate := getattr(array, "rate", None):
                    rates.setdefault(rate, name)
    except PadscopeError:
        raise
    except Exception as error:
        return [StoredArray(name, extent=none.extent, problem=brief(error))]
    return found or [StoredArray(name, extent=none.extent, problem="it holds no array")]


def _elements(file: str, key: str, array: Any, dims: int, channels: int) -> Iterable[StoredArray]:
    """Tell the elements, channels and spatial axes of what is stored."""
    shape = tuple(map(int, array.shape))
    if np.dtype(array.dtype).kind not in "buif":
        raise ValueError(f"it holds {array.dtype}, no real numbers")
    extra, extent = len(shape) - dims, shape[len(shape) - dims :]
    if extra > 0 and shape[0] > MOST_ITEMS:
        raise ValueError(f"it holds {shape[0]:,} items; give files of {MOST_ITEMS:,} at most")
    if extra == 2 and shape[1] == channels:
        return [StoredArray(file, key, item, True, extent) for item in range(shape[0])]
    if extra == 1 and shape[0] == channels:
        return [StoredArray(file, key, None, True, extent)]
    if extra == 1 and channels == 1:
        return [StoredArray(file, key, item, False, extent) for item in range(shape[0])]
    if extra == 0 and channels == 1:
        return [StoredArray(file, key, None, False, extent)]
    axes = ", ".join(("depth", "height", "width")[-dims:] if dims > 1 else ["length"])
    raise ValueError(f"it has shape {shape}; give ({channels}, {axes}), or several of these")


def _describe(arrays: Sequence[StoredArray], chosen: int, total: int, where: str, seed: int) -> str:
    kinds = {KINDS.get(ends_in(array.file, ARRAYS) or "", "array") for array in arrays}
    kind = kinds.pop() if len(kinds) == 1 else "array"
    told = f"{plural(len(arrays), kind)} {where}"
    if total == len(arrays) == chosen:
        return told
    windows = f"{chosen:,} of " * (chosen < total) + plural(total, "window")
    stretches = ceil(STRETCHES / len(arrays)) * len(arrays)
    parts = f", which count as {stretches} independent ones" if stretches > len(arrays) else ""
    return f"{windows} of {told}{parts}" + (f" (seed {seed})" if chosen < total else "")
