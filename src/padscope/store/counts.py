"""The counts of a scan as a file, which is checkpoint and result in one."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from padscope.engines import Counted
from padscope.images import Skipped
from padscope.store.files import readable
from padscope.tallies import Bins, SiteCalibration, Tally


def pack_counted(counted: Counted) -> bytes:
    """Pack the counts of a scan."""
    tensors: dict[str, Tensor] = {}
    for name, tally in counted.tallies.items():
        calibration = counted.calibration[name]
        tensors |= {
            f"{name}/fine": smallest(tally.fine),
            f"{name}/folds": smallest(tally.folds),
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


def smallest(counts: Tensor) -> Tensor:
    """Narrow counts to the type that holds them: files shrink to a half or a quarter."""
    most = int(counts.max()) if counts.numel() else 0
    fitting = next(t for t in (torch.uint8, torch.int16, torch.int32) if most <= torch.iinfo(t).max)
    return counts.to(fitting)


def read_counted(path: Path) -> Counted | None:
    """Read the counts of a scan; None if there is no file."""
    file = path / "tallies.safetensors"
    if not file.exists():
        return None
    with readable(file), safe_open(file, framework="pt") as tensors:
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
