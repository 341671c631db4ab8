"""Labels: which class each image shows, from a table or from the folders that images lie in."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl
import torch
from torch import Tensor

from padscope.errors import PadscopeError

FOLDERS = "folders"
FILE_COLUMNS = ("file", "filename", "image", "path")
CLASS_COLUMNS = ("class_index", "label", "class", "target")
NAME_COLUMN = "name"
UNKNOWN = -1
NUMBER = re.compile(r"[+-]?\d+(\.0+)?")  # pandas writes 3.0 where a neighbour is missing


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
    image of the same base name. Classes are numbers from 0, or names.

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
        return _check(_from_folders(names, classes, known or {}, root), names, "their folders")
    path = Path(spec).expanduser()
    return _check(_from_table(path, names, classes, known or {}), names, path.name)


@dataclass(frozen=True)
class _Row:
    """A line of the table: a file, its class as it is written there, and the class's name."""

    file: str
    label: str
    name: str


def _from_table(
    path: Path, names: Sequence[str], classes: int | None, known: Mapping[str, int]
) -> Labels:
    rows = _rows(path)
    written = {row.label: row.file for row in reversed(rows)}  # the first file of each class
    if all(NUMBER.fullmatch(label) for label in written):
        numbers = {label: int(label.partition(".")[0]) for label in written}
        called = {numbers[row.label]: row.name for row in reversed(rows) if row.name}
    else:
        numbers = _numbered(written, classes, known, str(path))
        called = {numbers[row.label]: row.name or row.label for row in reversed(rows)}
    for label, number in numbers.items():
        if number < 0 or (classes is not None and number >= classes):
            most = f", 0 to {classes - 1}" if classes else ": they count from 0"
            raise PadscopeError(
                f"{path}: class {number} of {written[label]} is outside the model's classes{most}"
            )
    found = _matched(path, rows, numbers, names)
    return Labels(found, dict(sorted(called.items())), path.name)


def _rows(path: Path) -> list[_Row]:
    """Read the lines which have both a file and a class."""
    try:
        table = pl.read_csv(path.read_bytes(), infer_schema=False)
    except OSError as error:
        raise PadscopeError(f"cannot read the labels {path}: {error.strerror}") from error
    except pl.exceptions.NoDataError as error:
        raise PadscopeError(f"the labels {path} are empty; give one line per image") from error
    except pl.exceptions.PolarsError as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise PadscopeError(f"the labels {path} are no CSV in UTF-8: {reason}") from error
    table = table.rename({column: column.strip().lower() for column in table.columns})
    file, label = (_column(path, table, known) for known in (FILE_COLUMNS, CLASS_COLUMNS))
    name = pl.col(NAME_COLUMN) if NAME_COLUMN in table.columns else pl.lit("")
    lines = table.select(
        pl.col(file).alias("file"), pl.col(label).alias("label"), name.alias("name")
    ).with_columns(pl.all().fill_null("").str.strip_chars())
    rows = [_Row(**line) for line in lines.iter_rows(named=True) if line["file"] and line["label"]]
    if not rows:
        raise PadscopeError(f"the labels {path} are empty; give one line per image")
    return rows


def _column(path: Path, table: pl.DataFrame, known: Sequence[str]) -> str:
    column = next((name for name in known if name in table.columns), None)
    if column is None:
        raise PadscopeError(
            f"the labels {path} have no column {known[0]} (or {', '.join(known[1:])}); there are "
            f"{', '.join(table.columns[:8])}"
        )
    return column


def _matched(
    path: Path, rows: Sequence[_Row], numbers: Mapping[str, int], names: Sequence[str]
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
            beside = (entry for entry in (root / above).iterdir() if entry.is_dir())
            folders |= {
                entry.name: entry.name for entry in beside if not entry.name.startswith(".")
            }
    if not folders:
        raise PadscopeError("the images lie in no folders of their own, so these give no classes")
    numbers = _numbered(folders, classes, known, "the folders of the images")
    found = tuple(numbers.get(parent.name, UNKNOWN) for parent in parents)
    return Labels(found, {number: name for name, number in sorted(numbers.items())}, FOLDERS)


def _numbered(
    written: Mapping[str, str], classes: int | None, known: Mapping[str, int], where: str
) -> dict[str, int]:
    """Give names the model's numbers, or sorted ones; `written` says where each name stands."""
    candidates: dict[str, set[int]] = {}
    for name, number in known.items():
        candidates.setdefault(_folded(name), set()).add(number)
    # ImageNet's "Cardigan" is a dog and its "cardigan" a garment: such a name tells nothing.
    numbers = {name: min(some) for name, some in candidates.items() if len(some) == 1}
    found = {name: numbers[_folded(name)] for name in written if _folded(name) in numbers}
    if found:
        strange = next((name for name in sorted(written) if name not in found), None)
        if strange is not None:
            raise PadscopeError(
                f"{where}: {strange!r} of {written[strange]} is no class of the model, while "
                f"{len(found)} other names are; give the numbers of the classes"
            )
        return found
    if classes is not None and len(written) != classes:
        raise PadscopeError(
            f"{where}: {len(written)} names of classes, and the model has {classes}, so their "
            "sorted order does not number them; give a CSV with the numbers"
        )
    return {name: number for number, name in enumerate(sorted(written))}


def _folded(name: str) -> str:
    return name.casefold().replace("_", " ").strip()


def _check(labels: Labels, names: Sequence[str], source: str) -> Labels:
    """Refuse labels that say too little, and count what is missing."""
    missing = [
        name for name, number in zip(names, labels.classes, strict=True) if number == UNKNOWN
    ]
    first = f", the first {missing[0]}" if missing else ""
    lack = f"{len(missing)} of {len(names)} images have no label{first}"
    if 2 * len(missing) > len(names):
        raise PadscopeError(f"{lack}, by {source}; name the files as the images are named")
    present = sorted(set(labels.classes) - {UNKNOWN})
    if len(present) == 1:
        raise PadscopeError(
            f"all images have class {present[0]}, by {source}; accuracy needs two classes or more"
        )
    described = f"{len(present)} classes by {source}" + (f"; {lack}" if missing else "")
    return Labels(labels.classes, labels.names, described)
