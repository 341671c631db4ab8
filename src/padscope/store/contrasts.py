"""What explaining has done as a file, which is checkpoint and result in one."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from padscope.engines import Contrasted, FirstImages
from padscope.images import Skipped
from padscope.store.counts import smallest
from padscope.store.files import readable
from padscope.study import Explained
from padscope.tallies import Bins, Tally


def pack_explained(explained: Explained, identity: dict[str, Any]) -> bytes:
    """Pack what explaining has done, and whose it is."""
    contrasted = explained.contrasted
    tensors: dict[str, Tensor] = {}
    for name, bins in (contrasted.bins or {}).items():
        tensors |= {f"{name}/centre": bins.centre, f"{name}/spread": bins.spread}
    for (name, key), tally in (contrasted.tallies or {}).items():
        tensors |= {f"{name}/{key}/fine": smallest(tally.fine)}
        tensors |= {f"{name}/{key}/folds": smallest(tally.folds)}
    first = contrasted.first or FirstImages()
    for name, (padded, real) in first.maps.items():
        tensors |= {f"{name}/map/padded": padded, f"{name}/map/real": real}
        tensors |= {f"{name}/borders": first.borders[name]}
    if first.photos is not None:
        tensors |= {"photos": first.photos}
    progress = {
        "identity": identity,
        "units": contrasted.units,
        "images": contrasted.images,
        "skipped": [[skip.index, skip.name, skip.reason] for skip in contrasted.skipped],
        "complete": contrasted.complete,
        "bins": list(contrasted.bins or {}),
        "tallies": [list(key) for key in contrasted.tallies or {}],
        "maps": list(first.maps),
        "photos": first.photos is not None,
        "networks": {
            name: scores if isinstance(scores, str) else {"table": scores.write_json()}
            for name, scores in explained.networks.items()
        },
    }
    return save({k: t.contiguous() for k, t in tensors.items()}, {"progress": json.dumps(progress)})


def read_explained(path: Path, identity: dict[str, Any]) -> Explained | None:
    """Read what explaining has done; None if there is no file, or it is another's."""
    if not path.exists():
        return None
    with readable(path) as file, safe_open(file, framework="pt") as tensors:
        progress = json.loads(tensors.metadata()["progress"])
        if progress["identity"] != identity:
            return None
        get = tensors.get_tensor
        bins = {
            name: Bins(get(f"{name}/centre"), get(f"{name}/spread")) for name in progress["bins"]
        }
        tallies = {
            (name, key): Tally(get(f"{name}/{key}/fine").int(), get(f"{name}/{key}/folds").int())
            for name, key in progress["tallies"]
        }
        pictured = progress.get("maps", ())  # which earlier versions did not keep
        first = FirstImages(
            {name: (get(f"{name}/map/padded"), get(f"{name}/map/real")) for name in pictured},
            {name: get(f"{name}/borders") for name in pictured},
            get("photos") if progress.get("photos") else None,
        )
        contrasted = Contrasted(
            progress["units"], progress["images"],
            tuple(Skipped(*skip) for skip in progress["skipped"]), bins or None, tallies or None,
            progress["complete"], first,
        )  # fmt: skip
        return Explained(contrasted, _networks(progress["networks"]))


def _networks(packed: dict[str, Any]) -> dict[str, pl.DataFrame | str]:
    return {
        name: scores if isinstance(scores, str) else _table(scores["table"])
        for name, scores in packed.items()
    }


def _table(text: str) -> pl.DataFrame:
    deciles = pl.List(pl.Float64)  # which an empty list would not tell
    overrides = {"response_deciles": deciles, "causal_deciles": deciles}
    return pl.read_json(io.StringIO(text), schema_overrides=overrides)
