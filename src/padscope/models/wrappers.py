"""Modules that only run another one: in parallel, or compiled."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

COMPILED = "_orig_mod"  # where torch.compile keeps the module; to import its class takes seconds


def unwrapped(module: nn.Module) -> tuple[nn.Module, str]:
    """Take a module out of what only runs it.

    What is inside computes the same, up to the rounding of compiled kernels; the names of its
    layers and the identity of its weights are then those that it has by itself.

    Parameters
    ----------
    module : torch.nn.Module
        Not changed.

    Returns
    -------
    inner : torch.nn.Module
        The module itself where nothing is around it.
    said : str
        What it was taken out of, in words; "" for nothing.

    Examples
    --------
    >>> unwrapped(DataParallel(nn.ReLU()))
    (ReLU(), 'taken out of DataParallel')
    """
    around: list[str] = []
    while True:
        if [name for name, _ in module.named_children()] == [COMPILED]:
            around.append("torch.compile")
            module = module.get_submodule(COMPILED)
        elif isinstance(module, DataParallel | DistributedDataParallel):
            around.append(type(module).__name__)
            module = module.module
        else:
            return module, f"taken out of {' and '.join(around)}" if around else ""
