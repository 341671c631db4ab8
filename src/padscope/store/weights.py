"""Weights of a retrofit as a file that loads without padscope, and what is done of one so far."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from safetensors.torch import save

from padscope.errors import PadscopeError
from padscope.store.files import dump_json, write_atomically
from padscope.store.kept import pack_kept, read_kept_file
from padscope.study import Kept, Retrofit


def write_retrofit(path: Path, found: Retrofit) -> None:
    """Write weights in the safetensors format; its metadata tell which layer pads with what.

    Raises
    ------
    PadscopeError
        The file cannot be written.
    """
    # One entry: of several, the order in the file would be another each time.
    write_atomically(path, save(found.weights, {"padding_modes": json.dumps(found.modes)}))


class FileJournal:
    """Keeps what one stage has done in a file of its own; a `Journal`.

    Parameters
    ----------
    path : Path
    every : float
        Seconds between checkpoints.
    """

    def __init__(self, path: Path, every: float) -> None:
        self._path, self._every = path, every
        self._identity: dict[str, Any] = {}
        self._last = time.monotonic()

    def begin(self, stage: str, identity: dict[str, Any]) -> Kept:
        """Open a stage of this identity; what another one has left is written over."""
        # As it will be read back: tuples are lists there.
        self._identity = json.loads(dump_json({"stage": stage} | identity))
        if not self._path.parent.is_dir():
            raise PadscopeError(f"there is no directory {self._path.parent}; make it first")
        return read_kept_file(self._path, self._identity) or Kept()

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        return time.monotonic() - self._last >= self._every

    def keep(self, kept: Kept) -> None:
        """Replace what the stage has done by what is newer."""
        write_atomically(self._path, pack_kept(kept, self._identity))
        self._last = time.monotonic()

    def remove(self) -> None:
        """Forget it: the result stands in a file of its own."""
        self._path.unlink(missing_ok=True)
