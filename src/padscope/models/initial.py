"""Initial weights: how the layers of a module come by them, and whether weights look like them."""

from __future__ import annotations

import inspect
import math

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.models.architecture import seeded
from padscope.models.batchnorm import is_frozen_norm
from padscope.models.structure import check_keeps_layers

# What classes call their initialisation, in the order in which they would run it.
RECIPES = (
    "reset_parameters", "_reset_parameters", "initialize_weights", "_initialize_weights",
    "init_weights", "_init_weights",
)  # fmt: skip
APPLIED = "_init_weights"  # takes one module after the other in many classes
FROZEN_NORM_START = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}

CRITICAL = math.sqrt(math.log(2 / 1e-4) / 2)  # exceeded by one in 10,000 pairs of like samples
MOST, FEWEST = 10_000, 64  # entries of a tensor that are compared
# Of the tensors. In 21 untrained networks it was 1 with their authors' initialisation, and .44 to 1
# by that of their layers where they had norms; in 11 trained ones .36 or less.
INITIAL_SHARE = 0.4


def reset_weights(module: nn.Module, spec: str, seed: int) -> None:
    """Give a module new weights by what its layers' own classes do for it.

    Parents run after their children, so that what a block does to its layers holds. Buffers stay,
    other than the statistics of frozen batch norms and what a layer resets itself.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place, and moved to the CPU.
    spec : str
        Its name in error messages.
    seed : int
        For torch's CPU generator, whose state is put back afterwards.

    Raises
    ------
    PadscopeError
        A layer's initialisation fails, none sets some parameter, or the module is a program.
    """
    check_keeps_layers(module, spec)
    module.cpu()  # layers draw on their own device, and only the CPU's generator is seeded
    for parameter in module.parameters():
        # A value that no initialisation leaves behind shows afterwards what was not reset.
        if parameter.is_floating_point():
            parameter.data.fill_(torch.nan)
    try:
        seeded(lambda: _reset(module), seed, ignore_others=True)
    except Exception as error:
        raise PadscopeError(
            f"the initialisation of a layer in {spec} failed with {type(error).__name__}: "
            "load the model by a spec, package.module:factory"
        ) from error
    for name, parameter in module.named_parameters():
        if not parameter.is_floating_point() or bool(parameter.isnan().any()):
            raise PadscopeError(
                f"no reset_parameters() or _init_weights() sets {name} of {spec}, so its initial "
                "values are not known: load the model by a spec, package.module:factory"
            )


def at_initial_values(module: nn.Module, fresh: nn.Module) -> bool:
    """Tell weights that no training has moved.

    A tensor that starts constant, as the scales and shifts of norms do, must still be so; the
    entries of others must pass for a draw from the same distribution, by the two-sample test of
    Smirnov (1948). Half of the tensors decide: an initialisation may be known in part only.

    Parameters
    ----------
    module, fresh : torch.nn.Module
        The network, and what `fresh_weights` makes of it.

    Returns
    -------
    bool
        False where there are no weights to tell.
    """
    theirs = dict(fresh.named_parameters())
    alike = [
        _alike(own, theirs[name])
        for name, own in module.named_parameters()
        if name in theirs and (own.numel() >= FEWEST or _is_constant(theirs[name]))
    ]
    return bool(alike) and sum(alike) >= INITIAL_SHARE * len(alike)


def _reset(module: nn.Module) -> nn.Module:
    for child in reversed(list(module.modules())):
        for name in RECIPES:
            recipe = getattr(child, name, None)
            if not callable(recipe):
                continue
            parameters = inspect.signature(recipe).parameters.values()
            needed = sum(
                each.default is each.empty
                and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
                for each in parameters
            )
            if needed == 0:
                recipe()
            elif needed == 1 and name == APPLIED:
                child.apply(recipe)
        if is_frozen_norm(child):
            for name, value in FROZEN_NORM_START.items():
                if isinstance(buffer := child._buffers.get(name), Tensor):
                    buffer.fill_(value)
    return module


def _alike(own: Tensor, fresh: Tensor) -> bool:
    own, fresh = (each.detach().cpu().float().flatten() for each in (own, fresh))
    if own.shape != fresh.shape:
        return False
    if _is_constant(fresh):
        return torch.equal(own, fresh)
    step = -(-len(own) // MOST)
    ours, theirs = own[::step].sort().values, fresh[::step].sort().values
    count = len(ours)
    places = torch.arange(1, count + 1)
    distance = torch.maximum(
        (torch.searchsorted(theirs, ours, right=True) - places).abs().max(),
        (torch.searchsorted(ours, theirs, right=True) - places).abs().max(),
    )
    return float(distance) / count <= CRITICAL * math.sqrt(2 / count)


def _is_constant(values: Tensor) -> bool:
    return bool((values == values.flatten()[0]).all()) if values.numel() else True
