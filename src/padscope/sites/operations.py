"""What a torch call does as a windowed operation: convolution, pooling, or pad.

Calls reach the interception as public functions (`torch.conv2d`, `F.pad`), as operators of an
exported program (`aten.conv2d.default`, `aten.conv2d.padding`) or as the lower operators that
scripted code runs (`aten.convolution`, `aten.constant_pad_nd`). One table says where each keeps
its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket
from torch.nn import functional as F

from padscope.sites.geometry import Window
from padscope.sites.padding import ZEROS, ExplicitPadding, describe_fill, join_fills

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_CONV_T = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_CONVOLUTION = (*_CONV[:6], "transposed", "output_padding", "groups")
_QUANTIZED = ("input", "packed")
_MAX_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVG_POOL = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

ARGUMENTS: dict[str, tuple[str, ...]] = {
    **{f"conv{d}d": _CONV for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": _CONV_T for d in (1, 2, 3)},
    "convolution": _CONVOLUTION,
    "_convolution": _CONVOLUTION,
    **{f"max_pool{d}d{tail}": _MAX_POOL for d in (1, 2, 3) for tail in ("", "_with_indices")},
    **{f"{kind}_max_pool{d}d": _MAX_POOL for kind in ("mkldnn", "quantized") for d in (1, 2, 3)},
    **{f"avg_pool{d}d": _AVG_POOL for d in (1, 2, 3)},
    "pad": ("input", "pad", "mode", "value"),
    "constant_pad_nd": ("input", "pad", "value"),
    **{f"reflection_pad{d}d": ("input", "pad") for d in (1, 2, 3)},
    **{f"replication_pad{d}d": ("input", "pad") for d in (1, 2, 3)},
    # Windowed operations with padding that are listed, never followed.
    "im2col": ("input", "kernel_size", "dilation", "padding", "stride"),
    "deform_conv2d": ("input", "weight", "offset", "mask", "bias", "stride_h", "stride_w",
                      "pad_h", "pad_w", "dilation_h", "dilation_w", "groups"),
    "mkldnn_convolution": (*_CONV[:3], "padding", "stride", "dilation", "groups"),
    **{f"quantized::conv{d}d{tail}": _QUANTIZED
       for d in (1, 2, 3) for tail in ("", "_relu", "_dynamic")},
    **{f"quantized::conv_transpose{d}d{tail}": _QUANTIZED
       for d in (1, 2, 3) for tail in ("", "_dynamic")},
    **{f"quantized::conv2d_add{tail}": ("input", "addend", "packed") for tail in ("", "_relu")},
}  # fmt: skip
_SCORED = {f"conv{kind}{d}d" for kind in ("", "_transpose") for d in (1, 2, 3)}


_PLAIN_SPACES = ("aten", "torchvision")


@lru_cache(maxsize=4096)
def operation_name(function: Callable[..., Any]) -> str:
    """Name of a torch function or operator, without overload.

    Of operators that are neither torch's nor torchvision's, with their name space.
    """
    if isinstance(function, OpOverload | OpOverloadPacket):
        qualified = (
            function._schema.name
            if isinstance(function, OpOverload)
            else str(function._qualified_op_name)
        )
        space, _, name = str(qualified).rpartition("::")
        return name if space in _PLAIN_SPACES else f"{space}::{name}"
    if function is F.unfold:  # as its operator; `Tensor.unfold` is a view along one axis
        return "im2col"
    return str(getattr(function, "__name__", function))


@lru_cache(maxsize=4096)
def is_unread(name: str) -> bool:
    """Whether an operation is a convolution by name whose arguments are not known."""
    return name not in ARGUMENTS and bool(re.search(r"conv(?!ert)", name)) and "back" not in name


def are_maps(given: Sequence[Any], result: Any) -> bool:
    """Whether a call made a map of a map: tensors of three axes or more."""
    both = (*given, result)
    return len(both) > 1 and all(isinstance(v, Tensor) and v.ndim > 2 for v in both)


@lru_cache(maxsize=4096)
def may_be_windowed(function: Callable[..., Any]) -> bool:
    """Whether a torch function or operator is windowed or a pad, as far as its name tells."""
    name = operation_name(function)
    return name in ARGUMENTS or is_unread(name)


def why_listed(op: str) -> str:
    """Why filters of an operation of this name get no scores; "" if they may."""
    if "pool" in op:
        return "pooling has no filters"
    if op in _SCORED:
        return ""
    if is_unread(op):
        return f"{op} is not known: whether it pads cannot be told"
    if op.startswith("quantized::"):
        return f"{op} computes with quantised values"
    if op.startswith("mkldnn_"):
        return f"{op} computes with MKLDNN tensors"
    return f"{op} is listed, not followed"


def bind(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a call by name, for the operations of `ARGUMENTS`."""
    # Operators call the first argument `self`; every other name agrees.
    named = {"input" if key == "self" else key: value for key, value in kwargs.items()}
    return dict(zip(ARGUMENTS[name], args, strict=False)) | named


@dataclass(frozen=True)
class Operation:
    """A windowed operation as it was called.

    Attributes
    ----------
    op : str
        ``conv2d``, ``conv_transpose1d``, ``max_pool2d``, ``unfold``, …
    window : Window
        Its walk, explicit padding included.
    fill : str
        What the padding holds; "" without padding.
    groups, filters : int
        Groups and output channels; 1 and 0 for what has no weights.
    offset : tuple of int
        Per axis, where the first real value stands in the input that the operation was given:
        behind the explicit padding.
    """

    op: str
    window: Window
    fill: str
    groups: int
    filters: int
    offset: tuple[int, ...]


def _per_axis(value: Any, dims: int) -> tuple[int, ...]:
    values = tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),)
    return values * dims if len(values) == 1 else values


def _own_padding(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> list[Any]:
    if padding == "valid":
        padding = 0
    if padding == "same":  # the odd position of an even window goes to the far end
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)]
    return [_per_axis(padding, len(kernel))] * 2


def read_pad(name: str, arguments: Mapping[str, Any]) -> tuple[Sequence[int], str]:
    """Torch's list of pads, and the fill, of a pad operation."""
    if name.startswith(("reflection", "replication")):
        mode = "reflect" if name.startswith("reflection") else "replicate"
    else:
        mode = arguments.get("mode") or "constant"
    return arguments["pad"], describe_fill(mode, arguments.get("value"))


def read_operation(
    name: str, arguments: Mapping[str, Any], output: Tensor, explicit: ExplicitPadding
) -> Operation:
    """Describe a convolution, pooling or other windowed call.

    Parameters
    ----------
    name : str
        Of an operation that is no pad. Of one that is not in `ARGUMENTS`, only what it took and
        gave is told.
    arguments : mapping
        From `bind`.
    output : Tensor
        What the call returned.
    explicit : ExplicitPadding
        Padding that the input brought along.
    """
    if name not in ARGUMENTS:
        return _unread(name, arguments["input"], output, explicit)
    if name == "deform_conv2d":
        pairs = {"stride": "stride", "padding": "pad", "dilation": "dilation"}
        arguments = {
            **arguments,
            **{k: (arguments[f"{v}_h"], arguments[f"{v}_w"]) for k, v in pairs.items()},
        }
    weight = arguments.get("weight")
    shape = None if weight is None else tuple(weight.shape)
    if "packed" in arguments:
        dims = output.ndim - 2
        shape = tuple(arguments["packed"].unpack()[0].shape)
        shape = (*shape[:2], *shape[-dims:])  # of one axis, two are kept
        kept = ("stride", "padding", "dilation", "groups")
        arguments = {**arguments, **{key: getattr(arguments["packed"], key)() for key in kept}}
        arguments |= {key: arguments[key][-dims:] for key in kept[:3]}
    # Forward passes repeat: what depends on shapes and numbers alone is worked out once.
    return _describe(
        name,
        shape,
        tuple(arguments["input"].shape),
        tuple(output.shape),
        explicit,
        _hashable(arguments.get("kernel_size")),
        _hashable(arguments.get("stride")),
        _hashable(arguments.get("padding")),
        _hashable(arguments.get("dilation")),
        int(arguments.get("groups") or 1),
        "transpose" in name or bool(arguments.get("transposed")),
    )


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=4096)
def _describe(
    name: str,
    weight: tuple[int, ...] | None,
    source: tuple[int, ...],
    output: tuple[int, ...],
    explicit: ExplicitPadding,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    transposed: bool,
) -> Operation:
    if weight is not None:
        dims, kernel = len(weight) - 2, weight[2:]
    else:
        digit = re.search(r"(\d)d", name)
        dims = int(digit[1]) if digit else 2
        kernel = _per_axis(kernel_size, dims)
    steps = _per_axis(stride or (kernel if "pool" in name else 1), dims)
    spread = _per_axis(dilation or 1, dims)
    before, after = _own_padding(padding or 0, kernel, spread)
    own_fill = "-inf" if "max_pool" in name else ZEROS
    explicit = explicit.last(dims)
    ends = zip(source[-dims:], explicit.before, explicit.after, strict=True)
    size, out = tuple(n - b - a for n, b, a in ends), output[-dims:]
    if name == "im2col":  # gives all its windows in one axis
        reach = zip(source[-dims:], before, after, kernel, spread, steps, strict=True)
        out = tuple((n + b + a - d * (k - 1) - 1) // s + 1 for n, b, a, k, d, s in reach)
    if transposed:
        before, after = _transposed_padding(kernel, steps, spread, before, explicit, size, out)
    own = [own_fill] if max(*before, *after) > 0 else []
    if not transposed:
        before = tuple(new + old for new, old in zip(before, explicit.before, strict=True))
        after = tuple(new + old for new, old in zip(after, explicit.after, strict=True))
    label = name.removeprefix("_").removesuffix("_with_indices")
    if label == "convolution":
        label = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    if label == "im2col":
        label = "unfold"
    window = Window(kernel, steps, spread, before, after, size, out, transposed)
    filters = 0 if weight is None else output[-dims - 1]
    fill = join_fills((*explicit.fills, *own))
    return Operation(label, window, fill, groups, filters, explicit.before)


def _unread(name: str, source: Tensor, output: Tensor, explicit: ExplicitPadding) -> Operation:
    dims = min(source.ndim, output.ndim) - 2
    ones, inside = (1,) * dims, explicit.last(dims)
    size, out = tuple(source.shape[-dims:]), tuple(output.shape[-dims:])
    window = Window(ones, ones, ones, inside.before, inside.after, size, out)
    return Operation(name, window, join_fills(explicit.fills), 1, 0, inside.before)


def _transposed_padding(
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    cropped: tuple[int, ...],
    explicit: ExplicitPadding,
    size: tuple[int, ...],
    out: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Find the padding of the plain convolution that equals a transposed one (see `geometry`)."""
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    before = tuple(
        r - c + e * s for r, c, e, s in zip(reach, cropped, explicit.before, stride, strict=True)
    )
    after = tuple(
        (o - 1) + r - b - (n - 1) * s
        for o, r, b, n, s in zip(out, reach, before, size, stride, strict=True)
    )
    return before, after
