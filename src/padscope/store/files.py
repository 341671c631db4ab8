"""Files of a run: written in one step, and read with one sentence for what is wrong with them."""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
from safetensors import SafetensorError

from padscope.errors import PadscopeError
from padscope.study.stages import BESIDE, EXPLAIN, IMPACT, SCAN

# What each stage has done: checkpoint and result in one.
FILES = {
    SCAN: "tallies.safetensors", EXPLAIN: "contrasts.safetensors", IMPACT: "impact.safetensors",
    **{stage: f"{stage}.safetensors" for stage in BESIDE},
}  # fmt: skip
MAPS = "maps.safetensors"
# How reading a damaged file fails.
DAMAGE = (
    OSError, SafetensorError, pl.exceptions.PolarsError, zlib.error, RecursionError,
    AttributeError, LookupError, TypeError, ValueError, pl.exceptions.PanicException,
)  # fmt: skip


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step: whoever reads it sees the old content or the new.

    Raises
    ------
    PadscopeError
        The file cannot be written.
    """
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise PadscopeError(
            f"cannot write {path}: {error.strerror or error}; choose another output directory"
        ) from error


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Refuse a file of a run that is missing or damaged, in one sentence."""
    try:
        yield path
    except FileNotFoundError as error:
        raise PadscopeError(f"{path} is missing; run the same scan again") from error
    except DAMAGE as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise PadscopeError(
            f"{path} is damaged ({reason}); remove the directory and scan again"
        ) from error


def dump_json(content: Mapping[str, Any]) -> bytes:
    """Write JSON as people read it."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # of paths that are no UTF-8, and read back so


def read_streams(path: Path) -> tuple[dict[str, memoryview], dict[str, Any]]:
    """Read the bytes of every tensor of a safetensors file, and the JSON as of `read_header`.

    The file lies in memory once; safetensors would copy it, and cannot open a path that is no
    UTF-8.
    """
    entries, about, start = _entries(path)
    content = memoryview(path.read_bytes())[start:]
    streams = {name: content[slice(*entry["data_offsets"])] for name, entry in entries.items()}
    return streams, about


def read_header(path: Path) -> tuple[set[str], dict[str, Any]]:
    """Read the names in a safetensors file, and the JSON of its entry "progress", and no more.

    Raises
    ------
    ValueError
        The file does not end where it says.
    """
    entries, about, _ = _entries(path)
    return {*entries}, about


def _entries(path: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Read what a header says of each tensor and of all, and where the tensors begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError("its header is cut off")
        header = json.loads(file.read(length))
    about = json.loads(header.pop("__metadata__", {}).get("progress", "{}"))
    ends = [entry["data_offsets"][1] for entry in header.values()]
    if 8 + length + max(ends, default=0) != path.stat().st_size:
        raise ValueError("it does not end where its header says")
    return header, about, 8 + length


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Replace a table in one step."""
    content = io.BytesIO()
    table.write_parquet(content)
    write_atomically(path, content.getvalue())


def read_table(path: Path) -> pl.DataFrame:
    """Read a table."""
    with readable(path) as file:
        return pl.read_parquet(io.BytesIO(file.read_bytes()))
