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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from padscope.engines import Counted, Measured
from padscope.errors import PadscopeError
from padscope.store.contrasts import pack_explained, read_explained
from padscope.store.counts import pack_counted, read_counted
from padscope.store.files import dump_json, write_atomically, write_table
from padscope.store.loading import (
    CONTRASTS,
    EXPLAINED_TABLES,
    MAPS,
    TABLES,
    impact_file,
    load_study,
)
from padscope.store.manifest import (
    SCHEMA,
    UNFINISHED,
    differing_parts,
    manifest_of,
    read_manifest,
)
from padscope.store.measurements import pack_measured, read_measured
from padscope.store.pictures import pack_pictures
from padscope.study import Explained, Study

MEASUREMENTS = "impact.safetensors"


@dataclass
class RunDirectory:
    """A directory that one run writes to, and may be resumed from; a `Journal` for `scan`.

    Parameters
    ----------
    path : Path
        Made if it is missing.
    every : float
        Seconds between checkpoints.

    Examples
    --------
    >>> study = scan(model, images, journal=RunDirectory(Path("runs/r50")))  # doctest: +SKIP
    """

    path: Path
    every: float = 60.0

    def __post_init__(self) -> None:
        """Start the clock."""
        self.path = Path(self.path)
        self._explaining: dict[str, Any] = {}
        self._measuring: dict[str, Any] = {}
        self._last = time.monotonic()

    def begin(self, identity: dict[str, Any]) -> Counted | None:
        """Take possession of the directory, or go on in it.

        Returns
        -------
        Counted or None
            What the run of this identity has counted so far.

        Raises
        ------
        PadscopeError
            The directory is another run's, holds other files, or cannot be written.
        """
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
        identity = json.loads(
            dump_json(identity)
        )  # as it will be read back: tuples are lists there
        if manifest.exists():
            found = read_manifest(self.path)["identity"]
            if differing := differing_parts(found, identity):
                raise PadscopeError(
                    f"{self.path} is a run with other {', '.join(differing)}; "
                    "choose another output directory, or remove this one"
                )
        elif files:
            raise PadscopeError(
                f"{self.path} holds files that are no padscope run; choose another output directory"
            )
        else:
            write_atomically(manifest, dump_json({"schema": SCHEMA, "identity": identity}))
        return read_counted(self.path)

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        return time.monotonic() - self._last >= self.every

    def checkpoint(self, counted: Counted) -> None:
        """Replace the counts by newer ones."""
        write_atomically(self.path / "tallies.safetensors", pack_counted(counted))
        self._last = time.monotonic()

    def begin_explaining(self, identity: dict[str, Any]) -> Explained | None:
        """Go on explaining in the directory of a finished scan.

        Returns
        -------
        Explained or None
            What the explanation of this identity has done so far. Another explanation's is
            started over: it takes nothing but time.

        Raises
        ------
        PadscopeError
            The directory holds no finished run, or that of another scan.
        """
        manifest = read_manifest(self.path)
        if manifest.keys() == UNFINISHED:
            raise PadscopeError(f"the run in {self.path} is not finished; run the same scan again")
        self._explaining = json.loads(dump_json(identity))
        if manifest["identity"] != self._explaining["scan"]:
            raise PadscopeError(
                f"{self.path} is the run of another scan; give the directory of this one"
            )
        so_far = read_explained(self.path / CONTRASTS, self._explaining)
        if so_far is None and manifest["explanation"] is not None:
            # Its counts are about to be replaced; without them the directory could not be read.
            write_atomically(
                self.path / "manifest.json",
                dump_json(manifest | {"explanation": None, "impact": None}),
            )
        return so_far

    def keep_explained(self, explained: Explained) -> None:
        """Replace what has been explained by what is newer."""
        content = pack_explained(explained, self._explaining)
        write_atomically(self.path / CONTRASTS, content)
        self._last = time.monotonic()

    def begin_impact(self, identity: dict[str, Any]) -> dict[str, Measured]:
        """Go on measuring the impact in the directory of an explained run.

        Returns
        -------
        dict
            What has been measured so far, by part. Another impact's is started over.

        Raises
        ------
        PadscopeError
            The directory holds no explained run, or that of another explanation.
        """
        manifest = read_manifest(self.path)
        if manifest.keys() == UNFINISHED or manifest["explanation"] is None:
            raise PadscopeError(
                f"the run in {self.path} is not explained yet; run padscope explain {self.path} "
                "first"
            )
        self._measuring = json.loads(dump_json(identity))
        if manifest["explanation"]["identity"] != self._measuring["explanation"]:
            raise PadscopeError(
                f"{self.path} is the run of another explanation; give the directory of this one"
            )
        return read_measured(self.path / MEASUREMENTS, self._measuring)

    def keep_impact(self, parts: Mapping[str, Measured]) -> None:
        """Replace what has been measured by what is newer."""
        write_atomically(self.path / MEASUREMENTS, pack_measured(parts, self._measuring))
        self._last = time.monotonic()

    def as_explained(self, study: Study) -> Study:
        """Return the study of this directory if it is the given one, explained already."""
        try:
            found = load_study(self.path)
        except PadscopeError:
            return study
        same = found.explanation is not None and found.identity == study.identity
        return found if same else study

    def save(self, study: Study) -> None:
        """Write everything else there is of a study."""
        for name in TABLES:
            write_table(self.path / f"{name}.parquet", getattr(study, name))
        if study.explanation:
            for name in EXPLAINED_TABLES:
                write_table(self.path / f"{name}.parquet", getattr(study.explanation, name))
        if study.impact:
            for name, table in study.impact.tables.items():
                write_table(self.path / impact_file(name), table)
        write_atomically(self.path / MAPS, pack_pictures(study))
        write_atomically(self.path / "manifest.json", dump_json(manifest_of(study)))
