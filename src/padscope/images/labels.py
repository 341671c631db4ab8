"""Labels: which class each image shows, from a table or from the folders that images lie in."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.images.folders import look_below
from padscope.images.label_table import Row, read_rows
from padscope.images.spelling import UNKNOWN, number_classes, number_names, spelled_number
from padscope.paths import expanded, printable, reason_of

FOLDERS = "folders"


@dataclass(frozen=True)
class Labels:
    """The classes of the images of a source.

    Attributes
    ----------
    classes : tuple of int
        Of each image, in the order of the source; `UNKNOWN` where it has no label.
    names : dict of int to str
        What the labels call the classes, as far as they do.
    described : str
        One line for people.
    """

    classes: tuple[int, ...]
    names: dict[int, str]
    described: str

    def of(self, indices: Iterable[int]) -> Tensor:
        """Return the classes of some images, (len(indices),) int64; -1 where unknown."""
        return torch.tensor([self.classes[index] for index in indices], dtype=torch.int64)


def read_labels(
    spec: str | Path,
    names: Sequence[str],
    classes: int | None,
    *,
    known: Mapping[str, int] | None = None,
    root: Path | None = None,
) -> Labels:
    """Read the class of every image.

    A table is a CSV file with a header: a column ``file`` (or ``filename``, ``image``, ``path``)
    and a column ``class_index`` (or ``label``, ``class``, ``target``), and perhaps ``name``, what
    the class is called. A file stands for the image of the same relative path, or else for the one
    image of the same base name. Classes are numbers from 0, however they are spelled, or names;
    nothing, NA, NaN, None and the like mean that the image has no label.

    With ``folders``, the class is the name of the folder which an image lies in, its parent.

    Names are numbered as the model's own names are; where none of them is known, in sorted order,
    as torchvision's ``ImageFolder`` does. That holds only if every class is there, so another
    number of names than the model has classes is refused.

    Parameters
    ----------
    spec : str or Path
        A CSV file, or ``folders``.
    names : sequence of str
        The images, as ``Images.name`` gives them, in the order of the source.
    classes : int or None
        How many the model tells apart; None if that is not known.
    known : mapping of str to int, optional
        Numbers of the classes by what they may be called; case and underscores do not matter.
    root : Path, optional
        For ``folders``: where the names start from. Folders of which no image was drawn count
        too. Without it, only those in `names` do.

    Returns
    -------
    Labels
        At least half of the images have one, and two classes or more appear.

    Raises
    ------
    PadscopeError
        The table cannot be read or lacks a column, contradicts itself, fits neither the images nor
        the model's classes, or all images are of one class.
    """
    if str(spec) == FOLDERS:
        labels, source = _from_folders(names, classes, known or {}, root), "their folders"
    else:
        path = expanded(spec)
        labels, source = _from_table(path, names, classes, known or {}), path.name
    unlabelled = labels.classes.count(UNKNOWN)
    if 2 * unlabelled > len(names):
        raise PadscopeError(
            f"{_lack(labels, names)}, by {source}; name the files as the images are named"
        )
    return _described(labels, names, f" by {source}")


def given_labels(
    given: Mapping[str, object] | Iterable[object],
    names: Sequence[str],
    classes: int,
    *,
    known: Mapping[str, int] | None = None,
) -> Labels:
    """Take the class of every image from Python.

    Parameters
    ----------
    given : mapping or iterable
        Classes by the images' names, or one for each image, in order: numbers, of any type, or
        names. None, NaN, -1 and the like mean that an image has no label.
    names, classes, known
        As of `read_labels`.

    Returns
    -------
    Labels
        Two classes or more appear.

    Raises
    ------
    PadscopeError
        They are not one class for each image, they do not fit the model's classes, or all are the
        same.
    """
    if isinstance(given, Mapping):
        values = [given.get(name) for name in names]
    else:
        try:
            values = list(given)
        except TypeError as error:  # a number, or a tensor of no axes
            raise PadscopeError(
                f"labels cannot come from a {type(given).__name__}; give one class for each image"
            ) from error
    if len(values) != len(names):
        raise PadscopeError(
            f"there are {plural(len(values), 'label')} for {plural(len(names), 'image')}; give "
            "one for each"
        )
    written = [_written(value, name) for value, name in zip(values, names, strict=True)]
    first = _first_of_each(zip(written, names, strict=True))
    numbers = number_classes(first, classes, known or {}, "the labels")
    called = {numbers[label]: label for label in written if spelled_number(label) is None}
    called.pop(UNKNOWN, None)
    labels = Labels(tuple(numbers[label] for label in written), dict(sorted(called.items())), "")
    return _described(labels, names, "")


def _written(value: object, name: str) -> str:
    """Write a class from Python as tables do."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple | Mapping):
        raise PadscopeError(
            f"the label of {name} is a {type(value).__name__}; give the number or the name of its "
            "class"
        )
    text = "" if value is None else str(int(value) if isinstance(value, bool) else value).strip()
    return "" if spelled_number(text) == UNKNOWN else text


def _first_of_each(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Keep the first file of each class, in the order in which classes first appear."""
    first: dict[str, str] = {}
    for label, file in pairs:
        first.setdefault(label, file)
    return first


def _from_table(
    path: Path, names: Sequence[str], classes: int | None, known: Mapping[str, int]
) -> Labels:
    rows = read_rows(path)
    written = _first_of_each((row.label, row.file) for row in rows)
    numbers = number_classes(written, classes, known, str(path))
    rows = [row for row in rows if numbers[row.label] != UNKNOWN]
    words = {row.label for row in rows if spelled_number(row.label) is None}
    called = {
        numbers[row.label]: row.name or row.label
        for row in reversed(rows)
        if row.name or row.label in words
    }
    return Labels(_matched(path, rows, numbers, names), dict(sorted(called.items())), path.name)


def _matched(
    path: Path, rows: Sequence[Row], numbers: Mapping[str, int], names: Sequence[str]
) -> tuple[int, ...]:
    """Find the class of each image by its path, or else by a base name that only one has."""
    by_path: dict[str, int] = {}
    by_base: dict[str, set[int]] = {}
    for row in rows:
        number = numbers[row.label]
        file = PurePosixPath(row.file.replace("\\", "/"))
        other = by_path.setdefault(file.as_posix(), number)
        if other != number:
            raise PadscopeError(
                f"{path} gives {row.file} two classes, {other} and {number}; keep one of them"
            )
        by_base.setdefault(file.name, set()).add(number)
    bases = [PurePosixPath(name).name for name in names]
    images = Counter(bases)

    def find(name: str, base: str) -> int:
        if name in by_path:
            return by_path[name]
        candidates = by_base.get(base, set())
        return min(candidates) if len(candidates) == images[base] == 1 else UNKNOWN

    return tuple(find(name, base) for name, base in zip(names, bases, strict=True))


def _from_folders(
    names: Sequence[str], classes: int | None, known: Mapping[str, int], root: Path | None
) -> Labels:
    parents = [PurePosixPath(name).parent for name in names]
    folders = {parent.name: parent.as_posix() for parent in parents if parent.name}
    if root is not None:
        # As many folders as the set has, not only those which a sample of it came from.
        for above in {parent.parent for parent in parents if parent.name}:
            folders |= {name: name for name in _folders_in(root / above) if name not in folders}
    if not folders:
        raise PadscopeError(
            "the images are not in folders of their own, so folders give no classes"
        )
    numbers = number_names(folders, classes, known, "the folders of the images")
    found = tuple(numbers.get(parent.name, UNKNOWN) for parent in parents)
    return Labels(found, {number: name for name, number in sorted(numbers.items())}, FOLDERS)


def _folders_in(folder: Path) -> Iterator[str]:
    """Name the folders of classes in a folder: those that hold more than directories of runs."""
    try:
        entries = [entry for entry in os.scandir(folder) if entry.is_dir()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise PadscopeError(
            f"the folder {folder} cannot be opened ({reason_of(error)}), so folders give no "
            "classes; give a CSV"
        ) from error
    for entry in entries:
        if not entry.name.startswith("."):
            found = look_below(Path(entry.path))
            if found.files or not found.runs:
                yield printable(entry.name)


def _lack(labels: Labels, names: Sequence[str]) -> str:
    """Count the images without a label, and name the first."""
    missing = [
        name for name, number in zip(names, labels.classes, strict=True) if number == UNKNOWN
    ]
    first = f", the first {missing[0]}" if missing else ""
    verb = "has" if len(missing) == 1 else "have"
    return f"{len(missing):,} of {plural(len(names), 'image')} {verb} no label{first}"


def _described(labels: Labels, names: Sequence[str], source: str) -> Labels:
    """Say how many classes there are and what is missing; refuse labels that say too little."""
    present = sorted(set(labels.classes) - {UNKNOWN})
    if not present:
        raise PadscopeError(f"{_lack(labels, names)}{source}; name the images as they are named")
    if len(present) == 1:
        comma = "," if source else ""
        raise PadscopeError(
            f"all images have class {present[0]}{comma}{source}; accuracy needs two classes or more"
        )
    lack = f"; {_lack(labels, names)}" if UNKNOWN in labels.classes else ""
    return Labels(labels.classes, labels.names, f"{plural(len(present), 'class')}{source}{lack}")
