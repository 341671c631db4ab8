"""Networks of the same architecture without what was learned, or without a part of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from padscope.errors import PadscopeError
from padscope.models.architecture import seeded
from padscope.models.batchnorm import is_batch_norm, is_frozen_norm
from padscope.models.borrowing import set_eval
from padscope.models.load import build_initial
from padscope.models.loaded import LoadedModel, same_weights
from padscope.models.structure import check_keeps_layers

LAYERS = (_ConvNd, nn.Linear)
NORMS = (nn.LayerNorm, nn.RMSNorm)  # the ones whose parameters can have several axes
FROZEN_NORM_START = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
COUNTER = "num_batches_tracked"


def fresh_weights(loaded: LoadedModel, seed: int) -> nn.Module:
    """Build the same architecture with fresh weights.

    A model from `load_model` is built anew, so its authors' initialisation holds. Of a module from
    `wrap_module` only the layers' own ``reset_parameters()`` are known: a copy gets these called,
    parents after their children, and keeps its buffers other than batch-norm statistics.

    Parameters
    ----------
    loaded : LoadedModel
        Left as it is.
    seed : int
        Of the weights. `load_model` builds untrained models under seed 0: take another for theirs.

    Returns
    -------
    torch.nn.Module
        In eval mode, on the device and of the precision of `loaded`.

    Raises
    ------
    PadscopeError
        There is no knowing how the model's weights start, it sets them itself, or it is not built
        with the same shapes twice.
    """
    check_usable(loaded)
    # An owner's inference mode would give tensors that take no gradient later.
    with torch.inference_mode(mode=False):
        if loaded.architecture is None:
            module = _reinitialised(loaded, seed)
        else:
            module = build_initial(loaded.architecture, loaded.spec, seed)
        reference = next((p for p in loaded.module.parameters() if p.is_floating_point()), None)
        if reference is not None:
            module.to(reference)
    _check_same_shapes(module, loaded)
    if same_weights(module, loaded.module):
        raise PadscopeError(
            f"the weights of {loaded.spec} are those that seed {seed} gives: take another seed"
        )
    set_eval(module)
    return module


def shuffled_weights(loaded: LoadedModel, seed: int) -> nn.Module:
    """Copy a model and permute the entries within each of its weight tensors.

    A weight tensor is the weight of a convolution or linear layer, or any other parameter with
    two or more axes longer than 1 that is not a norm's. Biases, norms and scales per channel
    stay. Tied weights are permuted once and stay tied.

    Parameters
    ----------
    loaded : LoadedModel
        Left as it is.
    seed : int
        Of the permutations.

    Returns
    -------
    torch.nn.Module
        In eval mode, with the batch-norm statistics of the original: see `reestimate_batchnorm`.

    Raises
    ------
    PadscopeError
        The model cannot be copied, or computes a weight from other tensors.
    """
    check_usable(loaded)
    computed = _computed_weight(loaded.module)
    if computed is not None:
        raise PadscopeError(
            f"the weight of {computed} in {loaded.spec} is computed from other tensors, which "
            "cannot be shuffled for it: remove its parametrization, weight norm or pruning first"
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode(mode=False), torch.no_grad():
        module = copied(loaded)
        for weight in weight_tensors(module):
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view(weight.shape))
    set_eval(module)
    return module


def without_shifts(loaded: LoadedModel) -> nn.Module:
    """Copy a model and set the shift of every batch norm to zero.

    The shift is the bias that batch norm adds last. It is what makes zero, the value of padding, a
    usual or an unusual one for the layers behind; scales, kernels and all other biases stay.

    Parameters
    ----------
    loaded : LoadedModel
        Left as it is.

    Returns
    -------
    torch.nn.Module
        In eval mode, with the batch-norm statistics of the original, which belong to other
        values from the second layer on: see `reestimate_batchnorm`.

    Raises
    ------
    PadscopeError
        No batch norm of the model has a shift (they are folded into the convolutions, or there are
        none), a shift is computed from other tensors, or the model cannot be copied.
    """
    check_keeps_layers(loaded.module, loaded.spec)
    with torch.inference_mode(mode=False), torch.no_grad():
        module = copied(loaded)
        norms = {name: child for name, child in module.named_modules() if is_batch_norm(child)}
        computed = [name for name, norm in norms.items() if parametrize.is_parametrized(norm)]
        if computed:
            raise PadscopeError(
                f"a parameter of {computed[0]} in {loaded.spec} is computed from other tensors: "
                "remove its parametrization first"
            )
        shifts = [shift for norm in norms.values() if (shift := _shift(norm)) is not None]
        if not shifts:
            raise PadscopeError(
                f"no batch norm of {loaded.spec} has a shift that could be set to zero: give a "
                "model whose batch norms are modules of their own, not folded into convolutions"
            )
        for shift in shifts:
            shift.zero_()
    set_eval(module)
    return module


def _shift(norm: nn.Module) -> Tensor | None:
    return norm._parameters.get("bias", norm._buffers.get("bias"))  # a frozen one keeps a buffer


def check_usable(loaded: LoadedModel) -> None:
    """Refuse programs, and models without weights."""
    check_keeps_layers(loaded.module, loaded.spec)
    if next(weight_tensors(loaded.module), None) is None:
        raise PadscopeError(
            f"{loaded.spec} holds no weights to replace: give a model with convolution layers"
        )


def _check_same_shapes(module: nn.Module, loaded: LoadedModel) -> None:
    fresh, trained = _shapes(module), _shapes(loaded.module)
    later = loaded.made_later - fresh.keys()  # by a pass, as the new one will
    names = [
        name
        for name in {**trained, **fresh}
        if trained.get(name) != fresh.get(name) and name not in later
    ]
    if names:
        raise PadscopeError(
            f"{loaded.spec} built anew differs from the loaded model in {len(names)} weights, "
            f"the first {names[0]}: load it from a factory that always builds the same network"
        )


def _shapes(module: nn.Module) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {
        name: (tensor.shape, tensor.dtype)
        for name, tensor in module.state_dict().items()
        # Extra state is no weight; frozen batch norms, which some libraries use with trained
        # weights only, lack the counter.
        if isinstance(tensor, Tensor) and not name.endswith(COUNTER)
    }


def copied(loaded: LoadedModel) -> nn.Module:
    """Copy a model's module, or say that it cannot be copied."""
    try:
        return copy.deepcopy(loaded.module)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise PadscopeError(
            f"{loaded.spec} cannot be copied ({type(error).__name__}: {reason}): "
            "give a model that copy.deepcopy can copy"
        ) from error


def _reinitialised(loaded: LoadedModel, seed: int) -> nn.Module:
    # Layers draw on their own device, and only the CPU's generator is seeded and put back.
    module = copied(loaded).cpu()
    for parameter in module.parameters():
        # A value that no initialisation leaves behind shows afterwards what was not reset.
        if parameter.is_floating_point():
            parameter.data.fill_(torch.nan)
    try:
        seeded(lambda: _reset(module), seed)
    except Exception as error:
        raise PadscopeError(
            f"reset_parameters() of a layer in {loaded.spec} failed with {type(error).__name__}: "
            "load the model by a spec, package.module:factory"
        ) from error
    for name, parameter in module.named_parameters():
        if not parameter.is_floating_point() or bool(parameter.isnan().any()):
            raise PadscopeError(
                f"no reset_parameters() sets {name} of {loaded.spec}, so its initial values are "
                "not known: load the model by a spec, package.module:factory"
            )
    return module


def _reset(module: nn.Module) -> nn.Module:
    # Backwards, so that what a block does to its layers comes after what they do themselves.
    for child in reversed(list(module.modules())):
        reset = getattr(child, "reset_parameters", None)
        if callable(reset):
            reset()
        elif is_frozen_norm(child):
            for name, value in FROZEN_NORM_START.items():
                if isinstance(buffer := child._buffers.get(name), Tensor):
                    buffer.fill_(value)
    return module


def weight_tensors(module: nn.Module) -> Iterator[nn.Parameter]:
    """Give each weight tensor once, however many layers it is tied to."""
    yield from dict.fromkeys(
        parameter
        for child in module.modules()
        for parameter in child.parameters(recurse=False)
        if _is_weight(child, parameter)
    )


def _is_weight(owner: nn.Module, parameter: nn.Parameter) -> bool:
    if isinstance(owner, LAYERS) and parameter is owner._parameters.get("weight"):
        return True
    return not isinstance(owner, NORMS) and sum(length > 1 for length in parameter.shape) >= 2


def _computed_weight(module: nn.Module) -> str | None:
    for name, child in module.named_modules():
        without = isinstance(child, LAYERS) and child._parameters.get("weight") is None
        if without or parametrize.is_parametrized(child):
            return name or type(child).__name__
    return None
