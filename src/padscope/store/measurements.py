"""What measuring the impact has found as a file, which it can go on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from padscope.engines import Measured
from padscope.images import Skipped
from padscope.store.files import readable


def pack_measured(parts: Mapping[str, Measured], identity: dict[str, Any]) -> bytes:
    """Pack what has been measured, part by part, and whose it is."""
    tensors: dict[str, Tensor] = {}
    described = {}
    for part, measured in parts.items():
        found = {"rows": measured.rows, "sums": measured.sums}
        tensors |= {
            f"{part}/{kind}/{name}": tensor.contiguous()
            for kind, named in found.items()
            for name, tensor in named.items()
        }
        described[part] = {
            "units": measured.units,
            "images": list(measured.images),
            "skipped": [[skip.index, skip.name, skip.reason] for skip in measured.skipped],
            "complete": measured.complete,
        } | {kind: list(named) for kind, named in found.items()}
    progress = {"identity": identity, "parts": described}
    return save(tensors, {"progress": json.dumps(progress)})


def read_measured(path: Path, identity: dict[str, Any]) -> dict[str, Measured]:
    """Read what has been measured; nothing if there is no file, or it is another's."""
    if not path.exists():
        return {}
    with readable(path) as file, safe_open(file, framework="pt") as tensors:
        progress = json.loads(tensors.metadata()["progress"])
        if progress["identity"] != identity:
            return {}

        def named(part: str, kind: str, names: list[str]) -> dict[str, Tensor]:
            return {name: tensors.get_tensor(f"{part}/{kind}/{name}") for name in names}

        return {
            part: Measured(
                found["units"], tuple(found["images"]),
                tuple(Skipped(*skip) for skip in found["skipped"]),
                named(part, "rows", found["rows"]), named(part, "sums", found["sums"]),
                found["complete"],
            )
            for part, found in progress["parts"].items()
        }  # fmt: skip
