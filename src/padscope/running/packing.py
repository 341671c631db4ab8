"""States as bytes, for the way from one process to another."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from padscope.running.loop import Packed

_FACTS = "facts"
_LENGTH = 8  # bytes that say how long the next part is
# Most of what is sent are counts, and most of these fit into a byte. The others are listed, if
# there is one in so many at most: place and value together take up to 40 bytes.
_FEW = 40


def to_bytes(packed: Packed) -> bytes:
    """Write a packed state down; `from_bytes` reads it. No code is ever run by reading.

    Tensor by tensor: beside the state and the bytes, memory is taken for one of them.
    """
    facts = torch.frombuffer(bytearray(json.dumps(packed.facts).encode()), dtype=torch.uint8)
    content = io.BytesIO()
    every = (_in_parts(name, tensor) for name, tensor in packed.tensors.items())
    for parts in itertools.chain([{_FACTS: facts}], every):
        part = save(with_own_memory(parts))
        content.write(len(part).to_bytes(_LENGTH, "little"))
        content.write(part)
    return content.getvalue()


def from_bytes(content: bytes) -> Packed:
    """Read what `to_bytes` wrote: tensors of the same types."""
    facts: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    whole, at = memoryview(content), 0
    while at < len(whole):
        first = at + _LENGTH
        at = first + int.from_bytes(whole[at:first], "little")
        parts = load(bytes(whole[first:at]))
        if _FACTS in parts:
            facts = json.loads(bytes(parts[_FACTS].numpy()))
            continue
        key, tensor = next(iter(parts.items()))
        part, name = key.split("/", 1)
        if part != "whole":
            rest = parts[f"rest/{name}"]
            tensor = parts[f"low/{name}"].to(rest.dtype)
            tensor[parts[f"places/{name}"].unbind(1)] = rest
        tensors[name] = tensor
    return Packed(tensors, facts)


def _in_parts(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Take a tensor of small integers apart: low bytes, and values that are more than that."""
    if tensor.dtype in (torch.int16, torch.int32, torch.int64) and tensor.ndim:
        low = tensor.to(torch.uint8)
        places = (low != tensor).nonzero()
        if _FEW * len(places) <= tensor.numel():
            rest = tensor[places.unbind(1)]
            return {f"low/{name}": low, f"places/{name}": places, f"rest/{name}": rest}
    return {f"whole/{name}": tensor}


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
