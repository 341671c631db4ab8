"""Run crops, and canvases around them, through a model, and count what its sites do.

A scan looks at the crop alone: one condition. An explanation contrasts it with real surroundings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import replace

import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.measurements.batch_rows import BatchRows
from padscope.measurements.contrast_plan import ContrastPlan
from padscope.measurements.counts import Counts
from padscope.measurements.first_images import FirstLook, mean_of_lines
from padscope.measurements.site_plan import CANVAS, CROP, REPLICATED, SitePlan
from padscope.measurements.site_visits import SiteVisits
from padscope.regions import SLOTS
from padscope.running import Spans
from padscope.running.model import device_of, run_batch
from padscope.sites import Call, StopAfter, StopForward, repadded
from padscope.tallies import NEAR, ContrastCounter, fit_bins
from padscope.tallies.names import PADDED
from padscope.threads import single_threaded_pool

WHOLE_EVERY = 8  # units of which one runs to the end of the model
# Values that wait to be counted together, in all: 128 MB. Of no more than `SLOTS` images, for
# whose values the histograms are in the cache often enough.
WAITING = 2**25


@contextmanager
def contrasting(model: nn.Module, plan: ContrastPlan, calibrate: int) -> Iterator[Contrast]:
    """Count activations under the conditions of a plan, for the length of a block.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    plan : ContrastPlan
        Its batches are canvases: crops with the plan's margin around them.
    calibrate : int
        Units whose activations, under all conditions, fit the bins.

    Yields
    ------
    Contrast
    """
    # Idle while the model runs; counting in PyTorch's own threads would be one site at a time.
    with single_threaded_pool(torch.get_num_threads(), "padscope-count") as pool:
        contrast = Contrast(model, plan, calibrate, pool)
        with torch.no_grad(), plan.interception(model, contrast):
            yield contrast


def contrast_units(
    model: nn.Module,
    batches: Iterable[Batch],
    plan: ContrastPlan,
    calibrate: int,
    so_far: Counts | None = None,
) -> Counts:
    """Count over some batches, without anybody looking on; parameters as of `contrasting`."""
    with contrasting(model, plan, calibrate) as contrast:
        contrast.load(so_far or Counts())
        for batch in batches:
            contrast.update(batch)
        return contrast.state()


class Contrast:
    """Runs the passes over each batch, and is the visitor of all of them; a `Measurement`."""

    def __init__(
        self, model: nn.Module, plan: ContrastPlan, calibrate: int, pool: Executor
    ) -> None:
        self._model, self._plan, self._plans = model, plan, plan.plans
        self._calibrate, self._pool, self._device = calibrate, pool, device_of(model)
        self._phase = CROP
        self._batch: tuple[int, ...] = ()
        draws = (draw for each in self._plans.values() for draw in each.positions.draws)
        self._draws = {draw.fold_interval: draw for draw in draws}  # which look at the same images
        self._rows: dict[int, BatchRows] = {}
        self._looked: set[int] = set()
        self._passes, self._to_the_end = StopAfter(), False
        self._known = {site.name for site in plan.observation.sites}
        self.load(Counts())

    @property
    def images(self) -> int:
        """Images counted."""
        return self._state.images

    @property
    def ready(self) -> bool:
        """Whether the bins are fitted."""
        return self._counter.bins is not None

    def load(self, state: Counts) -> None:
        """Go on from a state, or from the bins of one."""
        self._state = state
        self._first_look = FirstLook()
        streams = {name: site.streams for name, site in self._plans.items()}
        filters = {name: site.site.filters for name, site in self._plans.items()}
        values = sum(site.values for site in self._plans.values())
        room = min(SLOTS, int(WAITING / max(1, values)))
        self._counter = ContrastCounter(
            streams, filters, dict(state.tallies), room, self._calibrate, self._pool, self._device
        )
        self._counter.bins = state.bins or None
        self._visits = {
            name: SiteVisits(site, self._counter, self._device)
            for name, site in self._plans.items()
        }

    def update(self, batch: Batch) -> None:
        """Run the crop, then what it is contrasted with; begin to count when bins are fitted."""
        if batch.indices:
            self._run(batch)
        state = self._state
        self._state = replace(
            state,
            done=state.done.merge(Spans.of([batch.unit])),
            images=state.images + len(batch.indices),
            skipped=state.skipped + batch.skipped,
        )
        if not self.ready and len(self._state.done) >= self._calibrate and self._all_looked_at():
            self._fit()

    def _run(self, batch: Batch) -> None:
        self._batch = batch.indices
        self._counter.begin(len(batch.indices))
        self._rows = {n: BatchRows.at(batch.indices, draw) for n, draw in self._draws.items()}
        for visits in self._visits.values():
            visits.prepare(self._rows)
        canvas = {name for name, plan in self._plans.items() if plan.seen_on == CANVAS}
        replicated = {name for name, plan in self._plans.items() if plan.seen_on == REPLICATED}
        # What lies behind the last site may run on some images only: a scan looks for it.
        whole = not self.ready or batch.unit % WHOLE_EVERY == 0
        self._to_the_end = whole and not (canvas or replicated)
        crop = batch.pixels
        for axis, (margin, size) in enumerate(zip(self._plan.margin, self._plan.size, strict=True)):
            crop = crop.narrow(axis + 2, margin, size) if margin else crop
        self._first_look.begin(crop)
        self._pass(CROP, crop, set(self._plans))
        if canvas:
            self._pass(CANVAS, batch.pixels, canvas)
        if replicated:
            self._pass(REPLICATED, crop, replicated)
        self._counter.commit()
        if not self.ready:
            self._first_look.commit()
        self._looked |= {every for every, rows in self._rows.items() if rows.rows}

    def _pass(self, phase: str, pixels: Tensor, wanted: set[str]) -> None:
        """Run the model as far as its last site: what lies behind need not take a canvas."""
        self._phase = phase
        self._passes.expect(wanted, stop=phase != CROP or not self._to_the_end)
        try:
            with suppress(StopForward):
                run_batch(self._model, pixels, self._batch, self._plan.static_batch)
        except PadscopeError:
            # Within scripted code a pass does not end early.
            if phase != CANVAS or self._passes.missing:
                raise
        if missing := self._passes.missing:
            raise PadscopeError(self._another_path(min(missing), "did not run", "did"))

    def __call__(self, call: Call) -> Tensor | None:
        """Look at an operation."""
        output = repadded(call, "replicate") if self._phase == REPLICATED else None
        visits = self._visits.get(call.name)
        if visits is None:
            self._refuse_unknown(call)
            return output
        first = None if self.ready else self._first_look
        if self._phase == CROP:
            self._require_size(visits.plan, call)
            visits.on_crop(call, first)
        elif self._phase != visits.plan.seen_on:
            return output
        elif self._phase == CANVAS:
            visits.on_canvas(call, first)
        else:
            visits.on_replicated(call.name, call.output if output is None else output, first)
        self._passes.see(call)
        return output

    def _refuse_unknown(self, call: Call) -> None:
        # Poolings have no weight to be named by, and may go by another name here.
        padded = call.weight is not None and call.operation.window.padded
        # More maps than images are those of a second stage, as of boxes, which has no scores.
        by_image = len(call.output) <= max(len(self._batch), self._plan.static_batch or 0)
        if self._phase == CROP and padded and by_image and call.name not in self._known:
            raise PadscopeError(self._another_path(call.name, "ran", "did not"))

    def _another_path(self, site: str, did: str, before: str) -> str:
        return (
            f"site {site} {did} on the images {self._batch[0]} to {self._batch[-1]}, though it "
            f"{before} on the first; networks that choose their path by image cannot be measured"
        )

    def _require_size(self, plan: SitePlan, call: Call) -> None:
        if call.operation.window.out != plan.layout.size:
            raise PadscopeError(
                f"site {call.name} gave a map of {call.operation.window.out} after one of "
                f"{plan.layout.size}; give images of one size"
            )

    def _all_looked_at(self) -> bool:
        """Whether there is an image of each of those that draws look at."""
        near = {site.near.fold_interval for site in self._plans.values()}
        return near <= self._looked

    def _fit(self) -> None:
        plans = self._plans.values()
        fitted = self._pool.map(lambda plan: fit_bins(self._sample(plan)), plans)
        self._counter.bins = dict(zip(self._plans, fitted, strict=True))
        near = {}
        for name in (name for name, plan in self._plans.items() if plan.full):
            values = self._counter.kept(name, f"{PADDED}/{NEAR}")
            near[name] = mean_of_lines(values, self._plans[name].lines)
        first = self._first_look.finish(self.images, near)
        self._state = replace(self._state, bins=self._counter.bins, first=first)
        self._counter.flush()

    def _sample(self, plan: SitePlan) -> Tensor:
        """Draw what bins are fitted to."""
        part = next(iter(plan.near.parts))
        kept = torch.cat(
            [
                self._counter.kept(plan.site.name, f"{condition}/{part}").flatten(0, 1)
                for condition in plan.conditions
            ]
        )
        if not len(kept):  # nor will there be: the run has ended
            return torch.zeros(1, plan.site.filters)
        if plan.fitted is None or len(kept) <= plan.fitted:
            return kept
        generator = torch.Generator().manual_seed(0)
        return kept[torch.randperm(len(kept), generator=generator)[: plan.fitted]]

    def state(self) -> Counts:
        """Say what is counted; the tallies are counted into when the measurement goes on."""
        if not self.ready and self.images:
            self._fit()
        if self.ready:
            self._counter.flush()
        return replace(self._state, tallies=self._counter.tallies if self.ready else {})
