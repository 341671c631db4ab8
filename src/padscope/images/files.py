"""Photographs in files: of a folder, a list, an archive, or whatever else opens them by name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.images.decode import DECODERS, decode_file, pages_of
from padscope.images.fingerprint import fingerprint_files
from padscope.images.folders import Container, Folder
from padscope.images.probe import Probe
from padscope.paths import printable

PAGED = (".tif", ".tiff")


@dataclass(frozen=True)
class PhotoFiles:
    """One crop of each of some photographs in files; an `Images`.

    Parameters
    ----------
    container : Container
        What opens the files.
    photos : tuple of (str, int or None)
        The name of its file there, with forward slashes; and the page, from 0, of files with
        several.
    probe : Probe
        How a photograph becomes an input.
    description : str
        One line for people.
    """

    container: Container
    photos: tuple[tuple[str, int | None], ...]
    probe: Probe
    description: str

    @classmethod
    def sampled(
        cls,
        container: Container,
        names: Iterable[str],
        probe: Probe,
        where: str,
        limit: int | None = None,
        seed: int = 0,
    ) -> "PhotoFiles":
        """Take a random sample of the photographs in some files.

        Every page of a TIFF file is a photograph. Folders are often sorted by class, so the sample
        is the first `limit` of a random order, and a larger limit adds to a smaller one.

        Parameters
        ----------
        container : Container
            What opens the files.
        names : iterable of str
            Of the files, each once, in an order that is the same every time.
        probe : Probe
            How a photograph becomes an input.
        where : str
            Where they lie, as the end of a description.
        limit : int, optional
            How many photographs to take; all if not given.
        seed : int
            Of the random order.

        Raises
        ------
        PadscopeError
            The limit is below 1.
        """
        photos = list(_with_pages(container, names))
        chosen = _sample(photos, limit, seed)
        return cls(container, chosen, probe, _describe(len(chosen), len(photos), where, seed))

    @property
    def root(self) -> Path | None:
        """The folder on disk that the names start from, if there is one."""
        return self.container.root if isinstance(self.container, Folder) else None

    @property
    def decoders(self) -> Mapping[str, str]:
        """What decodes the files: library → version."""
        return DECODERS

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self.photos)

    def name(self, index: int) -> str:
        """Return the file's name, and the page; bytes that are no UTF-8 are written out."""
        file, page = self.photos[index]
        return printable(file if page is None else f"{file}, page {page + 1}")

    def group(self, index: int) -> int:
        """Return the first image from the same file: its pages are taken for one photograph."""
        return self._first_of_file[self.photos[index][0]]

    @cached_property
    def _first_of_file(self) -> dict[str, int]:
        first: dict[str, int] = {}
        for index, (file, _) in enumerate(self.photos):
            first.setdefault(file, index)
        return first

    def photo(self, index: int) -> Image.Image:
        """Return the whole photograph, uncropped; raises `UnreadableImage` like `tensor`."""
        file, page = self.photos[index]
        name = self.name(index)
        place = name if self.root is None else (self.root / name).as_posix()
        return decode_file(partial(self.container.open, file), place, page)

    def tensor(self, index: int) -> Tensor:
        """Return the crop, (C, H, W) float32; raises `UnreadableImage`."""
        return self.probe.apply(self.photo(index), index)

    def fingerprint(self) -> str:
        """Return a digest of the files' names and of all their bytes, their order and the probe."""
        files = ((name, partial(self.container.open, name)) for name in self._first_of_file)
        pages = [page for page in self.photos if page[1] is not None]
        return fingerprint_files(files, self.probe, *pages)

    def describe(self) -> str:
        """Return one line for people."""
        return self.description


def _with_pages(container: Container, names: Iterable[str]) -> Iterator[tuple[str, int | None]]:
    """Give the photographs in files: one each, but for TIFF files of several pages."""
    for name in names:
        pages = pages_of(partial(container.open, name)) if name.lower().endswith(PAGED) else ()
        if len(pages) > 1:
            yield from ((name, page) for page in pages)
        else:
            yield name, None


def _sample(
    photos: Sequence[tuple[str, int | None]], limit: int | None, seed: int
) -> tuple[tuple[str, int | None], ...]:
    if limit is not None and limit < 1:
        raise PadscopeError(f"the limit on images is {limit}; it must be at least 1")
    order = np.random.default_rng(seed).permutation(len(photos))
    return tuple(photos[position] for position in order[:limit])


def _describe(chosen: int, found: int, where: str, seed: int) -> str:
    photographs = plural(found, "photograph")
    if chosen == found:
        return f"{photographs} {where}"
    return f"{chosen:,} of {photographs} {where} (seed {seed})"
