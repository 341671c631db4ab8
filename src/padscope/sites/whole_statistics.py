"""What a network computes over all positions of its input, kept from one pass for another.

Norms over positions (instance, group, layer norm, batch norm in training mode) and pooling to one
value, as in squeeze and excitation, depend on how much of an image there is. With the statistics of
the whole image, a part of it is treated as it is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from padscope.errors import PadscopeError

# Operators that give a map, its means and the inverses of its spreads.
_NORMS = {
    "native_batch_norm": "a norm over positions", "native_group_norm": "group norm",
    "_native_batch_norm_legit": "a norm over positions", "native_layer_norm": "layer norm",
}  # fmt: skip
_REDUCTIONS = frozenset({"mean", "sum", "amax", "amin", "var", "std", "var_mean", "std_mean"})


class WholeStatistics(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]  # typed in some versions of torch
    """Mode of torch that keeps such statistics, or puts kept ones in place of a pass's own.

    Parameters
    ----------
    kept : sequence, optional
        `found` of another pass, whose statistics are used; left out, they are kept.

    Attributes
    ----------
    found : list
        One entry for every such operation, in the order of the pass.
    names : list of str
        What these operations are.
    """

    def __init__(self, kept: Sequence[tuple[Tensor, ...]] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no type for it
        self._kept = kept
        self.found: list[tuple[Tensor, ...]] = []
        self.names: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operator, with its own statistics or with those that were kept."""
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.partition("::")[2]
        given = _named(func, args, kwargs or {})
        if name in _NORMS and _over_positions(name, given):
            own, again = tuple(result[1:3]), _normalised
            label = _NORMS[name]
        elif name in _REDUCTIONS and _reduces_positions(given):
            own = tuple(result) if isinstance(result, tuple) else (result,)
            again, label = _replaced, "pooling to one value"
        else:
            return result
        place = len(self.found)
        self.found.append(tuple(part.clone() for part in own))
        self.names.append(label)
        if self._kept is None:
            return result
        if place >= len(self._kept) or self._kept[place][0].shape != own[0].shape:
            raise PadscopeError(
                "the model takes another path on a tile than on the whole image; its tiles cannot "
                "be compared"
            )
        return again(given, result, self._kept[place])


def _named(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    names = [argument.name for argument in func._schema.arguments]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _over_positions(name: str, given: Mapping[str, Any]) -> bool:
    """Whether a norm takes its statistics of positions, and now."""
    if name == "native_layer_norm":
        return len(given["normalized_shape"]) > 1
    return name == "native_group_norm" or bool(given.get("training"))


def _reduces_positions(given: Mapping[str, Any]) -> bool:
    """Whether all axes behind batch and channels are reduced, and these are not."""
    source = given.get("self", given.get("input"))
    if not isinstance(source, Tensor) or source.ndim < 3 or given.get("dim") is None:
        return False
    axes = given["dim"] if isinstance(given["dim"], list | tuple) else [given["dim"]]
    return {axis % source.ndim for axis in axes} == {*range(2, source.ndim)}


def _normalised(given: Mapping[str, Any], result: Any, kept: tuple[Tensor, ...]) -> Any:
    """Normalise by kept statistics."""
    source, (mean, inverse) = given["input"], kept
    spatial = [1] * (source.ndim - 2)
    weight, bias = given.get("weight"), given.get("bias")
    if "group" in given:  # (N, groups)
        grouped = source.reshape(*mean.shape, -1)
        made = ((grouped - mean[..., None]) * inverse[..., None]).reshape(source.shape)
    elif "normalized_shape" in given:
        made = (source - mean) * inverse
        made = made if weight is None else made * weight
        return (made if bias is None else made + bias, *result[1:])
    else:  # (C,)
        made = (source - mean.view(1, -1, *spatial)) * inverse.view(1, -1, *spatial)
    if weight is not None:
        made = made * weight.view(1, -1, *spatial)
    if bias is not None:
        made = made + bias.view(1, -1, *spatial)
    return (made, *result[1:])


def _replaced(given: Mapping[str, Any], result: Any, kept: tuple[Tensor, ...]) -> Any:  # noqa: ARG001 - as `_normalised`
    return kept if isinstance(result, tuple) else kept[0]
