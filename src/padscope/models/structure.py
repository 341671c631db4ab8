"""What a module's own structure says about its input."""

from __future__ import annotations

import torch
from torch import fx, nn
from torch._ops import OpOverload
from torch.nn.modules.conv import _ConvNd

from padscope.errors import PadscopeError

TRACED = "padscope_traced_shape"  # where a module converted from a file has its input's shape

NORMS = ("batch", "layer", "group", "instance", "filterresponse", "rms")  # as classes are called


def spatial_dims(module: nn.Module) -> int:
    """Count the spatial axes of a module's input.

    Guessed from the first convolution. A program exported or scripted has lost its convolution
    modules: there the traced input decides, or else the parameter of the highest rank up to 5
    (a position embedding has a lower one).

    Parameters
    ----------
    module : torch.nn.Module
        Any module.

    Returns
    -------
    int
        1, 2 or 3; 2 if the module has no weight to tell.

    Examples
    --------
    >>> spatial_dims(nn.Conv3d(1, 1, 3))
    3
    """
    shape = traced_input_shape(module) or _kernel_shape(module)
    return len(shape) - 2 if shape else 2


def input_channels(module: nn.Module) -> int | None:
    """Count the channels that the first convolution takes: a guess, where no input was traced.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.

    Returns
    -------
    int or None
        None if the module has no weight to tell.
    """
    shape = traced_input_shape(module) or _kernel_shape(module)
    return shape[1] if shape else None


def traced_input_shape(module: nn.Module) -> tuple[int | None, ...] | None:
    """Read the shape of the first input of an exported program, or of a converted one.

    Parameters
    ----------
    module : torch.nn.Module
        Any module; only what `torch.export` makes, and what has been converted from a file of
        another format that fixes them, carries shapes.

    Returns
    -------
    tuple of (int or None), or None
        (N, C, *spatial), None where the program leaves an axis free; None for other modules.
    """
    if (known := getattr(module, TRACED, None)) is not None:
        return tuple(known)
    if not isinstance(module, fx.GraphModule):
        return None
    placeholders = (node for node in module.graph.nodes if node.op == "placeholder")
    traced = next((node.meta.get("val") for node in placeholders), None)
    shape = getattr(traced, "shape", ())
    if not 3 <= len(shape) <= 5:
        return None
    return tuple(length if isinstance(length, int) else None for length in shape)


def check_keeps_layers(module: nn.Module, name: str) -> None:
    """Refuse programs, which know neither how their layers start nor modes to run them in.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.
    name : str
        What the error message calls it.

    Raises
    ------
    PadscopeError
        The module, or a part of it, was exported by `torch.export` or is scripted.
    """
    if not keeps_layers(module):
        raise PadscopeError(
            f"{name} is an exported or scripted program, which does not keep its layers: "
            "for a baseline, load the model that it was made from"
        )


def keeps_layers(module: nn.Module) -> bool:
    """Tell whether all of a module's layers are modules: those of programs are operators.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.
    """
    for child in module.modules():
        if isinstance(child, torch.jit.ScriptModule):
            return False
        # Symbolic tracing keeps the layers as modules; exporting leaves operators.
        graph = getattr(child, "graph", None)
        if isinstance(graph, fx.Graph) and any(
            isinstance(node.target, OpOverload) for node in graph.nodes
        ):
            return False
    return True


def norms_of(module: nn.Module) -> str:
    """Name the kinds of normalisation that a module's layers do; "none" for none.

    They are told by the names of the layers' classes. What was folded into convolutions is none.

    Examples
    --------
    >>> norms_of(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4)))
    'batch, group'
    """
    classes = {type(child).__name__.lower().replace("_", "") for child in module.modules()}
    found = [kind for kind in NORMS if any(f"{kind}norm" in name for name in classes)]
    return ", ".join(found) or "none"


def _kernel_shape(module: nn.Module) -> tuple[int, ...] | None:
    """(C_out, C_in, *kernel) of the convolution that comes first, over all its groups."""
    for child in module.modules():
        if isinstance(child, _ConvNd):
            return (child.out_channels, child.in_channels, *child.kernel_size)
    kernels = [tuple(p.shape) for p in module.parameters() if 3 <= p.ndim <= 5]
    return max(kernels, key=len, default=None)
