"""What undoing sets of filters changes, beside controls: effects, doses, distances, classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import polars as pl

from padscope.effects.metric import Metric, load_metric
from padscope.effects.resampling import Bootstrap
from padscope.interventions import Controls
from padscope.interventions.sets import ALL_PADDING, CONFIRMED_SET, named_sets
from padscope.interventions.treatments import (
    Treatment,
    dose_treatments,
    refill,
    set_treatments,
)
from padscope.measurements.effects import TreatmentMeasurement
from padscope.running import Recorded
from padscope.study.dedication import dedicated_filters
from padscope.study.impact_images import names_of_classes
from padscope.study.outcome import Outcome, require_images
from padscope.study.stage import Stage
from padscope.study.subject import Subject
from padscope.tables.classes import class_table
from padscope.tables.costs import cost_table
from padscope.tables.distances import distance_table
from padscope.tables.effects import dose_table, effect_table
from padscope.tables.efficiency import filter_costs

NOTHING_CONFIRMED = "No filter is confirmed, so there is no set to undo but all padding."


@dataclass(frozen=True)
class SetEffects:
    """Effects of sets of filters; a `Step`.

    Attributes
    ----------
    subject : Subject
    sets : dict
        Name → ``site`` and ``filter``.
    controls : dict
        Name → controls of the set.
    """

    subject: Subject
    sets: dict[str, pl.DataFrame]
    controls: dict[str, Controls]
    what: str = "effects of sets of filters"

    @classmethod
    def of(cls, subject: Subject) -> SetEffects:
        """Name the sets of a subject's filters, and draw their controls."""
        study = subject.study
        dedicated = dedicated_filters(study.filters, subject.explanation, subject.observation)
        sets = named_sets(study.filters, study.sides, dedicated)
        return cls(subject, sets, {name: subject.controls(one) for name, one in sets.items()})

    @cached_property
    def treatments(self) -> tuple[Treatment, ...]:
        """What is done to the sets."""
        settings = self.subject.settings
        return set_treatments(
            self.sets, self.controls, self.subject.observation, fill=settings.fill,
            disturbances=settings.disturbances, seed=settings.seed,
        )  # fmt: skip

    @cached_property
    def doses(self) -> tuple[Treatment, ...]:
        """Undoing the strongest 1, 2, 4, … confirmed filters; nothing where there are none."""
        settings = self.subject.settings
        if CONFIRMED_SET not in self.sets:
            return ()
        return dose_treatments(
            self.sets[CONFIRMED_SET], self.controls[CONFIRMED_SET], self.subject.observation,
            fill=settings.fill, seed=settings.seed,
        )  # fmt: skip

    @cached_property
    def _metric(self) -> Metric | None:
        target = self.subject.settings.metric
        return load_metric(target) if target else None

    @property
    def work(self) -> int:
        """Forward passes of single images."""
        tested = self.subject.tested
        few = tested.images(self.subject.settings.dose_images) or 0
        return (tested.images() or 0) * (1 + len(self.treatments)) + few * (1 + len(self.doses))

    def run(self, stage: Stage) -> Outcome:
        """Treat the sets, and doses of the strongest filters."""
        subject, settings = self.subject, self.subject.settings
        treatments, undone = self.treatments, refill(settings.fill)
        by_class = tuple((name, undone) for name in (*self.sets, ALL_PADDING))
        found = self._measure(stage, "effects", treatments, by_class, None)
        bootstrap = self._bootstrap(found)
        tables = {
            "effects": effect_table(treatments, self.controls, found.rows, bootstrap, self._metric),
            "distances": distance_table(treatments, found.rows, undone, bootstrap),
            "costs": cost_table(
                filter_costs(subject.observation.sites, subject.observation.weights), self.sets
            ),
        }
        if subject.kind == "classes":
            names = names_of_classes(subject.loaded, subject.tested.labels, subject.answer.shape[1])
            sets = [name for name, _ in by_class]
            tables["classes"] = class_table(sets, found.rows, names, bootstrap, subject.masked)
        if self.doses:
            dosed = self._measure(stage, "doses", self.doses, (), settings.dose_images)
            confirmed = self.controls[CONFIRMED_SET]
            tables["doses"] = dose_table(self.doses, confirmed, dosed.rows, self._bootstrap(dosed))
        return Outcome(
            tables, images=len(found.indices), skipped=found.skipped, notes=tuple(self._notes())
        )

    def _measure(
        self,
        stage: Stage,
        name: str,
        treatments: tuple[Treatment, ...],
        by_class: tuple[tuple[str, str], ...],
        most: int | None,
    ) -> Recorded:
        subject, tested = self.subject, self.subject.tested
        make = partial(
            TreatmentMeasurement, subject.module, treatments, by_class, subject.asking,
            tested.labels.of if tested.labels else None, self._metric,
        )  # fmt: skip
        found = stage.run(tested.job(name, make, most), Recorded(), passes=1 + len(treatments))
        return require_images(found, name)

    def _bootstrap(self, found: Recorded) -> Bootstrap:
        settings = self.subject.settings
        groups = self.subject.tested.groups(found.indices)
        return Bootstrap(groups, settings.resamples, settings.seed)

    def _notes(self) -> Iterator[str]:
        if CONFIRMED_SET not in self.sets:
            yield NOTHING_CONFIRMED
        if masked := self.subject.masked:
            yield (
                f"{len(masked):,} of {self.subject.answer.shape[1]:,} classes "
                f"{'is' if len(masked) == 1 else 'are'} masked (minus infinity) and left out."
            )
        lacking = [
            f"{name} ({controls.unmatched:,} of {controls.chosen.height:,})"
            for name, controls in self.controls.items()
            if controls.unmatched
        ]
        if lacking:
            yield (
                "Filters without an unlabelled filter of their site to be compared with: "
                f"{'; '.join(lacking)}."
            )
