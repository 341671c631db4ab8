"""What undoing sets of filters changes, beside controls: effects, doses, distances, classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import exp

import polars as pl

from padscope.counts import plural
from padscope.effects.comparison import CLASS_CHANGE
from padscope.effects.metric import Metric, load_metric
from padscope.effects.resampling import Bootstrap
from padscope.interventions import Controls
from padscope.interventions.sets import (
    ALL_PADDING,
    CONFIRMED_SET,
    HEADLINES,
    NOT_RECOGNISING_SET,
    RECOGNISING_SET,
    headline_of,
    named_sets,
)
from padscope.interventions.treatments import (
    Share,
    Sparing,
    Treatment,
    dose_treatments,
    refill,
    set_treatments,
)
from padscope.measurements.effects import TreatmentMeasurement
from padscope.running import Recorded
from padscope.study.impact_images import names_of_classes
from padscope.study.outcome import Outcome, require_images
from padscope.study.stage import Stage
from padscope.study.stages import Effort
from padscope.study.subject import Subject
from padscope.tables.classes import class_table
from padscope.tables.costs import cost_table
from padscope.tables.distances import distance_table
from padscope.tables.effects import dose_table, effect_table
from padscope.tables.efficiency import filter_costs

# What a pass costs, over the cheapest: controls and doses change other filters in every image.
DEAR = {"effects": 1.3, "doses": 1.4}
NOTHING_CONFIRMED = "No filter is confirmed, so there is no set to undo but all padding."
NOTHING_RECOGNISES = (
    "No filter recognises the border, so use is judged by all confirmed filters: those that "
    "respond because of padding."
)


@dataclass(frozen=True)
class SetEffects:
    """Effects of sets of filters; a `Step`.

    Attributes
    ----------
    subject : Subject
    sets : dict
        Name → ``site`` and ``filter``.
    controls : dict
        Name → controls of the set; not all sets have some.
    partners : Controls or None
        Of the recognising filters, if there are any; see `Subject.partners`.
    """

    subject: Subject
    sets: dict[str, pl.DataFrame]
    controls: dict[str, Controls]
    partners: Controls | None = None
    what: str = "effects of sets of filters"

    @classmethod
    def of(cls, subject: Subject) -> SetEffects:
        """Name the sets of a subject's filters, and draw their controls."""
        sets, partners = named_sets(subject.study.filters, subject.study.sides), None
        if RECOGNISING_SET in sets:
            partners = subject.partners(sets[RECOGNISING_SET])
            if partners.draws:
                beside = partners.draw(0).select("site", "filter")
                pair = {RECOGNISING_SET: sets[RECOGNISING_SET], NOT_RECOGNISING_SET: beside}
                sets = pair | sets
        fine = subject.settings.fine
        controls = {
            name: subject.controls(one) for name, one in sets.items() if fine or name in HEADLINES
        }
        return cls(subject, sets, controls, partners)

    @property
    def headline(self) -> str | None:
        """Name of the set that use is judged by; None if no filter is confirmed."""
        return headline_of(self.sets)

    @cached_property
    def treatments(self) -> tuple[Treatment, ...]:
        """What is done to the sets."""
        settings = self.subject.settings
        return set_treatments(
            self.sets, self.controls, self.subject.observation, fill=settings.fill,
            disturbances=settings.disturbances, seed=settings.seed, partners=self.partners,
            images=self.subject.tested.images(), sparing=self._sparing,
        )  # fmt: skip

    @cached_property
    def doses(self) -> tuple[Treatment, ...]:
        """Undoing ever more of the headline set; nothing where there is none."""
        settings = self.subject.settings
        if self.headline is None:
            return ()
        return dose_treatments(
            self.sets[self.headline], self.controls[self.headline], self.subject.observation,
            fill=settings.fill, seed=settings.seed, factor=2 if settings.fine else 4,
            images=self.subject.tested.images(settings.dose_images), each=self._sparing.further,
        )  # fmt: skip

    @property
    def _sparing(self) -> Sparing:
        settings = self.subject.settings
        return Sparing(settings.draws_each, settings.part_images)

    @cached_property
    def _metric(self) -> Metric | None:
        target = self.subject.settings.metric
        return load_metric(target) if target else None

    @property
    def effort(self) -> Effort:
        """Forward passes of single images."""
        few = self.subject.settings.dose_images
        treated = Effort.of(self._passes(self.treatments), DEAR["effects"])
        return treated + Effort.of(self._passes(self.doses, few), DEAR["doses"])

    def _passes(self, treatments: Sequence[Treatment], most: int | None = None) -> int:
        """Forward passes of a job, those of the unchanged network among them."""
        images = self.subject.tested.images(most) or 0
        return images + sum(one.share.images for one in treatments) if treatments else 0

    def run(self, stage: Stage) -> Outcome:
        """Treat the sets, and doses of the strongest filters."""
        subject, settings = self.subject, self.subject.settings
        treatments, undone = self.treatments, refill(settings.fill)
        by_class = tuple((name, undone) for name in (*self.sets, ALL_PADDING))
        found = self._measure(stage, "effects", treatments, by_class, None)
        bootstrap = self._bootstrap(found.indices)
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
            some = self._bootstrap(found.images_of(CLASS_CHANGE))
            tables["classes"] = class_table(sets, found.rows, names, some, subject.masked)
        if self.headline is not None:
            dosed = self._measure(stage, "doses", self.doses, (), settings.dose_images)
            beside = self.controls[self.headline]
            doses = dose_table(self.doses, beside, dosed.rows, self._bootstrap(dosed.indices))
            tables["doses"] = doses
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
        share = Share(tested.images()).at_most(subject.settings.class_images)
        make = partial(
            TreatmentMeasurement, subject.module, treatments, by_class, subject.asking,
            tested.labels.of if tested.labels else None, self._metric, class_share=share,
        )  # fmt: skip
        passes = self._passes(treatments, most) / (tested.images(most) or 1)
        found = stage.run(tested.job(name, make, most), Recorded(), passes, dear=DEAR[name])
        return require_images(found, name)

    def _bootstrap(self, images: tuple[int, ...]) -> Bootstrap:
        settings = self.subject.settings
        groups = self.subject.tested.groups(images)
        return Bootstrap(groups, settings.resamples, settings.seed)

    def _notes(self) -> Iterator[str]:
        if self.headline is None:
            yield NOTHING_CONFIRMED
        if self.headline == CONFIRMED_SET:
            yield NOTHING_RECOGNISES
        if self.partners:
            yield _told(self.partners)
        if masked := self.subject.masked:
            yield (
                f"{len(masked):,} of {plural(self.subject.answer.shape[1], 'class')} "
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


def _told(partners: Controls) -> str:
    """Say how many recognising filters have partners, and how like these are."""
    told = (
        f"Of {plural(partners.chosen.height, 'recognising filter')} {partners.matched:,} "
        f"{'has' if partners.matched == 1 else 'have'} a partner at their site that is confirmed "
        "and does not recognise"
    )
    if partners.matched:
        told += f" (scales apart by a factor of {exp(partners.scale_error):.2f}, median)"
    return f"{told}."
