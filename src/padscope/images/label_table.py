"""Tables of labels: a line for each image, with its file and its class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from padscope.errors import PadscopeError

FILE_COLUMNS = ("file", "filename", "image", "path")
CLASS_COLUMNS = ("class_index", "label", "class", "target")
NAME_COLUMN = "name"


@dataclass(frozen=True)
class Row:
    """A line of the table: a file, its class as it is written there, and the class's name."""

    file: str
    label: str
    name: str


def read_rows(path: Path) -> list[Row]:
    """Read the lines of a CSV file which have both a file and a class.

    Raises
    ------
    PadscopeError
        It cannot be read, is empty, or lacks a column.
    """
    try:
        # Without the header, of which polars renames what appears twice.
        table = pl.read_csv(path.read_bytes(), has_header=False, infer_schema=False)
    except OSError as error:
        raise PadscopeError(f"cannot read the labels {path}: {error.strerror}") from error
    except pl.exceptions.NoDataError as error:
        raise PadscopeError(f"the labels {path} are empty; give one line per image") from error
    except pl.exceptions.PolarsError as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise PadscopeError(f"the labels {path} are not a CSV file in UTF-8: {reason}") from error
    header = [(column or "").strip() for column in table.row(0)]
    file, label = (_column(path, header, known) for known in (FILE_COLUMNS, CLASS_COLUMNS))
    name = _place(path, header, NAME_COLUMN)
    columns = {"file": pl.nth(file), "label": pl.nth(label)}
    columns["name"] = pl.lit("") if name is None else pl.nth(name)
    lines = table.slice(1).select(
        column.fill_null("").str.strip_chars().alias(what) for what, column in columns.items()
    )
    rows = [Row(**line) for line in lines.iter_rows(named=True) if line["file"] and line["label"]]
    if not rows:
        raise PadscopeError(f"the labels {path} are empty; give one line per image")
    return rows


def _column(path: Path, header: Sequence[str], known: Sequence[str]) -> int:
    for name in known:
        place = _place(path, header, name)
        if place is not None:
            return place
    raise PadscopeError(
        f"the labels {path} have no column {known[0]} (or {', '.join(known[1:])}); there are "
        f"{', '.join(header[:8])}"
    )


def _place(path: Path, header: Sequence[str], name: str) -> int | None:
    """Find a column, whatever its case; written exactly so, it goes before others."""
    for found in (
        [place for place, column in enumerate(header) if column == name],
        [place for place, column in enumerate(header) if column.lower() == name],
    ):
        if len(found) > 1:
            raise PadscopeError(
                f"the labels {path} have {len(found)} columns {name} "
                f"({', '.join(header[place] for place in found)}); keep one of them"
            )
        if found:
            return found[0]
    return None
