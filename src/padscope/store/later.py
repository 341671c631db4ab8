"""What a run directory holds and few ask for: read once somebody does, and without PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from padscope.images.skipped import Skipped
from padscope.store.files import readable
from padscope.store.unpacking import PackedFile, unpacking
from padscope.tallies.edges import bin_edges
from padscope.tallies.names import NEAR, PADDED, REAL

if TYPE_CHECKING:
    from padscope.measurements import Counts
    from padscope.study import Kernels, Portrait

K = TypeVar("K")
V = TypeVar("V")
Array = NDArray[Any]


class Later(Mapping[K, V], Generic[K, V]):
    """A mapping whose keys are known, and whose values are read.

    Parameters
    ----------
    keys : iterable
    read : callable
        Reads the value of a key.
    """

    def __init__(self, keys: Iterable[K], read: Callable[[K], V]) -> None:
        self._keys, self._read = dict.fromkeys(keys), read

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._keys)

    def __iter__(self) -> Iterator[K]:
        """Give the keys."""
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        """Whether there is such a key, without reading its value."""
        return key in self._keys

    def __getitem__(self, key: K) -> V:
        """Read a value."""
        if key not in self._keys:
            raise KeyError(key)
        return self._read(key)


@dataclass(frozen=True)
class _Bins:
    """Stands for `padscope.tallies.Bins`."""

    centre: Array
    spread: Array

    def edges(self) -> NDArray[np.float64]:
        return bin_edges(self.centre, self.spread)


@dataclass(frozen=True)
class _Tally:
    """Stands for `padscope.tallies.Tally`: what is counted finely."""

    fine: Array


class _LaterFirst:
    """Stands for `padscope.measurements.FirstImages`."""

    def __init__(self, facts: Mapping[str, Any], read: Callable[[str], Array]) -> None:
        keys = [(site, condition) for site, condition in facts["maps"]]
        self.maps = Later(keys, lambda key: read(f"{key[0]}/map/{key[1]}"))
        self.borders = Later(facts["borders"], lambda site: read(f"{site}/borders"))
        self._read, self._pictured = read, facts["photos"]

    @cached_property
    def photos(self) -> Array | None:
        return self._read("photos") if self._pictured else None


class _LaterCounts:
    """Stands for `Counts`: what those ask for who look at a run, as NumPy arrays.

    Anything else is what `read` gives, `Counts` themselves.
    """

    def __init__(
        self, file: Path, part: str, facts: Mapping[str, Any], read: Callable[[], Counts]
    ) -> None:
        self.images = int(facts["images"])
        self.skipped = tuple(Skipped(*skip) for skip in facts["skipped"])
        self.bins = Later(
            facts["bins"],
            lambda site: _Bins(self._array(f"{site}/centre"), self._array(f"{site}/spread")),
        )
        self.first = _LaterFirst(facts, self._array) if facts["first"] else None
        self._file, self._part, self._whole = file, part, read
        self._streams = {(site, key) for site, key in facts["tallies"]}
        self._tally = lru_cache(2)(self._read_tally)  # of one site, which are asked for in turn

    def near(self, site: str) -> _Tally:
        return self._tally(site, f"{PADDED}/{NEAR}")

    def near_real(self, site: str) -> _Tally | None:
        key = f"{REAL}/{NEAR}"
        return self._tally(site, key) if (site, key) in self._streams else None

    def mean_map(self, site: str) -> Array:
        assert self.first is not None
        return self.first.maps[site, PADDED]

    def _read_tally(self, site: str, key: str) -> _Tally:
        return _Tally(self._array(f"{site}/{key}/fine"))

    def _array(self, name: str) -> Array:
        with readable(self._file):
            return self._stored[f"{self._part}/{name}"]

    @cached_property
    def _stored(self) -> PackedFile[Array]:
        with unpacking(self._file, np.asarray) as stored:
            return stored

    @cached_property
    def _counts(self) -> Counts:
        return self._whole()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what pickle and copy look for
            raise AttributeError(name)
        return getattr(self._counts, name)


def later_counts(
    file: Path, part: str, facts: Mapping[str, Any], read: Callable[[], Counts]
) -> Counts:
    """Stand for counts in a file, of which its header tells images and what was skipped.

    Parameters
    ----------
    file : Path
    part : str
        Of the stage's counts in it.
    facts : mapping
        Of the file's header: see `Counts.pack`.
    read : callable
        Reads all of them.
    """
    return cast("Counts", _LaterCounts(file, part, facts, read))


class Pictures:
    """Kernels and mean maps of a file that is read once.

    Parameters
    ----------
    read : callable
        Gives portraits and kernels.
    portraits : int
        How many there are.
    sites : tuple of str
        Those whose kernels there are.
    """

    def __init__(
        self,
        read: Callable[[], tuple[tuple[Portrait, ...], dict[str, Kernels]]],
        portraits: int,
        sites: tuple[str, ...],
    ) -> None:
        self._read, self.count = read, portraits
        self.kernels = Later(sites, lambda site: self.found[1][site])

    @cached_property
    def found(self) -> tuple[tuple[Portrait, ...], dict[str, Kernels]]:
        """What the file holds."""
        return self._read()


class LaterPortraits(Sequence["Portrait"]):
    """Portraits of a file."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        """Count them."""
        return self._pictures.count

    @overload
    def __getitem__(self, place: int) -> Portrait: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Portrait, ...]: ...
    def __getitem__(self, place: int | slice) -> Portrait | tuple[Portrait, ...]:
        """Read one, or some."""
        return self._pictures.found[0][place]
