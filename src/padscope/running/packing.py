"""States as bytes, for the way from one process to another."""

from __future__ import annotations

import json

import torch
from safetensors.torch import load, save

from padscope.running.loop import Packed

_FACTS = "facts"


def to_bytes(packed: Packed) -> bytes:
    """Write a packed state down; `from_bytes` reads it. No code is ever run by reading."""
    facts = torch.frombuffer(bytearray(json.dumps(packed.facts).encode()), dtype=torch.uint8)
    tensors = {f"t/{name}": tensor.contiguous() for name, tensor in packed.tensors.items()}
    return save(tensors | {_FACTS: facts})


def from_bytes(content: bytes) -> Packed:
    """Read what `to_bytes` wrote."""
    tensors = load(content)
    facts = json.loads(bytes(tensors.pop(_FACTS).numpy()))
    return Packed({name.removeprefix("t/"): tensor for name, tensor in tensors.items()}, facts)
