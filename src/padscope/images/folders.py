"""Folders and lists of files: what lies there, and how it is opened."""

import errno
import os
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.paths import MISSING, file_problem, printable, reason_of

MANIFEST = re.compile(rb'\s*\{\s*"schema": \d+,\s*"identity": \{')  # how that of a run begins
PHOTOGRAPHS = (
    ".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2",
)  # fmt: skip
ARRAYS = (".npy", ".npz", ".wav", ".flac", ".nii", ".nii.gz")


class Container(Protocol):
    """Files by name, wherever they lie. It can be pickled, and is used from several threads."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; raises `OSError` or `ValueError` if it cannot be."""
        ...


@dataclass(frozen=True)
class Folder:
    """Files on disk; a `Container`.

    Parameters
    ----------
    root : Path
        The folder the names start from.
    """

    root: Path

    def open(self, name: str) -> BinaryIO:
        """Open a regular file."""
        return open_regular(self.root / name)


def open_regular(path: Path) -> BinaryIO:
    """Open a file, but no pipe: to open one would wait for its other end."""
    if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
        raise ValueError("not a regular file")
    return path.open("rb")


def ends_in(name: str, endings: Sequence[str]) -> str | None:
    """Return the ending that a file has, if it is one of some."""
    lower = name.lower()
    return next((known for known in endings if lower.endswith(known)), None)


@runtime_checkable
class HoldsLabels(Protocol):
    """A container that tells the classes of its images too."""

    def labels(
        self, column: str, names: Sequence[str], known: Collection[str]
    ) -> Mapping[str, Any] | None:
        """Give the classes of some images by their names; None if it has no such column.

        Parameters
        ----------
        column : str
            What holds the classes.
        names : sequence of str
            The images.
        known : collection of str
            What the model calls its classes.
        """
        ...


def is_known(name: str) -> bool:
    """Tell a photograph or array by its name, if neither it nor a folder of it is hidden."""
    hidden = any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))
    return not hidden and ends_in(name, PHOTOGRAPHS + ARRAYS) is not None


@dataclass
class Found:
    """What lies in a folder and the folders below it.

    Attributes
    ----------
    files : list of str
        Photographs and arrays, as paths from the folder with forward slashes: whether they can be
        read or not, and links, wherever they lead.
    closed : list of str
        Folders that cannot be opened, and links to ones that are gone; and why.
    runs : int
        How many directories of runs there are.
    """

    files: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    runs: int = 0

    @property
    def described(self) -> str:
        """The closed folders, counted, the first of them named."""
        return f"{plural(len(self.closed), 'folder')} could not be opened: {self.closed[0]}"


def look_below(root: Path) -> Found:
    """Look for images in a folder and below it, outside of the directories of runs."""
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
            if ends_in(name, PHOTOGRAPHS + ARRAYS):
                found.files.append(path.relative_to(root).as_posix())
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


def listed(path: Path) -> list[str]:
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
