"""How far a network's border is from what it is with real surroundings, with and without change."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from padscope.effects.dense import over_spread, spreads
from padscope.errors import PadscopeError
from padscope.images import Batch, central
from padscope.interventions.treatments import Treatment
from padscope.measurements.depth import DepthPlan
from padscope.measurements.output import OUTPUT
from padscope.running import Findings
from padscope.running.model import Asking
from padscope.sites import Call, StopAfter, StopForward
from padscope.sites.geometry import core_range

ERROR = "border_error"  # the row
MAP, MAPS = "border_map", "border_maps"  # the sums


@dataclass(frozen=True)
class BorderError:
    """Compare the border of one map with real surroundings and without, under T treatments.

    The map is the answer if that is one, else the last that aligns. Its border is what lies
    outside the central half along some axis. One pass of the canvas, and 1 + T of the crop.

    Rows: ``border_error``, (n, 1 + T) float64, the mean absolute difference of the border in
    spreads of the map with real surroundings: without treatment first, then in their order.
    Sums: ``border_map``, (1 + T, *spatial) float64, the same position by position, of all images
    whose map has a spread; ``border_maps``, how many these are.

    Attributes
    ----------
    model : nn.Module
        In eval mode.
    plan : DepthPlan
    treatments : sequence of Treatment
    asking : Asking
    """

    model: nn.Module
    plan: DepthPlan
    treatments: Sequence[Treatment]
    asking: Asking
    _stop: StopAfter = field(default_factory=StopAfter)

    @property
    def name(self) -> str:
        """Name of the map that is compared."""
        return list(self.plan.everything)[-1]

    def __call__(self, batch: Batch) -> Findings:
        """Measure one batch of canvases."""
        aligned = self.plan.everything[self.name]
        true = aligned.within(self._map(batch.pixels, batch.indices, None))
        crop = central(batch.pixels, self.plan.size, "a batch of canvases")
        border = torch.ones(aligned.size, dtype=torch.bool)
        border[tuple(slice(*core_range(size)) for size in aligned.size)] = False
        spread = spreads(true)
        errors, maps = [], []
        for treatment in (None, *self.treatments):
            found = self._map(crop, batch.indices, treatment)
            if found.shape != true.shape:
                raise PadscopeError(
                    f"{self.name} has another size on the images {batch.indices[0]} to "
                    f"{batch.indices[-1]} than on the first; networks that choose their path by "
                    "image cannot be measured"
                )
            apart = (found.double() - true.double()).abs().mean(dim=1)
            mean = apart[:, border.to(apart.device)].mean(dim=1, keepdim=True)
            errors.append(over_spread(mean, spread))
            maps.append((apart[spread > 0] / _along(spread[spread > 0], apart)).sum(dim=0))
        sums = {MAP: torch.stack(maps), MAPS: (spread > 0).sum().double()}
        return Findings({ERROR: torch.cat(errors, dim=1)}, sums)

    def _map(self, pixels: Tensor, images: Sequence[int], treatment: Treatment | None) -> Tensor:
        """Run the model, and give the map that is compared: (n, C, *spatial)."""
        kept: list[Tensor] = []

        def keep(call: Call) -> None:
            if call.name == self.name:
                kept.append(call.output[: len(images)].clone())
                self._stop.see(call)

        change = treatment.make(self.model) if treatment else nullcontext()
        with torch.no_grad(), change as intervention:
            if intervention is not None:
                intervention.images = self.asking.numbered(images)
            if self.name == OUTPUT:
                return self.asking.ask(self.model, pixels, images)
            observed = self.plan.observation
            below = any(site.below_autograd for site in (*observed.sites, *observed.unpadded))
            self._stop.expect({self.name})
            # Within the intervention, so that it sees what that has made of an output.
            with observed.interception(
                self.model, keep, below_autograd=below, within=None
            ), suppress(StopForward):  # fmt: skip
                self.asking.ask(self.model, pixels, images)
        if not kept:
            raise PadscopeError(
                f"{self.name} did not run on the images {images[0]} to {images[-1]}, though it did "
                "on the first; networks that choose their path by image cannot be measured"
            )
        return kept[0]


def _along(values: Tensor, like: Tensor) -> Tensor:
    """Give one value per image the axes of their maps."""
    return values.to(like).view(-1, *[1] * (like.ndim - 1))
