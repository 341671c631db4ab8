"""Files that a command writes beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from padscope.cli import work
from padscope.errors import PadscopeError


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a directory, which is made if it is missing."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PadscopeError(
            f"cannot use {directory} as output: {error.strerror or error}; choose another directory"
        ) from error
    for name, content in files.items():
        work.write_atomically(directory / name, content)
