"""Networks of the same architecture without what was learned, or without a part of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.models.batchnorm import is_batch_norm
from padscope.models.borrowing import set_eval
from padscope.models.initial import reset_weights
from padscope.models.load import build_initial
from padscope.models.loaded import LoadedModel, same_weights
from padscope.models.structure import check_keeps_layers

LAYERS = (_ConvNd, nn.Linear)
NORMS = (nn.LayerNorm, nn.RMSNorm)  # the ones whose parameters can have several axes
OTHER_SEED = 2**31  # far from seeds that people take; the generator keeps 32 bits
COUNTER = "num_batches_tracked"


def fresh_weights(loaded: LoadedModel, seed: int) -> nn.Module:
    """Build the same architecture with fresh weights.

    A model from `load_model` is built anew, so its authors' initialisation holds, whatever its
    factory seeds. Of a module from `wrap_module`, and of one whose factory loads weights, only what
    the classes of its layers do is known: see `reset_weights`.

    Parameters
    ----------
    loaded : LoadedModel
        Left as it is.
    seed : int
        Of the weights. Where it gives those that the model has, another is taken.

    Returns
    -------
    torch.nn.Module
        In eval mode, on the device and of the precision of `loaded`.

    Raises
    ------
    PadscopeError
        There is no knowing how the model's weights start, they start the same each time, or it is
        not built with the same shapes twice.
    """
    check_usable(loaded)
    for value in (seed, seed + OTHER_SEED):
        # An owner's inference mode would give tensors that take no gradient later.
        with torch.inference_mode(mode=False):
            if loaded.architecture is None:
                module = copied(loaded)
                reset_weights(module, loaded.spec, value)
            else:
                module = build_initial(loaded.architecture, loaded.spec, value)
                if loaded.input_adapter:
                    loaded.input_adapter.attach(module)
            reference = next((p for p in loaded.module.parameters() if p.is_floating_point()), None)
            if reference is not None:
                module.to(reference)
        _check_same_shapes(module, loaded)
        if not same_weights(module, loaded.module):
            set_eval(module)
            return module
    raise PadscopeError(
        f"the weights of {loaded.spec} start the same whatever the seed, so there is no "
        "other network to compare with: give a model whose initial weights are random"
    )


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
            f"{loaded.spec} built anew differs from the loaded model in "
            f"{plural(len(names), 'weight')}, "
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
