"""The changes: padding filled anew, border lines held, filters silenced, the core disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.interventions.disturbance import (
    Chosen,
    core_box,
    moved_to_core,
    of_filters,
    whole_map,
)
from padscope.interventions.fills import FillName, find_fill
from padscope.interventions.intervention import Intervention
from padscope.interventions.selection import Filters, Selection
from padscope.sites import (
    Box,
    Call,
    Constant,
    Observation,
    at_box,
    contact_boxes,
    moved,
    refill_changes,
    refilled,
    write_boxes,
)
from padscope.sites.census import is_uneven, other_end, taps_per_real


def repad(
    model: nn.Module,
    sites: Filters | None = None,
    filters: Filters | None = None,
    fill: FillName = "reflect",
    *,
    seed: int = 0,
    observed: Observation | None = None,
) -> Intervention:
    """Fill padding anew for all filters of a model, of some sites, or for chosen filters.

    Only outputs in contact with padding are computed again. At sites, and for filters, that are
    not chosen nothing changes but what their input brings along. Convolutions are repadded, plain
    and transposed; poolings are not, see `Intervention.skipped`.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    sites, filters : optional
        See `Selection.of`; all by default.
    fill : str, float or ("constant", float)
        What comes in place of the padding, whatever that is: a name of `padscope.sites.FILLS`
        (``reflect``, ``replicate``, ``circular``, ``panorama``, ``zeros``, ``mean``, ``core``,
        ``shuffle``) or of one that an installed package adds, or a value. ``panorama`` is
        circular along the last axis alone; ``mean`` takes the mean of each channel of the same
        image's input map, ``core`` values from random positions of its central half, ``shuffle``
        the border of another image of the batch: see `padscope.sites.fills`. Reflection goes on
        back and forth where padding is as large as the input. Zeros in place of zeros leave the
        very output.
    seed : int
        For ``core``.
    observed : Observation, optional
        See `Intervention`.

    Returns
    -------
    Intervention
        To be entered by `with`.

    Examples
    --------
    >>> convolution = nn.Conv2d(1, 1, 3, padding=1, bias=False).eval()
    >>> _ = nn.init.ones_(convolution.weight)
    >>> with torch.no_grad(), repad(convolution, fill="replicate"):
    ...     convolution(torch.ones(1, 1, 3, 3))[0, 0, 0].tolist()
    [9.0, 9.0, 9.0]
    """
    make = find_fill(fill)

    def change(call: Call, chosen: Chosen, images: Sequence[int]) -> Tensor | None:
        return refilled(call, make(seed, images), chosen, in_place=True)

    return Intervention(model, Selection.of(filters, sites), change, observed)


def renormalise(
    model: nn.Module,
    sites: Filters | None = None,
    filters: Filters | None = None,
    *,
    observed: Observation | None = None,
) -> Intervention:
    """Scale what windows give that touch padding up to windows full of real values.

    Partial convolution used as padding [1]_: zeros stand beyond the border, and a window of which
    a third lies there gives one and a half times as much, its bias apart. Transposed convolutions,
    for which it is not defined, stay as they are.

    Parameters
    ----------
    model, sites, filters, observed
        As of `repad`.

    Returns
    -------
    Intervention
        To be entered by `with`.

    References
    ----------
    .. [1] Liu, Shih, Wang, Reda, Sapra, Yu, Tao and Catanzaro, Partial Convolution based Padding,
       arXiv:1811.11718.

    Examples
    --------
    >>> convolution = nn.Conv2d(1, 1, 3, padding=1, bias=False).eval()
    >>> _ = nn.init.ones_(convolution.weight)
    >>> with torch.no_grad(), renormalise(convolution):
    ...     convolution(torch.ones(1, 1, 3, 3))[0, 0, 0].tolist()
    [9.0, 9.0, 9.0]
    """

    def change(call: Call, chosen: Chosen, images: Sequence[int]) -> Tensor | None:  # noqa: ARG001 - of `Change`
        window = call.operation.window
        if window.transposed:
            return None
        output = refilled(call, Constant(0.0), chosen, in_place=True)
        output = call.output if output is None else output
        dims, bias = len(window.out), torch.zeros(())
        if call.bias is not None:
            bias = of_filters(call.bias.view(-1, *[1] * dims), chosen, dims)
        by = [torch.from_numpy(ratio) for ratio in taps_per_real(window)]
        scaled = []
        for box in contact_boxes(window):
            ratio = torch.ones(())
            for axis, (first, stop) in enumerate(box):
                ratio = ratio * by[axis][first:stop].view(-1, *[1] * (dims - axis - 1))
            values = of_filters(at_box(output, box), chosen, dims)
            level = bias.to(values)
            scaled.append((box, (values - level) * ratio.to(values) + level))
        return write_boxes(output, scaled, chosen, in_place=True) if scaled else None

    return Intervention(model, Selection.of(filters, sites), change, observed)


def move_padding(model: nn.Module, *, observed: Observation | None = None) -> Intervention:
    """Move padding to the other end wherever a stride leaves one end more of it than the other.

    Frameworks disagree there: torch pads both ends alike, and what the stride leaves over is at
    the last one; TensorFlow's SAME puts the odd line at the last end, so that every window stands
    half a step farther on. The network then sees what it would after such a conversion.
    Convolutions whose padding is not known, and poolings, stay as they are.

    Parameters
    ----------
    model, observed
        As of `repad`.

    Returns
    -------
    Intervention
        To be entered by `with`.
    """

    def change(call: Call, chosen: Chosen, images: Sequence[int]) -> Tensor | None:  # noqa: ARG001 - of `Change`
        if not is_uneven(call.operation.window):
            return None
        return moved(call, other_end(call.operation.window))

    return Intervention(model, Selection(), change, observed)


def hold(
    model: nn.Module, selection: Filters, *, observed: Observation | None = None
) -> Intervention:
    """Hold the lines in contact with padding at the mean of the same image's core.

    What chosen filters say at the border is then neither their answer to padding nor an answer to
    what is seen there. On maps so small that the core is in contact with padding itself, its mean
    is what it is.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    selection : Selection, mapping, table or names of sites
        See `Selection.of`.
    observed : Observation, optional
        See `Intervention`.

    Returns
    -------
    Intervention
        To be entered by `with`.
    """

    def change(call: Call, chosen: Chosen, images: Sequence[int]) -> Tensor | None:  # noqa: ARG001 - of `Change`
        boxes = contact_boxes(call.operation.window)
        if not boxes:
            return None
        mean = _core_mean(call, chosen)
        held = [(box, _spread(mean, box)) for box in boxes]
        return write_boxes(call.output, held, chosen, in_place=True)

    return Intervention(model, Selection.of(selection), change, observed)


def silence(
    model: nn.Module,
    selection: Filters,
    to: Literal["mean", "zero"] = "mean",
    *,
    observed: Observation | None = None,
) -> Intervention:
    """Silence chosen filters over the whole map.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    selection : Selection, mapping, table or names of sites
        See `Selection.of`.
    to : {"mean", "zero"}
        ``mean`` gives every position the mean of the same image's core: the filter tells no place
        from another, and the layers behind it get values that they know. ``zero`` gives the
        convolution's output 0, its bias included, which can be far from what normalisation
        behind it expects.
    observed : Observation, optional
        See `Intervention`.

    Returns
    -------
    Intervention
        To be entered by `with`.
    """
    if to not in ("mean", "zero"):
        raise PadscopeError(f"filters cannot be silenced to {to!r}; give mean or zero")

    def change(call: Call, chosen: Chosen, images: Sequence[int]) -> Tensor | None:  # noqa: ARG001 - of `Change`
        whole = whole_map(call)
        mean = _core_mean(call, chosen)
        level = mean if to == "mean" else torch.zeros_like(mean)
        return write_boxes(call.output, [(whole, _spread(level, whole))], chosen, in_place=True)

    return Intervention(model, Selection.of(selection), change, observed)


def disturb_core(
    model: nn.Module,
    selection: Filters,
    fill: FillName = "reflect",
    *,
    seed: int = 0,
    observed: Observation | None = None,
) -> Intervention:
    """Disturb the core of chosen filters as much as `repad` would disturb their border.

    A control. The differences that repadding would make on the lines in contact with padding are
    added instead to as many random positions of the core, the same ones for all filters of a
    site; the border stays as it is. Maps whose core has too few positions are disturbed wherever
    no padding is touched, and if those are too few as well, several differences fall on the same
    position, as evenly as can be. The sum of the differences is kept in every case.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    selection : Selection, mapping, table or names of sites
        See `Selection.of`.
    fill, seed
        As of `repad`; the seed also draws the positions.
    observed : Observation, optional
        See `Intervention`.

    Returns
    -------
    Intervention
        To be entered by `with`. A chosen site at which every output touches padding is refused
        when it runs.
    """
    make = find_fill(fill)

    def change(call: Call, chosen: Chosen, images: Sequence[int]) -> Tensor | None:
        changes = refill_changes(call, make(seed, images), chosen)
        return moved_to_core(call, changes, chosen, seed, images) if changes else None

    return Intervention(model, Selection.of(selection), change, observed)


def _core_mean(call: Call, chosen: Chosen) -> Tensor:
    """Mean over the core, (N, filters, 1, …)."""
    dims = len(call.operation.window.out)
    core = of_filters(at_box(call.output, core_box(call.operation.window.out)), chosen, dims)
    return core.mean(dim=tuple(range(-dims, 0)), keepdim=True)


def _spread(mean: Tensor, box: Box) -> Tensor:
    return mean.expand(*mean.shape[: -len(box)], *(stop - first for first, stop in box))
