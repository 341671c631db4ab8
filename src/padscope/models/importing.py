"""The user's own code, named ``package.module:name``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from padscope.errors import PadscopeError, brief
from padscope.models.architecture import did_you_mean

LIBRARIES = ("timm", "torchvision")  # which stand before a colon, as packages do


def import_target(target: str, role: str, wanted: str) -> Callable[..., object]:
    """Import what a user names, with the working directory on the path.

    Parameters
    ----------
    target : str
        ``package.module:name``.
    role, wanted : str
        What it is for, and what it must be, in error messages.

    Raises
    ------
    PadscopeError
        It cannot be imported, or is not callable.
    """
    path, _, name = target.partition(":")
    if not name:
        raise PadscopeError(f"{role} {target!r} is not package.module:name: give {wanted}")
    try:
        with working_directory_importable():
            module = importlib.import_module(path)
    except (Exception, SystemExit) as error:
        raise PadscopeError(
            f"importing {path} for {role} {target} failed with {brief(error)}: "
            f"run where it can be imported from, or install it{did_you_mean(path, LIBRARIES)}"
        ) from error
    found = getattr(module, name, None)
    if found is None:
        raise PadscopeError(f"the module {path} has no {name!r}{did_you_mean(name, vars(module))}")
    if not callable(found):
        raise PadscopeError(f"{target} is {type(found).__name__}: give {wanted}")
    return cast(Callable[..., object], found)


@contextmanager
def working_directory_importable() -> Iterator[None]:
    """Have the working directory on the path for the length of a block."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
