"""Check that the maps of a crop and of a canvas around it are aligned; nothing is assumed.

What padding reaches is found by marking: every output in contact with padding becomes NaN, and NaN
spreads as influence does. Where no mark arrives, on the crop and on the canvas, both must have the
same values. In deep layers marks arrive everywhere; there each operation is checked by itself: its
output on the canvas must be what its window, laid over the canvas as the alignment says, gives, and
what lies before it must do the same on both (see `replay`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from padscope.errors import brief
from padscope.images import central
from padscope.measurements.contrast_plan import ContrastPlan
from padscope.measurements.replay import Replay
from padscope.measurements.site_plan import SitePlan
from padscope.measurements.site_visits import values_at
from padscope.running.model import as_input
from padscope.sites import Call, Interception, Visitor, at_offset, run_partly, select_taps
from padscope.sites.discovery import ROUNDINGS, TOLERANCE

NAN = float("nan")


@dataclass(frozen=True)
class Verification:
    """What was found of one site.

    Attributes
    ----------
    compared : int
        Positions of the crop's map that no padding reaches.
    difference : float
        Greatest difference there between crop and canvas, in spreads of the site's values as all
        that follow; NaN where there is no such position.
    window_error : float
        Greatest difference between the canvas's output and the window's sum over its input.
    whole_frame : bool
        Whether the site's values depend on the whole frame, however large it is.
    frame_error : float
        Greatest difference between the central halves of its inputs on crop and canvas, where all
        operations before it give the same on both.
    behind : str
        A site before this one at which crop and canvas differ, where this one has no position to
        tell whether they still do.
    tolerance : float
        Greatest difference that may be rounding.
    unchecked : str
        Why the site was not reached; nothing else is known of it then.
    """

    compared: int = 0
    difference: float = NAN
    window_error: float = NAN
    whole_frame: bool = False
    frame_error: float = 0.0
    behind: str = ""
    tolerance: float = TOLERANCE
    unchecked: str = ""

    @property
    def problem(self) -> str:
        """Why the site's real context must not be used; "" if it may."""
        if self.unchecked:
            return f"its alignment could not be checked: {self.unchecked}"
        if self.whole_frame:
            return "it sees the whole frame, by global pooling or attention before it"
        if self.difference > self.tolerance:
            return (
                f"crop and canvas differ by {self.difference:.2g} spreads where no padding reaches"
            )
        if self.frame_error > self.tolerance:
            return (
                "what lies before it depends on the size of the frame, "
                f"by {self.frame_error:.2g} spreads"
            )
        if self.behind:
            return (
                f"crop and canvas differ at {self.behind} before it, and padding reaches all of it"
            )
        if not self.window_error <= self.tolerance:
            return f"its output differs from its window's by {self.window_error:.2g} spreads"
        return ""


def verify_alignment(
    model: nn.Module, canvas: Tensor, plan: ContrastPlan
) -> dict[str, Verification]:
    """Compare a crop and a canvas, site by site; raises `PadscopeError` if memory runs out.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    canvas : (1, C, *spatial) Tensor
    plan : ContrastPlan
        Its aligned sites are checked.

    Returns
    -------
    dict
        Site name → what was found, of every aligned site.
    """
    canvas = canvas.repeat_interleave(plan.static_batch or 1, dim=0)
    crop = central(canvas, plan.size, "the canvas")
    values, replay = _Values(plan), Replay(plan.margin)
    failures = [_run(model, crop, _both(replay.note, values.keep), plan)]
    crop_marks, canvas_marks = (_Marks(pixels, values.broken) for pixels in (crop, canvas))
    for marks in (crop_marks, canvas_marks):  # on NaN a model may fail; then less is compared
        _run(model, marks.pixels, marks, plan)
    comparison = _Comparison(plan, values.kept, crop_marks.reached, canvas_marks.reached)
    passes = (canvas, _both(replay.keep, comparison)), (crop, replay)
    failures += [_run(model, pixels, visitor, plan) for pixels, visitor in passes]
    failure = next((brief(failure) for failure in failures if failure), "its pass ended before it")
    aligned = [name for name, site in plan.plans.items() if site.contextual]
    unchecked = {name: Verification(unchecked=failure) for name in aligned}
    return unchecked | _judged(comparison.found, replay.found, canvas_marks.whole)


def _both(first: Callable[[Call], None], second: Callable[[Call], None]) -> Visitor:
    def visit(call: Call) -> None:
        first(call)
        second(call)

    return visit


def _judged(
    found: dict[str, tuple[int, float, float, float]], frame: dict[str, float], whole: set[str]
) -> dict[str, Verification]:
    """Make verifications of what was found, in the order of the forward pass."""
    verified: dict[str, Verification] = {}
    behind = ""
    for name, (compared, difference, error, tolerance) in found.items():
        if (apart := frame.get(name)) is None:
            continue
        verified[name] = Verification(
            compared, difference, error, name in whole, apart, "" if compared else behind, tolerance
        )
        if difference > tolerance or apart > tolerance:
            behind = behind or name
    return verified


def _run(
    model: nn.Module, pixels: Tensor, visitor: Visitor, plan: ContrastPlan
) -> Exception | None:
    """Run a pass as far as it gets: a head may fail on a canvas."""
    with torch.no_grad(), Interception(model, visitor, below_autograd=plan.below_autograd) as seen:
        return run_partly(seen, as_input(model, pixels))


class _Marks:
    """Visitor that turns what touches padding into NaN and notes where NaN arrives."""

    def __init__(self, pixels: Tensor, broken: dict[str, Tensor]) -> None:
        self.pixels = pixels
        self._broken = broken
        self.reached: dict[str, NDArray[np.bool_]] = {}
        self.whole: set[str] = set()
        self._size = tuple(pixels.shape[2:])
        self._radius = 0.0
        self._all = False

    def __call__(self, call: Call) -> Tensor | None:
        window = call.operation.window
        dims = len(window.out)
        if call.output.ndim != dims + 2 or dims != len(self._size):
            return None
        marked = call.output
        if window.padded and call.output.is_floating_point():
            marked = call.output.clone()
            for axis in range(dims):
                before, after = window.contact(axis)
                lines = [*before, *(window.out[axis] - 1 - line for line in after)]
                index = torch.tensor(lines, dtype=torch.long, device=marked.device)
                marked.index_fill_(axis + 2, index, NAN)
        nan = torch.isnan(marked[0])
        if call.name in self._broken:
            nan[self._broken[call.name]] = False
        reached = nan.any(dim=0).cpu().numpy()
        self._see_whole(call, reached)
        self.reached[call.name] = reached
        return marked

    def _see_whole(self, call: Call, reached: NDArray[np.bool_]) -> None:
        """Note a map that marks fill farther than all windows so far could have carried them."""
        window = call.operation.window
        walks = zip(self._size, window.size, window.kernel, window.dilation, strict=True)
        self._radius += max(d * (k - 1) * pixels / max(1, n) for pixels, n, k, d in walks)
        if reached.all() and reached.size > 1 and self._radius < min(self._size) / 2:
            self._all = True
        if self._all:
            self.whole.add(call.name)


class _Values:
    """Visitor that keeps the crop's maps, and notes which filters give NaN without a mark."""

    def __init__(self, plan: ContrastPlan) -> None:
        self._wanted = {name for name, site in plan.plans.items() if site.contextual}
        self.kept: dict[str, Tensor] = {}
        self.broken: dict[str, Tensor] = {}

    def keep(self, call: Call) -> None:
        broken = _filters_where(torch.isnan, call.output[0])
        if broken.any():
            self.broken[call.name] = broken
        if call.name in self._wanted:
            # Double precision, for the squares of values that are large or small themselves.
            self.kept[call.name] = call.output[:1].double().cpu().clone()


class _Comparison:
    """Visitor of the canvas's pass: compares each site with the crop, and with its own window."""

    def __init__(
        self,
        plan: ContrastPlan,
        crop: dict[str, Tensor],
        crop_marks: dict[str, NDArray[np.bool_]],
        canvas_marks: dict[str, NDArray[np.bool_]],
    ) -> None:
        self._plans = plan.plans
        self._crop = crop
        self._marks = crop_marks, canvas_marks
        self._rounding = 0.0
        self.found: dict[str, tuple[int, float, float, float]] = {}

    def __call__(self, call: Call) -> None:
        if call.output.is_floating_point():  # what was rounded once stays so behind it
            self._rounding = max(self._rounding, torch.finfo(call.output.dtype).eps)
        plan, tolerance = self._plans.get(call.name), max(TOLERANCE, ROUNDINGS * self._rounding)
        if plan is None or plan.alignment is None or call.name not in self._crop:
            return
        crop = self._crop.pop(call.name)
        unusable = _filters_where(lambda values: ~values.isfinite(), crop[0])
        if unusable.all():  # of nothing, nothing can be said: its filters are unmeasured
            self.found[call.name] = 0, NAN, 0.0, tolerance
            return
        usable = ~unusable if unusable.any() else slice(None)  # which takes no copy
        crop = crop[:, usable]
        spread = float(crop.std()) or 1.0
        aligned = call.output[:1].double().cpu()
        for axis, (shift, size) in enumerate(
            zip(plan.alignment.shift_out, plan.window.out, strict=True)
        ):
            aligned = aligned.narrow(axis + 2, shift, size)
        free = self._out_of_reach(call.name, plan)
        difference = NAN
        if free.any():
            # Filters last, as they mostly lie in memory: what is chosen are whole rows.
            apart = (aligned[:, usable] - crop)[0].movedim(0, -1)[torch.from_numpy(free)]
            difference = float(apart.abs().max()) / spread
        error = float(_window_error(plan, call, aligned)[..., usable].max()) / spread
        self.found[call.name] = int(free.sum()), difference, error, tolerance

    def _out_of_reach(self, name: str, plan: SitePlan) -> NDArray[np.bool_]:
        assert plan.alignment is not None
        marks = [marks.get(name) for marks in self._marks]
        if marks[0] is None or marks[1] is None:
            return np.zeros(plan.window.out, dtype=bool)
        place = tuple(
            slice(shift, shift + size)
            for shift, size in zip(plan.alignment.shift_out, plan.window.out, strict=True)
        )
        free: NDArray[np.bool_] = ~(marks[0] | marks[1][place])
        return free


def _filters_where(test: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
    """Which of C filters have a value for which a test for NaN or infinities holds: (C,) bool."""
    rows = maps.movedim(0, -1).flatten(0, -2)
    if rows.sum(dim=0).isfinite().all():  # twenty times as fast, and most often all there is to do
        return torch.zeros(len(maps), dtype=torch.bool, device=maps.device)
    return test(rows).any(dim=0)


def _window_error(plan: SitePlan, call: Call, aligned: Tensor) -> Tensor:
    """Differences between an output and the sum over its window, at drawn positions: (1, P, C)."""
    assert plan.alignment is not None and call.weight is not None
    table = plan.positions.draws[0].table[:1]
    ends = zip(call.operation.offset, plan.alignment.shift_in, strict=True)
    shape = tuple(call.input.shape[2:])
    locate = at_offset([offset + shift for offset, shift in ends], shape)
    operation = plan.as_on_crop(call.operation)
    taps = select_taps(operation, call.weight, table, shape, locate, padding_only=False)
    summed = taps.part(call.input, [0], [0])
    if call.bias is not None:
        summed = summed + call.bias.detach().float().cpu()
    return (summed - values_at(aligned, torch.from_numpy(table), [0]).float()).abs()
