"""False borders drawn inside the frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from padscope.errors import PadscopeError
from padscope.interventions import headline_rows
from padscope.measurements.band_measurement import BandMeasurement
from padscope.measurements.bands import FEW_WIDTHS, WIDTHS, Band, choose_bands, padding_value
from padscope.running import Pulse, Recorded, no_pulse
from padscope.study.outcome import Outcome, require_images
from padscope.study.stage import Stage
from padscope.study.stages import Effort
from padscope.study.subject import Subject
from padscope.tables.bands import band_table, firing_table


@dataclass(frozen=True)
class FalseBorders:
    """Whether filters fire at false borders, and whether the answer changes; a `Step`."""

    subject: Subject
    what: str = "false borders"

    @property
    def effort(self) -> Effort:
        """Forward passes of single images."""
        settings, tested = self.subject.settings, self.subject.tested
        value = padding_value(self.subject.observation)
        if isinstance(value, str) or not self._bands:
            return Effort()
        images = tested.images(settings.canvas_images) or 0
        return Effort.of(images * self._measurement(value).passes)

    @cached_property
    def _bands(self) -> tuple[Band, ...]:
        widths = WIDTHS if self.subject.settings.fine else FEW_WIDTHS
        return choose_bands(self.subject.tested.size, self.subject.total_stride, widths)

    def _measurement(self, value: float, pulse: Pulse = no_pulse) -> BandMeasurement:
        subject = self.subject
        return BandMeasurement(
            subject.module, self._bands, value, subject.tested.size, subject.observation,
            self._watched, subject.asking, pulse,
        )  # fmt: skip

    def run(self, stage: Stage) -> Outcome:
        """Draw bands on the images."""
        subject, settings, tested = self.subject, self.subject.settings, self.subject.tested
        value = padding_value(subject.observation)
        if isinstance(value, str):
            raise PadscopeError(value)
        if not self._bands:
            raise PadscopeError("the frame is too small for a band")
        measurement = self._measurement(value)
        job = tested.job(
            "bands", lambda pulse: self._measurement(value, pulse), settings.canvas_images
        )
        found = stage.run(job, Recorded(), measurement.passes)
        require_images(found, "bands")
        groups = tested.groups(found.indices)
        table = band_table(
            [(band.width, band.content) for band in measurement.compared],
            {name: rows.numpy() for name, rows in found.rows.items()},
            groups, settings.resamples, settings.seed,
        )  # fmt: skip
        widths = sorted({band.width for band in self._bands})
        sums = {name: part.numpy() for name, part in found.sums.items()}
        firing = firing_table(self._watched, widths, sums, groups)
        return Outcome({"bands": table, "firing": firing}, images=len(found.indices))

    @cached_property
    def _watched(self) -> dict[str, dict[str, list[int]]]:
        """Site → side → filters that use is judged by and that are so there."""
        sides = headline_rows(self.subject.study.sides)
        watched: dict[str, dict[str, list[int]]] = {}
        for site, side, index in sides.select("site", "side", "filter").iter_rows():
            watched.setdefault(site, {}).setdefault(side, []).append(index)
        return watched
