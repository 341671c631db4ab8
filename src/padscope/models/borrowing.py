"""Borrow someone's module for a measurement and give it back exactly as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


@contextmanager
def as_found(module: M, *, channels_last: bool = True) -> Iterator[M]:
    """Put a module in eval mode for the length of a block, then restore all of it.

    Restored, however the block ends: every submodule's ``training`` flag; every parameter's
    storage, strides, ``requires_grad`` and ``grad``; every buffer and its values. Hooks are not
    touched. Inside the block ``grad`` is None, so gradients never add to the owner's.

    Parameters
    ----------
    module : torch.nn.Module
        Any module. An exported program has no modes: it runs as it was exported.
    channels_last : bool
        Whether 2D convolutions get their weights in channels-last order meanwhile, which is the
        faster order on CPUs and changes results by rounding only. Only torch's own convolutions:
        a ``forward`` of someone else's may take views that this order forbids.

    Yields
    ------
    torch.nn.Module
        The same module.
    """
    found = _Found.of(module)
    try:
        # Flags are set one by one: `eval()` is refused by exported programs, and where someone
        # overrides it (to merge adapters, to fold branches) there is no undoing what it did.
        for child, _ in found.training:
            child.training = False
        for parameter in found.parameters:
            parameter.tensor.grad = None
        if channels_last:
            _to_channels_last(module)
        yield module
    finally:
        found.restore()


@dataclass(frozen=True)
class _FoundParameter:
    tensor: nn.Parameter
    data: torch.Tensor  # shares the parameter's storage, and keeps it alive
    requires_grad: bool
    grad: torch.Tensor | None

    @classmethod
    def of(cls, tensor: nn.Parameter) -> _FoundParameter:
        return cls(tensor, tensor.data, tensor.requires_grad, tensor.grad)

    def restore(self) -> None:
        if not self.tensor.data.is_set_to(self.data):
            self.tensor.data = self.data
        self.tensor.requires_grad = self.requires_grad
        self.tensor.grad = self.grad


@dataclass(frozen=True)
class _FoundBuffer:
    owner: nn.Module
    name: str
    tensor: torch.Tensor
    data: torch.Tensor
    values: torch.Tensor

    @classmethod
    def of(cls, owner: nn.Module, name: str, tensor: torch.Tensor) -> _FoundBuffer:
        return cls(owner, name, tensor, tensor.data, tensor.detach().clone())

    def restore(self) -> None:
        # A scripted module hands out a new handle at every look: there is no object to put back.
        scripted = isinstance(self.owner, torch.jit.ScriptModule)
        if not scripted and self.owner._buffers.get(self.name) is not self.tensor:
            self.owner._buffers[self.name] = self.tensor
        if self.tensor.layout is not torch.strided:  # it cannot be compared; nothing writes to it
            return
        if not self.tensor.data.is_set_to(self.data):
            self.tensor.data = self.data
        # Written only when it differs: a write would invalidate graphs the owner still holds.
        if not torch.equal(self.tensor, self.values):
            with torch.no_grad():
                self.tensor.copy_(self.values)


@dataclass(frozen=True)
class _Found:
    """The state of a module at one moment. Tied parameters appear once."""

    training: list[tuple[nn.Module, bool]]
    parameters: list[_FoundParameter]
    buffers: list[_FoundBuffer]

    @classmethod
    def of(cls, module: nn.Module) -> _Found:
        buffers = [
            _FoundBuffer.of(owner, name, tensor)
            for owner in module.modules()
            for name, tensor in owner._buffers.items()
            if tensor is not None
        ]
        return cls(
            # Freezing a scripted module removes its mode altogether.
            training=[(m, m.training) for m in module.modules() if hasattr(m, "training")],
            parameters=[_FoundParameter.of(tensor) for tensor in module.parameters()],
            buffers=buffers,
        )

    def restore(self) -> None:
        for parameter in self.parameters:
            parameter.restore()
        for buffer in self.buffers:
            buffer.restore()
        for child, training in self.training:
            child.training = training


def _to_channels_last(module: nn.Module) -> None:
    # Inference tensors, should the caller be in that mode, could carry no gradient in the block.
    with torch.inference_mode(mode=False), torch.no_grad():
        for child in module.modules():
            if not isinstance(child, (nn.Conv2d, nn.ConvTranspose2d)):
                continue
            own_forward = type(child).forward not in (nn.Conv2d.forward, nn.ConvTranspose2d.forward)
            weight = child._parameters.get("weight")  # None where a parametrization computes it
            if weight is not None and not own_forward:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
