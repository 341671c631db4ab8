"""Run crops, and canvases around them, through a model, and count what differs at its sites."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn

from padscope.engines.contrast_plan import ContrastPlan, SitePlan
from padscope.engines.contrasted import Contrasted
from padscope.engines.first_images import FirstImages, FirstLook, mean_of_lines
from padscope.engines.local import run_batch
from padscope.engines.refill import SiteParts
from padscope.errors import PadscopeError
from padscope.images import Batch, Skipped
from padscope.regions import FOLDS, Draw
from padscope.sites import Call, Interception, repadded
from padscope.tallies import Bins, ContrastCounter, Tally, no_contrast
from padscope.tallies.calibration import fit_bins
from padscope.tallies.collector import Look, gather
from padscope.tallies.contrast import (
    CORNERS,
    DEEP,
    INCOMING,
    LINES,
    NEAR,
    OWN,
    PADDED,
    PSEUDO,
    REAL,
)

FITTED = 512  # values of a filter that its bins are fitted to
CROP, CANVAS, REPLICATED = "crop", "canvas", "replicated"
Kept = tuple[str, str, Tensor, tuple[slice, ...], Tensor]  # arguments of `ContrastCounter.keep`


class ContrastWatch(Protocol):
    """What looks on while units are contrasted, and may end it by raising."""

    def after(self, images: int, state: Callable[[], Contrasted] | None) -> None:
        """Look on after a unit; `state` brings the counts up to date, once bins are final."""
        ...


def contrast_units(
    model: nn.Module,
    batches: Iterable[Batch],
    plan: ContrastPlan,
    calibrate: int,
    watch: ContrastWatch,
    so_far: Contrasted | None = None,
) -> Contrasted:
    """Run canvases and their central crops through a model and count the contrasts.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    batches : iterable of Batch
        Canvases: crops with the plan's margin around them.
    plan : ContrastPlan
    calibrate : int
        Units whose activations, under all conditions, fit the bins.
    watch : ContrastWatch
        Told of every unit.
    so_far : Contrasted, optional
        Counts to go on from, and the bins they were made with.
    """
    contraster = _Contraster(plan, calibrate, so_far)
    interception = Interception(
        model, contraster, hidden=plan.hidden, every_module=not plan.observation.named_by_weight
    )
    with torch.no_grad(), interception:
        for batch in batches:
            if batch.indices:
                contraster.run(model, batch)
            contraster.finish(batch)
            watch.after(contraster.images, contraster.state if contraster.counting else None)
    return contraster.state()


class _Contraster:
    """Runs the passes over each batch, and is the visitor of all of them."""

    def __init__(self, plan: ContrastPlan, calibrate: int, so_far: Contrasted | None) -> None:
        self._plan, self._plans = plan, plan.plans
        self._calibrate = calibrate
        self._parts = {name: SiteParts(site) for name, site in plan.sites.items() if site.full}
        self._phase = CROP
        self._batch: tuple[int, ...] = ()
        draws = (draw for each in self._plans.values() for draw in each.positions.draws)
        self._draws = {draw.every: draw for draw in draws}  # which look at the same images
        self._looks: dict[int, Look] = {}
        self._padded: dict[str, Tensor] = {}
        self._seen: set[str] = set()
        self._kept: list[Kept] = []
        self._sizes: list[int] = []
        self.units, self.images = 0, 0
        self._skipped: tuple[Skipped, ...] = ()
        self._bins: dict[str, Bins] = {}
        self._first_look = FirstLook()
        self._first: FirstImages | None = None
        self._counter: ContrastCounter | None = None
        if so_far and so_far.bins is not None and so_far.tallies is not None:
            self.units, self.images = so_far.units, so_far.images
            self._skipped, self._first = so_far.skipped, so_far.first
            self._start(so_far.bins, so_far.tallies)

    @property
    def counting(self) -> bool:
        return self._counter is not None

    def _start(self, bins: dict[str, Bins], tallies: dict[tuple[str, str], Tally]) -> None:
        streams = {name: plan.streams for name, plan in self._plans.items()}
        self._bins = bins
        self._counter = ContrastCounter(streams, bins, tallies)

    def run(self, model: nn.Module, batch: Batch) -> None:
        """Run the crop, then what it is contrasted with."""
        self._batch = batch.indices
        if self._counter is not None:
            self._counter.make_room(len(batch.indices))
        self._looks = {every: Look.at(batch.indices, draw) for every, draw in self._draws.items()}
        aligned = {name for name, plan in self._plans.items() if plan.alignment}
        crop = batch.pixels
        for axis, (margin, size) in enumerate(zip(self._plan.margin, self._plan.size, strict=True)):
            crop = crop.narrow(axis + 2, margin, size)
        if self._counter is None:
            self._first_look.pixels.append(crop)
        self._pass(CROP, model, crop, set(self._plans))
        if aligned:
            self._pass(CANVAS, model, batch.pixels, aligned)
        if aligned != set(self._plans):
            self._pass(REPLICATED, model, crop, set(self._plans) - aligned)
        self._padded.clear()

    def _pass(self, phase: str, model: nn.Module, pixels: Tensor, wanted: set[str]) -> None:
        self._phase, self._seen = phase, set()
        try:
            run_batch(model, pixels, self._batch, self._plan.static_batch)
        except PadscopeError:
            # A head that takes one size only fails on the canvas when all sites have been seen.
            if phase != CANVAS or wanted - self._seen:
                raise
        if missing := wanted - self._seen:
            raise PadscopeError(
                f"site {min(missing)} did not run on the images {self._batch[0]} to "
                f"{self._batch[-1]}, though it did on the first; networks that choose their path "
                "by image cannot be explained"
            )

    def __call__(self, call: Call) -> Tensor | None:
        output = repadded(call, "replicate") if self._phase == REPLICATED else None
        plan = self._plans.get(call.name)
        if plan is not None and (self._phase == CROP or (self._phase == CANVAS) == plan.contextual):
            self._seen.add(call.name)
            self._look(plan, call, call.output if output is None else output)
        return output

    def _look(self, plan: SitePlan, call: Call, output: Tensor) -> None:
        if self._phase == CROP and call.operation.window.out != plan.layout.size:
            raise PadscopeError(
                f"site {call.name} gave a map of {call.operation.window.out} after one of "
                f"{plan.layout.size}; give images of one size"
            )
        name, parts = call.name, self._parts.get(call.name)
        condition = PADDED if self._phase == CROP else REAL
        positions = plan.on_canvas if self._phase == CANVAS else plan.positions
        assert positions is not None
        for draw in positions.draws[1:]:
            self._keep_deeper(plan, condition, output, draw)
        near = self._gather(output, positions.draws[0])
        self._keep_near(plan, condition, near)
        if parts is None:
            return
        if self._counter is None:
            self._first_look.add_map(name, condition, self._of_crop(plan, output))
        spans, slots = plan.lines, self._looks[1].slots
        lines = near[:, : spans[-1].stop]
        if self._phase == CROP and plan.contextual:
            self._padded[name] = lines - parts.given(call, slots)
        elif self._phase == CROP:
            refilled = lines - parts.given(call, slots) + parts.reflected(call, slots)
            self._keep(name, f"{OWN}/{LINES}", refilled, spans)
            if plan.pseudo is not None:
                pseudo = self._gather(output, plan.pseudo)
                self._keep(name, f"{PSEUDO}/{LINES}", pseudo, plan.pseudo.spans)
        elif self._phase == CANVAS:
            real, own = parts.real(call, slots), parts.filled(call, slots)
            if own is not None:
                self._keep(name, f"{OWN}/{LINES}", lines - real + own, spans)
                self._keep(name, f"{INCOMING}/{LINES}", self._padded.pop(name) + real, spans)

    def _of_crop(self, plan: SitePlan, output: Tensor) -> Tensor:
        """Cut a map down to the crop, and a batch to its images."""
        output = output[: len(self._batch)]
        if self._phase != CANVAS or plan.alignment is None:
            return output
        shifts = zip(plan.alignment.shift_out, plan.layout.size, strict=True)
        for axis, (shift, size) in enumerate(shifts, start=2):
            output = output.narrow(axis, shift, size)
        return output

    def _gather(self, output: Tensor, draw: Draw) -> Tensor:
        return gather(output, draw, self._looks[draw.every]).float().cpu()

    def _keep_near(self, plan: SitePlan, condition: str, values: Tensor) -> None:
        part = NEAR if any(stream.part == NEAR for stream in plan.streams) else LINES
        self._keep(plan.site.name, f"{condition}/{part}", values, plan.positions.draws[0].spans)

    def _keep_deeper(self, plan: SitePlan, condition: str, output: Tensor, draw: Draw) -> None:
        if not self._looks[draw.every].rows:
            return
        values = self._gather(output, draw)
        regions = plan.layout.regions[len(plan.layout.compared) :]
        for part, corners in ((DEEP, False), (CORNERS, True)):
            spans = tuple(
                span
                for region, span in zip(regions, draw.spans, strict=True)
                if (len(region.sides) > 1) == corners
            )
            self._keep(plan.site.name, f"{condition}/{part}", values, spans, draw.every)

    def _keep(
        self, name: str, key: str, values: Tensor, spans: tuple[slice, ...], every: int = 1
    ) -> None:
        folds = torch.tensor(self._looks[every].slots, dtype=torch.int32) % FOLDS
        kept = (name, key, values, spans, folds)
        if self._counter is None:
            self._kept.append(kept)
        else:
            self._counter.keep(*kept)

    def finish(self, batch: Batch) -> None:
        """Note a unit as done, and begin to count when enough images have been seen."""
        self.units, self.images = batch.unit + 1, self.images + len(batch.indices)
        self._skipped += batch.skipped
        if self._counter is None and self.images and self.units >= self._calibrate:
            self._fit()

    def _fit(self) -> None:
        samples: dict[str, list[Tensor]] = {}
        first = f"{PADDED}/{NEAR}"
        for name, key, values, _, _ in self._kept:
            if key.split("/")[0] in (PADDED, REAL) and key.split("/")[1] in (NEAR, LINES):
                samples.setdefault(name, []).append(values.flatten(0, 1))
        near = {
            name: mean_of_lines(seen, self._plans[name].lines)
            for name in self._parts
            if (seen := [v for n, key, v, _, _ in self._kept if (n, key) == (name, first)])
        }
        bins = {name: fit_bins(_drawn(torch.cat(values))) for name, values in samples.items()}
        filters = {name: plan.site.filters for name, plan in self._plans.items()}
        streams = {name: plan.streams for name, plan in self._plans.items()}
        self._start(bins, no_contrast(streams, filters))
        self._first = self._first_look.finish(self.images, near)
        assert self._counter is not None
        for kept in self._kept:
            self._counter.keep(*kept)
        self._kept.clear()
        self._counter.flush()

    def state(self) -> Contrasted:
        if self._counter is None and self.images:
            self._fit()
        if self._counter is None:
            return Contrasted(self.units, self.images, self._skipped)
        self._counter.flush()
        return Contrasted(
            self.units, self.images, self._skipped, self._bins, self._counter.tallies,
            first=self._first,
        )  # fmt: skip


def _drawn(values: Tensor) -> Tensor:
    """Draw rows to fit bins to: these rest on 64 quantiles, which take no more values."""
    if len(values) <= FITTED:
        return values
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))
    return values[order[:FITTED]]
