"""Run treatments on batches of images and compare the answers with the unchanged ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from padscope.effects.classification import ClassAnswer
from padscope.effects.comparison import (
    CLASS_CHANGE,
    CLASS_CONTROL,
    UNCHANGED,
    LabelsOf,
    Unchanged,
)
from padscope.effects.metric import Metric
from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.interventions.treatments import Treatment
from padscope.running import Findings, Pulse, no_pulse
from padscope.running.model import Asking, as_input


@dataclass(frozen=True)
class TreatmentMeasurement:
    """From a batch of images to the effects of T treatments on each: a measurement.

    Rows are (images, T), float64, one per measure of `padscope.effects.comparison` that applies,
    in the order of the treatments; ``distance`` is (images, T, D). With labels there are
    ``unchanged/correct`` and ``unchanged/top``, (images,). For the S sets in `by_class` there are
    ``class_change`` and ``class_control``, (images, S, C), float32: the change of each class's
    probability when the set is treated, and when its controls are, mean over the draws (NaN if
    there are none).

    Attributes
    ----------
    model : nn.Module
        In eval mode. It is left as it was.
    treatments : tuple of Treatment
    by_class : tuple of (str, str)
        Set and change of those whose classes are looked at; for answers that are scores of classes.
    asking : Asking
    labels : callable or None
        From indices of images to (N,) int64 labels, -1 where unknown.
    metric : Metric or None
    pulse : callable
        See `padscope.running.Pulse`.
    """

    model: nn.Module
    treatments: tuple[Treatment, ...]
    by_class: tuple[tuple[str, str], ...] = ()
    asking: Asking = field(default_factory=Asking)
    labels: LabelsOf | None = None
    metric: Metric | None = None
    pulse: Pulse = no_pulse

    def __call__(self, batch: Batch) -> Findings:
        """Measure a batch.

        Raises
        ------
        PadscopeError
            The model fails on the images, its answer cannot be read or is not finite, or the
            metric fails; it says under which treatment.
        """
        pixels = as_input(self.model, batch.pixels)
        with torch.no_grad():
            base = self._answer(pixels, batch, None)
            labels = self.labels(batch.indices) if self.labels else None
            unchanged = Unchanged(base, batch.indices, labels, self.metric)
            own = unchanged.own()
            found: dict[str, list[Tensor]] = {}
            classes = _Classes(self.by_class if unchanged.kind == "classes" else (), unchanged)
            for treatment in self.treatments:
                try:
                    answer = self._answer(pixels, batch, treatment)
                    measures = unchanged.compare(answer)
                except PadscopeError as error:
                    raise PadscopeError(f"{treatment.name}: {error}") from error
                for measure, values in measures.items():
                    found.setdefault(measure, []).append(values)
                classes.add(treatment, answer)
                self.pulse(len(batch.indices))
        rows = {measure: torch.stack(values, dim=1) for measure, values in found.items()}
        rows |= {f"{UNCHANGED}{name}": values for name, values in own.items()}
        return Findings(rows | classes.rows())

    def _answer(self, pixels: Tensor, batch: Batch, treatment: Treatment | None) -> Tensor:
        change = treatment.make(self.model) if treatment else nullcontext()
        with change as intervention:
            if intervention is not None:
                intervention.images = self.asking.numbered(batch.indices)
            return self.asking.ask(self.model, pixels, batch.indices).cpu()


class _Classes:
    """Changes of the probability of each class, by set."""

    def __init__(self, wanted: Sequence[tuple[str, str]], unchanged: Unchanged) -> None:
        self._places = {key: place for place, key in enumerate(wanted)}
        if not wanted:
            return
        self._base = unchanged.classes.probabilities
        shape = (len(self._base), len(wanted), self._base.shape[1])
        self._change = torch.full(shape, torch.nan, dtype=torch.float64)
        self._control = torch.zeros(shape, dtype=torch.float64)
        self._draws = torch.zeros(len(wanted), dtype=torch.float64)

    def add(self, treatment: Treatment, answer: Tensor) -> None:
        place = self._places.get((treatment.chosen, treatment.change))
        if place is None or treatment.part not in ("set", "control"):
            return
        change = ClassAnswer.of(answer).probabilities - self._base
        if treatment.part == "set":
            self._change[:, place] = change
        else:
            self._control[:, place] += change
            self._draws[place] += 1

    def rows(self) -> dict[str, Tensor]:
        if not self._places:
            return {}
        control = self._control / self._draws[:, None]  # 0 / 0 is NaN: no controls
        return {CLASS_CHANGE: self._change.float(), CLASS_CONTROL: control.float()}
