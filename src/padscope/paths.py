"""Paths that people give: what is wrong with one, and how it is shown."""

import os
import stat
from pathlib import Path

MISSING = "does not exist"


def expanded(path: str | Path) -> Path:
    """Put the home folder in place of a leading ``~``; of an unknown user, it stays."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def file_problem(path: Path) -> str | None:
    """Say why a path is no file that can be read, as the end of a sentence; None if it is one."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except (OSError, ValueError) as error:  # ValueError: a null character
        return f"cannot be read: {reason_of(error)}"
    if stat.S_ISDIR(mode):
        return "is a directory, not a file"
    if not stat.S_ISREG(mode):  # to open a pipe would wait for its other end
        return "is not a regular file"
    return None if os.access(path, os.R_OK) else "cannot be read: permission denied"


def reason_of(error: Exception) -> str:
    """Return what the system says is wrong, in lower case, or else the first line of the error.

    Examples
    --------
    >>> reason_of(OSError(36, "File name too long", "x" * 300))
    'file name too long'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).partition("\n")[0] or type(error).__name__


def printable(text: str | Path) -> str:
    r"""Write bytes of a path that are no UTF-8 as codes, so that files and terminals can hold it.

    Examples
    --------
    >>> printable(os.fsdecode(b"\xff.jpg"))
    '\\udcff.jpg'
    """
    return str(text).encode(errors="backslashreplace").decode()
