"""What a torch call does as a windowed operation: convolution, pooling, or pad.

Calls reach the interception as public functions (`torch.conv2d`, `F.pad`), as operators of an
exported program (`aten.conv2d.default`, `aten.conv2d.padding`) or as the lower operators that
scripted code runs (`aten.convolution`, `aten.constant_pad_nd`). One table, `OPERATIONS`, says what
each takes and does; other packages add to it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket
from torch.nn import functional as F

from padscope.counts import plural
from padscope.errors import PadscopeError, brief
from padscope.plugins import complete
from padscope.sites.fill_words import ZEROS, describe_fill, join_fills
from padscope.sites.geometry import Window
from padscope.sites.padding import ExplicitPadding

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Signature:
    """What a torch function or operator takes, and what it does.

    Attributes
    ----------
    arguments : tuple of str
        Names of what it takes, in order. These have a meaning: ``input``, ``weight``, ``bias``,
        ``stride``, ``padding``, ``dilation``, ``groups``, ``kernel_size`` (of what has no weight),
        ``transposed``. What takes a ``pad``, as torch's list, pads its input and does nothing
        else; it may take a ``mode`` and a ``value``.
    unscored : str
        Why its filters get no scores. "" of a convolution: each output is the sum of its window,
        times the weights (C_out, C_in / groups, *kernel), and of the bias. Its padding can be
        filled anew.
    read : callable, optional
        From arguments by these names to more of them, in place of those of the same name: what is
        always so, or is kept in another form.
    fill : str
        What its own padding holds, such as ``zeros`` or ``-inf``.
    label : str
        What the operation is called in tables; "" for its own name.
    """

    arguments: tuple[str, ...]
    unscored: str = ""
    read: Callable[[Arguments], Arguments] | None = None
    fill: str = ZEROS
    label: str = ""


def _packed(*, transposed: bool) -> Callable[[Arguments], Arguments]:
    def read(given: Arguments) -> Arguments:
        packed, dims = given["packed"], given["input"].ndim - 2
        sizes = {key: getattr(packed, key)()[-dims:] for key in ("stride", "padding", "dilation")}
        shape = tuple(packed.unpack()[0].shape)
        shape = (*shape[:2], *shape[-dims:])  # of one axis, two are kept
        return {**sizes, "groups": packed.groups(), "shape": shape, "transposed": transposed}

    return read


def _pairs(given: Arguments) -> Arguments:
    names = {"stride": "stride", "padding": "pad", "dilation": "dilation"}
    return {key: (given[f"{name}_h"], given[f"{name}_w"]) for key, name in names.items()}


def _always(**known: Any) -> Callable[[Arguments], Arguments]:
    return lambda _given: known


_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_CONV_T = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_CONVOLUTION = (*_CONV[:6], "transposed", "output_padding", "groups")
_MAX_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVG_POOL = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

_POOLING = "pooling has no filters"
_QUANTISED = "{} computes with quantised values"


def _pools(dims: int) -> dict[str, Signature]:
    largest = Signature(_MAX_POOL, _POOLING, fill="-inf")
    return {
        f"avg_pool{dims}d": Signature(_AVG_POOL, _POOLING),
        **{f"{before}max_pool{dims}d": largest for before in ("", "mkldnn_", "quantized_")},
        f"max_pool{dims}d_with_indices": replace(largest, label=f"max_pool{dims}d"),
    }


def _quantised(name: str) -> dict[str, Signature]:
    arguments = ("input", "addend", "packed") if "add" in name else ("input", "packed")
    read = _packed(transposed="transpose" in name)
    return {name: Signature(arguments, _QUANTISED.format(name), read)}


# By name; what installed packages add to it are entry points of the group `OPERATIONS_GROUP`.
OPERATIONS: dict[str, Signature] = {
    **{f"conv{d}d": Signature(_CONV) for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": Signature(_CONV_T, read=_always(transposed=True)) for d in (1, 2, 3)},
    "convolution": Signature(_CONVOLUTION),
    "_convolution": Signature(_CONVOLUTION),
    **{name: pool for d in (1, 2, 3) for name, pool in _pools(d).items()},
    "pad": Signature(("input", "pad", "mode", "value")),
    "constant_pad_nd": Signature(("input", "pad", "value")),
    **{f"{kind}_pad{d}d": Signature(("input", "pad"), read=_always(mode=mode))
       for kind, mode in (("reflection", "reflect"), ("replication", "replicate"))
       for d in (1, 2, 3)},
    # Windowed operations with padding that are listed, never followed.
    "im2col": Signature(
        ("input", "kernel_size", "dilation", "padding", "stride"),
        "unfold is listed, not followed", label="unfold",
    ),
    "deform_conv2d": Signature(
        ("input", "weight", "offset", "mask", "bias", "stride_h", "stride_w",
         "pad_h", "pad_w", "dilation_h", "dilation_w", "groups"),
        "deform_conv2d is listed, not followed", _pairs,
    ),
    "mkldnn_convolution": Signature(
        (*_CONV[:3], "padding", "stride", "dilation", "groups"),
        "mkldnn_convolution computes with MKLDNN tensors",
    ),
    **{name: signature
       for d in (1, 2, 3)
       for kind, tails in ((f"conv{d}d", ("", "_relu", "_dynamic")),
                           (f"conv_transpose{d}d", ("", "_dynamic")))
       for tail in tails
       for name, signature in _quantised(f"quantized::{kind}{tail}").items()},
    **_quantised("quantized::conv2d_add"),
    **_quantised("quantized::conv2d_add_relu"),
}  # fmt: skip
OPERATIONS_GROUP = "padscope.operations"
_OWN = dict(OPERATIONS)


@lru_cache(maxsize=1)
def added_operations() -> dict[str, Signature]:
    """Return what installed packages add to `OPERATIONS`; they are imported once."""
    return complete({}, OPERATIONS_GROUP)


def known_operations() -> dict[str, Signature]:
    """Return `OPERATIONS` and what installed packages add to them.

    Raises
    ------
    PadscopeError
        A package cannot be imported, or an entry is no `Signature`.
    """
    known = {**added_operations(), **OPERATIONS}
    for name, signature in known.items():
        if not isinstance(signature, Signature):
            raise PadscopeError(
                f"{name!r} among the operations is {type(signature).__name__}: give a "
                "padscope.sites.Signature"
            )
    return known


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
def sounds_windowed(name: str) -> bool:
    """Whether an operation is a convolution by name: without an entry, it is listed for that."""
    return bool(re.search(r"conv(?!ert)", name)) and "back" not in name


def are_maps(given: Sequence[Any], result: Any) -> bool:
    """Whether a call made a map of a map: tensors of three axes or more."""
    both = (*given, result)
    return len(both) > 1 and all(isinstance(v, Tensor) and v.ndim > 2 for v in both)


def why_unread(op: str) -> str:
    """Why filters of an operation without an entry get no scores."""
    return f"{op} is not known: whether it pads cannot be told"


def bind(
    signature: Signature,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Arguments,
) -> dict[str, Any]:
    """Arguments of a call by the names of its entry, those among them that were left out."""
    own, defaults = _parameters(function)
    # Operators call the first argument `self`; every other name of torch's agrees.
    names = {"self": "input"} | dict(zip(own, signature.arguments, strict=False))
    given = {names[key]: value for key, value in defaults.items() if key in names}
    given |= zip(signature.arguments, args, strict=False)
    return given | {names.get(key, key): value for key, value in kwargs.items()}


@lru_cache(maxsize=4096)
def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Names that a function or operator has for its arguments, in order, and their defaults."""
    if isinstance(function, OpOverloadPacket):  # of several overloads, the first one
        function = getattr(function, "default", function)
    if isinstance(function, OpOverload):
        listed = function._schema.arguments
        left_out = {each.name: each.default_value for each in listed if each.has_default_value()}
        return tuple(each.name for each in listed), left_out
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in
        return (), {}
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters):
        return (), {}
    left_out = {each.name: each.default for each in parameters if each.default is not each.empty}
    return tuple(each.name for each in parameters), left_out


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
    unscored : str
        Why its filters get no scores; "" of a convolution, plain or transposed.
    entry : {"own", "added", ""}
        Whose entry of the table tells this; "" if there is none, and its padding is not known.
    """

    op: str
    window: Window
    fill: str
    groups: int
    filters: int
    offset: tuple[int, ...]
    unscored: str = ""
    entry: str = "own"


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


def complete_arguments(name: str, signature: Signature, given: dict[str, Any]) -> dict[str, Any]:
    """Add to the arguments of a call what its entry tells beside them.

    Raises
    ------
    PadscopeError
        The entry, somebody else's, fails.
    """
    try:
        arguments = given if signature.read is None else {**given, **signature.read(given)}
    except Exception as error:
        if _is_own(name, signature):
            raise
        raise _unusable(name, f"its `read` failed with {brief(error)}") from error
    if not isinstance(arguments.get("input"), Tensor):
        raise _unusable(name, "no argument is the input")
    return arguments


def _is_own(name: str, signature: Signature) -> bool:
    return _OWN.get(name) is signature


def read_pad(
    name: str, signature: Signature, arguments: Arguments, output: Tensor
) -> tuple[Sequence[int], str]:
    """Torch's list of pads, and the fill, of a pad operation.

    Raises
    ------
    PadscopeError
        The entry, somebody else's, tells of another padding than the call made.
    """
    pads, mode = arguments["pad"], arguments.get("mode") or "constant"
    if not _is_own(name, signature):
        try:
            size = [*arguments["input"].shape]
            for axis, (before, after) in enumerate(zip(pads[::2], pads[1::2], strict=True), 1):
                size[-axis] += before + after
        except Exception as error:
            raise _unusable(name, f"its pad is no list of ends ({brief(error)})") from error
        if size != [*output.shape]:
            raise _unusable(name, f"its pad makes {size}, and the call {[*output.shape]}")
    return pads, describe_fill(mode, arguments.get("value"))


def read_operation(
    name: str,
    signature: Signature | None,
    arguments: Arguments,
    output: Tensor,
    explicit: ExplicitPadding,
) -> Operation:
    """Describe a convolution, pooling or other windowed call.

    Parameters
    ----------
    name : str
        Of an operation that is no pad.
    signature : Signature or None
        Of one without an entry, only what it took and gave is told.
    arguments : mapping
        From `complete_arguments`.
    output : Tensor
        What the call returned.
    explicit : ExplicitPadding
        Padding that the input brought along.

    Raises
    ------
    PadscopeError
        The entry, somebody else's, does not describe the call.
    """
    if signature is None:
        return _unread(name, arguments["input"], output, explicit)
    try:
        weight = arguments.get("weight")
        shape = arguments.get("shape") if weight is None else tuple(weight.shape)
        # Forward passes repeat: what depends on shapes and numbers alone is worked out once.
        return _describe(
            name,
            signature,
            shape,
            tuple(arguments["input"].shape),
            tuple(output.shape),
            explicit,
            _hashable(arguments.get("kernel_size")),
            _hashable(arguments.get("stride")),
            _hashable(arguments.get("padding")),
            _hashable(arguments.get("dilation")),
            int(arguments.get("groups") or 1),
            bool(arguments.get("transposed")),
        )
    except Exception as error:
        if _is_own(name, signature):
            raise
        raise _unusable(name, f"it does not describe the call ({brief(error)})") from error


def _unusable(name: str, why: str) -> PadscopeError:
    return PadscopeError(f"the operation {name!r} cannot be read: {why}; fix its entry")


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=4096)
def _describe(
    name: str,
    signature: Signature,
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
    elif kernel_size is None:
        raise ValueError("there is neither a weight nor a kernel_size")
    else:
        digit = re.search(r"(\d)d", name)
        dims = int(digit[1]) if digit else 2
        kernel = _per_axis(kernel_size, dims)
    if not 0 < dims < len(output):
        raise ValueError(f"a kernel of {plural(dims, 'axis')} for an output of {len(output)}")
    steps = _per_axis(stride or (kernel if weight is None else 1), dims)
    spread = _per_axis(dilation or 1, dims)
    before, after = _own_padding(padding or 0, kernel, spread)
    explicit = explicit.last(dims)
    ends = zip(source[-dims:], explicit.before, explicit.after, strict=True)
    size, out = tuple(n - b - a for n, b, a in ends), output[-dims:]
    if name == "im2col":  # gives all its windows in one axis
        reach = zip(source[-dims:], before, after, kernel, spread, steps, strict=True)
        out = tuple((n + b + a - d * (k - 1) - 1) // s + 1 for n, b, a, k, d, s in reach)
    if transposed:
        before, after = _transposed_padding(kernel, steps, spread, before, explicit, size, out)
    own = [signature.fill] if max(*before, *after) > 0 else []
    if not transposed:
        before = tuple(new + old for new, old in zip(before, explicit.before, strict=True))
        after = tuple(new + old for new, old in zip(after, explicit.after, strict=True))
    label = signature.label or name
    if name in ("convolution", "_convolution"):
        label = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    window = Window(kernel, steps, spread, before, after, size, out, transposed)
    filters = 0 if weight is None else output[-dims - 1]
    fill = join_fills((*explicit.fills, *own))
    entry = "own" if _is_own(name, signature) else "added"
    unscored = signature.unscored or ("" if weight is not None else f"{label} has no weights")
    return Operation(label, window, fill, groups, filters, explicit.before, unscored, entry)


def _unread(name: str, source: Tensor, output: Tensor, explicit: ExplicitPadding) -> Operation:
    dims = min(source.ndim, output.ndim) - 2
    ones, inside = (1,) * dims, explicit.last(dims)
    size, out = tuple(source.shape[-dims:]), tuple(output.shape[-dims:])
    window = Window(ones, ones, ones, inside.before, inside.after, size, out)
    return Operation(
        name, window, join_fills(explicit.fills), 1, 0, inside.before, why_unread(name), ""
    )


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
