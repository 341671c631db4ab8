"""A study as a directory, and the checkpoints of its stages.

``tallies.safetensors`` is checkpoint and result in one: the counts so far, how many units they
come from, and whether that is all; ``contrasts.safetensors`` is the same for explaining. Each is
replaced in one step, so that a run killed at any moment goes on from the last one.
``manifest.json`` is written first and names what the directory belongs to: a run of another model,
other images or other settings is refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from padscope.errors import PadscopeError
from padscope.paths import MISSING, file_problem
from padscope.store.files import FILES, MAPS, dump_json, write_atomically, write_table
from padscope.store.kept import pack_kept, read_kept
from padscope.store.loading import load_study
from padscope.store.manifest import (
    SCHEMA,
    UNFINISHED,
    differing_parts,
    manifest_of,
    read_manifest,
)
from padscope.store.pictures import pack_pictures
from padscope.study import CONTRASTED, EXPLAIN, IMPACT, SCAN, Kept, Study
from padscope.study.baselines import USUAL
from padscope.study.stage import Scores
from padscope.study.stages import BESIDE
from padscope.tables.schema import tables_of

EXPLAINED_FILES, IMPACT_FILES = (
    tuple(table.file for table in tables_of(stage)) for stage in (EXPLAIN, IMPACT)
)


@dataclass
class RunDirectory:
    """A directory that one run writes to, and may be resumed from; a `Journal` for `scan`.

    Parameters
    ----------
    path : Path
        Made if it is missing.
    every : float
        Seconds between checkpoints.
    leads : bool
        Whether this process writes: of several that run one command, one does.

    Examples
    --------
    >>> study = scan(model, images, journal=RunDirectory(Path("runs/r50")))  # doctest: +SKIP
    """

    path: Path
    every: float = 60.0
    leads: bool = True

    def __post_init__(self) -> None:
        """Start the clock."""
        self.path = Path(self.path)
        self._stage, self._identity = SCAN, dict[str, Any]()
        self._last = time.monotonic()

    def begin(self, stage: str, identity: dict[str, Any]) -> Kept:
        """Take possession of the directory for a stage, or go on in it.

        Returns
        -------
        Kept
            What the stage of this identity has done so far. An explanation or an impact of another
            identity is started over: it takes nothing but time.

        Raises
        ------
        PadscopeError
            The directory is another run's, holds other files, or cannot be written; or the stage
            before is not finished, or is another one's.
        """
        # As it will be read back: tuples are lists there.
        self._stage, self._identity = stage, json.loads(dump_json(identity))
        if stage == SCAN:
            self._take_possession()
        elif stage == EXPLAIN:
            self._go_on_from_scan()
        elif stage in BESIDE:
            self._require_scan()
        else:
            self._go_on_from_explanation()
        return read_kept(self.path, stage, self._identity) or Kept()

    def _take_possession(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # A run killed while it wrote its manifest has left this much.
            files = any(file.name != "manifest.json.part" for file in self.path.iterdir())
        except OSError as error:
            raise PadscopeError(
                f"cannot use {self.path} as output: {error.strerror or error}; "
                "choose another directory"
            ) from error
        manifest = self.path / "manifest.json"
        if file_problem(manifest) != MISSING:
            found = read_manifest(self.path)["identity"]
            if differing := differing_parts(found, self._identity):
                raise PadscopeError(
                    f"{self.path} is a run with other {', '.join(differing)}; "
                    "choose another output directory, or remove this one"
                )
        elif files:
            raise PadscopeError(
                f"{self.path} contains files that are not from a padscope run; choose another "
                "output directory"
            )
        else:
            write_atomically(manifest, dump_json({"schema": SCHEMA, "identity": self._identity}))

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        return time.monotonic() - self._last >= self.every

    def keep(self, kept: Kept) -> None:
        """Replace what the stage has done by what is newer."""
        write_atomically(self.path / FILES[self._stage], pack_kept(kept, self._identity))
        self._last = time.monotonic()

    def _require_scan(self) -> dict[str, Any]:
        """Return the manifest of the finished scan that a stage goes on from."""
        manifest = read_manifest(self.path)
        if manifest.keys() == UNFINISHED:
            raise PadscopeError(f"the run in {self.path} is not finished; run the same scan again")
        if manifest["identity"] != self._identity["scan"]:
            raise PadscopeError(
                f"{self.path} is the run of another scan; give the directory of this one"
            )
        return manifest

    def _go_on_from_scan(self) -> None:
        manifest = self._require_scan()
        so_far = read_kept(self.path, EXPLAIN, self._identity)
        if so_far is None and manifest["explanation"] is not None:
            # Its counts are about to be replaced; without them the directory could not be read.
            write_atomically(
                self.path / "manifest.json",
                dump_json(manifest | {"explanation": None, "impact": None}),
            )
            self._drop([*EXPLAINED_FILES, *IMPACT_FILES, FILES[IMPACT]])

    def _go_on_from_explanation(self) -> None:
        manifest = read_manifest(self.path)
        if manifest.keys() == UNFINISHED or manifest["explanation"] is None:
            raise PadscopeError(
                f"the run in {self.path} is not explained yet; run padscope explain {self.path} "
                "first"
            )
        if manifest["explanation"]["identity"] != self._identity["explanation"]:
            raise PadscopeError(
                f"{self.path} is the run of another explanation; give the directory of this one"
            )

    def as_explained(self, study: Study) -> Study:
        """Return the study of this directory if it is the given one, explained already."""
        if not self.leads:
            return study
        try:
            found = load_study(self.path)
        except PadscopeError:
            return study
        same = found.explanation is not None and found.identity == study.identity
        return found if same else study

    def save(self, study: Study) -> None:
        """Write everything else there is of a study; to a new directory, all of it.

        Tables of stages that it lacks are dropped.

        Raises
        ------
        ValueError
            A table is not as `padscope.tables.schema` has it. Nothing is written then.
        """
        if not self.leads:
            return
        tables = _checked_tables(study)
        if not (self.path / "manifest.json").exists():
            self._begin_with(study)
        for file, table in tables.items():
            write_table(self.path / file, table)
        write_atomically(self.path / MAPS, pack_pictures(study))
        write_atomically(self.path / "manifest.json", dump_json(manifest_of(study)))
        # Only now, when nothing says any more that they are there.
        self._drop([] if study.explanation else EXPLAINED_FILES)
        self._drop([] if study.impact else IMPACT_FILES)
        for stage in BESIDE:
            self._drop([] if getattr(study, stage) else [t.file for t in tables_of(stage)])

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def _begin_with(self, study: Study) -> None:
        """Begin a directory with the counts that the stages of a study would have left in it."""
        self.begin(SCAN, study.identity)
        self.keep(Kept({SCAN: study.counted}))
        if study.explanation:
            self._stage = EXPLAIN
            self._identity = json.loads(dump_json(study.explanation.identity))
            networks = study.explanation.networks
            tables: dict[str, Scores] = {
                str(name): table
                for (name,), table in networks.group_by(["network"], maintain_order=True)
            }
            tables[USUAL] = study.explanation.usual
            self.keep(Kept({CONTRASTED: study.explanation.counts}, tables))


def _checked_tables(study: Study) -> dict[str, pl.DataFrame]:
    """All tables of a study by the names of their files, each as the schema has it."""
    found = {SCAN: {table.name: getattr(study, table.name) for table in tables_of(SCAN)}}
    if explanation := study.explanation:
        made = tables_of(EXPLAIN)
        found[EXPLAIN] = {table.name: getattr(explanation, table.name) for table in made}
    if study.impact:
        found[IMPACT] = study.impact.tables
    for stage in BESIDE:
        if beside := getattr(study, stage):
            found[stage] = beside.tables
    tables = {}
    for stage, by_name in found.items():
        for table in tables_of(stage):
            tables[table.file] = by_name[table.name]
            table.check(by_name[table.name], found)
    return tables
