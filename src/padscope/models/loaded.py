"""A model ready to be measured, and the identity of its weights."""

from __future__ import annotations

import ctypes
import hashlib
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.models.adapter import InputAdapter
from padscope.models.architecture import Architecture
from padscope.models.preprocessing import Preprocessing

WeightsAre = Literal["given", "random", "unknown"]


@dataclass(frozen=True)
class LoadedModel:
    """A module with all that a run must know about it.

    Attributes
    ----------
    module : torch.nn.Module
        The network. From `load_model` it is in eval mode; from `wrap_module`, as it was given.
    spec : str
        What the user typed, or "package.module.ClassName" for a module from Python.
    weights : str
        Where the weights come from, in words.
    weights_hash : str
        BLAKE2b of the state dict, in hexadecimal: the identity of the weights.
    preprocessing : Preprocessing or None
        What to feed the module. None only from `wrap_module`, when the size is not known: the
        module can then be fed ready tensors but no images.
    input_channels : int or None
        Channels of the input; None if nothing tells.
    static_batch : int or None
        The batch size an exported program is fixed to; None if any will do.
    weights_are : str
        What is known of them: ``given`` (published with the model or read from a file), ``random``,
        or ``unknown`` (as a factory, a program or a module from Python has them).
    architecture : Architecture or None
        What `load_model` built the module from; None from `wrap_module`.
    input_adapter : InputAdapter or None
        What makes of images what forward takes; it is attached to `module`.
    """

    module: nn.Module
    spec: str
    weights: str
    weights_hash: str
    preprocessing: Preprocessing | None
    input_channels: int | None
    static_batch: int | None = None
    weights_are: WeightsAre = "unknown"
    architecture: Architecture | None = field(default=None, repr=False, compare=False)
    input_adapter: InputAdapter | None = None
    _names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note what the module has before it runs."""
        object.__setattr__(self, "_names", frozenset(self.module.state_dict()))

    @property
    def made_later(self) -> frozenset[str]:
        """Names in the state dict that the module did not have when it was loaded."""
        return frozenset(self.module.state_dict()) - self._names

    def describe(self) -> str:
        """Sum the model up in one line for people."""
        count = sum(p.numel() for p in self.module.parameters())
        parameters = (
            plural(count, "parameter") if count < 1e5 else f"{count / 1e6:.3g} M parameters"
        )
        parts = [
            f"{type(self.module).__name__}, {parameters}",
            f"{self.weights} ({self.weights_hash[:8]})",
            self._describe_input(),
        ]
        if (precision := self._describe_precision()) != "float32":
            parts.append(f"computes in {precision}")
        if self.input_adapter:
            parts.append(f"input by {self.input_adapter.name}")
        if self.static_batch is not None:
            parts.append(f"batch fixed at {self.static_batch}")
        return f"{self.spec}: " + ", ".join(parts)

    def _describe_precision(self) -> str:
        weight = next((p for p in self.module.parameters() if p.is_floating_point()), None)
        return str(torch.float32 if weight is None else weight.dtype).removeprefix("torch.")

    def _describe_input(self) -> str:
        if self.preprocessing is None:
            known = self.input_channels
            channels = plural(known, "channel") if known else "unknown channels"
            return f"input of {channels}, size not known"
        shape = "×".join(map(str, (self.preprocessing.channels, *self.preprocessing.size)))
        mean, std = (
            "/".join(f"{value:g}" for value in dict.fromkeys(values))
            for values in (self.preprocessing.mean, self.preprocessing.std)
        )
        return f"input {shape}, mean {mean}, std {std}"


def hash_weights(module: nn.Module) -> str:
    """Compute the identity of a module's weights.

    Parameters
    ----------
    module : torch.nn.Module
        On any device; memory format does not matter.

    Returns
    -------
    str
        BLAKE2b in hexadecimal over names, dtypes, shapes and bytes of the state dict, in order.

    Raises
    ------
    PadscopeError
        The module is lazy and has no weights yet, or on the meta device and has no values.
    """
    digest = hashlib.blake2b(digest_size=32)
    for name, tensor in _weights_of(module).items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # Not by way of numpy: what it has looked at can no longer be resized.
        flat = as_dense(tensor).detach().cpu().contiguous()
        digest.update((ctypes.c_char * flat.nbytes).from_address(flat.data_ptr()))
    return digest.hexdigest()


def _weights_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """Read the state dict, and refuse weights that have no values."""
    tensors = {
        name: tensor
        for name, tensor in module.state_dict().items()
        if isinstance(tensor, torch.Tensor)  # a module's extra state is no weight
    }
    for name, tensor in tensors.items():
        if is_lazy(tensor):
            raise PadscopeError(
                f"the weight {name} of {type(module).__name__} is not initialised: "
                "run the model once on a batch first"
            )
        if tensor.is_meta:
            raise PadscopeError(
                f"the weight {name} of {type(module).__name__} is on the meta device and has no "
                "values: build the model on another one"
            )
    return tensors


def same_weights(module: nn.Module, other: nn.Module) -> bool:
    """Compare the weights of two modules as `hash_weights` does, most often by a few of them.

    Parameters
    ----------
    module, other : torch.nn.Module
        On one device.

    Raises
    ------
    PadscopeError
        As `hash_weights` does.
    """
    ours, theirs = _weights_of(module), _weights_of(other)
    return list(ours) == list(theirs) and all(
        mine.dtype == theirs[name].dtype and torch.equal(as_dense(mine), as_dense(theirs[name]))
        for name, mine in ours.items()
    )


def as_dense(tensor: torch.Tensor) -> torch.Tensor:
    """Give the values of a tensor of whatever layout, quantised or not, as a dense one.

    Parameters
    ----------
    tensor : torch.Tensor
        Returned itself where it is dense.
    """
    if tensor.is_quantized:
        return tensor.dequantize()
    return tensor if tensor.layout == torch.strided else tensor.to_dense()
