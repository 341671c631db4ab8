"""Which sites a network has, found by running it once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from padscope.counts import plural
from padscope.errors import brief
from padscope.sites.call import Call, Visitor
from padscope.sites.fills import padding_is_told, told_fill
from padscope.sites.geometry import SMALLEST_AXIS, Window
from padscope.sites.interception import Interception
from padscope.sites.operations import why_unread
from padscope.sites.padding import UnfollowedPad, has_storage
from padscope.sites.partly import run_partly
from padscope.sites.placement import placed
from padscope.sites.refill import can_refill, window_error
from padscope.sites.site import Site

TOLERANCE = 1e-3  # in spreads of an operation's values: far above rounding, far below any effect
ROUNDINGS = 16  # where values round coarsely, so many times their relative precision


def find_sites(model: nn.Module, example: Tensor) -> list[Site]:
    """List every padded operation that one forward pass runs, in order.

    Parameters
    ----------
    model : nn.Module
        In eval mode, as it will be used: in training mode batch norm would take this pass in too.
        What the pass makes in it stays; `padscope.find_sites` gives it back as it was.
    example : (N, C, *spatial) Tensor
        Input of the size to be scanned, run where the model is, in its type. Use N ≥ 2: the batch
        axis is recognised by its size.

    Returns
    -------
    list of Site
        Scored sites, poolings, and pads or operations that could not be followed, each with the
        reason in `Site.unscored`. Nothing is skipped silently.

    Examples
    --------
    >>> [site.name for site in find_sites(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(2, 3, 9, 9))]
    ['conv2d']
    """
    return list(observe(model, placed(model, example)).sites)


@dataclass(frozen=True)
class Observation:
    """What one forward pass shows of a network.

    Attributes
    ----------
    sites : tuple of Site
        See `find_sites`.
    weights : dict
        Site name → its weight, as the operation was given it.
    named_by_weight : bool
        Whether all convolutions can be told by their weights: see `Interception.every_module`.
    unpadded : tuple of Site
        Windowed operations without padding, in the order of the forward pass. Those whose filters
        could be scored if they were padded have no `unscored`.
    failure : Exception or None
        What ended the forward pass before its end, if `partial` was given.
    homes : frozenset of str or None
        Paths of modules within which all windowed operations ran, and all that padded what they
        took: see `Interception`. With all others of their kinds and all convolutions, which may
        run on other images.
        None where there are no such modules.
    """

    sites: tuple[Site, ...]
    weights: dict[str, Tensor]
    named_by_weight: bool
    unpadded: tuple[Site, ...] = ()
    failure: Exception | None = None
    homes: frozenset[str] | None = None

    def interception(
        self,
        model: nn.Module,
        visitor: Visitor,
        *,
        below_autograd: bool,
        within: frozenset[str] | None,
    ) -> Interception:
        """Have a visitor see the sites again, as cheaply as they can be told."""
        return Interception(
            model, visitor, below_autograd=below_autograd,
            every_module=not self.named_by_weight, within=within,
            whole={site.name for site in (*self.sites, *self.unpadded) if site.scored},
        )  # fmt: skip


def observe(model: nn.Module, example: Tensor, *, partial: bool = False) -> Observation:
    """Run a model once and note its sites and their weights; parameters as of `find_sites`.

    With `partial`, a pass that fails gives what it has shown until then: a head that is fixed to
    one input size fails behind the last convolution. See `run_partly` for what it raises still.
    """
    known = set(_names(model))
    observation = _observe(model, example, partial=partial)
    # A layer that the pass has made had no name while it ran.
    return (
        observation
        if known.issuperset(_names(model))
        else _observe(model, example, partial=partial)
    )


def _names(model: nn.Module) -> Iterator[str]:
    return (name for name, _ in chain(model.named_modules(), model.named_parameters()))


def _observe(model: nn.Module, example: Tensor, *, partial: bool) -> Observation:
    sites: list[Site] = []
    unpadded: list[Site] = []
    weights: dict[str, Tensor] = {}
    by_weight: list[bool] = []
    names: set[str] = set()
    homes: dict[str, bool] = {}

    def note(call: Call) -> None:
        names.add(call.name)
        at_home = not call.below_autograd and set(call.padded_in) <= {call.home}
        homes[call.home] = homes.get(call.home, True) and at_home
        seen_padded = call.operation.window.padded or not call.operation.entry
        listed = sites if seen_padded else unpadded
        listed.append(_site(call, len(example)))
        if call.weight is not None:
            weights[call.name] = call.weight
            by_weight.append(seen.named_by_weight(call))

    failure: Exception | None = None
    seen = Interception(model, note)
    with torch.no_grad(), seen:
        if partial:
            failure = run_partly(seen, example)
        else:
            model(example)
        untaken = [_unfollowed_site(pad, names) for pad in seen.padded.unfollowed.values()]
    return Observation(
        (*sites, *untaken, *_out_of_sight(model, example.ndim - 2)),
        weights, all(by_weight), tuple(unpadded), failure,
        _homes(model, homes) if all(by_weight) else None,
    )  # fmt: skip


def _homes(model: nn.Module, found: Mapping[str, bool]) -> frozenset[str] | None:
    """Find the homes, from those found and whether all padding of their operations was theirs."""
    modules = dict(model.named_modules())
    if "" in found or not found.keys() <= modules.keys() or not all(found.values()):
        return None
    # What is compiled may have been compiled for the `forward` it has.
    if any(
        "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None)
        for module in modules.values()
    ):
        return None
    kinds: tuple[type, ...] = (_ConvNd, *{type(modules[path]) for path in found})
    return frozenset(path for path, module in modules.items() if isinstance(module, kinds) and path)


def _site(call: Call, images: int) -> Site:
    operation = call.operation
    return Site(
        call.name, operation.op, operation.window, operation.groups, operation.filters,
        operation.fill, _unscored(call, images), call.below_autograd,
        can_refill(call),
    )  # fmt: skip


def _unscored(call: Call, images: int) -> str:
    """Why the filters of a padded operation cannot be scored, or ""."""
    operation, output = call.operation, call.output
    if operation.unscored:
        return operation.unscored
    if not has_storage(output):
        return f"{operation.op} computes with MKLDNN tensors or others that cannot be looked into"
    if not padding_is_told(call):
        return f"its padding no longer holds {operation.fill}: it was written to out of sight"
    if operation.entry == "added" and (problem := _no_convolution(call)):
        return f"{operation.op} is no convolution, as its entry says: {problem}"
    axes = range(len(operation.window.out))
    touched = any(lines for axis in axes for lines in operation.window.contact(axis))
    if operation.window.padded and not touched:
        return "no window touches the padding"
    if output.ndim != len(operation.window.out) + 2:
        return "its output has no batch axis"
    if len(output) != images:
        return f"its batch holds {plural(len(output), 'map')} for {plural(images, 'image')}"
    if not output.is_floating_point():
        return f"its output is {str(output.dtype).removeprefix('torch.')}"
    if all(size < SMALLEST_AXIS for size in operation.window.out):
        return f"a map of {'×'.join(map(str, operation.window.out))} has no core"
    return ""


def _no_convolution(call: Call) -> str:
    """Why what somebody's entry says is a convolution is none; "" if it may be one."""
    fill = told_fill(call)
    if fill is None or not call.output.is_floating_point():
        return ""
    try:
        error = window_error(call, fill)
    except Exception as failure:  # the weights do not fit
        return brief(failure)
    if error <= max(TOLERANCE, ROUNDINGS * torch.finfo(call.output.dtype).eps):
        return ""
    return f"its output differs from its window's by {error:.2g} spreads"


def _out_of_sight(model: nn.Module, dims: int) -> list[Site]:
    """List convolutions that an optimised graph runs by itself: no mode of torch sees them."""
    kind = "prim::mkldnn_convolution"
    window = Window(*((1,) * dims,) * 3, *((0,) * dims,) * 4)
    found: list[Site] = []
    done: list[str] = []
    for path, module in model.named_modules():
        inside = any(not outer or path.startswith(f"{outer}.") for outer in done)
        if inside or not isinstance(module, torch.jit.ScriptModule):
            continue
        done.append(path)
        graph = getattr(module, "inlined_graph", None)
        calls = graph.findAllNodes(kind) if graph is not None else ()
        names = (f"{path or kind}#{order}" for order in range(len(calls)))
        found += [Site(name, kind, window, 1, 0, "", why_unread(kind)) for name in names]
    return found


def _unfollowed_site(pad: UnfollowedPad, names: set[str]) -> Site:
    """List a pad under a name that is not among `names` yet."""
    order = count(1)
    name = pad.name
    while name in names:
        name = f"{pad.name}#{next(order)}"
    names.add(name)
    dims = len(pad.size)
    ones = (1,) * dims
    before, after = pad.padding.before, pad.padding.after
    out = tuple(n + b + a for n, b, a in zip(pad.size, before, after, strict=True))
    window = Window(ones, ones, ones, before, after, pad.size, out)
    reason = "taken by no operation"
    if pad.taken_by:
        reason = f"taken by {pad.taken_by}, not by a convolution"
    return Site(name, "pad", window, 1, 0, pad.padding.fills[-1], reason)
