"""Which filters of which sites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from operator import index
from typing import Any, TypeAlias

import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.sites import Site

Filters: TypeAlias = (
    "Selection | pl.DataFrame | Mapping[str, Iterable[int] | int | None] | Iterable[str | Site] "
    "| str | Site"
)


@dataclass(frozen=True)
class Selection:
    """Filters by site.

    Attributes
    ----------
    chosen : mapping or None
        Site name → its chosen filters, ascending, or None for all of them. None chooses all
        filters of all sites.
    """

    chosen: Mapping[str, tuple[int, ...] | None] | None = None

    @classmethod
    def of(cls, filters: Filters | None = None, sites: Filters | None = None) -> Selection:
        """Read a selection from what a user may give.

        Parameters
        ----------
        filters : optional
            A mapping from site name to filters (None for all of them), a table with the columns
            ``site`` and ``filter`` such as ``study.pans()``, or names of sites.
        sites : optional
            Names of sites, to which the filters are narrowed down; one with none of them stays
            in the selection, empty.

        Raises
        ------
        PadscopeError
            A table lacks a column, or something is no filter index.

        Examples
        --------
        >>> Selection.of({"stem": [3, 1, 3], "head": None}).chosen
        {'stem': (1, 3), 'head': None}
        >>> Selection.of({"stem": [3], "head": [4]}, sites=["stem"]).chosen
        {'stem': (3,)}
        """
        chosen = None if filters is None else _read(filters)
        narrowed = None if sites is None else _read(sites)
        if chosen is None or narrowed is None:
            return cls(narrowed if chosen is None else chosen)
        return cls({name: chosen.get(name, ()) for name in narrowed})

    @classmethod
    def sites_of(cls, selections: Iterable[Selection]) -> Selection:
        """Choose all filters of the sites that any of some selections names."""
        names = [selection.chosen for selection in selections]
        if None in names:
            return cls()
        return cls(dict.fromkeys(name for chosen in names for name in chosen or ()))

    def at(self, site: str, filters: int) -> tuple[int, ...] | None:
        """Choose among the filters of a site.

        Parameters
        ----------
        site : str
        filters : int
            How many it has.

        Returns
        -------
        tuple of int or None
            None for all of them.

        Raises
        ------
        PadscopeError
            A chosen filter does not exist.
        """
        if self.chosen is None:
            return None
        chosen = self.chosen.get(site, ())
        if chosen and chosen[-1] >= filters:
            raise PadscopeError(
                f"site {site!r} has no filter {chosen[-1]}: its {plural(filters, 'filter')} are 0 "
                f"to {filters - 1}"
            )
        return None if chosen is not None and len(chosen) == filters else chosen

    def check(self, sites: Iterable[Site]) -> None:
        """Refuse what a network's sites do not have.

        Raises
        ------
        PadscopeError
            A chosen site or filter does not exist, or a chosen site has no filters.
        """
        known = {site.name: site for site in sites}
        self.check_names(known)
        for name in self.chosen or ():
            if not known[name].filters:
                raise PadscopeError(f"site {name!r} is a {known[name].op}, which has no filters")
            self.at(name, known[name].filters)

    def check_names(self, known: Iterable[str], where: str = "is in the model") -> None:
        """Refuse chosen sites that are not among the known names."""
        names = dict.fromkeys(known)
        for name in self.chosen or ():
            if name not in names:
                near = get_close_matches(name, names, n=3, cutoff=0.5)
                hint = f"; nearest are {', '.join(map(repr, near))}" if near else ""
                raise PadscopeError(f"no site {name!r} {where}{hint}")


def _read(filters: Filters) -> dict[str, tuple[int, ...] | None] | None:
    if isinstance(filters, Selection):
        return None if filters.chosen is None else dict(filters.chosen)
    if isinstance(filters, pl.DataFrame):
        return _read_table(filters)
    if isinstance(filters, Mapping):
        return {str(name): _indices(name, values) for name, values in filters.items()}
    if isinstance(filters, str | Site):
        filters = [filters]
    return {site.name if isinstance(site, Site) else str(site): None for site in filters}


def _read_table(table: pl.DataFrame) -> dict[str, tuple[int, ...] | None]:
    if missing := {"site", "filter"} - set(table.columns):
        raise PadscopeError(
            f"a table of filters needs the columns site and filter; this one lacks "
            f"{' and '.join(sorted(missing))}"
        )
    by_site: dict[str, list[Any]] = {}
    for name, number in table.select("site", "filter").iter_rows():
        by_site.setdefault(name, []).append(number)
    return {name: _indices(name, numbers) for name, numbers in by_site.items()}


def _indices(site: str, values: Any) -> tuple[int, ...] | None:
    if values is None:
        return None
    listed = list(values) if isinstance(values, Iterable) else [values]
    for value in listed:
        # `True` is an int to Python, and a mask is no list of indices.
        if isinstance(value, bool) or not hasattr(value, "__index__") or index(value) < 0:
            raise PadscopeError(
                f"{value!r} is not a filter of site {site!r}: give indices from 0 on"
            )
    return tuple(sorted({index(value) for value in listed}))
