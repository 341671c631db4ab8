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

import polars as pl
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from padscope.engines import Counted
from padscope.errors import PadscopeError
from padscope.store.contrasts import pack_explained, read_explained
from padscope.store.counts import pack_counted, read_counted
from padscope.store.files import dump_json, read_table, readable, write_atomically, write_table
from padscope.study import Explained, Explanation, Portrait, Study

SCHEMA = 2
CONTRASTS = "contrasts.safetensors"
TABLES = ("sites", "filters", "sides")
EXPLAINED_TABLES = ("inherited", "networks")
# What the manifest holds until the run has come to its end, and then.
UNFINISHED = {"schema", "identity"}
FINISHED = UNFINISHED | {
    "model", "images", "size", "counted", "skipped", "portraits", "invocation", "explanation",
}  # fmt: skip


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
            found = _read_manifest(self.path)["identity"]
            if differing := _differing(found, identity):
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
        manifest = _read_manifest(self.path)
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
                self.path / "manifest.json", dump_json(manifest | {"explanation": None})
            )
        return so_far

    def keep_explained(self, explained: Explained) -> None:
        """Replace what has been explained by what is newer."""
        content = pack_explained(explained, self._explaining)
        write_atomically(self.path / CONTRASTS, content)
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
        portraits: dict[str, Tensor] = {}
        for portrait in study.portraits:
            key = f"{portrait.site}/{portrait.filter}"
            portraits |= {f"{key}/kernel": portrait.kernel, f"{key}/map": portrait.mean_map}
        write_atomically(self.path / "maps.safetensors", save(portraits))
        write_atomically(self.path / "manifest.json", dump_json(_manifest(study)))


def _manifest(study: Study) -> dict[str, Any]:
    explanation = study.explanation
    return {
        "schema": SCHEMA,
        "identity": study.identity,
        "model": study.model,
        "images": study.images,
        "size": list(study.size),
        "counted": study.counted.images,
        "skipped": [[skip.index, skip.name, skip.reason] for skip in study.counted.skipped],
        "portraits": [[portrait.site, portrait.filter] for portrait in study.portraits],
        "invocation": study.invocation,
        "explanation": None
        if explanation is None
        else {
            "identity": explanation.identity,
            "images": explanation.images,
            "margin": list(explanation.margin),
            "counted": explanation.contrasted.images,
            "notes": list(explanation.notes),
        },
    }


def load_study(path: Path | str) -> Study:
    """Read a finished run.

    Raises
    ------
    PadscopeError
        The directory is no run, is not finished, or its files are damaged.
    """
    path = Path(path)
    manifest = _read_manifest(path)
    if manifest.keys() == UNFINISHED:
        raise PadscopeError(f"the run in {path} is not finished; run the same scan again")
    counted = read_counted(path)
    if counted is None:
        raise PadscopeError(f"{path / 'tallies.safetensors'} is missing; run the same scan again")
    tables = {name: read_table(path / f"{name}.parquet") for name in TABLES}
    with readable(path / "maps.safetensors") as file, safe_open(file, framework="pt") as maps:
        portraits = tuple(
            Portrait(
                site, index, maps.get_tensor(f"{site}/{index}/kernel"),
                maps.get_tensor(f"{site}/{index}/map"),
            )
            for site, index in manifest["portraits"]
        )  # fmt: skip
    return Study(
        manifest["identity"], manifest["model"], manifest["images"], tuple(manifest["size"]),
        tables["sites"], tables["filters"], tables["sides"], counted, portraits,
        _read_explanation(path, manifest["explanation"]), manifest["invocation"],
    )  # fmt: skip


def _read_explanation(path: Path, found: dict[str, Any] | None) -> Explanation | None:
    if found is None:
        return None
    explained = read_explained(path / CONTRASTS, found["identity"])
    if explained is None:
        raise PadscopeError(f"{path / CONTRASTS} is missing; run the same scan and explain again")
    tables: dict[str, pl.DataFrame] = {
        name: read_table(path / f"{name}.parquet") for name in EXPLAINED_TABLES
    }
    return Explanation(
        found["identity"], found["images"], tuple(found["margin"]), explained.contrasted,
        tables["inherited"], tables["networks"], tuple(found["notes"]),
    )  # fmt: skip


def _differing(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Name what differs between two identities: the parts, and within the settings which."""
    differing = []
    for name, value in wanted.items():
        had = found.get(name)
        if isinstance(value, dict) and isinstance(had, dict):
            keys = value.keys() | had.keys()
            differing += [
                f"{key} ({had.get(key)}, now {value.get(key)})"
                for key in sorted(keys)
                if had.get(key) != value.get(key)
            ]
        elif had != value:
            differing.append(name)
    return differing


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    if not file.is_file():
        raise PadscopeError(f"{path} is no padscope run: it has no manifest.json")
    with readable(file):
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if manifest["schema"] != SCHEMA:
            raise PadscopeError(
                f"{path} was written with schema {manifest['schema']}, this version reads "
                f"{SCHEMA}; scan again"
            )
        missing = FINISHED - manifest.keys()
        if missing and manifest.keys() != UNFINISHED:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return manifest
