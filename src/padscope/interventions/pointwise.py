"""Follow what changes at some positions of a map through the pointwise operations behind it.

A convolution is usually followed by normalisation and an activation, and a change at the border is
often large enough to cross a kink of the activation, whose slope then says little about it. Those
operations work on every position alone, so what they make of the change can be computed exactly,
at the changed positions only.

If y = f(x) is pointwise and x changes by d, the gradient at x stands for g·f'(x)·d, where g is the
gradient at y. The rest, g·(f(x + d) - f(x) - f'(x)·d), is added when g arrives: whatever else x is
used for.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from padscope.sites import Box, unobserved
from padscope.sites.fills import flat_places, take
from padscope.sites.operations import operation_name

LONGEST = 4  # operations followed behind a convolution: a residual path would hardly end
_UNCHANGED = frozenset({"contiguous", "clone"})
_AFFINE = frozenset(
    {"batch_norm", "add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "__sub__",
     "__rsub__", "__isub__", "mul", "mul_", "__mul__", "__rmul__", "__imul__"}
)  # fmt: skip
_NONLINEAR = frozenset(
    {"relu", "relu_", "relu6", "relu6_", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_",
     "prelu", "elu", "elu_", "celu", "celu_", "selu", "selu_", "silu", "silu_", "gelu",
     "hardswish", "hardswish_", "hardsigmoid", "hardsigmoid_", "sigmoid", "sigmoid_", "tanh",
     "tanh_", "mish", "mish_", "softplus", "clamp", "clamp_", "clamp_min", "clamp_min_"}
)  # fmt: skip
POINTWISE = _UNCHANGED | _AFFINE | _NONLINEAR
_PER_CHANNEL = frozenset({"batch_norm", "prelu"})  # their further tensors have one axis: channels
_TRAINING = 5  # place of that argument in every spelling of batch_norm


@dataclass(frozen=True)
class Change:
    """How a map changes at some positions, and where its effect is added up.

    Attributes
    ----------
    boxes : tuple of Box
        The positions.
    difference : (N, C, P, 1, …) Tensor
        New less old values there, box after box; see `gathered`.
    effects : (N, C) Tensor
        What products of gradient and difference are added to.
    """

    boxes: tuple[Box, ...]
    difference: Tensor
    effects: Tensor

    def weigh(self, gradient: Tensor) -> None:
        """Add the product with a gradient of the map's shape to the effects."""
        product = gathered(gradient, self.boxes) * self.difference
        spatial = tuple(range(2, product.ndim))
        self.effects.add_(product.sum(dim=spatial, dtype=self.effects.dtype))

    def await_gradient(self, tensor: Tensor) -> None:
        """Weigh the gradient of a tensor, as its values are now, when it arrives."""
        tensor.register_hook(self.weigh)


def gathered(tensor: Tensor, boxes: tuple[Box, ...]) -> Tensor:
    """Copy the values in some boxes of an (N, C, *spatial) tensor, box after box.

    Returns
    -------
    (N, C, P, 1, …) Tensor
        With as many axes as the tensor, and in its memory format.
    """
    places = torch.from_numpy(flat_places(boxes, tensor.shape[2:]))
    return take(tensor, places.to(tensor.device), _row(len(places), len(tensor.shape) - 2))


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Join (N, C, *box) values of boxes as `gathered` does."""
    dims = parts[0].ndim - 2
    if parts[0].stride(1) != 1:
        flat = torch.cat([part.flatten(2) for part in parts], dim=-1)
        return flat.view(*flat.shape[:2], *_row(flat.shape[2], dims))
    rows = torch.cat([part.movedim(1, -1).flatten(1, -2) for part in parts], dim=1)
    return rows.view(len(rows), *_row(rows.shape[1], dims), -1).movedim(-1, 1)


def _row(count: int, dims: int) -> tuple[int, ...]:
    return (count, *(1,) * (dims - 1))


@dataclass(frozen=True)
class _Followed:
    tensor: weakref.ref[Tensor]
    version: int  # of its values, which may be written over
    steps: int
    changes: tuple[Change, ...]


class Following(TorchFunctionMode):
    """Mode of torch that carries changes on, from operation to operation, up to an activation.

    Past a residual sum both what it makes of the change and the change itself go on, for at most
    `LONGEST` operations. Where it ends, gradients stand for what comes behind.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, _Followed] = {}

    def follow(self, tensor: Tensor, changes: tuple[Change, ...], steps: int = 0) -> None:
        """Follow changes of a tensor that has gone through so many operations."""
        key, known = id(tensor), self._known
        reference = weakref.ref(tensor, lambda _: known.pop(key, None))
        known[key] = _Followed(reference, tensor._version, steps, changes)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a call of torch, and carry changes through it."""
        given = kwargs or {}
        name = operation_name(func) if self._known else ""
        if name not in POINTWISE:
            return func(*args, **given)
        with unobserved():
            taken = [
                (place, followed)
                for place, value in enumerate(args[:2])
                if (followed := self._find(value)) is not None
            ]
            carried = [
                _carried(change, func, name, args, given, place)
                for place, followed in taken
                for change in followed.changes
            ]
        result = func(*args, **given)
        changes = tuple(change for change in carried if change is not None)
        if changes:
            with unobserved():
                self._go_on(result, name, changes, 1 + max(f.steps for _, f in taken))
        return result

    def _find(self, value: object) -> _Followed | None:
        found = self._known.get(id(value))
        tensor = found.tensor() if found else None
        if found is None or tensor is None or tensor is not value or found.steps == LONGEST:
            return None
        return found if tensor._version == found.version else None

    def _go_on(self, result: Tensor, name: str, changes: tuple[Change, ...], steps: int) -> None:
        if name not in _NONLINEAR:
            self.follow(result, changes, steps)
            return
        for change in changes:
            change.await_gradient(result)


def _carried(
    change: Change,
    function: Callable[..., Any],
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    place: int,
) -> Change | None:
    """Carry a change of one argument through an operation.

    Returns
    -------
    Change or None
        Of the result; behind a nonlinear operation, what its slope does not account for. None if
        the call is not pointwise.
    """
    if name in _UNCHANGED:
        return change
    boxes, difference = change.boxes, change.difference
    if not _is_pointwise(name, args, kwargs, place):
        return None

    def run(part: Tensor) -> Tensor:
        local = [_local(value, args[place], boxes) for value in args]
        local[place] = part
        result: Tensor = function(*local, **kwargs)
        return result

    shape = args[place].shape
    alike = name in _AFFINE and not any(
        isinstance(value, Tensor) and value.shape == shape
        for other, value in enumerate(args)
        if other != place
    )
    with torch.enable_grad():
        if alike:  # the slope is the same at every position and in every image
            old = difference.new_zeros(1, shape[1], *[1] * (len(shape) - 2)).requires_grad_()
        else:
            old = gathered(args[place].detach(), boxes).requires_grad_()
        before = run(old.clone())  # it may work in place
        (slope,) = torch.autograd.grad(before.sum(), old)
    linear = slope * difference
    if name in _NONLINEAR:
        with torch.no_grad():
            linear = run(old + difference) - before - linear
    return Change(boxes, linear, change.effects)


def _is_pointwise(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], place: int) -> bool:
    """Whether each position of the result depends on the same position of the arguments alone."""
    if name == "batch_norm" and (args[_TRAINING:] or [kwargs.get("training")])[0]:
        return False
    shape = args[place].shape
    if any(isinstance(value, Tensor) and value.ndim > 1 for value in kwargs.values()):
        return False
    return all(
        value.ndim == 0
        or value.shape == shape
        or (value.ndim == 1 and name in _PER_CHANNEL)
        or (1 < value.ndim == len(shape) and set(value.shape[2:]) == {1})
        for value in args
        if isinstance(value, Tensor)
    )


def _local(value: Any, like: Tensor, boxes: tuple[Box, ...]) -> Any:
    """Cut an argument to the values that some boxes see."""
    if not isinstance(value, Tensor):
        return value
    return gathered(value.detach(), boxes) if value.shape == like.shape else value.detach()
