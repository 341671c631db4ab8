"""What a stage has done as a file, which is checkpoint and result in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from padscope.running import Packed
from padscope.running.packing import with_own_memory
from padscope.store.files import read_tensors, readable
from padscope.study import EXPLAIN, IMPACT, SCAN, Kept

FILES = {
    SCAN: "tallies.safetensors", EXPLAIN: "contrasts.safetensors", IMPACT: "impact.safetensors",
}  # fmt: skip


def pack_kept(kept: Kept, identity: dict[str, Any]) -> bytes:
    """Pack what a stage has done, and whose it is."""
    packed = kept.pack()
    tensors = {name: smallest(tensor) for name, tensor in packed.tensors.items()}
    return save(
        with_own_memory(tensors), {"progress": json.dumps({"identity": identity} | packed.facts)}
    )


def read_kept(path: Path, stage: str, identity: dict[str, Any]) -> Kept | None:
    """Read what a stage has done; None if there is no file, or it is another's.

    Parameters
    ----------
    path : Path
        Of the run directory.
    stage : str
    identity : dict
    """
    file = path / FILES[stage]
    if not file.exists():
        return None
    with readable(file):
        tensors, facts = read_tensors(file)
        if facts.pop("identity") != identity:
            return None
        return Kept.unpack(stage, Packed({n: _widened(t) for n, t in tensors.items()}, facts))


def smallest(counts: Tensor) -> Tensor:
    """Narrow counts to the type that holds them."""
    if counts.dtype not in (torch.int32, torch.int64):
        return counts
    most = int(counts.max()) if counts.numel() else 0
    types = (torch.int16, torch.int32, torch.int64)
    return counts.to(next(t for t in types if most <= torch.iinfo(t).max))


def _widened(tensor: Tensor) -> Tensor:
    return tensor.int() if tensor.dtype == torch.int16 else tensor
