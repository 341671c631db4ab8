"""States as bytes, for the way from one process to another."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from padscope.running.loop import Packed

_FACTS = "facts"


def to_bytes(packed: Packed) -> bytes:
    """Write a packed state down; `from_bytes` reads it. No code is ever run by reading."""
    facts = torch.frombuffer(bytearray(json.dumps(packed.facts).encode()), dtype=torch.uint8)
    tensors = {f"t/{name}": tensor for name, tensor in packed.tensors.items()}
    return save(with_own_memory(tensors | {_FACTS: facts}))


def from_bytes(content: bytes) -> Packed:
    """Read what `to_bytes` wrote."""
    tensors = load(content)
    facts = json.loads(bytes(tensors.pop(_FACTS).numpy()))
    return Packed({name.removeprefix("t/"): tensor for name, tensor in tensors.items()}, facts)


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
