"""How far padding reaches in fact: a crop beside the same pixels with real surroundings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from padscope.effects.dense import over_spread, spreads
from padscope.errors import PadscopeError
from padscope.images import Batch, central
from padscope.measurements.output import OUTPUT
from padscope.running import Findings
from padscope.running.model import Asking
from padscope.sites import Alignment, Call, Observation, StopAfter, StopForward, Visitor, align
from padscope.sites.depth_bounds import DepthBounds, MapBounds
from padscope.sites.geometry import core_range


@dataclass(frozen=True)
class Aligned:
    """Where the positions of a crop's map lie on the canvas's.

    Attributes
    ----------
    size, shift : tuple of int
        Positions of the crop's map per axis, and where the first stands on the canvas's.
    stride : tuple of Fraction
        Input pixels per position.
    reach : tuple of (int, int)
        Lines per axis, from the first and from the last end, that padding can reach.
    """

    size: tuple[int, ...]
    shift: tuple[int, ...]
    stride: tuple[Fraction, ...]
    reach: tuple[tuple[int, int], ...]

    def within(self, canvas: Tensor) -> Tensor:
        """Cut the positions of the crop out of a canvas's map."""
        for axis, (shift, size) in enumerate(zip(self.shift, self.size, strict=True), start=2):
            canvas = canvas.narrow(axis, shift, size)
        return canvas

    def strips(self, found: Tensor) -> Iterator[tuple[int, int, Tensor]]:
        """Give the lines that padding can reach: axis, first line, and (N, C, *spatial) views.

        They go along the central half of the other axes, where their own padding reaches last.
        """
        for axis, (size, (near, far)) in enumerate(zip(self.size, self.reach, strict=True)):
            central_half = found
            for other, n in enumerate(self.size):
                if other != axis:
                    first, stop = core_range(n)
                    central_half = central_half.narrow(other + 2, first, stop - first)
            parts = [(0, near), (size - far, size)] if near + far < size else [(0, size)]
            for first, stop in parts:
                yield axis, first, central_half.narrow(axis + 2, first, stop - first)


@dataclass(frozen=True)
class DepthPlan:
    """Which maps are compared.

    Attributes
    ----------
    observation : Observation
        Of the crop.
    size, margin : tuple of int
        Of the crop, and of the real context at each end, in pixels per axis.
    maps : dict
        Name of an operation → where its positions lie.
    answer : Aligned or None
        The same of the answer, if it is dense.
    apart : dict
        Name → why a map cannot be compared.
    """

    observation: Observation
    size: tuple[int, ...]
    margin: tuple[int, ...]
    maps: dict[str, Aligned]
    answer: Aligned | None
    apart: dict[str, str]

    @property
    def everything(self) -> dict[str, Aligned]:
        """All maps that are compared, the answer last."""
        return self.maps | ({} if self.answer is None else {OUTPUT: self.answer})


def plan_depth(
    crop: Observation,
    canvas: Observation,
    size: Sequence[int],
    margin: Sequence[int],
    answers: tuple[Tensor, Tensor] | None,
    bounds: DepthBounds,
) -> DepthPlan:
    """Align every convolution and pooling of a crop and a canvas, and their answers.

    Parameters
    ----------
    crop, canvas : Observation
    size, margin : sequence of int
        Pixels per axis.
    answers : pair of Tensor or None
        To the crop and to the canvas; None if the model has none to the canvas.
    bounds : DepthBounds
    """
    there = {site.name: site for site in (*canvas.sites, *canvas.unpadded)}
    maps, apart = {}, {}
    sites = {
        site.name: site
        for site in (*crop.sites, *crop.unpadded)
        if site.scored or "pool" in site.op
    }
    for name, bound in bounds.sites.items():  # in the order of the forward pass
        if name not in sites:
            continue
        aligned = align(sites[name], there.get(name), margin)
        if isinstance(aligned, Alignment):
            reach = _reach(bound, aligned.crop.out)
            maps[name] = Aligned(aligned.crop.out, aligned.shift_out, aligned.stride, reach)
        else:
            apart[name] = aligned
    answer = None
    if answers is not None:
        aligned_answer = _align_answer(*answers, margin, bounds.output)
        if isinstance(aligned_answer, str):
            apart[OUTPUT] = aligned_answer
        else:
            answer = aligned_answer
    return DepthPlan(crop, tuple(size), tuple(margin), maps, answer, apart)


def _reach(bounds: MapBounds | None, size: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Count the lines that padding can reach; all that there are where that is not known."""

    def lines(axis: int, n: int, *, far: bool) -> int:
        found = None if bounds is None or bounds.whole else bounds.ends[axis, far].lines
        return n if found is None else min(found, n)

    return tuple(
        (lines(axis, n, far=False), lines(axis, n, far=True)) for axis, n in enumerate(size)
    )


def _align_answer(
    crop: Tensor, canvas: Tensor, margin: Sequence[int], bounds: MapBounds | None
) -> Aligned | str:
    dims = len(margin)
    if crop.ndim != dims + 2 or canvas.ndim != crop.ndim:
        return "the answer is no map"
    size = tuple(crop.shape[2:])
    grown = [there - here for here, there in zip(size, canvas.shape[2:], strict=True)]
    if min(grown) <= 0:
        return "the answer does not grow with the input"
    if any(n % 2 for n in grown):
        return "the answer does not grow alike at both ends"
    stride = tuple(Fraction(2 * m, n) for m, n in zip(margin, grown, strict=True))
    if any(s.numerator > 1 and s.denominator > 1 for s in stride):
        return "the answer does not grow in step with the input"
    return Aligned(size, tuple(n // 2 for n in grown), stride, _reach(bounds, size))


class DepthMeasurement:
    """Compare the maps of a crop with those of the same pixels with real surroundings.

    Two passes: the crop's and the canvas's; where the answer is no map, both end behind the last
    operation. Rows, of every map and axis ``name/axis``: (n, lines) float32, the mean absolute
    difference of each line from the first end to the last, in spreads of the map with real
    surroundings. A line is averaged over channels and over the central half of the other axes,
    where their own padding reaches last; those that padding cannot reach are 0.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    plan : DepthPlan
    asking : Asking
    """

    def __init__(self, model: nn.Module, plan: DepthPlan, asking: Asking) -> None:
        self._model, self._plan, self._asking = model, plan, asking
        observed = plan.observation
        self._below = any(site.below_autograd for site in (*observed.sites, *observed.unpadded))
        self._stop = StopAfter()
        self._images: Sequence[int] = ()
        self._kept: dict[str, list[Tensor]] = {}
        self._rows: dict[str, Tensor] = {}

    def __call__(self, batch: Batch) -> Findings:
        """Measure one batch of canvases."""
        plan, self._images = self._plan, batch.indices
        self._kept, self._rows = {}, {}
        crop = central(batch.pixels, plan.size, "a batch of canvases")
        kept = self._pass(crop, self._keep)
        if kept is not None:
            self._keep_strips(OUTPUT, kept)
        answer = self._pass(batch.pixels, self._contrast)
        if answer is not None:
            self._compare(OUTPUT, answer)
        if missing := plan.everything.keys() - {name.rpartition("/")[0] for name in self._rows}:
            raise PadscopeError(
                f"{min(missing)} did not run on the images {batch.indices[0]} to "
                f"{batch.indices[-1]}, though it did on the first; networks that choose their path "
                "by image cannot be measured"
            )
        return Findings(self._rows)

    def _pass(self, pixels: Tensor, visitor: Visitor) -> Tensor | None:
        observed, dense = self._plan.observation, self._plan.answer is not None
        self._stop.expect(self._plan.maps, stop=not dense)
        answer = None
        with torch.no_grad(), observed.interception(
            self._model, visitor, below_autograd=self._below, within=None,
        ), suppress(StopForward):  # fmt: skip
            answer = self._asking.ask(self._model, pixels, self._images)
        return answer if dense else None

    def _keep(self, call: Call) -> None:
        if call.name in self._plan.maps:
            self._keep_strips(call.name, call.output[: len(self._images)])
            self._stop.see(call)

    def _contrast(self, call: Call) -> None:
        if call.name in self._plan.maps:
            self._compare(call.name, call.output[: len(self._images)])
            self._stop.see(call)

    def _keep_strips(self, name: str, crop: Tensor) -> None:
        aligned = self._plan.everything[name]
        if tuple(crop.shape[2:]) == aligned.size:
            # Copies: what comes next may write over it.
            self._kept[name] = [strip.clone() for *_, strip in aligned.strips(crop)]

    def _compare(self, name: str, canvas: Tensor) -> None:
        aligned, kept = self._plan.everything[name], self._kept.pop(name, None)
        if kept is None:
            return
        canvas = aligned.within(canvas)
        rows = [canvas.new_zeros(len(canvas), size, dtype=torch.float64) for size in aligned.size]
        for here, (axis, first, there) in zip(kept, aligned.strips(canvas), strict=True):
            change = here.float().sub_(there.float()).abs_()
            others = [other for other in range(1, change.ndim) if other != axis + 2]
            lines = change.shape[axis + 2]
            positions = change[0].numel() // max(1, lines)
            rows[axis][:, first : first + lines] = change.sum(others).double() / positions
        spread = spreads(canvas)
        for axis, lines_of in enumerate(rows):
            self._rows[f"{name}/{axis}"] = over_spread(lines_of, spread).float()


def profiles(rows: Mapping[str, Tensor], name: str, axis: int, *, far: bool) -> Tensor:
    """Return the lines of one map from one end on: (n, lines)."""
    lines = rows[f"{name}/{axis}"]
    return lines.flip(1) if far else lines
