"""Explicit padding, followed from `F.pad` to the operation that takes the padded tensor."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class ExplicitPadding:
    """Padding already inside a tensor.

    It is kept for every axis, since only the operation that takes the tensor tells which of them
    are spatial. True if anything is padded beyond the first two axes, batch and channels.

    Attributes
    ----------
    before, after : tuple of int
        Padded positions at each end of each axis, first axis first.
    fills : tuple of str
        What was written, innermost first.
    made_by : tuple of int
        Which pads of the forward pass made it, by their order.
    made_in : tuple of str
        Paths of the modules in which they ran.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    fills: tuple[str, ...] = ()
    made_by: tuple[int, ...] = ()
    made_in: tuple[str, ...] = ()

    @classmethod
    def none(cls, rank: int) -> ExplicitPadding:
        """No padding on `rank` axes."""
        return cls((0,) * rank, (0,) * rank)

    def padded(self, pads: Sequence[int], fill: str, order: int, module: str) -> ExplicitPadding:
        """Pad further, by torch's list of pads (last axis first, both ends of each).

        A negative pad crops: it first eats padding that is already there. Pads of batch and
        channels alone move no border.
        """
        ends = [*pads, *([0] * (2 * len(self.before) - len(pads)))]
        before, after = ends[0::2][::-1], ends[1::2][::-1]
        spatial = (*before[2:], *after[2:])
        if not any(spatial):
            return self
        written = max(spatial) > 0
        return ExplicitPadding(
            tuple(max(0, old + new) for old, new in zip(self.before, before, strict=True)),
            tuple(max(0, old + new) for old, new in zip(self.after, after, strict=True)),
            (*self.fills, fill) if written else self.fills,
            (*self.made_by, order) if written else self.made_by,
            # A crop counts too: unless it is seen, there seems to be more padding.
            (*self.made_in, module),
        )

    def last(self, dims: int) -> ExplicitPadding:
        """Keep the padding of the last `dims` axes alone."""
        return replace(self, before=self.before[-dims:], after=self.after[-dims:])

    def __bool__(self) -> bool:
        """Whether any position beyond batch and channels is padded."""
        return any(self.before[2:]) or any(self.after[2:])


def has_storage(tensor: Tensor) -> bool:
    """Whether a tensor's values stand in memory as they are: no sparse, opaque or quantised one."""
    return tensor.layout == torch.strided and not tensor.is_quantized


def share_memory(one: Tensor, other: Tensor) -> bool:
    """Whether what is written to one tensor may stand in the other."""
    if not (has_storage(one) and has_storage(other)):
        return one is other
    return bool(one.untyped_storage()._cdata == other.untyped_storage()._cdata)


@dataclass
class UnfollowedPad:
    """An explicit pad that no convolution or pooling has taken so far.

    Attributes
    ----------
    name : str
        Module path.
    padding : ExplicitPadding
        All padding of the padded tensor's spatial axes.
    size : tuple of int
        Real positions per axis.
    taken_by : str
        The operation behind which the padding could not be followed; "" if there was none.
    overwritten : bool
        Whether that operation wrote to the padded tensor itself: what takes it afterwards takes
        no padding that is known.
    """

    name: str
    padding: ExplicitPadding
    size: tuple[int, ...]
    taken_by: str = ""
    overwritten: bool = False


class PaddedTensors:
    """The padded tensors of one forward pass, and the pads that nothing has taken yet.

    Tensors are known by identity and held weakly: a padded tensor is as large as an activation,
    and keeping it would raise the memory of the pass that is only being watched.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Tensor], ExplicitPadding]] = {}
        self.unfollowed: dict[int, UnfollowedPad] = {}
        self._made: list[UnfollowedPad] = []

    def __bool__(self) -> bool:
        """Whether any padded tensor is being followed."""
        return bool(self._known)

    def clear(self) -> None:
        """Forget everything: a new forward pass begins."""
        self._known.clear()
        self.unfollowed.clear()
        self._made.clear()

    def padding_of(self, tensor: Tensor) -> ExplicitPadding:
        """Tell the padding known to be inside a tensor."""
        entry = self._known.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            return entry[1]
        return ExplicitPadding.none(tensor.ndim)

    def pad(
        self,
        source: Tensor,
        result: Tensor,
        pads: Sequence[int],
        fill: str,
        name: str,
        module: str = "",
    ) -> None:
        """Note that `result` is `source` padded by torch's list `pads`, in some module."""
        old, order = self.padding_of(source), len(self._made)
        new = old.padded(pads, fill, order, module)
        if new is old:
            if not any(pads):
                self.follow(result, old)
            return
        if not new:  # a crop that leaves no padding
            self.take(source)
            return
        spatial = new.last(result.ndim - 2)
        ends = zip(result.shape[2:], spatial.before, spatial.after, strict=True)
        size = tuple(n - before - after for n, before, after in ends)
        self._made.append(UnfollowedPad(name, spatial, size))
        self.unfollowed[order] = self._made[order]
        self._remember(result, new)

    def take(self, tensor: Tensor) -> ExplicitPadding:
        """Tell the padding inside an operation's input, which settles the pads behind it."""
        padding = self.padding_of(tensor)
        for order in padding.made_by:
            if not self._made[order].overwritten:
                self.unfollowed.pop(order, None)
        return padding

    def follow(self, result: Tensor, padding: ExplicitPadding) -> None:
        """Note the padding inside the result of an operation."""
        if padding:
            self._remember(result, padding)

    def _remember(self, tensor: Tensor, padding: ExplicitPadding) -> None:
        key, known = id(tensor), self._known
        known[key] = (weakref.ref(tensor, lambda _: known.pop(key, None)), padding)

    def lose(self, tensor: Tensor, operation: str) -> None:
        """Note an operation behind which the padding of its input is not followed."""
        for order in self.padding_of(tensor).made_by:
            if order in self.unfollowed:
                self.unfollowed[order].taken_by = operation

    def overwrite(self, written: Tensor, operation: str, *, known: Tensor | None) -> None:
        """Forget the padding of all tensors in which an operation has written.

        Parameters
        ----------
        written : Tensor
            What it was given to write to, maybe a view.
        operation : str
        known : Tensor or None
            One of which it is known what the padding holds now.
        """
        for key, (reference, padding) in list(self._known.items()):
            tensor = reference()
            if tensor is None or tensor is known or not share_memory(tensor, written):
                continue
            del self._known[key]
            for order in padding.made_by:
                pad = self.unfollowed[order] = self._made[order]
                pad.taken_by, pad.overwritten = operation, True
