"""States as bytes, for the way from one process to another."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from padscope.running.loop import Packed

_FACTS = "facts"
# Most of what is sent are counts, and most of these fit into a byte. The others are listed, if
# there is one in so many at most: place and value together take up to 40 bytes.
_FEW = 40


def to_bytes(packed: Packed) -> bytes:
    """Write a packed state down; `from_bytes` reads it. No code is ever run by reading."""
    facts = torch.frombuffer(bytearray(json.dumps(packed.facts).encode()), dtype=torch.uint8)
    tensors = {_FACTS: facts}
    for name, tensor in packed.tensors.items():
        tensors |= {f"{part}/{name}": each for part, each in _in_parts(tensor).items()}
    return save(with_own_memory(tensors))


def from_bytes(content: bytes) -> Packed:
    """Read what `to_bytes` wrote: tensors of the same types."""
    parts = load(content)
    facts = json.loads(bytes(parts.pop(_FACTS).numpy()))
    tensors = {}
    for key, tensor in parts.items():
        part, name = key.split("/", 1)
        if part == "whole":
            tensors[name] = tensor
        elif part == "low":
            rest = parts[f"rest/{name}"]
            tensors[name] = tensor.to(rest.dtype)
            tensors[name][parts[f"places/{name}"].unbind(1)] = rest
    return Packed(tensors, facts)


def _in_parts(tensor: Tensor) -> dict[str, Tensor]:
    """Take a tensor of small integers apart: low bytes, and values that are more than that."""
    if tensor.dtype in (torch.int16, torch.int32, torch.int64) and tensor.ndim:
        low = tensor.to(torch.uint8)
        places = (low != tensor).nonzero()
        if _FEW * len(places) <= tensor.numel():
            return {"low": low, "places": places, "rest": tensor[places.unbind(1)]}
    return {"whole": tensor}


def with_own_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors contiguously and each with memory of its own, as the file format wants them.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        In any layout; several may share memory, as the kernels of tied weights do.
    """
    own: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        whole = tensor.detach().contiguous()
        memory = whole.untyped_storage().data_ptr()
        own[name] = whole.clone() if memory in taken else whole
        taken.add(memory)
    return own
