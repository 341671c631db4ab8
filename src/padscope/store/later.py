"""What a run directory holds and few ask for: read, and PyTorch imported, once somebody does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast, overload

from padscope.images.skipped import Skipped

if TYPE_CHECKING:
    from padscope.measurements import Counts
    from padscope.study import Kernels, Portrait


class _LaterCounts:
    """How many images were counted; the counts are read when they are asked for."""

    def __init__(self, facts: Mapping[str, Any], read: Callable[[], Counts]) -> None:
        self.images = int(facts["images"])
        self.skipped = tuple(Skipped(*skip) for skip in facts["skipped"])
        self._read = read

    @cached_property
    def _counts(self) -> Counts:
        return self._read()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what pickle and copy look for
            raise AttributeError(name)
        return getattr(self._counts, name)


def later_counts(facts: Mapping[str, Any], read: Callable[[], Counts]) -> Counts:
    """Stand for counts, of which a file's header tells images and what was skipped."""
    return cast("Counts", _LaterCounts(facts, read))


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
        self._read, self.count, self.sites = read, portraits, sites

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


class LaterKernels(Mapping[str, "Kernels"]):
    """Kernels of a file, by site."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        """Count the sites."""
        return len(self._pictures.sites)

    def __iter__(self) -> Iterator[str]:
        """Name the sites."""
        return iter(self._pictures.sites)

    def __getitem__(self, site: str) -> Kernels:
        """Read those of a site."""
        return self._pictures.found[1][site]
