"""Measure how much a model's answer depends on the view of a photograph, under treatments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from padscope.effects.answers import kind_of_answer
from padscope.effects.comparison import Unchanged
from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.interventions import Intervention
from padscope.measurements.features import PooledFeatures, Seen, projection
from padscope.measurements.overlap import Overlap, find_overlap, output_stride
from padscope.measurements.views import View, Views, passes
from padscope.running import Findings, Pulse, no_pulse
from padscope.running.model import Asking, compare, measures_of

AS_IS = "as is"
Make = Callable[[nn.Module], Intervention]


@dataclass(frozen=True)
class ViewPlan:
    """The views on which a model's answers can be compared.

    Attributes
    ----------
    centre : View
    others : tuple of View
    overlaps : tuple of Overlap or None
        One per other view: which part of a dense answer is compared; None for the whole answer.
    left_out : dict
        Name of a view → why it is left out.
    measures : tuple of str
        See `answering.compare`.
    """

    centre: View
    others: tuple[View, ...]
    overlaps: tuple[Overlap | None, ...]
    left_out: dict[str, str]
    measures: tuple[str, ...]

    @property
    def passes(self) -> float:
        """Forward passes of a crop that an image takes, by area."""
        return passes((self.centre, *self.others), self.centre.size)

    @property
    def looked_at(self) -> tuple[View, ...]:
        """The centre view and the shifts: those whose features are kept."""
        return (self.centre, *(view for view in self.others if view.kind == "shift"))

    @property
    def offsets(self) -> list[tuple[int, ...]]:
        """Where they lie on the canvas: pixels from the centre view, per axis."""
        return [
            tuple(a - b for a, b in zip(view.start, self.centre.start, strict=True))
            for view in self.looked_at
        ]


def plan_views(model: nn.Module, views: Views, canvas: Tensor, asking: Asking) -> ViewPlan:
    """Find the views that a model takes, by trying each on one canvas.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    views : Views
    canvas : (N, C, *spatial) Tensor
        Only the first is looked at.
    asking : Asking

    Raises
    ------
    PadscopeError
        The model fails on the crop itself.
    """
    canvas = canvas[:1]
    with torch.no_grad():
        base = asking.ask(model, views.centre.cut(canvas), (0,))
        maps: dict[View, tuple[int, ...]] = {}
        left_out = dict(views.left_out)
        for view in views.others:
            try:
                answer = asking.ask(model, view.cut(canvas), (0,))
            except PadscopeError as error:
                left_out[view.describe()] = str(error)
                continue
            maps[view] = tuple(answer.shape[2:])
            if answer.shape[1:2] != base.shape[1:2] or answer.ndim != base.ndim:
                left_out[view.describe()] = "the model's answer has another shape"
                del maps[view]
    overlaps: dict[View, Overlap | None] = dict.fromkeys(maps)
    if kind_of_answer(base) == "dense":
        overlaps = _overlaps(views.centre, maps, tuple(base.shape[2:]), left_out)
    measures = measures_of(base)
    return ViewPlan(views.centre, tuple(overlaps), tuple(overlaps.values()), left_out, measures)


def _overlaps(
    centre: View,
    maps: Mapping[View, tuple[int, ...]],
    centre_map: tuple[int, ...],
    left_out: dict[str, str],
) -> dict[View, Overlap | None]:
    if len(centre_map) != len(centre.size):  # such as a sequence of tokens
        reason = "the positions of the model's answer are not those of the image"
        left_out.update({view.describe(): reason for view in maps})
        return {}
    wider = next((view for view in maps if view.kind == "size"), None)
    stride = output_stride(centre, centre_map, wider, maps[wider] if wider else ())
    overlaps: dict[View, Overlap | None] = {}
    for view, view_map in maps.items():
        found = find_overlap(centre, view, stride, centre_map, view_map)
        if isinstance(found, Overlap):
            overlaps[view] = found
        else:
            left_out[view.describe()] = found
    return overlaps


class ViewMeasurement:
    """Compare a model's answers on views with its answer on the centre view; a measurement.

    Under every treatment the model is compared with itself under the same treatment, so what is
    measured is how much it depends on the view, and not what the treatment does.

    Rows: each of the plan's measures, (n, views, treatments); and, if features are given,
    ``features``: (n, centre and shifts, treatments they are kept of, features) float32.

    Parameters
    ----------
    model : nn.Module
        In eval mode; left as it was.
    plan : ViewPlan
        From `plan_views`.
    treatments : mapping
        Name → its draws, each a function that makes an intervention of a model. What is measured
        under several draws is averaged. `AS_IS`, no intervention, need not be given: it is always
        the first.
    asking : Asking
    features : PooledFeatures, optional
        From `find_features`. More than `MOST_FEATURES` are projected, see `projection`.
    featured : collection of str
        Treatments whose features are kept. Of several draws, those of the first.
    seed : int
        Of the projection.
    pulse : callable
        See `padscope.running.Pulse`.

    Attributes
    ----------
    treatments : tuple of str
        The last axis of the measures.
    featured : tuple of str
        The treatments of the features.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: ViewPlan,
        treatments: Mapping[str, Sequence[Make]],
        asking: Asking,
        features: PooledFeatures | None = None,
        featured: Collection[str] = (AS_IS,),
        seed: int = 0,
        pulse: Pulse = no_pulse,
    ) -> None:
        if without := [name for name, draws in treatments.items() if not draws]:
            raise ValueError(f"treatment {without[0]!r} has no draw")
        self._model, self._plan, self._asking = model, plan, asking
        self._pulse = pulse
        self._draws: dict[str, list[Make | None]] = {AS_IS: [None]}
        self._draws |= {name: list(draws) for name, draws in treatments.items()}
        self._features = features
        self._projection = projection(features.width, seed) if features else None
        self.treatments = tuple(self._draws)
        self.featured = tuple(name for name in self._draws if features and name in featured)

    def __call__(self, batch: Batch) -> Findings:
        """Measure one batch of canvases.

        Raises
        ------
        PadscopeError
            The model fails, or its answer is not finite; it says under which treatment.
        """
        columns: dict[str, list[Tensor]] = {name: [] for name in self._plan.measures}
        features: list[Tensor] = []
        for name, draws in self._draws.items():
            looks = []
            for number, make in enumerate(draws):
                try:
                    keep = number == 0 and name in self.featured
                    looks.append(self._look(batch, make, keep=keep))
                except PadscopeError as error:
                    raise PadscopeError(f"{name}: {error}") from error
                self._pulse(round(len(batch.indices) * self._plan.passes))
            for measure in columns:
                every = [look.changes(measure, len(batch.indices)) for look in looks]
                columns[measure].append(torch.stack(every).mean(dim=0))
            features += [torch.stack(look.features, dim=1) for look in looks if look.features]
        rows = {measure: torch.stack(parts, dim=2) for measure, parts in columns.items()}
        if features:
            rows["features"] = torch.stack(features, dim=2)
        return Findings(rows)

    def _look(self, batch: Batch, make: Make | None, *, keep: bool) -> _Look:
        """Run all views under one draw of a treatment."""
        plan, look = self._plan, _Look([], [])
        with torch.no_grad(), ExitStack() as stack:
            if make is not None:
                running = stack.enter_context(make(self._model))
                running.images = self._asking.numbered(batch.indices)
            seen = None
            if keep and self._features is not None:
                seen = stack.enter_context(self._features.watching(self._model))
            base = self._answer(batch, plan.centre, seen, look).cpu()
            whole = Unchanged(base, batch.indices)
            for view, overlap in zip(plan.others, plan.overlaps, strict=True):
                answer = self._answer(batch, view, seen if view.kind == "shift" else None, look)
                if overlap is None:
                    look.compared.append(compare(whole, answer))
                else:
                    shared = replace(whole, answers=overlap.of_centre(base))
                    look.compared.append(compare(shared, overlap.of_view(answer)))
        return look

    def _answer(self, batch: Batch, view: View, seen: Seen | None, look: _Look) -> Tensor:
        answer = self._asking.ask(self._model, view.cut(batch.pixels), batch.indices)
        if seen is not None and seen.pooled is not None:
            pooled = seen.pooled[: len(batch.indices)].float().cpu()
            look.features.append(pooled if self._projection is None else pooled @ self._projection)
        return answer


@dataclass(frozen=True)
class _Look:
    """What is seen under one draw of a treatment: per view, and per view that is kept."""

    compared: list[dict[str, Tensor]]
    features: list[Tensor]

    def changes(self, measure: str, images: int) -> Tensor:
        """(images, views)."""
        if not self.compared:
            return torch.zeros(images, 0, dtype=torch.float64)
        return torch.stack([found[measure] for found in self.compared], dim=1)
