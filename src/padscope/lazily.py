"""Packages whose names are imported when they are asked for (PEP 562).

PyTorch, SciPy and Altair take seconds to import, and a help text or a table of a finished run
needs none of them. A package lists what it offers under ``if TYPE_CHECKING``, where type checkers
read it; that list is all there is, and each name is imported from there on first use.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.abc import InspectLoader
from types import ModuleType
from typing import Any, cast


class _Package(ModuleType):
    """A package in which a name that it offers is never hidden by a module of the same name."""

    _offered: dict[str, tuple[str, str]]

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in self._offered):
            super().__setattr__(name, value)


def lazily(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` of a package from its imports under TYPE_CHECKING.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    """
    module = sys.modules[package]
    offered = _listed(package)
    module.__dict__["_offered"] = offered
    module.__class__ = _Package

    def get(name: str) -> Any:
        if name not in offered:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        source, there = offered[name]
        if source == package:  # one of its own modules
            module.__dict__[name] = value = import_module(f"{package}.{there}")
        else:
            module.__dict__[name] = value = getattr(import_module(source), there)
        return value

    def names() -> list[str]:
        return sorted({*module.__dict__, *offered})

    return get, names


def _listed(package: str) -> dict[str, tuple[str, str]]:
    """Read which module each name comes from, and what it is called there."""
    source = cast(InspectLoader, sys.modules[package].__loader__).get_source(package) or ""
    return {
        alias.asname or alias.name: (str(node.module), alias.name)
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
