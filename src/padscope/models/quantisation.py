"""Quantised networks, and fake quantisation as training that is aware of it puts into one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from padscope.errors import PadscopeError

SWITCHES = {"observer_enabled", "fake_quant_enabled"}
QUANTISED = "torch.ao.nn.quantized.modules.conv"


def freeze_observers(module: nn.Module) -> None:
    """Have fake quantisation keep its ranges, which follow every batch even in eval mode.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place, in its buffers only.
    """
    with torch.no_grad():
        for _, child in _fake_quantisers(module):
            child.get_buffer("observer_enabled").zero_()


def check_observed(module: nn.Module, name: str) -> None:
    """Refuse fake quantisation that has no range yet, and would round to whole numbers.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.
    name : str
        What the error message calls it.

    Raises
    ------
    PadscopeError
        Some fake quantisation is on, and its observer has seen nothing.
    """
    for path, child in _fake_quantisers(module):
        observer = getattr(child, "activation_post_process", None)
        lowest = getattr(observer, "min_val", None)
        if not isinstance(lowest, Tensor) or not bool(child.get_buffer("fake_quant_enabled").any()):
            continue
        if not lowest.numel() or bool(lowest.isinf().all()):
            raise PadscopeError(
                f"the fake quantisation {path} of {name} has seen no values, so its range is not "
                "known: run the model on some batches with its observers enabled, or give the "
                "model from before it was prepared"
            )


def check_unquantised(module: nn.Module, name: str) -> None:
    """Refuse a network none of whose convolutions computes with floats.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.
    name : str
        What the error message calls it.

    Raises
    ------
    PadscopeError
        It has quantised convolutions and no other.
    """
    # Known by where their class stands: importing it takes a second.
    quantised = [
        path
        for path, child in module.named_modules()
        if any(kind.__module__ == QUANTISED for kind in type(child).__mro__)
    ]
    if quantised and not any(isinstance(child, _ConvNd) for child in module.modules()):
        raise PadscopeError(
            f"all convolutions of {name} are quantised ({quantised[0]} first), "
            "and what they compute with cannot be followed: give the network from before it was "
            "converted"
        )


def _fake_quantisers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    # Known by what they hold: importing torch's classes of them takes a second.
    for path, child in module.named_modules():
        if SWITCHES.issubset(name for name, _ in child.named_buffers(recurse=False)):
            yield path, child
