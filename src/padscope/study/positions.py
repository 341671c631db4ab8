"""Position: the same photographs shifted, at other sizes and cropped otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch

from padscope.effects.readout import Readout, read_position
from padscope.errors import PadscopeError
from padscope.interventions import headline_rows, repad
from padscope.interventions.selection import Filters
from padscope.measurements.features import PooledFeatures, find_features
from padscope.measurements.view_measurement import (
    AS_IS,
    Make,
    ViewMeasurement,
    ViewPlan,
    plan_views,
)
from padscope.measurements.views import Views, choose_views, passes
from padscope.running import Recorded, Recording
from padscope.running.model import as_input
from padscope.study.outcome import Outcome, require_images
from padscope.study.stage import Stage
from padscope.study.stages import Effort
from padscope.study.subject import Subject, readable
from padscope.tables.views import readout_table, view_table

UNDONE, CONTROLS, REFILLED = "PANs undone", "controls undone", "all padding refilled"
# What a view costs, over a pass of a full batch, and afterwards reading the position from it.
DEAR, READ = 1.8, 0.9
CONTROL_DRAWS = (1, 2)  # to compare with; the null is not drawn from them. The latter if `fine`


@dataclass(frozen=True)
class PositionBias:
    """How much the answer depends on where the frame lies, with and without padding-aware neurons.

    Those are undone that use is judged by. A `Step`.
    """

    subject: Subject
    what: str = "position bias"

    @property
    def effort(self) -> Effort:
        """Forward passes of single images."""
        if not any(self.subject.explanation.margin):
            return Effort()
        images = self.subject.tested.images(self.subject.settings.canvas_images) or 0
        views = self._views
        each = self._draws * passes((views.centre, *views.others), views.centre.size)
        return Effort.of(round(images * each), DEAR) + Effort(cost=images * each * READ)

    @cached_property
    def _views(self) -> Views:
        canvas, fine = self.subject.canvas(), self.subject.settings.fine
        return choose_views(canvas.size, canvas.margin, self.subject.total_stride, fine=fine)

    @property
    def _draws(self) -> int:
        """How often the views are run, the first time with nothing changed."""
        return 1 + sum(map(len, self._treatments.values()))

    def run(self, stage: Stage) -> Outcome:
        """Run the views under every treatment, and read the position from the features."""
        subject, settings = self.subject, self.subject.settings
        canvas = subject.canvas()
        first = next(readable(canvas.batches(canvas.units)), None)
        if first is None:
            raise PadscopeError("none of the images is large enough for real surroundings")
        pixels = as_input(subject.module, first.pixels[:1])
        plan = plan_views(subject.module, self._views, pixels, subject.asking)
        features, notes = self._features(plan, pixels)
        treatments = self._treatments
        featured = [name for name in (AS_IS, UNDONE, REFILLED) if name in (AS_IS, *treatments)]
        make = partial(
            ViewMeasurement, subject.module, plan, treatments, subject.asking, features, featured,
            settings.seed,
        )  # fmt: skip
        job = canvas.job("views", canvas.batches, lambda pulse: nullcontext(Recording(make(pulse))))
        job = replace(job, fingerprint=subject.tested.fingerprint)  # as of the other steps
        found = stage.run(job, Recorded(), self._draws * plan.passes, dear=DEAR)
        require_images(found, "views")
        names = (AS_IS, *treatments)
        table = view_table(
            [(view.kind, view.amount) for view in plan.others], names,
            {name: found.rows[name].numpy() for name in plan.measures},
            {UNDONE: CONTROLS} if {UNDONE, CONTROLS} <= set(names) else None,
            self._groups(found), settings.resamples, settings.seed,
        )  # fmt: skip
        readouts, unread = self._read(plan, found, featured)
        stage.spend(Effort(cost=READ * self._draws * plan.passes * found.images))
        notes += [f"View left out, {name}: {reason}." for name, reason in plan.left_out.items()]
        return Outcome(
            {"views": table, "readout": readout_table(readouts, len(canvas.size))},
            images=len(found.indices), notes=(*notes, *unread),
        )  # fmt: skip

    @cached_property
    def _treatments(self) -> dict[str, list[Make]]:
        undone = headline_rows(self.subject.study.filters)
        controls = self.subject.controls(undone, CONTROL_DRAWS[self.subject.settings.fine])
        treatments = {UNDONE: [self._refill(undone)], REFILLED: [self._refill(None)]}
        if not undone.height:
            del treatments[UNDONE]
        elif controls.draws:
            draws = range(controls.draws)
            treatments[CONTROLS] = [self._refill(controls.draw(draw)) for draw in draws]
        return treatments

    def _refill(self, chosen: Filters | None) -> Make:
        settings = self.subject.settings
        return partial(
            repad, filters=chosen, fill=settings.fill, seed=settings.seed,
            observed=self.subject.observation,
        )  # fmt: skip

    def _features(
        self, plan: ViewPlan, pixels: torch.Tensor
    ) -> tuple[PooledFeatures | None, list[str]]:
        try:
            return find_features(
                self.subject.module, plan.centre.cut(pixels), self.subject.asking.static_batch
            ), []
        except PadscopeError as error:
            return None, [f"No read-out of position: {error}."]

    def _groups(self, found: Recorded) -> list[int]:
        return self.subject.tested.groups(found.indices)

    def _read(
        self, plan: ViewPlan, found: Recorded, featured: Sequence[str]
    ) -> tuple[dict[str, list[Readout]], list[str]]:
        if "features" not in found.rows:
            return {}, []
        features, settings = found.rows["features"].numpy(), self.subject.settings
        groups = self._groups(found)
        try:
            return {
                name: read_position(
                    features[:, :, place], plan.offsets, groups, settings.resamples, settings.seed
                )
                for place, name in enumerate(featured)
            }, []
        except PadscopeError as error:
            return {}, [f"No read-out of position: {error}."]
