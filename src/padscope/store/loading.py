"""From a run directory back to a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import polars as pl

from padscope import store
from padscope.errors import PadscopeError
from padscope.images.skipped import Skipped
from padscope.store.files import FILES, MAPS, read_header, read_table, readable
from padscope.store.later import LaterPortraits, Pictures, later_counts
from padscope.store.manifest import UNFINISHED, read_manifest
from padscope.study import (
    CONTRASTED,
    EXPLAIN,
    IMPACT,
    SCAN,
    Depth,
    Explanation,
    Impact,
    Retrofit,
    Sizes,
    Study,
    Swaps,
    Tiles,
)
from padscope.study.beside import Beside
from padscope.study.stages import DEPTH, RETROFIT, SIZES, SWAPS, TILES
from padscope.tables import responses_alone, without_impact
from padscope.tables.schema import tables_of

if TYPE_CHECKING:
    from padscope.measurements import Counts
    from padscope.study import Kernels, Portrait

Part = TypeVar("Part")
Found = TypeVar("Found", bound=Beside)
Drawn: TypeAlias = "tuple[Sequence[Portrait], Mapping[str, Kernels]]"


def load_study(path: Path | str, *, partial: bool = False) -> Study:
    """Read a finished run.

    Parameters
    ----------
    path : path
        Of the directory.
    partial : bool
        Read what there is of a damaged run: pictures, explanation and impact are left out if their
        files are missing or damaged, and `Study.missing` names them. Without the manifest, the
        three tables or the counts of the scan there is nothing to show.

    Raises
    ------
    PadscopeError
        The directory is no run, is not finished, or its files are damaged.
    """
    path = Path(path)
    manifest = read_manifest(path)
    if manifest.keys() == UNFINISHED:
        raise PadscopeError(f"the run in {path} is not finished; run the same scan again")
    counted, counted_filters = _counts(path, SCAN, SCAN, manifest["identity"], later=partial)
    tables = _read_tables(path, SCAN)
    with readable(path / "sites.parquet"):
        filters = dict(tables["sites"].filter("scored").select("site", "filters").iter_rows())
    with readable(path / FILES[SCAN]):
        if counted_filters != filters:
            raise ValueError("it counts other sites or filters than sites.parquet lists")
    scored = list(filters)
    missing: list[str] = []

    def read(what: str, part: Callable[[], Part], instead: Part) -> Part:
        try:
            return part()
        except PadscopeError as error:
            if not partial:
                raise
            missing.append(f"Not shown: {what}, for {error}.")
            return instead

    nothing: Drawn = (), {}
    portraits, kernels = read(
        "kernels", lambda: _pictures(path, manifest["portraits"], scored, later=partial), nothing
    )
    found = manifest["explanation"]
    explanation = read(
        "causes and impact", lambda: _read_explanation(path, found, later=partial), None
    )
    impact = None
    if explanation is not None:
        impact = read("the impact", lambda: _read_impact(path, manifest["impact"]), None)
    depth = read("the depth", lambda: _read_beside(path, DEPTH, Depth, manifest), None)
    sizes = read("the sizes", lambda: _read_beside(path, SIZES, Sizes, manifest), None)
    swaps = read("the swaps", lambda: _read_beside(path, SWAPS, Swaps, manifest), None)
    tiles = read("the tiles", lambda: _read_beside(path, TILES, Tiles, manifest), None)
    retrofit = read("the retrofit", lambda: _read_beside(path, RETROFIT, Retrofit, manifest), None)
    of_filters = tables["filters"]
    if explanation is None and found is not None:  # its columns would say what nothing shows
        of_filters = responses_alone(of_filters)
    elif impact is None:
        of_filters = without_impact(of_filters)
    return Study(
        manifest["identity"], manifest["model"], manifest["images"], tuple(manifest["size"]),
        tables["sites"], of_filters, tables["sides"], counted, portraits, explanation,
        manifest["invocation"], impact, kernels, tuple(missing),
        tuple(manifest["warnings"]), depth, swaps, sizes, tiles, retrofit,
    )  # fmt: skip


def _counts(
    path: Path, stage: str, part: str, identity: dict[str, Any], *, later: bool
) -> tuple[Counts, dict[str, int]]:
    """Read counts, now or when they are asked for; and how many filters of each site they are of.

    Raises
    ------
    PadscopeError
        They are missing or damaged; later, if only the file's header tells.
    """

    def read() -> Counts:
        kept = store.read_kept(path, stage, identity)
        if kept is None or part not in kept.parts:
            raise _missing(path, stage)
        counts: Counts = kept.parts[part]
        return counts

    if not later:
        counts = read()
        return counts, {site: len(bins.centre) for site, bins in counts.bins.items()}
    with readable(path / FILES[stage]) as file:
        _, header = read_header(file)
        about = header["about"]
        if about["identity"] != identity or part not in about["parts"]:
            raise _missing(path, stage)
        facts = about["parts"][part]["facts"]
        shapes = header["tensors"]
        filters = {site: shapes[f"{part}/{site}/centre"][1][0] for site in facts["bins"]}
        return later_counts(path / FILES[stage], part, facts, read), filters


def _read_tables(path: Path, stage: str) -> dict[str, pl.DataFrame]:
    return {table.name: read_table(path / table.file) for table in tables_of(stage)}


def _missing(path: Path, stage: str) -> PadscopeError:
    return PadscopeError(f"{path / FILES[stage]} is missing; run the same {stage} again")


def _pictures(
    path: Path, shown: Sequence[tuple[str, int]], scored: Sequence[str], *, later: bool
) -> Drawn:
    """Read portraits and kernels, now or when they are asked for."""

    def read() -> tuple[tuple[Portrait, ...], dict[str, Kernels]]:
        return store.read_pictures(path / MAPS, shown, scored)

    if not later:
        return read()
    with readable(path / MAPS) as file:
        names, _ = read_header(file)
        if lacking := [f"{s}/{i}/map" for s, i in shown if f"{s}/{i}/map" not in names]:
            raise ValueError(f"it lacks {lacking[0]}")
    kept = tuple(site for site in scored if f"{site}/total" in names)
    pictures = Pictures(read, len(shown), kept)
    return LaterPortraits(pictures), pictures.kernels


def _read_explanation(
    path: Path, found: dict[str, Any] | None, *, later: bool
) -> Explanation | None:
    if found is None:
        return None
    counts, _ = _counts(path, EXPLAIN, CONTRASTED, found["identity"], later=later)
    tables = _read_tables(path, EXPLAIN)
    return Explanation(
        found["identity"], found["images"], tuple(found["margin"]), counts,
        tables["inherited"], tables["networks"], tables["usual"], tuple(found["warnings"]),
        found["open_training"], tuple(found["notes"]),
    )  # fmt: skip


def _read_impact(path: Path, found: dict[str, Any] | None) -> Impact | None:
    if found is None:
        return None
    return Impact(
        found["identity"], found["images"], found["labels"], found["counted"], found["answer"],
        found["fill"], **_read_tables(path, IMPACT), agreement=found["agreement"],
        skipped=tuple(Skipped(*skip) for skip in found["skipped"]), notes=tuple(found["notes"]),
    )  # fmt: skip


def _read_beside(
    path: Path, stage: str, kind: type[Found], manifest: dict[str, Any]
) -> Found | None:
    """Read what a stage beside the run has found."""
    facts = manifest.get(stage)  # runs of versions that did not have the stage lack the entry
    return None if facts is None else kind.of(facts, _read_tables(path, stage))
