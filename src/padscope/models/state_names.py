"""Names of weights in files, where wrappers have put something before those of the module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from padscope.counts import plural
from padscope.errors import PadscopeError

COMPILED = "_orig_mod."  # what torch.compile puts before the names within a module
COUNTER = "num_batches_tracked"
EXTRA = "_extra_state"  # how torch names what `get_extra_state` gives
SHOWN = 3


@dataclass(frozen=True)
class Renamed:
    """A state dict in the names of a module.

    Attributes
    ----------
    state : dict
    said : list of str
        What was done to its own names, in words.
    """

    state: dict[str, Any]
    said: list[str]


def rename(state: dict[str, Any], expected: Mapping[str, Any], path: Path) -> Renamed:
    """Take off, or put on, what wrappers put before every name.

    Parameters
    ----------
    state : dict
        As in the file. Names that are not below such a prefix, as those of a loss, are left out.
    expected : mapping
        The state dict of the module.
    path : pathlib.Path
        The file.

    Raises
    ------
    PadscopeError
        The module's names are there below several prefixes.
    """
    said = []
    if any(COMPILED in name for name in state) and not any(COMPILED in name for name in expected):
        state = {name.replace(COMPILED, ""): value for name, value in state.items()}
        said.append(f"without {COMPILED}")
    wanted = {
        name: value.shape
        for name, value in expected.items()
        if required(name) and isinstance(value, Tensor)
    }
    below = _prefixes(state, wanted)
    complete = [
        prefix
        for prefix, count in below.items()
        if count == len(wanted)
        and all(state[prefix + name].shape == shape for name, shape in wanted.items())
    ]
    if "" not in complete and len(complete) > 1:
        raise PadscopeError(
            f"{path} holds weights of these names below {' and below '.join(complete)}: save those "
            "to be used by themselves"
        )
    if not complete and (above := _prefixes(wanted, state)):
        prefix, count = max(above.items(), key=lambda item: item[1])
        if prefix and 2 * count > len(state):
            named = {prefix + name: value for name, value in state.items()}
            return Renamed(named, [*said, f"put below {prefix}"])
    prefix = "" if "" in complete else max((*complete, *below), key=below.__getitem__, default="")
    if not prefix or 2 * below[prefix] <= len(wanted):
        return Renamed(state, said)
    inside = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    said.append(f"below {prefix}")
    if others := [name for name in state if not name.startswith(prefix)]:
        said.append(f"{plural(len(others), 'other')} left out ({first_of(others)})")
    return Renamed(inside, said)


def _prefixes(names: Iterable[str], wanted: Collection[str]) -> dict[str, int]:
    """Count the names that are wanted ones behind a prefix, by the prefix."""
    known, found = set(wanted), Counter[str]()
    for name in names:
        starts = [0, *(place + 1 for place, sign in enumerate(name) if sign == ".")]
        found.update(name[:start] for start in starts if name[start:] in known)
    return found


def required(name: str) -> bool:
    """Tell whether a name must be in a file."""
    # Files from before torch 0.4.1 lack the counter, and eval mode never reads it.
    return not name.endswith((COUNTER, EXTRA))


def first_of(names: list[str]) -> str:
    """List the first few of some names."""
    return "; ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
