"""Tune a network to give at its border what it gives with real surroundings, and see how near.

The map that is looked at is the answer where that is dense, else the last map. What the network
gives there for a crop is compared with what the given network, the teacher, gives for the same
pixels in the middle of a canvas.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from padscope.effects.comparison import Unchanged
from padscope.effects.dense import relative_to_spread
from padscope.errors import PadscopeError
from padscope.images import Batch, central
from padscope.measurements.depth import Aligned, DepthPlan
from padscope.measurements.output import OUTPUT
from padscope.running import Findings, Pulse, no_pulse
from padscope.running.model import Asking
from padscope.sites import Call, StopAfter, StopForward


@dataclass(frozen=True)
class ComparedMap:
    """The map of a crop and of a canvas that is compared.

    Attributes
    ----------
    plan : DepthPlan
    asking : Asking
    """

    plan: DepthPlan
    asking: Asking

    @property
    def name(self) -> str:
        """Name of the operation that gives it, or ``(output)``."""
        return list(self.plan.everything)[-1]

    @property
    def aligned(self) -> Aligned:
        """Where its positions lie."""
        return self.plan.everything[self.name]

    def of_crops(self, model: nn.Module, canvases: Tensor, images: Sequence[int]) -> Tensor:
        """Run a model on the crops in the middle of canvases: (N, C, *size)."""
        crops = central(canvases, self.plan.size, "a batch of canvases")
        return self._run(model, crops, images)

    def of_canvases(self, model: nn.Module, canvases: Tensor, images: Sequence[int]) -> Tensor:
        """Run a model on canvases, and take the positions of the crop: (N, C, *size)."""
        return self.aligned.within(self._run(model, canvases, images))

    def _run(self, model: nn.Module, pixels: Tensor, images: Sequence[int]) -> Tensor:
        if self.name == OUTPUT:
            return self.asking.ask(model, pixels, images)
        found: list[Tensor] = []
        stop = StopAfter()
        stop.expect([self.name])

        def see(call: Call) -> None:
            if call.name == self.name:
                found.append(call.output[: len(images)].clone())
                stop.see(call)

        observed = self.plan.observation
        below = any(site.below_autograd for site in (*observed.sites, *observed.unpadded))
        with observed.interception(model, see, below_autograd=below, within=None), \
                suppress(StopForward):  # fmt: skip
            self.asking.ask(model, pixels, images)
        if not found:
            raise PadscopeError(
                f"{self.name} did not run on the images {images[0]} to {images[-1]}, though it did "
                "on the first; networks that choose their path by image cannot be measured"
            )
        return found[-1]


def border_mask(size: Sequence[int], reach: Sequence[tuple[int, int]]) -> Tensor:
    """Mark the positions of a map that padding can reach.

    Parameters
    ----------
    size : sequence of int
        Positions per axis.
    reach : sequence of (int, int)
        Lines that padding can reach from the first and the last end of each axis.

    Returns
    -------
    (*size) bool Tensor

    Examples
    --------
    >>> border_mask((5,), [(1, 2)]).int().tolist()
    [1, 0, 0, 1, 1]
    """
    inside = torch.ones(tuple(size), dtype=torch.bool)
    for axis, (n, (near, far)) in enumerate(zip(size, reach, strict=True)):
        at = torch.arange(n)
        free = (at >= near) & (at < n - far)
        inside &= free.view(-1, *[1] * (len(size) - axis - 1))
    return ~inside


def border_error(found: Tensor, true: Tensor, border: Tensor) -> Tensor:
    """Root of the mean squared difference from the true map, over some of its positions.

    Parameters
    ----------
    found, true : (N, C, *size) Tensor
    border : (*size) bool Tensor

    Returns
    -------
    (N,) float64 Tensor
        In spreads of each image's true map; NaN as of `relative_to_spread`.
    """
    squared = (found.double() - true.double()).square().mean(dim=1)
    over = squared[:, border.to(squared.device)].mean(dim=1, keepdim=True)
    return relative_to_spread(over.sqrt(), true).squeeze(1)


@dataclass(frozen=True)
class PaddingFit:
    """Compares what layers pad with to what real surroundings have in its place; a look.

    One pass of the crop by the model, and one of the canvas by the teacher. Sums: name of a layer →
    (5, C, lines) float64, over images and along each padded line: of plain padding p, of real
    surroundings r, of p², of p r, and of 1. Lines are in the order of `pad_tuned`; corners are left
    out.

    Attributes
    ----------
    teacher, model : nn.Module
        In eval mode. The model's padding is that of `tune_padding`.
    layers : collection of str
        Those whose padding is tuned. Of those that never run by themselves there are no sums.
    plan : DepthPlan
    asking : Asking
    """

    teacher: nn.Module
    model: nn.Module
    layers: Collection[str]
    plan: DepthPlan
    asking: Asking

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Findings:
        """Add up over a batch of canvases."""
        sums: dict[str, Tensor] = {}
        kept: dict[str, deque[tuple[torch.Size, list[Tensor]]]]
        kept = {name: deque() for name in self.layers}

        def keep(name: str, given: Tensor) -> None:
            layer: Any = self.model.get_submodule(name)
            size, start = given.shape[2:], [0] * (given.ndim - 2)
            padded = pad(given, layer.pads, layer.pads_with)
            lines = padded_lines(padded, layer.pads, size, start)
            kept[name].append((size, [each.double() for each in lines]))

        def compare(name: str, given: Tensor) -> None:
            if not kept[name]:
                raise PadscopeError(
                    f"{name} runs more often on larger images: its padding has no counterpart there"
                )
            size, plain = kept[name].popleft()
            pads: Any = self.model.get_submodule(name).pads
            start = [
                (there - here) // 2 - before
                for here, there, before in zip(size, given.shape[2:], pads[-2::-2], strict=True)
            ]
            if min(start) < 0:
                raise PadscopeError(
                    f"{name} pads more than there are real surroundings; give a wider margin"
                )
            real = padded_lines(given, pads, size, start)
            found = [
                torch.stack([each.sum(dim=-1) for each in (p, r, p * p, p * r, torch.ones_like(p))])
                for p, r in zip(plain, (each.double() for each in real), strict=True)
            ]
            sums[name] = sums.get(name, 0) + torch.cat(found, dim=-1).cpu()
            if not any(kept.values()):  # what lies behind the last layer need not take a canvas
                raise StopForward

        crops = central(batch.pixels, self.plan.size, "a batch of canvases")
        self._watch(self.model, crops, batch.indices, keep)
        if any(kept.values()):
            with suppress(StopForward):
                self._watch(self.teacher, batch.pixels, batch.indices, compare)
        return Findings(sums=sums)

    def _watch(
        self, model: nn.Module, pixels: Tensor, images: Sequence[int],
        see: Callable[[str, Tensor], None],
    ) -> None:  # fmt: skip
        """Run a model, and see what every layer is given before it pads."""
        with ExitStack() as hooks:
            for name in self.layers:

                def hook(_: nn.Module, given: tuple[Tensor], name: str = name) -> None:
                    see(name, given[0][: len(images)])

                layer = model.get_submodule(name)
                hooks.callback(layer.register_forward_pre_hook(hook, prepend=True).remove)
            self.asking.ask(model, pixels, images)


def padded_lines(
    around: Tensor, pads: Sequence[int], size: Sequence[int], start: Sequence[int]
) -> Iterator[Tensor]:
    """Cut the lines out of a map that stand where padding stands, without the corners.

    Parameters
    ----------
    around : (N, C, *spatial) Tensor
    pads : sequence of int
        Lines at both ends of each axis, of the last axis first, as `torch.nn.functional.pad` does.
    size, start : sequence of int
        Positions within the padding per axis, and where the padding begins.

    Yields
    ------
    (C, lines, positions) Tensor

    Examples
    --------
    >>> padded = torch.arange(12.0).view(1, 1, 3, 4)
    >>> [lines.tolist() for lines in padded_lines(padded, (1, 0, 0, 1), (2, 3), (0, 0))]
    [[[[0.0, 4.0]]], [[]], [[]], [[[9.0, 10.0, 11.0]]]]
    """
    for number, lines in enumerate(pads):
        axis, found = len(size) - 1 - number // 2, around
        for other, (n, first, before) in enumerate(zip(size, start, pads[-2::-2], strict=True)):
            if other != axis:
                found = found.narrow(other + 2, first + before, n)
            elif number % 2:
                found = found.narrow(other + 2, first + before + n, lines)
            else:
                found = found.narrow(other + 2, first, lines)
        yield found.movedim((1, axis + 2), (0, 1)).flatten(2)


def fit_lines(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Fit real surroundings to scale · padding + shift by least squares: (C, lines) each.

    Where padding is the same everywhere, as zeros are, the scale stays 1.

    Parameters
    ----------
    sums : (5, C, lines) Tensor
        Of `PaddingFit`.

    Examples
    --------
    >>> padding, real = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 7.0, 9.0])
    >>> of = [padding, real, padding * padding, padding * real, torch.ones(3)]
    >>> fit_lines(torch.stack([each.double().sum() for each in of]).view(5, 1, 1))
    (tensor([[2.]]), tensor([[3.]]))
    """
    count = sums[4].clamp_min(1)
    plain, real, square, product = (each / count for each in sums[:4])
    variance = square - plain.square()
    varied = variance > 1e-9 * square
    ones = torch.ones_like(plain)
    scale = torch.where(varied, (product - plain * real) / variance.where(varied, ones), ones)
    return scale.float(), (real - scale * plain).float()


@dataclass(frozen=True)
class BorderErrors:
    """Compares networks with the true map, on images that none was fitted to; a look.

    Rows, of every network: ``error/NAME``, see `border_error`; ``interior/NAME``, how far its map
    is from the teacher's where both have real surroundings; and ``answer/NAME``, how far its answer
    to the crop is from the teacher's, by `measure`. All (n,) float64.

    Attributes
    ----------
    teacher : nn.Module
        The given network, in eval mode.
    networks : mapping
        Name → network, in eval mode.
    tuned : collection of str
        Those with other weights than the teacher: of the others the interior is not asked for.
    compared : ComparedMap
    border : (*size) bool Tensor
        Positions that padding can reach.
    measure : str
        See `padscope.effects.comparison`.
    pulse : callable
    """

    teacher: nn.Module
    networks: Mapping[str, nn.Module]
    tuned: frozenset[str]
    compared: ComparedMap
    border: Tensor
    measure: str
    pulse: Pulse = no_pulse

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Findings:
        """Compare on a batch of canvases."""
        pixels, images, compared = batch.pixels, batch.indices, self.compared
        true = compared.of_canvases(self.teacher, pixels, images)
        crops = central(pixels, compared.plan.size, "a batch of canvases")
        asking = compared.asking
        base = Unchanged(asking.ask(self.teacher, crops, images).cpu(), images)
        rows: dict[str, Tensor] = {}
        for name, network in self.networks.items():
            found = compared.of_crops(network, pixels, images)
            rows[f"error/{name}"] = border_error(found, true, self.border)
            answer = asking.ask(network, crops, images).cpu()
            rows[f"answer/{name}"] = base.compare(answer)[self.measure]
            if name in self.tuned:
                moved = compared.of_canvases(network, pixels, images)
                everywhere = torch.ones_like(self.border)
                rows[f"interior/{name}"] = border_error(moved, true, everywhere)
            self.pulse(len(images))
        return Findings(rows)
