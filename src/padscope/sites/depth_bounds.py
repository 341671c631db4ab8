"""How far padding can reach into a network's maps, by propagation through what it computes.

Of every tensor of one forward pass it is known which lines may depend on the padding at each end of
each axis of the input, counted from that end as if the axis had no other end. A window's output may
if its window touches padding, or a line that may. What works on every value alone hands lines on;
views, shuffles and interpolation move them; what looks at a whole axis at once (pooling to one
value, attention, a norm over positions) lets padding reach everywhere. So does what has no rule
here: the bound is never too small.

Padding that holds what depends on the input, and the ends at which interpolation repeats its input,
count as padding like any other: neither is there where an image goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from padscope.sites.call import Call
from padscope.sites.following import POINTWISE, VALUE_PRESERVING
from padscope.sites.geometry import Window
from padscope.sites.interception import Interception
from padscope.sites.operations import (
    Signature,
    bind,
    complete_arguments,
    known_operations,
    operation_name,
    read_operation,
)
from padscope.sites.padding import ExplicitPadding, share_memory

Status = Literal["exact", "upper bound", "unbounded"]
EXACT: Status = "exact"
UPPER: Status = "upper bound"
UNBOUNDED: Status = "unbounded"

End = tuple[int, bool]  # spatial axis of the input, and whether it is its far end
Lines = NDArray[np.bool_]  # by distance from an end; the last one is True
Atom = tuple[int, int | None]  # positions, and the axis of the input that they go along
Atoms = tuple[Atom, ...]


@dataclass(frozen=True)
class Bound:
    """How far padding at one end can reach into a map.

    Attributes
    ----------
    lines : int or None
        Of the map, from that end on, behind which nothing depends on the padding; more than the
        map has if the padding reaches all of it. None if there is no such number.
    pixels : Fraction or None
        The same in input pixels: lines times the total stride.
    status : {"exact", "upper bound", "unbounded"}
        Exact: the last of these lines does depend on the padding, unless weights cancel.
    reason : str
        The first operation by which padding reaches everywhere; "" otherwise.
    """

    lines: int | None
    pixels: Fraction | None
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class MapBounds:
    """How far padding can reach into one map.

    Attributes
    ----------
    ends : dict
        (axis, whether it is the far end) → Bound.
    stride : tuple of Fraction
        Total stride per axis of the input: pixels per position.
    whole : str
        The first operation before it that looks at whole axes at once; "" if there is none. The
        map then depends on how much of an image there is, with or without padding.
    is_map : bool
        Whether it is (N, C, *spatial) with the axes of the input; of an answer that depends on all
        of the frame and whose axes cannot be followed, by its shape.
    """

    ends: Mapping[End, Bound]
    stride: tuple[Fraction, ...]
    whole: str = ""
    is_map: bool = True

    @property
    def deepest(self) -> Fraction | None:
        """Pixels at the end where padding reaches farthest; None if unbounded anywhere."""
        pixels = [bound.pixels for bound in self.ends.values()]
        return None if None in pixels else max((p for p in pixels if p is not None), default=None)


@dataclass(frozen=True)
class DepthBounds:
    """How far padding can reach into the maps of a network.

    Attributes
    ----------
    sites : dict
        Name of a windowed operation → what holds of its output.
    output : MapBounds or None
        Of the answer; None if the pass ended before it, or it could not be followed.
    step : tuple of int
        Per axis, the fewest pixels that all maps move by whole positions: images that begin so
        many pixels later have maps that are the same, but later.
    """

    sites: dict[str, MapBounds]
    output: MapBounds | None
    step: tuple[int, ...]


def depth_bounds(
    model: nn.Module, example: Tensor, read: Callable[[Any], Tensor] | None = None
) -> DepthBounds:
    """Find how far padding can reach, by one forward pass.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    example : (N, C, *spatial) Tensor
        Where the model is, in its type. Bounds do not depend on its size, unless padding does.
    read : callable, optional
        Takes the answer out of what the model returns; see `padscope.effects.read_answer`.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1), nn.Conv1d(1, 1, 5, 2, padding=2))
    >>> found = depth_bounds(net, torch.zeros(2, 1, 32))
    >>> {name: [end.lines for end in bounds.ends.values()] for name, bounds in found.sites.items()}
    {'0': [1, 1], '1': [2, 1]}
    >>> [str(end.pixels) for end in found.sites["1"].ends.values()], found.step
    (['4', '2'], (2,))
    """
    dims = example.ndim - 2
    follow = _Following(dims)
    follow.known[example] = _Spread.of_input(example)
    sites: dict[str, MapBounds] = {}

    def note(call: Call) -> None:
        if (spread := follow.known.get(call.output)) is not None:
            sites[call.name] = spread.bounds()

    with torch.no_grad(), _Dispatch(follow), _Function(follow), Interception(model, note):
        answer = model(example)
        if read is not None:
            answer = read(answer)
    spread = follow.known.get(answer) if isinstance(answer, Tensor) else None
    step = tuple(math.lcm(*(s.numerator for s in along)) for along in follow.strides)
    output = None if spread is None else spread.bounds()
    if output is not None and isinstance(answer, Tensor):
        output = _by_shape(output, answer.shape, example.shape)
    return DepthBounds(sites, output, step)


def _by_shape(output: MapBounds, shape: Sequence[int], image: Sequence[int]) -> MapBounds:
    """Take for a map what has the shape of one, where positions were mixed and cannot be followed.

    Attention flattens a map and unfolds what comes of it.
    """
    if output.is_map or not output.whole or len(shape) != len(image) or 0 in shape:
        return output
    stride = tuple(Fraction(n, m) for n, m in zip(image[2:], shape[2:], strict=True))
    if any(1 not in (s.numerator, s.denominator) for s in stride) or max(shape[2:]) == 1:
        return output
    return replace(output, stride=stride, is_map=True)


# ------------------------------------------------------------------------------------ one tensor


@dataclass(frozen=True)
class _Spread:
    """What of a tensor may depend on padding.

    Attributes
    ----------
    dims : tuple of Atoms
        Of every axis of the tensor, what it is made of, slowest first.
    stride : tuple of Fraction
        Per axis of the input: pixels per position.
    lines : dict
        End → lines that may; ends without any are left out.
    everywhere : dict
        End → why all of the tensor may.
    whole : str
    exact : bool
    """

    dims: tuple[Atoms, ...]
    stride: tuple[Fraction, ...]
    lines: dict[End, Lines] = field(default_factory=dict)
    everywhere: dict[End, str] = field(default_factory=dict)
    whole: str = ""
    exact: bool = True

    @classmethod
    def of_input(cls, example: Tensor) -> _Spread:
        size = example.shape[2:]
        along: Iterable[Atoms] = (((n, axis),) for axis, n in enumerate(size))
        dims = (*map(_plain, example.shape[:2]), *along)
        return cls(dims, (Fraction(1),) * len(size))

    def bounds(self) -> MapBounds:
        """Say what holds of a map."""
        ends = {}
        for axis, stride in enumerate(self.stride):
            for end in ((axis, False), (axis, True)):
                if reason := self.everywhere.get(end):
                    ends[end] = Bound(None, None, UNBOUNDED, reason)
                    continue
                lines = len(self.lines.get(end, ()))
                ends[end] = Bound(lines, lines * stride, EXACT if self.exact else UPPER)
        axes = range(len(self.stride))
        is_map = len(self.dims) == 2 + len(axes) and [
            self.place(2 + axis) for axis in axes
        ] == list(axes)
        return MapBounds(ends, self.stride, self.whole, is_map)

    def mixed(self, axes: Iterable[int | None], reason: str) -> _Spread:
        """Let what lies on some axes reach all of them."""
        axes = {axis for axis in axes if axis is not None}
        if not axes:
            return self
        reached = {end: reason for end in self.lines if end[0] in axes}
        lines = {end: lines for end, lines in self.lines.items() if end not in reached}
        everywhere = {**reached, **self.everywhere}
        return replace(self, lines=lines, everywhere=everywhere, whole=self.whole or reason)

    def lost(self, shape: Sequence[int], reason: str) -> _Spread:
        """Let padding reach all of a tensor of another shape."""
        mixed = self.mixed(_axes(self.dims), reason)
        return replace(mixed, dims=tuple(map(_plain, shape)))

    def reached(self, axes: Iterable[int | None], reason: str) -> _Spread:
        """Let there be padding, and everywhere, of both ends of some axes."""
        mixed = self.mixed(axes, reason)
        ends = {(axis, far): reason for axis in axes if axis is not None for far in (False, True)}
        return replace(mixed, everywhere={**ends, **mixed.everywhere})

    def place(self, dim: int) -> int | None:
        """Return the axis of the input that one of the tensor's goes along, and nothing else."""
        atoms = self.dims[dim]
        return atoms[0][1] if len(atoms) == 1 else None

    def moved(
        self, dim: int, size: int, near: Callable[[Lines], Lines], far: Callable[[Lines], Lines],
        ratio: Fraction,
    ) -> _Spread:  # fmt: skip
        """Move the lines of one axis of the tensor, which then has another size and stride."""
        axis = self.place(dim)
        dims = list(self.dims)
        if axis is None:
            spread = self.mixed(_axes([dims[dim]]), "a window over several axes in one")
            dims[dim] = _plain(size)
            spread = replace(spread, dims=tuple(dims))
            if not (near(_NONE).any() or far(_NONE).any()):
                return spread
            # It may be any of the axes that are lost.
            lost = set(range(len(self.stride))) - _axes(dims)
            reached = {(axis, far_end): _LOST for axis in lost for far_end in (False, True)}
            return replace(spread, everywhere={**reached, **spread.everywhere})
        dims[dim] = ((size, axis),)
        lines = dict(self.lines)
        for end, move in (((axis, False), near), ((axis, True), far)):
            lines[end] = _trimmed(move(lines.get(end, _NONE)))
        stride = tuple(s * ratio if a == axis else s for a, s in enumerate(self.stride))
        return replace(
            self, dims=tuple(dims), stride=stride, lines={e: found for e, found in lines.items()
                                                         if len(found)},
        )  # fmt: skip


_NONE: Lines = np.zeros(0, dtype=bool)
_LOST = "padding of maps whose axes are not followed"


def _plain(size: int) -> Atoms:
    return ((int(size), None),)


def _axes(dims: Iterable[Atoms]) -> set[int | None]:
    return {axis for atoms in dims for _, axis in atoms}


def _trimmed(lines: Lines) -> Lines:
    last = np.flatnonzero(lines)
    return lines[: last[-1] + 1] if len(last) else _NONE


def _joined(one: Lines, other: Lines) -> Lines:
    short, long = sorted((one, other), key=len)
    both = long.copy()
    both[: len(short)] |= short
    return both


def _union(spreads: Sequence[_Spread]) -> _Spread:
    """Join what several tensors of one shape depend on; the axes are those of the first."""
    first, *others = spreads
    for other in others:
        ends = first.lines.keys() | other.lines.keys()
        first = replace(
            first,
            stride=tuple(map(max, first.stride, other.stride)),
            lines={e: _joined(first.lines.get(e, _NONE), other.lines.get(e, _NONE)) for e in ends},
            everywhere={**other.everywhere, **first.everywhere},
            whole=first.whole or other.whole,
            exact=first.exact and other.exact and (first.stride == other.stride or not ends),
        )
    return first


# ------------------------------------------------------------------------------------ windows


def _walked(window: Window, axis: int) -> tuple[Callable[[Lines], Lines], Callable[[Lines], Lines]]:
    """Return what the lines before a window's walk become behind it, at either end."""
    spacing = window.stride[axis] if window.transposed else 1
    step = 1 if window.transposed else window.stride[axis]
    taps = np.arange(window.kernel[axis]) * window.dilation[axis]
    first = -window.before[axis]  # where the first output begins to look, from the near end
    # The last output's last tap, from the far end.
    last = (window.size[axis] - 1) * spacing
    slack = last - ((window.out[axis] - 1) * step + first + int(taps[-1]))

    def move(begin: int, lines: Lines) -> Lines:
        count = max(0, -((begin - len(lines) * spacing) // step))
        places = begin + np.arange(count)[:, None] * step + taps
        on, places = places % spacing == 0, places // spacing
        inside = np.clip(places, 0, max(0, len(lines) - 1))
        known = lines[inside] & (places < len(lines)) if len(lines) else np.zeros_like(on)
        reached: Lines = np.any(on & ((places < 0) | known), axis=1)
        return reached

    return lambda lines: move(first, lines), lambda lines: move(slack, lines)


def _leaves_gaps(window: Window) -> bool:
    if not window.transposed:
        return False
    lattices = zip(window.kernel, window.stride, window.dilation, strict=True)
    return any(len({d * j % s for j in range(k)}) < s for k, s, d in lattices)


def _window(spread: _Spread, window: Window, result: Tensor) -> _Spread:
    dims = len(window.out)
    rest = len(spread.dims) - dims
    channels = spread.dims[rest - 1]
    spread = spread.mixed(_axes([channels]), "channels that go along an axis")
    spread = replace(
        spread,
        dims=(*spread.dims[: rest - 1], _plain(result.shape[-dims - 1]), *spread.dims[rest:]),
    )
    for axis in range(dims):
        stride = Fraction(window.stride[axis])
        near, far = _walked(window, axis)
        ratio = 1 / stride if window.transposed else stride
        spread = spread.moved(rest + axis, window.out[axis], near, far, ratio)
    # Of the positions that a transposed convolution leaves empty, nothing depends on anything.
    return replace(spread, exact=spread.exact and not _leaves_gaps(window))


def _padded(spread: _Spread, pads: Sequence[int]) -> _Spread:
    """Pad by torch's list, last axis first; crop where it is negative."""
    for back, (before, after) in enumerate(zip(pads[::2], pads[1::2], strict=True), 1):
        dim = len(spread.dims) - back
        spread = _shifted(spread, dim, before, after)
    return spread


def _shifted(spread: _Spread, dim: int, before: int, after: int, step: int = 1) -> _Spread:
    """Add lines at both ends of an axis, or take them away; then keep every so manieth."""
    if not (before or after or step > 1):
        return spread
    size = math.prod(n for n, _ in spread.dims[dim])
    out = max(0, -(-(size + before + after) // step))
    if spread.place(dim) is None and not _axes([spread.dims[dim]]) - {None}:
        dims = (*spread.dims[:dim], _plain(out), *spread.dims[dim + 1 :])
        return replace(spread, dims=dims)
    one = Window((1,), (step,), (1,), (before,), (after,), (size,), (out,))
    return spread.moved(dim, out, *_walked(one, 0), Fraction(step))


def _enlarged(
    spread: _Spread, dim: int, out: int, kind: str, scale: float | None, *, corners: bool
) -> _Spread:
    """Interpolate along an axis."""
    size = math.prod(n for n, _ in spread.dims[dim])
    if scale is None or round(size * scale) == size * scale == out:
        ratio = Fraction(size, out)
    else:
        ratio = Fraction(1 / scale).limit_denominator(4096)
    if corners:  # its steps depend on the size
        ratio = Fraction(size - 1, out - 1) if out > 1 else Fraction(1)
        spread = replace(spread, exact=False)

    def taps(i: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        up, down = ratio.numerator, ratio.denominator
        if kind == "nearest":
            return [i * up // down]
        if kind == "nearest_exact":
            return [(2 * i + 1) * up // (2 * down)]
        # At (i + 1/2) ratio - 1/2; or at i ratio.
        place = i * up if corners else (2 * i + 1) * up - down
        unit = down if corners else 2 * down
        floor, between = place // unit, place % unit != 0
        reach = (-1, 0, 1, 2) if kind == "cubic" else (0, 1)
        return [floor + between * k for k in reach]

    def move(lines: Lines, *, far: bool) -> Lines:
        count = math.ceil((len(lines) + 3) / ratio) + 3
        i = np.arange(count)
        places = np.stack(taps(out - 1 - i if far else i), axis=1)
        places = size - 1 - places if far else places
        inside = np.clip(places, 0, max(0, len(lines) - 1))
        known = lines[inside] & (places < len(lines)) if len(lines) else np.zeros_like(places < 0)
        reached: Lines = np.any((places < 0) | known, axis=1)
        return reached

    return spread.moved(
        dim, out, lambda lines: move(lines, far=False), lambda lines: move(lines, far=True), ratio
    )


def _repeated(spread: _Spread, dim: int, times: int) -> _Spread:
    """Put so many positions in place of each."""
    size = spread.dims[dim][0][0] * times

    def repeat(lines: Lines) -> Lines:
        return np.repeat(lines, times)

    return spread.moved(dim, size, repeat, repeat, Fraction(1, times))


def _folded(spread: _Spread, dim: int, times: int) -> _Spread:
    """Put one position in place of so many."""
    size = spread.dims[dim][0][0] // times

    def fold(lines: Lines) -> Lines:
        padded = np.pad(lines, (0, -len(lines) % times))
        folded: Lines = np.any(padded.reshape(-1, times), axis=1)
        return folded

    return spread.moved(dim, size, fold, fold, Fraction(times))


# ------------------------------------------------------------------------------------ views


def _viewed(spread: _Spread, shape: Sequence[int]) -> _Spread:
    """Give a tensor another shape, its values in the same order."""
    reason = "positions taken apart in a view"
    left: list[Atom] = [atom for atoms in spread.dims for atom in atoms if atom != (1, None)][::-1]
    dims: list[Atoms] = []
    for size in shape:
        taken: list[Atom] = []
        missing = int(size)
        while missing > 1 and left:
            count, axis = left.pop()
            if missing % count == 0:
                taken.append((count, axis))
                missing //= count
                continue
            if count % missing:
                return spread.lost(shape, reason)
            inner = count // missing
            left.append((inner, None))
            taken.append((missing, axis))
            if axis is not None:
                alone = replace(spread, dims=(((count, axis),),))
                spread = replace(_folded(alone, 0, inner), dims=spread.dims)
            missing = 1
        if missing > 1:
            return spread.lost(shape, reason)
        dims.append(tuple(taken) or _plain(1))
    ones = {axis for _, axis in left}  # maps of one position
    spread = replace(spread.mixed(ones, "a map of one position"), dims=tuple(dims))
    for dim, made in enumerate(dims):
        axis, within = made[0][1], made[1:]
        if axis is not None and within and all(other is None for _, other in within):
            outer = (*spread.dims[:dim], made[:1], *spread.dims[dim + 1 :])
            times = math.prod(n for n, _ in within)
            spread = _repeated(replace(spread, dims=outer), dim, times)
    return spread


def _broadcast(spreads: Sequence[_Spread], shape: Sequence[int]) -> _Spread:
    """Join tensors as operations on every value alone do, one of which may be repeated."""
    dims: list[Atoms] = list(map(_plain, shape))
    fitted = []
    for spread in spreads:
        first = len(shape) - len(spread.dims)
        for dim, atoms in enumerate(spread.dims, first):
            axes = _axes([atoms]) - {None}
            if axes and math.prod(n for n, _ in atoms) != shape[dim]:
                spread = spread.mixed(axes, "a map of one position, repeated")
            elif axes and not _axes([dims[dim]]) - {None}:
                dims[dim] = atoms
            elif axes and dims[dim] != atoms:
                spread = spread.mixed(axes | _axes([dims[dim]]), "positions of several axes joined")
        fitted.append(spread)
    # What one of them has lost along an axis, the others still have.
    return replace(_union(fitted), dims=tuple(dims))


# ------------------------------------------------------------------------------------ operations

_VIEWS = {"view", "_unsafe_view", "reshape", "flatten", "unflatten", "_reshape_alias"}
_SAME = {
    "lift_fresh", "channel_shuffle", "native_channel_shuffle", "dropout", "native_dropout",
    "feature_dropout",
}  # fmt: skip
_KEEPING = {
    "_softmax",
    "_log_softmax",
    "softmax",
    "log_softmax",
    "cumsum",
    "cumprod",
    "logcumsumexp",
}
_REDUCING = {
    "mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "norm",
    "linalg_vector_norm", "logsumexp", "prod", "argmax", "argmin", "all", "any", "median",
    "nansum", "nanmean",
}  # fmt: skip
# Of operations without a rule, those that hold no padding of their own, and what they are.
_WITHOUT_PADDING = {
    "attention": "attention", "adaptive": "pooling to a fixed size", "roll": "roll", "flip": "flip",
}  # fmt: skip
_PADS = ("constant_pad_nd", "reflection_pad", "replication_pad")
_MATRICES = {"mm": (0, 1), "bmm": (0, 1), "matmul": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2)}
_INTERPOLATED = {
    "nearest": "nearest", "_nearest_exact": "nearest_exact", "linear": "linear",
    "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic",
}  # fmt: skip


class _Following:
    """What is known of the tensors of a pass, and how it goes on through every operation."""

    def __init__(self, dims: int) -> None:
        self.known: MutableMapping[Tensor, _Spread] = WeakTensorKeyDictionary()
        self.strides: list[set[Fraction]] = [{Fraction(1)} for _ in range(dims)]
        self._operations = known_operations()

    def after(
        self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> None:
        """Note what an operation below autograd has made."""
        given = [value for value in tree_leaves((args, dict(kwargs))) if isinstance(value, Tensor)]
        spreads = [self.known[value] for value in given if value in self.known]
        if not spreads:
            return
        made = [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        schema = function._schema
        names = [argument.name for argument in schema.arguments]
        named = dict(zip(names, args, strict=False)) | dict(kwargs)
        name = operation_name(function)
        found = self._found(function, name.removesuffix("_") if name[-2:] != "__" else name,
                            args, kwargs, named, spreads, made)  # fmt: skip
        for value, spread in zip(made, found, strict=False):
            self.note(value, spread)
        for argument in schema.arguments:
            written = named.get(argument.name)
            writes = argument.alias_info is not None and argument.alias_info.is_write
            if writes and isinstance(written, Tensor) and found:
                self._write(written, found[0], name)

    def note(self, value: Tensor, spread: _Spread) -> None:
        """Take note of a tensor."""
        sizes = tuple(math.prod(n for n, _ in atoms) for atoms in spread.dims)
        if sizes != tuple(value.shape):
            spread = spread.lost(value.shape, "an operation of unknown shape")
        self.known[value] = spread
        for axis in _axes(spread.dims) - {None}:
            assert axis is not None
            self.strides[axis].add(spread.stride[axis])

    def _write(self, written: Tensor, spread: _Spread, name: str) -> None:
        """Note what was written to, and what shares its memory."""
        self.note(written, spread)
        base = written._base
        sharing = [value for value in self.known if share_memory(value, written)]
        for other in (*sharing, *([] if base is None else [base])):
            if other is written:
                continue
            if other.shape == written.shape and other.stride() == written.stride():
                self.note(other, spread)
            else:
                parts = [self.known[other]] if other in self.known else []
                joined = replace(_union([spread, *parts]), dims=spread.dims)
                reason = f"{name} writes to a part of a tensor"  # around which there may be zeros
                lost = joined.reached(_axes(joined.dims), reason).lost(other.shape, reason)
                self.known[other] = lost

    def _found(
        self,
        function: Any,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        named: dict[str, Any],
        spreads: list[_Spread],
        made: list[Tensor],
    ) -> list[_Spread]:
        if not made:
            return []
        if name.endswith("_like") or name.startswith("new_"):  # of the same size, and no more
            return []
        shape, source = made[0].shape, spreads[0]
        signature = self._operations.get(name)
        if name.startswith(_PADS):
            return [_padded(source, named.get("pad", named.get("padding", ())))]
        if signature is not None and "pad" not in signature.arguments:
            return [self._windowed(function, name, signature, args, kwargs, made[0], spreads)]
        pointwise = torch.Tag.pointwise in function.tags or name in POINTWISE
        if pointwise or name in ("expand", "where", "lerp"):
            return [_broadcast(spreads, value.shape) for value in made]
        if name in _SAME or name in VALUE_PRESERVING:
            return [source]
        if name in _VIEWS:
            return [_viewed(source, shape)]
        if name in ("permute", "transpose", "t", "movedim"):
            return [_permuted(source, name, named)]
        if name in ("unsqueeze", "squeeze"):
            return [_squeezed(source, name, named)]
        if name in ("slice", "select", "split", "split_with_sizes", "unbind", "narrow"):
            return list(_cut(source, name, named, made))
        if name in ("cat", "stack"):
            return [_stacked(name, named, spreads, shape)]
        if name in _REDUCING or name in _KEEPING:
            return [_reduced(source, name, named, value) for value in made]
        if name in _MATRICES:
            return [self._multiplied([args[place] for place in _MATRICES[name]], spreads, shape)]
        if "batch_norm" in name:
            return [_normalised(source, named)]
        if name == "native_group_norm":
            return [source.mixed(_axes(source.dims[2:]), "group norm")]
        if name == "native_layer_norm":
            return [
                source.mixed(_axes(source.dims[-len(named["normalized_shape"]) :]), "layer norm")
            ]
        if (enlarged := self._interpolated(name, named, source, shape)) is not None:
            return [enlarged]
        if name in ("pixel_shuffle", "pixel_unshuffle"):
            return [_shuffled(source, name, args[1], shape)]
        for part, reason in _WITHOUT_PADDING.items():
            if part in name:
                return [_union([s.lost(value.shape, reason) for s in spreads]) for value in made]
        return [_unknown(spreads, value.shape, name.strip("_")) for value in made]

    def _windowed(
        self,
        function: Any,
        name: str,
        signature: Signature,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: Tensor,
        spreads: Sequence[_Spread],
    ) -> _Spread:
        arguments = complete_arguments(name, signature, bind(signature, function, args, kwargs))
        source = self.known.get(arguments["input"])
        listed_only = "im2col" in name or "deform" in name
        if source is None or len(spreads) > 1 or listed_only:
            return _unknown(spreads, result.shape, name)
        nothing = ExplicitPadding.none(arguments["input"].ndim)
        operation = read_operation(name, signature, arguments, result, nothing)
        spread: _Spread = source
        return _window(spread, operation.window, result)

    def _multiplied(
        self, pair: Sequence[Tensor], spreads: Sequence[_Spread], shape: Sequence[int]
    ) -> _Spread:
        left, right = (self.known.get(value) for value in pair)
        reason = "a product over positions"
        rows: tuple[Atoms, ...] = ()
        columns: tuple[Atoms, ...] = ()
        found: list[_Spread] = []
        if left is not None:
            found.append(left.mixed(_axes([left.dims[-1]]), reason))
            rows = left.dims[:-1]
        if right is not None:
            found.append(right.mixed(_axes([right.dims[-2]]), reason))
            columns = right.dims[-1:]
            rows = rows or (*right.dims[:-2], _plain(shape[-2]))
        if not found:  # it is added to a product of weights
            return _unknown(spreads, shape, reason)
        twice = (_axes(rows) & _axes(columns)) - {None}
        found = [spread.mixed(twice, reason) for spread in found]
        dims = (*rows, *(columns or (_plain(shape[-1]),)))
        if twice:
            dims = tuple(map(_plain, shape))
        return replace(_union(found), dims=dims)

    def _interpolated(
        self, name: str, named: dict[str, Any], source: _Spread, shape: Sequence[int]
    ) -> _Spread | None:
        kind, digits = name.removeprefix("_").removeprefix("upsample_"), name[-2:-1]
        if not name.lstrip("_").startswith("upsample_") or not digits.isdigit():
            return None
        known = _INTERPOLATED.get(kind[:-2]) or _INTERPOLATED.get(f"_{kind[:-2]}")
        if known is None:
            return None
        dims = int(digits)
        factors = named.get("scale_factors")
        if factors is None:
            keys = {
                1: ("scales",),
                2: ("scales_h", "scales_w"),
                3: ("scales_d", "scales_h", "scales_w"),
            }
            factors = [named.get(key) for key in keys[dims]]
        for back in range(dims, 0, -1):
            source = _enlarged(
                source, len(source.dims) - back, shape[-back], known, factors[dims - back],
                corners=bool(named.get("align_corners")),
            )  # fmt: skip
        return source


def _unknown(spreads: Sequence[_Spread], shape: Sequence[int], reason: str) -> _Spread:
    lost = [spread.reached(_axes(spread.dims), reason).lost(shape, reason) for spread in spreads]
    return _union(lost)


def _permuted(source: _Spread, name: str, named: dict[str, Any]) -> _Spread:
    order = list(range(len(source.dims)))
    if name == "permute":
        order = [int(dim) for dim in named["dims"]]
    elif len(order) > 1:
        one, other = (0, 1) if name == "t" else (named["dim0"], named["dim1"])
        order[one], order[other] = order[other], order[one]
    return replace(source, dims=tuple(source.dims[dim] for dim in order))


def _squeezed(source: _Spread, name: str, named: dict[str, Any]) -> _Spread:
    given: Any = named.get("dim")
    if name == "unsqueeze":
        at = int(given) % (len(source.dims) + 1)
        return replace(source, dims=(*source.dims[:at], _plain(1), *source.dims[at:]))
    listed = given if isinstance(given, Sequence) else [given]
    rank = len(source.dims)
    wanted = range(rank) if given is None else [int(dim) % rank for dim in listed]
    gone = {dim for dim in wanted if math.prod(n for n, _ in source.dims[dim]) == 1}
    spread = source.mixed(_axes(source.dims[dim] for dim in gone), "a map of one position")
    left = tuple(atoms for dim, atoms in enumerate(source.dims) if dim not in gone)
    return replace(spread, dims=left)


def _cut(
    source: _Spread, name: str, named: dict[str, Any], made: Sequence[Tensor]
) -> Iterator[_Spread]:
    """Take parts along one axis."""
    dim = int(named.get("dim", 0)) % len(source.dims)
    if name in ("select", "unbind"):
        spread = source.mixed(_axes([source.dims[dim]]), "one position taken alone")
        for _ in made:
            yield replace(spread, dims=(*source.dims[:dim], *source.dims[dim + 1 :]))
        return
    size, step = math.prod(n for n, _ in source.dims[dim]), 1
    start = 0
    if name == "slice":
        start, step = int(named.get("start") or 0), int(named.get("step") or 1)
        start = min(size, max(0, start + size if start < 0 else start))
    for value in made:
        length = value.shape[dim]
        # The far end: what lies behind the last position that is taken.
        rest = size - start - ((length - 1) * step + 1 if length else 0)
        if length == size:
            yield source
        else:
            yield _shifted(source, dim, -start, -rest, step)
        start += length * step


def _stacked(
    name: str, named: dict[str, Any], spreads: Sequence[_Spread], shape: Sequence[int]
) -> _Spread:
    dim = int(named.get("dim", 0)) % len(shape)
    if name == "stack":
        spreads = [
            replace(s, dims=(*s.dims[:dim], _plain(1), *s.dims[dim:])) for s in spreads
        ]  # fmt: skip
    along = _axes(s.dims[dim] for s in spreads) - {None}
    fitted = [s.reached(along, "maps one behind the other") for s in spreads]
    ends = [
        replace(s, dims=(*s.dims[:dim], _plain(shape[dim]), *s.dims[dim + 1 :])) for s in fitted
    ]
    return _broadcast(ends, shape)


def _reduced(source: _Spread, name: str, named: dict[str, Any], result: Tensor) -> _Spread:
    given: Any = named.get("dim")
    rank = len(source.dims)
    listed = given if isinstance(given, Sequence) else [given]
    every = given is None or not len(listed)
    dims = set(range(rank)) if every else {int(dim) % rank for dim in listed}
    spread = source.mixed(_axes(source.dims[dim] for dim in dims), f"{name.strip('_')} over a map")
    if name in _KEEPING:
        return spread
    kept = result.ndim == rank
    left = [
        _plain(1) if dim in dims else atoms
        for dim, atoms in enumerate(source.dims)
        if kept or dim not in dims
    ]
    return replace(spread, dims=tuple(left))


def _normalised(source: _Spread, named: dict[str, Any]) -> _Spread:
    by_batch = named.get("training", named.get("train"))
    lacking = named.get("running_mean", True) is None
    if not (by_batch or lacking):
        return source
    others = (*source.dims[:1], *source.dims[2:])
    return source.mixed(_axes(others), "a norm over positions")


def _shuffled(source: _Spread, name: str, factor: int, shape: Sequence[int]) -> _Spread:
    move = _repeated if name == "pixel_shuffle" else _folded
    rank = len(source.dims)
    channels = rank - 3
    dims = (*source.dims[:channels], _plain(shape[channels]), *source.dims[channels + 1 :])
    spread = replace(source, dims=dims)
    for dim in (rank - 2, rank - 1):
        if spread.place(dim) is None:
            return source.lost(shape, name)
        spread = move(spread, dim, factor)
    return spread


class _Dispatch(TorchDispatchMode):
    def __init__(self, following: _Following) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no type for it
        self._following = following

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._following.after(func, args, kwargs or {}, result)
        return result


class _Function(TorchFunctionMode):
    """Sees pads whose parts are copied one by one below autograd: circular ones."""

    def __init__(self, following: _Following) -> None:
        super().__init__()
        self._following = following

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        result = func(*args, **given)
        if func is F.pad:
            source = args[0] if args else given["input"]
            pads = args[1] if len(args) > 1 else given["pad"]
            if (spread := self._following.known.get(source)) is not None:
                self._following.note(result, _padded(spread, pads))
        return result
