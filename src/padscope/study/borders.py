"""False borders drawn inside the frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from padscope.errors import PadscopeError
from padscope.interventions import headline_rows
from padscope.measurements.band_measurement import BandMeasurement
from padscope.measurements.bands import WIDTHS, choose_bands, padding_value
from padscope.running import Recorded
from padscope.study.outcome import Outcome, require_images
from padscope.study.stage import Stage
from padscope.study.subject import Subject
from padscope.tables.bands import band_table, firing_table

PASSES_PER_SIDE = (
    len(WIDTHS) * 6
)  # four contents, and fill at the far end too, mean colour likewise


@dataclass(frozen=True)
class FalseBorders:
    """Whether filters fire at false borders, and whether the answer changes; a `Step`."""

    subject: Subject
    what: str = "false borders"

    @property
    def work(self) -> int:
        """Forward passes of single images."""
        images = self.subject.tested.images(self.subject.settings.canvas_images) or 0
        return images * PASSES_PER_SIDE * len(self.subject.tested.size)

    def run(self, stage: Stage) -> Outcome:
        """Draw bands on the images."""
        subject, settings, tested = self.subject, self.subject.settings, self.subject.tested
        value = padding_value(subject.observation)
        if isinstance(value, str):
            raise PadscopeError(value)
        bands = choose_bands(tested.size, subject.total_stride)
        if not bands:
            raise PadscopeError("the frame is too small for a band")
        watched = self._watched()
        make = partial(
            BandMeasurement, subject.module, bands, value, tested.size, subject.observation,
            watched, subject.asking,
        )  # fmt: skip
        compared = make().compared
        job = tested.job("bands", lambda pulse: make(pulse=pulse), settings.canvas_images)
        found = stage.run(job, Recorded(), passes=len(bands) + 1)
        require_images(found, "bands")
        groups = tested.groups(found.indices)
        table = band_table(
            [(band.width, band.content) for band in compared],
            {name: rows.numpy() for name, rows in found.rows.items()},
            groups, settings.resamples, settings.seed,
        )  # fmt: skip
        widths = sorted({band.width for band in bands})
        sums = {name: part.numpy() for name, part in found.sums.items()}
        firing = firing_table(watched, widths, sums, groups)
        return Outcome({"bands": table, "firing": firing}, images=len(found.indices))

    def _watched(self) -> dict[str, dict[str, list[int]]]:
        """Site → side → filters that use is judged by and that are so there."""
        sides = headline_rows(self.subject.study.sides)
        watched: dict[str, dict[str, list[int]]] = {}
        for site, side, index in sides.select("site", "side", "filter").iter_rows():
            watched.setdefault(site, {}).setdefault(side, []).append(index)
        return watched
