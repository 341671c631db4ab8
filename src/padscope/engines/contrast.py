"""Run crops, and canvases around them, through a model, and count what differs at its sites."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Protocol

import torch
from torch import Tensor, nn

from padscope.engines.contrast_plan import ContrastPlan
from padscope.engines.contrasted import Contrasted
from padscope.engines.first_images import FirstImages, FirstLook, mean_of_lines
from padscope.engines.local import run_batch
from padscope.engines.site_plan import SitePlan
from padscope.engines.site_visits import SiteVisits
from padscope.errors import PadscopeError
from padscope.images import Batch, Skipped
from padscope.regions import SLOTS
from padscope.sites import Awaited, Call, PassEnded, repadded
from padscope.tallies import NEAR, ContrastCounter, no_contrast
from padscope.tallies.calibration import fit_bins
from padscope.tallies.contrast import PADDED, REAL
from padscope.tallies.gathering import Look
from padscope.threads import lone_threads

FITTED = 512  # values of a filter that its bins are fitted to
# Values that wait to be counted together, in all: 128 MB. Of no more than `SLOTS` images, for
# whose values the histograms are in the cache often enough.
WAITING = 2**25
CROP, CANVAS, REPLICATED = "crop", "canvas", "replicated"


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
    # Idle while the model runs; counting in PyTorch's own threads would be one site at a time.
    with lone_threads(torch.get_num_threads(), "padscope-count") as pool:
        contraster = _Contraster(plan, calibrate, so_far, pool)
        with torch.no_grad(), plan.interception(model, contraster):
            for batch in batches:
                if batch.indices:
                    contraster.run(model, batch)
                contraster.finish(batch)
                watch.after(contraster.images, contraster.state if contraster.counting else None)
        return contraster.state()


class _Contraster:
    """Runs the passes over each batch, and is the visitor of all of them."""

    def __init__(
        self, plan: ContrastPlan, calibrate: int, so_far: Contrasted | None, pool: Executor
    ) -> None:
        self._plan, self._plans = plan, plan.plans
        self._calibrate, self._pool = calibrate, pool
        self._phase = CROP
        self._batch: tuple[int, ...] = ()
        draws = (draw for each in self._plans.values() for draw in each.positions.draws)
        self._draws = {draw.every: draw for draw in draws}  # which look at the same images
        self._looks: dict[int, Look] = {}
        self._looked: set[int] = set()
        self._awaited = Awaited()
        self.units, self.images = 0, 0
        self._skipped: tuple[Skipped, ...] = ()
        self._first_look = FirstLook()
        self._first: FirstImages | None = None
        streams = {name: site.streams for name, site in self._plans.items()}
        filters = {name: site.site.filters for name, site in self._plans.items()}
        bins, tallies = None, no_contrast(streams, filters)
        if so_far and so_far.bins is not None and so_far.tallies is not None:
            self.units, self.images = so_far.units, so_far.images
            self._skipped, self._first = so_far.skipped, so_far.first
            bins, tallies = so_far.bins, so_far.tallies
        values = sum(site.values for site in self._plans.values())
        room = min(SLOTS, int(WAITING / max(1, values)))
        self._counter = ContrastCounter(streams, tallies, room, pool)
        self._counter.bins = bins
        self._visits = {n: SiteVisits(site, self._counter) for n, site in self._plans.items()}

    @property
    def counting(self) -> bool:
        return self._counter.bins is not None

    def run(self, model: nn.Module, batch: Batch) -> None:
        """Run the crop, then what it is contrasted with."""
        self._batch = batch.indices
        self._counter.begin(len(batch.indices))
        self._looks = {every: Look.at(batch.indices, draw) for every, draw in self._draws.items()}
        for visits in self._visits.values():
            visits.prepare(self._looks)
        aligned = {name for name, plan in self._plans.items() if plan.alignment}
        crop = batch.pixels
        for axis, (margin, size) in enumerate(zip(self._plan.margin, self._plan.size, strict=True)):
            crop = crop.narrow(axis + 2, margin, size)
        if not self.counting:
            self._first_look.pixels.append(crop)
        self._pass(CROP, model, crop, set(self._plans))
        if aligned:
            self._pass(CANVAS, model, batch.pixels, aligned)
        if aligned != set(self._plans):
            self._pass(REPLICATED, model, crop, set(self._plans) - aligned)
        self._counter.commit()
        self._looked |= {every for every, look in self._looks.items() if look.rows}

    def _pass(self, phase: str, model: nn.Module, pixels: Tensor, wanted: set[str]) -> None:
        """Run the model as far as its last site: what lies behind need not take a canvas."""
        self._phase = phase
        self._awaited.expect(wanted)
        try:
            with suppress(PassEnded):
                run_batch(model, pixels, self._batch, self._plan.static_batch)
        except PadscopeError:
            # Within scripted code a pass does not end early.
            if phase != CANVAS or self._awaited.missing:
                raise
        if missing := self._awaited.missing:
            raise PadscopeError(
                f"site {min(missing)} did not run on the images {self._batch[0]} to "
                f"{self._batch[-1]}, though it did on the first; networks that choose their path "
                "by image cannot be explained"
            )

    def __call__(self, call: Call) -> Tensor | None:
        output = repadded(call, "replicate") if self._phase == REPLICATED else None
        visits = self._visits.get(call.name)
        if visits is None:
            return output
        first = None if self.counting else self._first_look
        if self._phase == CROP:
            self._require_size(visits.plan, call)
            visits.on_crop(call, first)
        elif (self._phase == CANVAS) != visits.plan.contextual:
            return output
        elif self._phase == CANVAS:
            visits.on_canvas(call, first)
        else:
            visits.on_replicated(call.name, call.output if output is None else output, first)
        self._awaited.see(call)
        return output

    def _require_size(self, plan: SitePlan, call: Call) -> None:
        if call.operation.window.out != plan.layout.size:
            raise PadscopeError(
                f"site {call.name} gave a map of {call.operation.window.out} after one of "
                f"{plan.layout.size}; give images of one size"
            )

    def finish(self, batch: Batch) -> None:
        """Note a unit as done, and begin to count when enough images have been seen."""
        self.units, self.images = batch.unit + 1, self.images + len(batch.indices)
        self._skipped += batch.skipped
        if not self.counting and self.units >= self._calibrate and self._all_looked_at():
            self._fit()

    def _all_looked_at(self) -> bool:
        """Whether there is an image of each of those that draws look at."""
        near = {site.near.every for site in self._plans.values()}
        return near <= self._looked

    def _fit(self) -> None:
        plans = self._plans.values()
        fitted = self._pool.map(lambda plan: fit_bins(self._sample(plan)), plans)
        self._counter.bins = dict(zip(self._plans, fitted, strict=True))
        near = {}
        for name in (name for name, plan in self._plans.items() if plan.full):
            values = self._counter.kept(name, f"{PADDED}/{NEAR}")
            near[name] = mean_of_lines(values, self._plans[name].lines)
        self._first = self._first_look.finish(self.images, near)
        self._counter.flush()

    def _sample(self, plan: SitePlan) -> Tensor:
        """Draw what bins are fitted to: these rest on 64 quantiles, which take no more values."""
        part = next(iter(plan.near.parts))
        kept = [
            self._counter.kept(plan.site.name, f"{condition}/{part}").flatten(0, 1)
            for condition in (PADDED, REAL)
        ]
        count = sum(map(len, kept))
        if not count:  # nor will there be: the run has ended
            return torch.zeros(1, plan.site.filters)
        rows = torch.arange(count)
        if count > FITTED:
            generator = torch.Generator().manual_seed(0)
            rows = torch.randperm(count, generator=generator)[:FITTED]
        of_first = rows < len(kept[0])
        return torch.cat([kept[0][rows[of_first]], kept[1][rows[~of_first] - len(kept[0])]])

    def state(self) -> Contrasted:
        if not self.counting and self.images:
            self._fit()
        if self._counter.bins is None:
            return Contrasted(self.units, self.images, self._skipped)
        self._counter.flush()
        return Contrasted(
            self.units, self.images, self._skipped, self._counter.bins, self._counter.tallies,
            first=self._first,
        )  # fmt: skip
