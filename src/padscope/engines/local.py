"""Run units of images through a model in this process and count what its sites do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from padscope.engines.plan import Plan, as_taken, brief
from padscope.errors import PadscopeError
from padscope.images import Batch, Skipped
from padscope.sites.interception import Call
from padscope.tallies import Calibrator, Collector, SiteCalibration, Tally


@dataclass(frozen=True)
class Counted:
    """What has been counted so far; all that a run needs to go on from.

    Attributes
    ----------
    units : int
        Units done, from the first one on.
    images : int
        Images counted.
    skipped : tuple of Skipped
        Images that could not be read.
    calibration : dict
        Site name → bins and mean maps.
    tallies : dict
        Site name → counts.
    complete : bool
        Whether the run has come to its end.
    """

    units: int
    images: int
    skipped: tuple[Skipped, ...]
    calibration: dict[str, SiteCalibration]
    tallies: dict[str, Tally]
    complete: bool = False


class Watch(Protocol):
    """What looks on while units are counted, and may end it."""

    def after(self, images: int, counts: Callable[[], Counted] | None) -> bool:
        """Look on after a unit.

        Parameters
        ----------
        images : int
            Images run so far.
        counts : callable or None
            Brings the counts up to date, which costs time, and gives them. None until the bins
            are final: a run that went on from such a state would not have the same.

        Returns
        -------
        bool
            Whether to end here.
        """
        ...


def count_units(
    model: nn.Module,
    batches: Iterable[Batch],
    plan: Plan,
    calibrate: int,
    watch: Watch,
    so_far: Counted | None = None,
) -> Counted:
    """Run batches through a model and count the activations at the drawn positions.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    batches : iterable of Batch
        The units still to do, in order.
    plan : Plan
        From `make_plan`.
    calibrate : int
        Units whose activations fit the bins. They are run once: their activations are kept, and
        counted as soon as there are bins.
    watch : Watch
        Told of every unit.
    so_far : Counted, optional
        Counts to go on from, and the bins they were made with.

    Returns
    -------
    Counted
    """
    counter = _Counter(plan, calibrate)
    if so_far:
        counter.go_on_from(so_far)
    seen = plan.observation
    interception = seen.interception(model, counter, hidden=plan.hidden, within=seen.homes)
    with torch.no_grad(), interception:
        for batch in batches:
            if batch.indices:
                counter.begin(batch)
                run_batch(model, batch.pixels, batch.indices, plan.static_batch)
            counter.finish(batch)
            if watch.after(counter.images, counter.state if counter.counting else None):
                break
    return counter.state()


def no_counts(plan: Plan) -> dict[str, Tally]:
    """Tallies of no image."""
    filters = {site.name: site.filters for site in plan.observation.sites}
    return {
        name: Tally.empty(positions.layout, filters[name])
        for name, positions in plan.positions.items()
    }


def run_batch(
    model: nn.Module, pixels: Tensor, images: Sequence[int], static_batch: int | None
) -> object:
    """Run a model on a batch, filled up to the number of images that it insists on.

    Returns
    -------
    object
        What the model returns, of the surplus images too.

    Raises
    ------
    PadscopeError
        The model fails on these images.
    """
    if static_batch and len(pixels) < static_batch:  # whoever looks on leaves the surplus out
        surplus = pixels[-1:].expand(static_batch - len(pixels), *pixels.shape[1:])
        pixels = torch.cat([pixels, surplus])
    try:
        return model(as_taken(model, pixels))
    except PadscopeError:
        raise
    except Exception as error:  # somebody's own code raises what it likes
        raise PadscopeError(
            f"the model failed on images {images[0]} to {images[-1]}: "
            f"{brief(error)}; give images that it takes, or fewer at once"
        ) from error


class _Counter:
    """Calibrates on the first units, then counts; the visitor of `count_units`."""

    def __init__(self, plan: Plan, calibrate: int) -> None:
        self._plan = plan
        self._calibrate = calibrate
        self._calibrator = Calibrator(plan.positions)
        self._collector: Collector | None = None
        self.units = 0
        self.images = 0
        self._skipped: tuple[Skipped, ...] = ()
        self._known = {site.name for site in plan.observation.sites}
        self._seen: set[str] = set()
        self._batch: tuple[int, ...] = ()
        self.calibration: dict[str, SiteCalibration] = {}

    @property
    def counting(self) -> bool:
        return self._collector is not None

    def go_on_from(self, state: Counted) -> None:
        self.units, self.images, self._skipped = state.units, state.images, state.skipped
        self._start_counting(state.calibration, state.tallies)

    def _start_counting(
        self, calibration: dict[str, SiteCalibration], tallies: dict[str, Tally]
    ) -> None:
        self.calibration = calibration
        bins = {name: site.bins for name, site in calibration.items()}
        self._collector = Collector(self._plan.positions, bins, tallies)

    def begin(self, batch: Batch) -> None:
        self._seen.clear()
        self._batch = batch.indices
        (self._collector or self._calibrator).begin(batch.indices)

    def __call__(self, call: Call) -> None:
        positions = self._plan.positions.get(call.name)
        if positions is None:
            self._refuse_unknown(call)
            return
        if call.operation.window.out != positions.layout.size:
            raise PadscopeError(
                f"site {call.name} gave a map of {call.operation.window.out} after one of "
                f"{positions.layout.size}; give images of one size"
            )
        self._seen.add(call.name)
        if len(call.output) > len(self._batch):
            call = replace(call, output=call.output[: len(self._batch)])
        (self._collector or self._calibrator)(call)

    def _refuse_unknown(self, call: Call) -> None:
        # Poolings have no weight to be named by, and may go by another name here.
        padded = call.weight is not None and call.operation.window.padded
        if padded and call.name not in self._known:
            raise PadscopeError(self._another_path(call.name, "ran", "did not"))

    def _another_path(self, site: str, did: str, before: str) -> str:
        return (
            f"site {site} {did} on the images {self._batch[0]} to {self._batch[-1]}, though it "
            f"{before} on the first; networks that choose their path by image cannot be scanned"
        )

    def finish(self, batch: Batch) -> None:
        """Note a unit as done, and begin to count when enough images have been seen."""
        if batch.indices and (missing := self._plan.positions.keys() - self._seen):
            raise PadscopeError(self._another_path(min(missing), "did not run", "did"))
        self.units, self.images = batch.unit + 1, self.images + len(batch.indices)
        self._skipped += batch.skipped
        if self._collector is not None:
            self._collector.commit()
        elif self.images and self.units >= self._calibrate:
            self._fit()

    def _fit(self) -> None:
        self._start_counting(self._calibrator.fit(), no_counts(self._plan))
        assert self._collector is not None
        self._calibrator.count_into(self._collector)
        self._calibrator = Calibrator({})  # lets go of the activations

    def state(self) -> Counted:
        if self._collector is None and self.images:
            self._fit()
        if self._collector is not None:
            self._collector.flush()
        tallies = self._collector.tallies if self._collector else {}
        return Counted(self.units, self.images, self._skipped, self.calibration, tallies)
