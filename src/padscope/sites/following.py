"""What a torch call makes of the padding inside a tensor that it is given.

An operation that works on every value alone turns padding of one value into padding of another:
which one is found by asking it, with the very arguments of the call. Copies of the input's own
values stay copies of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from padscope.sites.fill_words import ZEROS, constant_value, describe_fill
from padscope.sites.focus import unobserved
from padscope.sites.padding import PaddedTensors, has_storage

# Operations that leave every value, but for its type, and so all padding, in place.
VALUE_PRESERVING = frozenset(
    {"contiguous", "to", "clone", "detach", "detach_", "float", "half", "bfloat16", "double",
     "type", "cuda", "cpu", "alias", "_to_copy", "type_as", "identity", "as_tensor",
     "requires_grad_", "share_memory_"}
)  # fmt: skip

# Operations on every value alone, whatever is beside it: without underscores at either end. None
# draws random numbers, and batch norm is none of them: it makes another value of every channel.
POINTWISE = frozenset(
    {"relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "silu", "gelu", "hardswish",
     "hardsigmoid", "hardtanh", "hardshrink", "softshrink", "tanhshrink", "softplus", "softsign",
     "tanh", "sigmoid", "logsigmoid", "log_sigmoid", "mish", "threshold", "clamp", "clamp_min",
     "clamp_max", "clip", "add", "sub", "mul", "div", "pow", "radd", "rsub", "rmul", "rdiv",
     "rpow", "iadd", "isub", "imul", "idiv", "subtract", "multiply", "divide", "true_divide",
     "truediv", "rtruediv", "neg", "negative", "abs", "absolute", "square", "sqrt", "rsqrt",
     "reciprocal", "exp", "expm1", "log", "log1p", "sin", "cos", "erf", "sign", "round", "floor",
     "ceil", "trunc", "nan_to_num", "fill", "zero"}
)  # fmt: skip
_DROPOUTS = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout"})


def follow_call(
    padded: PaddedTensors,
    function: Callable[..., Any],
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    result: Any,
    written: Sequence[Tensor],
) -> None:
    """Follow padding through a call that has run.

    Parameters
    ----------
    padded : PaddedTensors
        Takes note of what the call made of them.
    function, name, args, kwargs, result
        As of `carried_fills`; the result is anything.
    written : sequence of Tensor
        From `written_to`.
    """
    given = tensors_among([*args, *kwargs.values()])
    operation = name.strip("_") if name.startswith("__") else name.lstrip("_")
    carried = None
    if given and isinstance(result, Tensor) and (padding := padded.padding_of(given[0])):
        fills = carried_fills(function, name, args, kwargs, given[0], result, padding.fills)
        carried = None if fills is None else replace(padding, fills=fills)
    for tensor in written:
        padded.overwrite(tensor, operation, known=None if carried is None else result)
    if carried is not None:
        padded.follow(result, carried)
    if tensors_among([result]):  # not of reads such as x.shape
        for source in given[carried is not None :]:
            padded.lose(source, operation)


def carried_fills(
    function: Callable[..., Any],
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    source: Tensor,
    result: Tensor,
    fills: Sequence[str],
) -> tuple[str, ...] | None:
    """Tell what the padding of a call's first tensor holds in the call's result.

    Parameters
    ----------
    function : callable
        What was called, with `args` and `kwargs`; it is called again, on a value of each fill.
    name : str
        Of `operation_name`.
    source, result : Tensor
        The first tensor among the arguments, whose values may have been written over, and the
        result.
    fills : sequence of str
        See `ExplicitPadding.fills`.

    Returns
    -------
    tuple of str or None
        One for each of `fills`; None if the padding cannot be followed.
    """
    plain = name.strip("_")
    if plain in _DROPOUTS:
        scales = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else True))
        return tuple(fills) if not scales or all(fill == ZEROS for fill in fills) else None
    if name in VALUE_PRESERVING:
        function, args, kwargs = torch.Tensor.to, (source, result.dtype), {}
    elif plain not in POINTWISE or result.shape != source.shape or "out" in kwargs:
        return None
    if not all(_is_alike_everywhere(value, source, plain) for value in (*args, *kwargs.values())):
        return None
    carried: list[str] = []
    for fill in fills:
        value = constant_value(fill)
        made = fill if value is None else _made_of(value, function, args, kwargs, source)
        if made is None:
            return None
        carried.append(made)
    return tuple(carried)


def _is_alike_everywhere(value: Any, source: Tensor, name: str) -> bool:
    """Whether an argument is the same for every value of a map."""
    if not isinstance(value, Tensor):
        return True
    return value is source or value.numel() == 1 or name == "prelu"


def _made_of(
    value: float,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    source: Tensor,
) -> str | None:
    """Call a pointwise function on one value of every channel; name what it makes of them all."""
    if not has_storage(source) or source.is_complex():
        return None
    with torch.no_grad(), unobserved():
        shape = [n if axis == 1 else 1 for axis, n in enumerate(source.shape)]
        probe = source.new_full(shape, value)
        made = function(
            *(probe if given is source else given for given in args),
            **{key: probe if given is source else given for key, given in kwargs.items()},
        )
        found = set(made.double().flatten().tolist())
    return describe_fill("constant", *found) if len(found) == 1 else None


def written_to(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Tensors among a call's arguments that it writes to."""
    in_place = (name.endswith("_") and not name.endswith("__")) or kwargs.get("inplace")
    written = [kwargs.get("out")]
    if (in_place or name in ("__setitem__", "__set__")) and name not in VALUE_PRESERVING:
        written += args[:1] or [kwargs.get("input", kwargs.get("self"))]
    return tensors_among(written)


def tensors_among(values: Sequence[Any]) -> list[Tensor]:
    """Tensors among the arguments or results of a call, and in lists among them."""
    lists = (value if isinstance(value, (list, tuple)) else (value,) for value in values)
    return [value for values in lists for value in values if isinstance(value, Tensor)]
