"""A study as a directory, and the checkpoints of a run.

``tallies.safetensors`` is checkpoint and result in one: the counts so far, how many units they
come from, and whether that is all. It is replaced in one step, so that a run killed at any moment
goes on from the last one. ``manifest.json`` is written first and names what the directory belongs
to: a run of another model, other images or other settings is refused.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from padscope.engines import Counted
from padscope.errors import PadscopeError
from padscope.images import Skipped
from padscope.study import Portrait, Study
from padscope.tallies import Bins, SiteCalibration, Tally

SCHEMA = 1
TABLES = ("sites", "filters", "sides")
# How reading a damaged file fails.
DAMAGE = (OSError, SafetensorError, pl.exceptions.PolarsError, ValueError, KeyError, TypeError)
# What the manifest holds until the run has come to its end, and then.
UNFINISHED = {"schema", "identity"}
FINISHED = UNFINISHED | {"model", "images", "counted", "skipped", "portraits"}


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step: whoever reads it sees the old content or the new.

    Raises
    ------
    PadscopeError
        The file cannot be written.
    """
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise PadscopeError(
            f"cannot write {path}: {error.strerror or error}; choose another output directory"
        ) from error


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
        identity = json.loads(_dump(identity))  # as it will be read back: tuples are lists there
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
            write_atomically(manifest, _dump({"schema": SCHEMA, "identity": identity}))
        return _read_counted(self.path)

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        return time.monotonic() - self._last >= self.every

    def checkpoint(self, counted: Counted) -> None:
        """Replace the counts by newer ones."""
        write_atomically(self.path / "tallies.safetensors", _pack_counted(counted))
        self._last = time.monotonic()

    def save(self, study: Study) -> None:
        """Write everything else there is of a study."""
        for name in TABLES:
            table: pl.DataFrame = getattr(study, name)
            content = io.BytesIO()
            table.write_parquet(content)
            write_atomically(self.path / f"{name}.parquet", content.getvalue())
        portraits: dict[str, Tensor] = {}
        for portrait in study.portraits:
            key = f"{portrait.site}/{portrait.filter}"
            portraits |= {f"{key}/kernel": portrait.kernel, f"{key}/map": portrait.mean_map}
        write_atomically(self.path / "maps.safetensors", save(portraits))
        manifest = {
            "schema": SCHEMA,
            "identity": study.identity,
            "model": study.model,
            "images": study.images,
            "counted": study.counted.images,
            "skipped": [[skip.index, skip.name, skip.reason] for skip in study.counted.skipped],
            "portraits": [[portrait.site, portrait.filter] for portrait in study.portraits],
        }
        write_atomically(self.path / "manifest.json", _dump(manifest))


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
    counted = _read_counted(path)
    if counted is None:
        raise PadscopeError(f"{path / 'tallies.safetensors'} is missing; run the same scan again")
    tables = {name: _read_table(path / f"{name}.parquet") for name in TABLES}
    with _readable(path / "maps.safetensors") as file, safe_open(file, framework="pt") as maps:
        portraits = tuple(
            Portrait(
                site, index, maps.get_tensor(f"{site}/{index}/kernel"),
                maps.get_tensor(f"{site}/{index}/map"),
            )
            for site, index in manifest["portraits"]
        )  # fmt: skip
    return Study(
        manifest["identity"], manifest["model"], manifest["images"], **tables, counted=counted,
        portraits=portraits,
    )  # fmt: skip


def _read_table(path: Path) -> pl.DataFrame:
    with _readable(path) as file:
        return pl.read_parquet(io.BytesIO(file.read_bytes()))


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Refuse a file of a run that is missing or damaged, in one sentence."""
    try:
        yield path
    except FileNotFoundError as error:
        raise PadscopeError(f"{path} is missing; run the same scan again") from error
    except DAMAGE as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise PadscopeError(
            f"{path} is damaged ({reason}); remove the directory and scan again"
        ) from error


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


def _dump(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    if not file.is_file():
        raise PadscopeError(f"{path} is no padscope run: it has no manifest.json")
    with _readable(file):
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


def _pack_counted(counted: Counted) -> bytes:
    tensors: dict[str, Tensor] = {}
    for name, tally in counted.tallies.items():
        calibration = counted.calibration[name]
        tensors |= {
            f"{name}/fine": _smallest(tally.fine),
            f"{name}/folds": _smallest(tally.folds),
            f"{name}/centre": calibration.bins.centre,
            f"{name}/spread": calibration.bins.spread,
            f"{name}/map": calibration.mean_map,
        }
    progress = {
        "units": counted.units,
        "images": counted.images,
        "skipped": [[skip.index, skip.name, skip.reason] for skip in counted.skipped],
        "complete": counted.complete,
        "sites": list(counted.tallies),
    }
    return save({k: t.contiguous() for k, t in tensors.items()}, {"progress": json.dumps(progress)})


def _smallest(counts: Tensor) -> Tensor:
    """Narrow counts to the type that holds them: files shrink to a half or a quarter."""
    most = int(counts.max()) if counts.numel() else 0
    fitting = next(t for t in (torch.uint8, torch.int16, torch.int32) if most <= torch.iinfo(t).max)
    return counts.to(fitting)


def _read_counted(path: Path) -> Counted | None:
    file = path / "tallies.safetensors"
    if not file.exists():
        return None
    with _readable(file), safe_open(file, framework="pt") as tensors:
        progress = json.loads(tensors.metadata()["progress"])
        calibration, tallies = {}, {}
        for name in progress["sites"]:
            part = {
                key: tensors.get_tensor(f"{name}/{key}")
                for key in ("fine", "folds", "centre", "spread", "map")
            }
            calibration[name] = SiteCalibration(Bins(part["centre"], part["spread"]), part["map"])
            tallies[name] = Tally(part["fine"].int(), part["folds"].int())
        return Counted(
            progress["units"], progress["images"],
            tuple(Skipped(*skip) for skip in progress["skipped"]), calibration, tallies,
            progress["complete"],
        )  # fmt: skip
