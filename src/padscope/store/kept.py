"""What a stage has done as a file, which is checkpoint and result in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from padscope.running import Packed
from padscope.store.files import FILES
from padscope.store.packing import pack
from padscope.store.unpacking import unpacking
from padscope.study import Kept


def pack_kept(kept: Kept, identity: dict[str, Any]) -> bytes:
    """Pack what a stage has done, and whose it is."""
    packed = kept.pack()
    return pack(packed.tensors, {"identity": identity} | packed.facts)


def read_kept(path: Path, stage: str, identity: dict[str, Any]) -> Kept | None:
    """Read what a stage has done; None if there is no file, or it is another's.

    Parameters
    ----------
    path : Path
        Of the run directory.
    stage : str
    identity : dict

    Raises
    ------
    PadscopeError
        The file is damaged.
    """
    return read_kept_file(path / FILES[stage], identity)


def read_kept_file(file: Path, identity: dict[str, Any]) -> Kept | None:
    """Read what a stage has done from a file of any name; see `read_kept`."""
    if not file.exists():
        return None
    with unpacking(file, torch.from_numpy) as stored:
        facts = stored.about
        if facts.pop("identity") != identity:
            return None
        return Kept.unpack(Packed(stored, facts))
