"""What a network answers to inputs of other sizes, cut out of the same images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from padscope.effects.comparison import UNCHANGED, LabelsOf, Unchanged
from padscope.effects.metric import Metric
from padscope.errors import PadscopeError
from padscope.images import Batch, central
from padscope.interventions import Intervention
from padscope.running import Findings
from padscope.running.model import Asking


@dataclass(frozen=True)
class Changed:
    """An input of another size, or a change of the network.

    Attributes
    ----------
    name : str
        A line for people.
    size : tuple of int
        Of the input, in pixels per axis.
    make : callable or None
        From the network to the `Intervention`.
    """

    name: str
    size: tuple[int, ...]
    make: Callable[[nn.Module], Intervention] | None = None


@dataclass(frozen=True)
class SizeMeasurement:
    """From a batch of canvases to what S changes do to the answer: a measurement.

    Rows are (images, S) float64, one per measure of `padscope.effects.comparison` that applies, and
    ``unchanged/correct`` and ``unchanged/top``, (images,), with labels. Every input is the centre
    of the canvas.

    Attributes
    ----------
    model : nn.Module
        In eval mode.
    size : tuple of int
        Of the input that others are compared with.
    changes : tuple of Changed
    asking : Asking
    labels, metric
        As of `measurements.effects.TreatmentMeasurement`.
    """

    model: nn.Module
    size: tuple[int, ...]
    changes: tuple[Changed, ...]
    asking: Asking
    labels: LabelsOf | None = None
    metric: Metric | None = None

    def __call__(self, batch: Batch) -> Findings:
        """Measure one batch."""
        base = self._answer(batch, Changed("", self.size))
        labels = self.labels(batch.indices) if self.labels else None
        unchanged = Unchanged(base, batch.indices, labels, self.metric)
        own = {f"{UNCHANGED}{name}": values for name, values in unchanged.own().items()}
        found: dict[str, list[Tensor]] = {}
        for change in self.changes:
            try:
                compared = unchanged.compare(self._answer(batch, change))
            except PadscopeError as error:
                raise PadscopeError(f"{change.name}: {error}") from error
            for measure, values in compared.items():
                if values.ndim == 1:
                    found.setdefault(measure, []).append(values.double())
        return Findings({name: torch.stack(rows, dim=1) for name, rows in found.items()} | own)

    def _answer(self, batch: Batch, change: Changed) -> Tensor:
        pixels = central(batch.pixels, change.size, "a batch of canvases")
        making = change.make(self.model) if change.make else nullcontext()
        with torch.no_grad(), making as intervention:
            if intervention is not None:
                intervention.images = self.asking.numbered(batch.indices)
            return self.asking.ask(self.model, pixels, batch.indices).cpu()
