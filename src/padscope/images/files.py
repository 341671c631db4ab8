"""Photographs on disk: a folder, a list of files, or one file."""

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.images.decode import decode
from padscope.images.fingerprint import fingerprint_files
from padscope.images.probe import Probe
from padscope.paths import MISSING, file_problem, printable, reason_of

MANIFEST = re.compile(rb'\s*\{\s*"schema": \d+,\s*"identity": \{')  # how that of a run begins
EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2")
)


@dataclass(frozen=True)
class PhotoFiles:
    """One crop of each of some photograph files; an `Images`.

    Parameters
    ----------
    root : Path
        The folder the names start from.
    names : tuple of str
        Paths relative to `root`, with forward slashes.
    probe : Probe
        How a photograph becomes an input.
    description : str
        One line for people.
    """

    root: Path
    names: tuple[str, ...]
    probe: Probe
    description: str

    @classmethod
    def from_folder(
        cls, root: Path, probe: Probe, limit: int | None = None, seed: int = 0
    ) -> "PhotoFiles":
        """Take a random sample of the photographs in a folder and the folders below it.

        Hidden files and folders are left out, and so are directories of runs, whose figures are
        no photographs. Linked folders are followed, each folder once; folders that cannot be opened
        are counted and named in the description.

        Parameters
        ----------
        root : Path
            The folder.
        probe : Probe
            How a photograph becomes an input.
        limit : int, optional
            How many photographs to take; all if not given. Folders are often sorted by class, so
            it is the first `limit` of a random order, and a larger limit adds to a smaller one.
        seed : int
            Of the random order.

        Raises
        ------
        PadscopeError
            The folder is missing or holds no photograph.
        """
        if not os.path.isdir(root):  # noqa: PTH112 - of a name too long, pathlib raises
            raise PadscopeError(f"there is no image folder {root}; check the path")
        found = look_below(root)
        names = sorted(found.photographs)
        if not names:
            closed = f" ({found.described})" if found.closed else ""
            raise PadscopeError(
                f"no photograph in {root} or below{closed}; known extensions are "
                f"{' '.join(sorted(EXTENSIONS))}"
            )
        chosen = _sample(names, limit, seed)
        where = f"in {printable(root.resolve().name)}/"
        described = _describe(len(chosen), len(names), where, seed)
        if found.closed:
            described += f"; {found.described}"
        return cls(root, chosen, probe, described)

    @classmethod
    def from_list(
        cls, path: Path, probe: Probe, limit: int | None = None, seed: int = 0
    ) -> "PhotoFiles":
        """Take a random sample of the photographs which a text file lists.

        It has one path per line, relative to the folder of the list. Blank lines and lines which
        start with ``#`` are ignored; a photograph listed twice is taken once.

        Parameters
        ----------
        path : Path
            The list, in UTF-8.
        probe, limit, seed
            As for `from_folder`.

        Raises
        ------
        PadscopeError
            The list is missing, is not text, lists no photograph or one which does not exist.
        """
        names = _listed(path)
        if not names:
            raise PadscopeError(f"{path} lists no photograph; give one path per line")
        chosen = _sample(names, limit, seed)
        where = f"listed in {printable(path.name)}"
        return cls(path.parent, chosen, probe, _describe(len(chosen), len(names), where, seed))

    @classmethod
    def from_file(cls, path: Path, probe: Probe) -> "PhotoFiles":
        """Take one photograph.

        Raises
        ------
        PadscopeError
            There is no such file.
        """
        if problem := file_problem(path):
            raise PadscopeError(
                f"there is no image {path}; check the path"
                if problem == MISSING
                else f"the image {path} {problem}; give a folder, a list file or one photograph"
            )
        return cls(path.parent, (path.name,), probe, f"1 photograph, {printable(path.name)}")

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the path relative to the root; bytes in it that are no UTF-8 are written out."""
        return printable(self.names[index])

    def group(self, index: int) -> int:
        """Return the index: every image is a photograph of its own."""
        return index

    def photo(self, index: int) -> Image.Image:
        """Return the whole photograph, uncropped; raises `UnreadableImage` like `tensor`."""
        return decode(self.root / self.names[index])

    def tensor(self, index: int) -> Tensor:
        """Return the crop, (C, H, W) float32; raises `UnreadableImage`."""
        return self.probe.apply(self.photo(index), index)

    def fingerprint(self) -> str:
        """Return a digest of the files' names, sizes and beginnings, their order and the probe."""
        return fingerprint_files(((name, self.root / name) for name in self.names), self.probe)

    def describe(self) -> str:
        """Return one line for people."""
        return self.description


@dataclass
class Found:
    """What lies in a folder and the folders below it.

    Attributes
    ----------
    photographs : list of str
        Paths from the folder, with forward slashes: files that can be read or not, and links,
        wherever they lead.
    closed : list of str
        Folders that cannot be opened, and links to ones that are gone; and why.
    runs : int
        How many directories of runs there are.
    """

    photographs: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    runs: int = 0

    @property
    def described(self) -> str:
        """The closed folders, counted, the first of them named."""
        folders = "1 folder" if len(self.closed) == 1 else f"{len(self.closed)} folders"
        return f"{folders} could not be opened: {self.closed[0]}"


def look_below(root: Path) -> Found:
    """Look for photographs in a folder and below it, outside of the directories of runs."""
    found = Found()
    seen: set[str] = set()

    def note(error: OSError) -> None:
        place = Path(os.path.relpath(os.fsdecode(error.filename), root)).as_posix()
        found.closed.append(f"{printable(place)}, {reason_of(error)}")

    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=note):
        # A link to a folder above would otherwise lead round for ever.
        real = os.path.realpath(folder)
        if real in seen or _is_run(Path(folder), files):
            found.runs += real not in seen
            subfolders.clear()
            continue
        seen.add(real)
        # Sorted, so that of two ways to one folder the same is taken everywhere.
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in EXTENSIONS:
                found.photographs.append(path.relative_to(root).as_posix())
            elif not path.suffix and path.is_symlink() and file_problem(path) == MISSING:
                note(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)))
    return found


def _is_run(folder: Path, files: Sequence[str]) -> bool:
    """Tell a directory that padscope wrote by the beginning of its manifest, torn or not."""
    if "manifest.json" not in files:
        return False
    try:
        with (folder / "manifest.json").open("rb") as manifest:
            return MANIFEST.match(manifest.read(100)) is not None
    except OSError:
        return False


def _listed(path: Path) -> list[str]:
    """Return the listed names, each once, in the order of the list."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise PadscopeError(f"cannot read the image list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PadscopeError(f"the image list {path} is not UTF-8 text; save it as such") from error
    names: dict[str, None] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        if problem := file_problem(path.parent / line):
            said = f"there is no file {line}" if problem == MISSING else f"{line} {problem}"
            raise PadscopeError(
                f"{path}, line {number}: {said}; paths start from the folder of the list"
            )
        names[Path(line).as_posix()] = None
    return list(names)


def _sample(names: Sequence[str], limit: int | None, seed: int) -> tuple[str, ...]:
    if limit is not None and limit < 1:
        raise PadscopeError(f"the limit on images is {limit}; it must be at least 1")
    order = np.random.default_rng(seed).permutation(len(names))
    return tuple(names[position] for position in order[:limit])


def _describe(chosen: int, found: int, where: str, seed: int) -> str:
    photographs = "photograph" if found == 1 else "photographs"
    if chosen == found:
        return f"{found} {photographs} {where}"
    return f"{chosen} of {found} {photographs} {where} (seed {seed})"
