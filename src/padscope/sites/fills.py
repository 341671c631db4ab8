"""What may stand around an input in place of its padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from padscope.errors import PadscopeError
from padscope.sites.call import Call
from padscope.sites.fill_words import FILL_WORDS, ZEROS, constant_value
from padscope.sites.locating import FOLDS, filled
from padscope.sites.padding import has_storage

Box = tuple[tuple[int, int], ...]  # per axis, first and one-past-last position


class Cut(Protocol):
    """The values that stand at and around an input."""

    def __call__(self, box: Box, channels: Tensor | None = None, /) -> Tensor:
        """Cut a box of input positions, real ones being 0 … size - 1, of some or all channels.

        Parameters
        ----------
        box : Box
        channels : (C,) int64 Tensor, optional
            On the input's device; all channels if not given.

        Returns
        -------
        (N, C, *box) Tensor
        """
        ...


class Fill(Protocol):
    """What stands around an input in place of its padding."""

    def unchanged(self, call: Call) -> bool:
        """Whether the call's padding holds exactly this already."""
        ...

    def around(self, call: Call) -> Cut:
        """Surround the input of a call."""
        ...


@dataclass(frozen=True)
class Boundary:
    """Values of the input itself, as one of torch's padding modes repeats them.

    Where padding is as large as the input and torch would refuse, reflection goes on back and
    forth, and circular padding round and round.

    Parameters
    ----------
    mode : {"reflect", "replicate", "circular"}
    """

    mode: str

    def unchanged(self, call: Call) -> bool:
        """Whether the padding was made this way, however many pads in a row made it."""
        # A reflection of a reflection is no single reflection; the same holds for circular.
        return call.operation.fill == self.mode == "replicate"

    def around(self, call: Call) -> Cut:
        """Cut boxes from the repeated input; see `Fill`."""
        operation, source = call.operation, call.input
        dims = len(operation.window.size)
        shape = tuple(source.shape[-dims:])

        def cut(box: Box, channels: Tensor | None = None) -> Tensor:
            places = _places(self.mode, operation.window.size, operation.offset, shape, box)
            sizes = [stop - first for first, stop in box]
            return take(source, torch.from_numpy(places).to(source.device), sizes, channels)

        return cut


@lru_cache(maxsize=4096)
def _places(
    mode: str,
    size: tuple[int, ...],
    offset: tuple[int, ...],
    shape: tuple[int, ...],
    box: Box,
) -> NDArray[np.int64]:
    """Flat places in an input of some shape that fill a box.

    No tensor: one made under inference mode and kept would break later gradients.
    """
    found = filled(mode, size, offset)
    assert found is not None
    along = [found[0](np.arange(*span), axis)[0] for axis, span in enumerate(box)]
    return np.ravel_multi_index(np.ix_(*along), shape).ravel()


def take(
    source: Tensor, places: Tensor, sizes: Sequence[int], channels: Tensor | None = None
) -> Tensor:
    """Select flat places of a (…, C, *spatial) tensor, the same of every image and channel.

    Parameters
    ----------
    source : (…, C, *spatial) Tensor
    places : (P,) int64 Tensor
    sizes : sequence of int
        What the P places are the flat positions of.
    channels : (K,) int64 Tensor, optional
        Of which channels; all if not given.

    Returns
    -------
    (…, K, *sizes) Tensor
        In the memory format of the source.
    """
    maps, last = flat_maps(source, len(sizes))
    if channels is None or not maps.is_contiguous():
        taken = _in_shape(maps.index_select(-2 if last else -1, places), sizes, last=last)
        return taken if channels is None else select_channels(taken, channels, len(sizes))
    # By their places in memory: ten times as fast as by two indices.
    index = joint_index(maps, places, channels, last=last)
    shape = (len(places), len(channels)) if last else (len(channels), len(places))
    taken = maps.flatten(-2).index_select(-1, index)
    return _in_shape(taken.view(*taken.shape[:-1], *shape), sizes, last=last)


def flat_maps(source: Tensor, dims: int, *, last: bool | None = None) -> tuple[Tensor, bool]:
    """Flatten maps as they stand in memory: to (…, P, C) with channels last, else (…, C, P)."""
    axis = -1 - dims
    if last is None:
        last = source.stride(axis) == 1
    return (source.movedim(axis, -1).flatten(axis, -2) if last else source.flatten(-dims)), last


def joint_index(maps: Tensor, places: Tensor, channels: Tensor, *, last: bool) -> Tensor:
    """Index (…, P) places and (K,) channels at once in the last two axes of flat maps, joined."""
    if last:
        return (places[..., None] * maps.shape[-1] + channels).flatten(-2)
    return (channels[:, None] * maps.shape[-1] + places[..., None, :]).flatten(-2)


@lru_cache(maxsize=4096)
def flat_places(boxes: tuple[Box, ...], size: tuple[int, ...]) -> NDArray[np.int64]:
    """Flat places of some boxes in a map, box after box."""
    along = ([np.arange(*span) for span in box] for box in boxes)
    places = [np.ravel_multi_index(np.ix_(*axes), size).ravel() for axes in along]
    return np.concatenate(places)


def _in_shape(taken: Tensor, sizes: Sequence[int], *, last: bool) -> Tensor:
    """Give positions their axes: from (…, P, K), or (…, K, P), to (…, K, *sizes)."""
    if last:
        return taken.view(*taken.shape[:-2], *sizes, taken.shape[-1]).movedim(-1, -1 - len(sizes))
    return taken.view(*taken.shape[:-1], *sizes)


@dataclass(frozen=True)
class Constant:
    """The same value everywhere.

    Parameters
    ----------
    value : float
    """

    value: float

    def unchanged(self, call: Call) -> bool:
        """Whether the padding holds this very value."""
        return constant_value(call.operation.fill) == self.value

    def around(self, call: Call) -> Cut:
        """Cut boxes from the input, with the value beyond it; see `Fill`."""
        return surrounded(call, self.value)


@dataclass(frozen=True)
class ChannelMean:
    """The mean of each channel over the same image's input map.

    It depends on nothing but the image: not on what shares its batch, nor on which images were
    seen before. Where the padding of earlier operations is filled anew as well, it is the mean of
    what they then give.
    """

    def unchanged(self, call: Call) -> bool:  # noqa: ARG002 - of `Fill`
        """Say no: no padding is made this way."""
        return False

    def around(self, call: Call) -> Cut:
        """Cut boxes from the input, with the means beyond it; see `Fill`."""
        spatial = tuple(range(-len(call.operation.window.size), 0))
        return surrounded(call, call.real_input.mean(dim=spatial, keepdim=True))


@dataclass(frozen=True)
class Panorama:
    """What stands at the opposite end along the last axis; along all others what the padding holds.

    For images whose left and right ends meet: panoramas, and maps of the whole earth. Padding that
    is not known along the other axes is taken for zeros.
    """

    def unchanged(self, call: Call) -> bool:  # noqa: ARG002 - of `Fill`
        """Say no: no padding of one kind is made this way."""
        return False

    def around(self, call: Call) -> Cut:
        """Cut boxes that go on round the last axis; see `Fill`."""
        inner = (told_fill(call) or Constant(0.0)).around(call)
        size = call.operation.window.size[-1]

        def cut(box: Box, channels: Tensor | None = None) -> Tensor:
            *others, (first, stop) = box
            rounds = range(first // size, -(-stop // size))
            spans = [(max(0, first - n * size), min(size, stop - n * size)) for n in rounds]
            parts = [inner((*others, span), channels) for span in spans or [(0, 0)]]
            return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]

        return cut


@dataclass(frozen=True)
class OtherImage:
    """The border of another image of the batch, as it is reflected there.

    A control: like the content in its statistics, and without a word about it. Each image takes
    the next one of its batch, the last the first; so it depends on how images are batched.

    Parameters
    ----------
    images : tuple of int
        An index for every row of the batch; rows of one index are one image.
    """

    images: tuple[int, ...]

    def unchanged(self, call: Call) -> bool:  # noqa: ARG002 - of `Fill`
        """Say no: no padding is made this way."""
        return False

    def around(self, call: Call) -> Cut:
        """Cut boxes from the input, with another image's border beyond it; see `Fill`.

        Raises
        ------
        PadscopeError
            There is no other image in the batch.
        """
        reflected = Boundary("reflect").around(call)
        rows = torch.tensor(self._rows(), device=call.input.device)
        size = call.operation.window.size

        def cut(box: Box, channels: Tensor | None = None) -> Tensor:
            own = reflected(box, channels)
            inside = torch.ones((), dtype=torch.bool)
            for axis, ((first, stop), n) in enumerate(zip(box, size, strict=True)):
                at = torch.arange(first, stop)
                real = (at >= 0) & (at < n)
                inside = inside & real.view(-1, *[1] * (len(size) - axis - 1))
            return torch.where(inside.to(own.device), own, own.index_select(0, rows))

        return cut

    def _rows(self) -> list[int]:
        """For each row the next one, going round, that is of another image."""
        count, found = len(self.images), []
        for row, image in enumerate(self.images):
            following = ((row + n) % count for n in range(1, count))
            other = next((n for n in following if self.images[n] != image), None)
            if other is None:
                raise PadscopeError(
                    "padding cannot be filled with another image's border when a batch holds one "
                    "image alone; run two or more at once, or take another fill"
                )
            found.append(other)
        return found


def surrounded(call: Call, level: float | Tensor) -> Cut:
    """Surround the input of a call with one value, or with one of every image and channel.

    Parameters
    ----------
    call : Call
    level : float or (N, C_in, 1, …) Tensor

    Returns
    -------
    callable
        See `Fill.around`; real values are as they were, to the last bit.
    """
    real, window = call.real_input, call.operation.window
    dims = len(window.size)

    def cut(box: Box, channels: Tensor | None = None) -> Tensor:
        slab, pads = real, list[int]()
        for axis, (first, stop) in enumerate(box):
            size = window.size[axis]
            start, end = (min(max(place, 0), size) for place in (first, stop))
            before = min(max(-first, 0), stop - first)
            pads[:0] = (before, stop - first - before - (end - start))
            slab = slab.narrow(axis - dims, start, max(0, end - start))
        around = level
        if channels is not None:
            slab = select_channels(slab, channels, dims)
            if isinstance(level, Tensor):
                around = select_channels(level, channels, dims)
        if not any(pads):
            return slab
        if not isinstance(around, Tensor):
            return F.pad(slab, pads, value=around)
        inside = torch.ones(slab.shape[-dims:], dtype=torch.bool, device=slab.device)
        return torch.where(F.pad(inside, pads), F.pad(slab, pads), around)

    return cut


def told_fill(call: Call) -> Fill | None:
    """Say what a call's padding holds; None of pads of several kinds together."""
    fill = call.operation.fill
    value = constant_value(fill or ZEROS)
    if value is not None:
        return Constant(value)
    return Boundary(fill) if fill in FOLDS and len(call.padded_in) <= 1 else None


def padding_is_told(call: Call) -> bool:
    """Whether the explicit padding inside a call's input holds what its fill says.

    What pads of several kinds hold together is not compared.
    """
    operation, source = call.operation, call.input
    shape = source.shape[-len(operation.offset) :]
    explicit = tuple(shape) != operation.window.size and has_storage(source)
    told = told_fill(call)
    if not explicit or told is None:
        return True
    box = tuple((-start, n - start) for start, n in zip(operation.offset, shape, strict=True))
    expected = told.around(call)(box)
    if torch.equal(source, expected):  # as most are; `isclose` takes 20 times as long
        return True
    exact = not source.is_floating_point()
    rounding = 0.0 if exact else max(4 * torch.finfo(source.dtype).eps, 1e-7)
    return bool(torch.isclose(source, expected, rtol=rounding, atol=0, equal_nan=True).all())


def select_channels(tensor: Tensor, channels: Tensor, dims: int) -> Tensor:
    """Select channels of a (…, C, *spatial) tensor of `dims` spatial axes.

    With channels last, `index_select` of them would take a hundred times as long.
    """
    index: tuple[Any, ...] = (..., channels, *(slice(None),) * dims)
    return tensor[index]


def gather_positions(source: Tensor, places: Tensor, sizes: Sequence[int]) -> Tensor:
    """Select flat places of a (N, C, *spatial) tensor, each image's own, the same of every channel.

    Parameters
    ----------
    source : (N, C, *spatial) Tensor
    places : (N, P) int64 Tensor
    sizes : sequence of int
        What the P places are the flat positions of.

    Returns
    -------
    (N, C, *sizes) Tensor
        In the memory format of the source.
    """
    count, channels = source.shape[:2]
    if source.stride(1) == 1:  # channels last
        rows = source.movedim(1, -1).reshape(-1, channels)
        first = torch.arange(count, device=places.device)[:, None] * (len(rows) // count)
        taken = rows.index_select(0, (places + first).flatten())
        return taken.view(count, *sizes, channels).movedim(-1, 1)
    index = places[:, None].expand(-1, channels, -1)
    return source.flatten(2).gather(2, index).view(count, channels, *sizes)


@dataclass(frozen=True)
class NamedFill:
    """A fill that can be asked for by name.

    Attributes
    ----------
    make : callable
        From a seed and an index for every row of the batch, which random draws depend on alone,
        to the `Fill`.
    told : str
        How padding is refilled, in words that go on from “padding was refilled”.
    """

    make: Callable[[int, Sequence[int]], Fill]
    told: str


def alike(fill: Fill) -> Callable[[int, Sequence[int]], Fill]:
    """Make the same fill whatever the seed and the images; see `NamedFill`."""

    def make(seed: int, images: Sequence[int]) -> Fill:  # noqa: ARG001 - of `NamedFill.make`
        return fill

    return make


# By name; what installed packages add to it are entry points of the group `FILLS_GROUP`.
FILLS: dict[str, NamedFill] = {
    "reflect": NamedFill(alike(Boundary("reflect")), FILL_WORDS["reflect"]),
    "replicate": NamedFill(alike(Boundary("replicate")), FILL_WORDS["replicate"]),
    "circular": NamedFill(alike(Boundary("circular")), FILL_WORDS["circular"]),
    "zeros": NamedFill(alike(Constant(0.0)), FILL_WORDS["zeros"]),
    "panorama": NamedFill(alike(Panorama()), FILL_WORDS["panorama"]),
    "mean": NamedFill(alike(ChannelMean()), FILL_WORDS["mean"]),
    "shuffle": NamedFill(lambda _, images: OtherImage(tuple(images)), FILL_WORDS["shuffle"]),
}
