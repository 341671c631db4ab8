"""Borrow someone's module for a measurement and give it back exactly as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from padscope.models.loaded import as_dense
from padscope.models.quantisation import freeze_observers

M = TypeVar("M", bound=nn.Module)

SEED = 0
HOOKS = tuple(name for name in vars(nn.Module()) if "hooks" in name)
REGISTERS = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", *HOOKS)


@contextmanager
def as_found(module: M, *, channels_last: bool = True) -> Iterator[M]:
    """Put a module in eval mode for the length of a block, then restore all of it.

    Restored, however the block ends: which submodules, parameters, buffers and other attributes
    there are, so that what a first pass makes is gone; every submodule's ``training`` flag; every
    parameter's storage, strides, ``requires_grad`` and ``grad``; every buffer's values; which hooks
    there are, so that those that a first pass registers are not there twice after the next. Inside
    the block ``grad`` is None, so gradients never add to the owner's, and torch's CPU generator
    starts from one seed, so that layers made in a first pass are the same in every block; its
    state is put back too. Observers of fake quantisation, which follow every batch, rest.

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
    generator = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(SEED)
        set_eval(module)
        freeze_observers(module)
        for parameter in found.parameters:
            parameter.tensor.grad = None
        if channels_last:
            _to_channels_last(module)
        yield module
    finally:
        found.restore()
        torch.set_rng_state(generator)


def set_eval(module: nn.Module) -> None:
    """Put a module and all within it in eval mode, without calling any of its code.

    `eval()` is refused by exported programs; it calls `train()`, which some classes override to
    merge adapters, to fold branches or even to train, and there is no undoing what that does.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place, in its ``training`` flags only.
    """
    for child in modes_of(module):
        child.training = False


def modes_of(module: nn.Module) -> dict[nn.Module, bool]:
    """Look up the mode of a module and of all within it.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.

    Returns
    -------
    dict of torch.nn.Module to bool
        Whether each is in training mode. Freezing a scripted module removes its mode altogether.
    """
    return {child: child.training for child in module.modules() if hasattr(child, "training")}


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
    tensor: torch.Tensor
    data: torch.Tensor
    values: torch.Tensor

    @classmethod
    def of(cls, tensor: torch.Tensor) -> _FoundBuffer:
        return cls(tensor, tensor.data, tensor.detach().clone())

    def restore(self) -> None:
        dense = as_dense(self.data) is self.data
        if dense and not self.tensor.data.is_set_to(self.data):
            self.tensor.data = self.data
        # Written only when it differs: a write would invalidate graphs the owner still holds.
        if not torch.equal(as_dense(self.tensor), as_dense(self.values)):
            with torch.no_grad():
                self.tensor.copy_(self.values)


@dataclass(frozen=True)
class _FoundAttributes:
    module: nn.Module
    attributes: dict[str, Any]
    contents: dict[str, Any]  # of those that a module registers things in

    @classmethod
    def of(cls, module: nn.Module) -> _FoundAttributes:
        attributes = dict(vars(module))
        contents = {name: attributes[name].copy() for name in REGISTERS if name in attributes}
        return cls(module, attributes, contents)

    def restore(self) -> None:
        # Past `__setattr__`, which registers and which classes override.
        _restore(vars(self.module), self.attributes)
        for name, content in self.contents.items():
            register = self.attributes[name]
            if isinstance(register, dict):
                _restore(register, content)
            elif register != content:
                register.clear()
                register.update(content)


def _restore(changed: dict[str, Any], found: dict[str, Any]) -> None:
    # The order counts, for it is that of the state dict.
    same = list(changed) == list(found)
    if not same or any(changed[name] is not value for name, value in found.items()):
        changed.clear()
        changed.update(found)


@dataclass(frozen=True)
class _Found:
    """The state of a module at one moment. Tied parameters appear once."""

    modes: dict[nn.Module, bool]
    attributes: list[_FoundAttributes]
    parameters: list[_FoundParameter]
    buffers: list[_FoundBuffer]

    @classmethod
    def of(cls, module: nn.Module) -> _Found:
        return cls(
            modes=modes_of(module),
            attributes=[
                _FoundAttributes.of(child)
                for child in module.modules()
                # What runs in a scripted module can register nothing.
                if not isinstance(child, torch.jit.ScriptModule)
            ],
            parameters=[_FoundParameter.of(tensor) for tensor in module.parameters()],
            buffers=[_FoundBuffer.of(tensor) for tensor in module.buffers()],
        )

    def restore(self) -> None:
        found: list[_FoundAttributes | _FoundParameter | _FoundBuffer]
        found = [*self.attributes, *self.parameters, *self.buffers]
        for each in found:
            each.restore()
        for child, training in self.modes.items():
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
