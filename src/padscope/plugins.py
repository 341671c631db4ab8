"""What other installed packages add to a table, through entry points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any, TypeVar

from padscope.errors import PadscopeError, brief

_Entry = TypeVar("_Entry")


def look_up(table: Mapping[str, _Entry], group: str, name: str) -> _Entry | None:
    """Find an entry of a table by its name, or else one that an installed package adds.

    Only the entry point of that name is imported.

    Parameters
    ----------
    table : mapping
        Name → entry: what padscope itself has, which comes first.
    group : str
        Of the entry points, such as ``padscope.models``.
    name : str

    Returns
    -------
    The entry, or None.

    Raises
    ------
    PadscopeError
        The package that adds it cannot be imported, or another adds one of the same name.
    """
    if name in table:
        return table[name]
    return _load(metadata.entry_points(group=group, name=name), group).get(name)


def complete(table: Mapping[str, _Entry], group: str) -> dict[str, _Entry]:
    """Return a table with everything that installed packages add to it; see `look_up`."""
    return {**_load(metadata.entry_points(group=group), group), **table}


def names(table: Mapping[str, object], group: str) -> list[str]:
    """Name what a table and installed packages have, in order; nothing is imported."""
    return sorted({*table, *(point.name for point in metadata.entry_points(group=group))})


def _load(points: Iterable[metadata.EntryPoint], group: str) -> dict[str, Any]:
    found: dict[str, metadata.EntryPoint] = {}
    for point in points:
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise PadscopeError(
                f"{_package(other)} and {_package(point)} both add {point.name!r} to {group}: "
                "uninstall one of them"
            )
    return {name: _import(point) for name, point in found.items()}


def _import(point: metadata.EntryPoint) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # it is somebody else's code
        raise PadscopeError(
            f"{_package(point)} adds {point.name!r} to {point.group}, and it cannot be imported "
            f"({brief(error)}): fix or uninstall it"
        ) from error


def _package(point: metadata.EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist else f"a package with {point.value}"
