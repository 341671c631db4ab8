"""Tune a network to give at its border what it gives with real surroundings, and see how near.

The map that is looked at is the answer where that is dense, else the last map. What the network
gives there for a crop is compared with what the given network, the teacher, gives for the same
pixels in the middle of a canvas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from padscope.effects.comparison import Unchanged
from padscope.effects.dense import relative_to_spread
from padscope.errors import PadscopeError
from padscope.images import Batch, central
from padscope.measurements.depth import Aligned, DepthPlan
from padscope.measurements.output import OUTPUT
from padscope.running import Findings, Pulse, no_pulse
from padscope.running.model import Asking
from padscope.running.recorded import Draft
from padscope.sites import Call, StopAfter, StopForward

# Name → parameter: what is tuned from the first step, and what later.
Parameters = tuple[Mapping[str, nn.Parameter], Mapping[str, nn.Parameter]]
FEWER = 8  # canvases of a step, over its crops
STEP = "step"
PARAMETER, MOMENT, SECOND = "parameter ", "moment ", "second "  # of a draft: names of tensors


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
        found = self._run(model, canvases, images)
        for axis, (shift, size) in enumerate(
            zip(self.aligned.shift, self.aligned.size, strict=True)
        ):
            found = found.narrow(axis + 2, shift, size)
        return found

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
class Tuning:
    """How a network is tuned.

    Attributes
    ----------
    parameters : Parameters
    steps, batch_size : int
    rate : float
        Greatest step of Adam, in spreads of each parameter.
    hold : float
        What a change of the map with real surroundings weighs, over one at the border.
    seed : int
        Of which images each step takes.
    """

    parameters: Parameters
    steps: int
    batch_size: int
    rate: float
    hold: float
    seed: int

    def passes(self, area: float) -> float:
        """Forward passes of a crop that a step is worth, a canvas of some crops' area."""
        return 3 * (self.batch_size + self.interior * area)

    @property
    def interior(self) -> int:
        """Canvases that each step runs to hold the interior still."""
        return max(1, self.batch_size // FEWER)

    @property
    def few(self) -> int:
        """Steps in which few parameters are tuned."""
        return self.steps // 4 if self.parameters[0] and self.parameters[1] else 0

    def tuned(self, step: int) -> Iterator[tuple[str, nn.Parameter]]:
        """Give what a step tunes."""
        yield from self.parameters[0].items()
        if step >= self.few:
            yield from self.parameters[1].items()


@dataclass(frozen=True)
class Fitting:
    """Tunes a network on one batch with all images to fit to; a `Resumable` look.

    Sums: name → parameter, as tuned. Steps are those of Adam [1]_, with a rate that rises over the
    first tenth of them and falls to zero as a cosine does; which images a step takes depends on
    nothing but its number, so that it can be gone on with.

    Attributes
    ----------
    teacher, model : nn.Module
        In eval mode. The model is changed.
    compared : ComparedMap
    tuning : Tuning
    pulse : callable
        See `padscope.running.Pulse`; a forward and a backward pass of a crop are three.
    draft : dict
        See `padscope.running.recorded.Resumable`.

    References
    ----------
    .. [1] Kingma and Ba: Adam: A Method for Stochastic Optimization. ICLR 2015. arXiv 1412.6980.
    """

    teacher: nn.Module
    model: nn.Module
    compared: ComparedMap
    tuning: Tuning
    pulse: Pulse = no_pulse
    draft: Draft = field(default_factory=dict)

    def __call__(self, batch: Batch) -> Findings:
        """Tune on a batch of canvases."""
        tuning, every = self.tuning, dict(self.tuning.tuned(self.tuning.steps))
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        scale = {name: _spread_of(parameter) for name, parameter in every.items()}
        done = int(self.draft.get(STEP, torch.tensor(0)))
        if done:
            with torch.no_grad():
                for name, parameter in every.items():
                    parameter.copy_(self.draft[PARAMETER + name])
            self.pulse(done * self._cost(batch))
        targets = self._targets(batch)
        if not done:
            for name, parameter in every.items():
                self.draft[MOMENT + name] = torch.zeros_like(parameter)
                self.draft[SECOND + name] = torch.zeros_like(parameter)
        for step in range(done, tuning.steps):
            chosen = dict(tuning.tuned(step))
            for name, parameter in every.items():
                parameter.requires_grad_(name in chosen)
            gradients = torch.autograd.grad(
                self._loss(batch, targets, step), list(chosen.values()), allow_unused=True
            )
            self._move(chosen, gradients, scale, step)
            self.draft[STEP] = torch.tensor(step + 1)
            for name, parameter in every.items():
                self.draft[PARAMETER + name] = parameter.detach()
            self.pulse(self._cost(batch))
        self.draft.clear()
        return Findings(sums={name: value.detach().cpu() for name, value in every.items()})

    def _cost(self, batch: Batch) -> int:
        """Forward passes of a crop that a step is worth."""
        area = batch.pixels[0, 0].numel() / math.prod(self.compared.plan.size)
        return round(self.tuning.passes(area))

    def _targets(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            return torch.cat([
                self.compared.of_canvases(self.teacher, batch.pixels[rows], images).float().cpu()
                for rows, images in _parts(batch, self.tuning.interior)
            ])  # fmt: skip

    def _loss(self, batch: Batch, targets: Tensor, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.tuning.seed + step)
        rows = torch.randperm(len(targets), generator=generator)[: self.tuning.batch_size]
        few = rows[: self.tuning.interior]

        def apart(run: Callable[..., Tensor], rows: Tensor) -> Tensor:
            images = [batch.indices[row] for row in rows.tolist()]
            found, true = run(self.model, batch.pixels[rows], images), targets[rows]
            true = true.to(found.device)
            squared = (found.float() - true).square().flatten(1).mean(dim=1)
            return (squared / true.flatten(1).var(dim=1).clamp_min(1e-12)).mean()

        border = apart(self.compared.of_crops, rows)
        return border + self.tuning.hold * apart(self.compared.of_canvases, few)

    @torch.no_grad()
    def _move(
        self,
        chosen: Mapping[str, nn.Parameter],
        gradients: Sequence[Tensor | None],
        scale: Mapping[str, float],
        step: int,
    ) -> None:
        steps, begun = self.tuning.steps, step + 1
        rise = min(1.0, begun / max(1, steps // 10))
        rate = self.tuning.rate * rise * (1 + math.cos(math.pi * step / steps)) / 2
        for (name, parameter), gradient in zip(chosen.items(), gradients, strict=True):
            if gradient is None:
                continue
            since = begun - (0 if name in self.tuning.parameters[0] else self.tuning.few)
            first = self.draft[MOMENT + name].lerp_(gradient, 0.1)
            second = self.draft[SECOND + name].lerp_(gradient.square(), 0.001)
            unbiased = (second / (1 - 0.999**since)).sqrt() + 1e-12
            parameter.sub_(rate * scale[name] * first / (1 - 0.9**since) / unbiased)


def _spread_of(parameter: Tensor) -> float:
    """Root mean square of what a parameter holds; 1 of one that holds zeros."""
    return float(parameter.detach().square().mean().sqrt()) or 1.0


def _parts(batch: Batch, most: int) -> Iterator[tuple[slice, Sequence[int]]]:
    for first in range(0, len(batch.indices), most):
        rows = slice(first, first + most)
        yield rows, batch.indices[rows]


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
