"""Run treatments on batches of images and compare the answers with the unchanged ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
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
from padscope.interventions.intervention import Intervention
from padscope.interventions.treatments import Share, Treatment
from padscope.running import Findings, Pulse, no_pulse
from padscope.running.model import Asking, as_input
from padscope.running.recorded import Draft

DONE, ROWS = "done", "rows "  # of a draft: how many treatments, and the names of rows


@dataclass(frozen=True)
class TreatmentMeasurement:
    """From a batch of images to the effects of T treatments on each: a measurement.

    Rows are (images, T), float64, one per measure of `padscope.effects.comparison` that applies,
    in the order of the treatments, NaN where a treatment is not done to an image;
    ``distance`` is (images, T, D). With labels there are
    ``unchanged/correct`` and ``unchanged/top``, (images,). For the S sets in `by_class` there are
    ``class_change`` and ``class_control``, (some images, S, C), float32: the change of each
    class's probability when the set is treated, and when its controls are, mean over the draws
    that are done to the image (NaN if there are none).

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
    draft : dict
        See `padscope.running.recorded.Resumable`.
    class_share : Share
        The images of which the changes of classes are kept.
    """

    model: nn.Module
    treatments: tuple[Treatment, ...]
    by_class: tuple[tuple[str, str], ...] = ()
    asking: Asking = field(default_factory=Asking)
    labels: LabelsOf | None = None
    metric: Metric | None = None
    pulse: Pulse = no_pulse
    draft: Draft = field(default_factory=dict)
    class_share: Share = field(default_factory=Share)

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
            base = self._answer(pixels, batch, None, range(len(batch.indices)))
            labels = self.labels(batch.indices) if self.labels else None
            unchanged = Unchanged(base, batch.indices, labels, self.metric)
            own = unchanged.own()
            by_class = self.by_class if unchanged.kind == "classes" else ()
            classes = _Classes(by_class, unchanged, self.draft)
            parts = [_part_of(batch, treatment) for treatment in self.treatments]
            done = int(self.draft.get(DONE, torch.tensor(0)))
            if done:
                self.pulse(sum(map(len, parts[:done])))
            for places in self._passes(parts, len(batch.indices)):
                if places[-1] < done:
                    continue
                answers = self._answers(pixels, batch, places, parts)
                for place, answer in zip(places, answers, strict=True):
                    treatment, part = self.treatments[place], parts[place]
                    with _naming(treatment):
                        measures = unchanged.of(part).compare(answer)
                    for measure, values in measures.items():
                        if ROWS + measure not in self.draft:
                            shape = (len(batch.indices), len(self.treatments), *values.shape[1:])
                            rows = torch.full(shape, torch.nan, dtype=torch.float64)
                            self.draft[ROWS + measure] = rows
                        self.draft[ROWS + measure][part, place] = values
                    classes.add(treatment, answer, part)
                self.draft[DONE] = torch.tensor(places[-1] + 1)
                self.pulse(sum(len(parts[place]) for place in places))
        found = {
            name.removeprefix(ROWS): rows
            for name, rows in self.draft.items()
            if name.startswith(ROWS)
        }
        self.draft.clear()
        own_rows = {f"{UNCHANGED}{name}": values for name, values in own.items()}
        some = [row for row, image in enumerate(batch.indices) if image in self.class_share]
        class_rows = {name: values[some] for name, values in classes.rows().items()}
        images = [batch.indices[row] for row in some]
        return Findings(found | own_rows | class_rows, images=dict.fromkeys(class_rows, images))

    def _passes(self, parts: Sequence[Sequence[int]], room: int) -> Iterator[list[int]]:
        """Put treatments that follow one another into passes of no more than a batch.

        Yields
        ------
        list of int
            Their places; none is without images.
        """
        joint: list[int] = []
        free = room
        for place, part in enumerate(parts):
            if not part:
                continue
            if joint and (len(part) > free or self.asking.seed is not None):
                yield joint
                joint, free = [], room
            joint.append(place)
            free -= len(part)
        if joint:
            yield joint

    def _answers(
        self, pixels: Tensor, batch: Batch, places: Sequence[int], parts: Sequence[Sequence[int]]
    ) -> list[Tensor]:
        """Ask for the answers under some treatments, in one pass if that can be."""
        done = [(self.treatments[place], parts[place]) for place in places]
        if len(done) > 1:
            # What is wrong, and under which of them, is said where each is run by itself.
            with suppress(PadscopeError):
                return self._joint_answers(pixels, batch, done)
        answers = []
        for treatment, part in done:
            with _naming(treatment):
                answers.append(self._answer(pixels, batch, treatment, part))
        return answers

    def _joint_answers(
        self, pixels: Tensor, batch: Batch, done: Sequence[tuple[Treatment, Sequence[int]]]
    ) -> list[Tensor]:
        changes = []
        for treatment, part in done:
            change = treatment.make(self.model)
            if not isinstance(change, Intervention):
                raise PadscopeError(f"{treatment.name} changes the whole network")
            changes.append((change, [batch.indices[row] for row in part]))
        rows = [row for _, part in done for row in part]
        images = [batch.indices[row] for row in rows]
        with Intervention.jointly(changes) as joint:
            joint.images = self.asking.numbered(images)
            answers = self.asking.ask(self.model, pixels[rows], images).cpu()
        return list(answers.split([len(part) for _, part in done]))

    def _answer(
        self, pixels: Tensor, batch: Batch, treatment: Treatment | None, part: Sequence[int]
    ) -> Tensor:
        """Ask for the answer to the images of a part of the batch."""
        # Noise is that of the unchanged answer only where the same batch is run.
        run = range(len(batch.indices)) if self.asking.seed is not None else part
        images = [batch.indices[row] for row in run]
        if len(run) < len(pixels):
            pixels = pixels[list(run)]
        change = treatment.make(self.model) if treatment else nullcontext()
        with change as intervention:
            if intervention is not None:
                intervention.images = self.asking.numbered(images)
            answer = self.asking.ask(self.model, pixels, images).cpu()
        return answer if len(answer) == len(part) else answer[list(part)]


@contextmanager
def _naming(treatment: Treatment) -> Iterator[None]:
    """Say under which treatment something failed."""
    try:
        yield
    except PadscopeError as error:
        raise PadscopeError(f"{treatment.name}: {error}") from error


def _part_of(batch: Batch, treatment: Treatment) -> list[int]:
    """Find the rows of a batch that a treatment is done to."""
    return [row for row, image in enumerate(batch.indices) if image in treatment.share]


class _Classes:
    """Changes of the probability of each class, by set; added up in a draft."""

    def __init__(
        self, wanted: Sequence[tuple[str, str]], unchanged: Unchanged, draft: Draft
    ) -> None:
        self._places = {key: place for place, key in enumerate(wanted)}
        if not wanted:
            return
        self._base = unchanged.classes.probabilities
        shape = (len(self._base), len(wanted), self._base.shape[1])
        blank = {
            "change": torch.full(shape, torch.nan, dtype=torch.float64),
            "control": torch.zeros(shape, dtype=torch.float64),
            "draws": torch.zeros(shape[:2], dtype=torch.float64),
        }
        self._change, self._control, self._draws = (
            draft.setdefault(f"classes {name}", values) for name, values in blank.items()
        )

    def add(self, treatment: Treatment, answer: Tensor, part: Sequence[int]) -> None:
        place = self._places.get((treatment.chosen, treatment.change))
        if place is None or treatment.part not in ("set", "control"):
            return
        change = ClassAnswer.of(answer).probabilities - self._base[part]
        if treatment.part == "set":
            self._change[part, place] = change
        else:
            self._control[part, place] += change
            self._draws[part, place] += 1

    def rows(self) -> dict[str, Tensor]:
        if not self._places:
            return {}
        control = self._control / self._draws[..., None]  # 0 / 0 is NaN: no controls
        return {CLASS_CHANGE: self._change.float(), CLASS_CONTROL: control.float()}
