"""Measure what bands drawn inside the frame do to a model's answer, and to its filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from padscope.effects.comparison import Unchanged
from padscope.images import Batch, central
from padscope.measurements.bands import Band, fires
from padscope.measurements.firing import FiringReader, Watched
from padscope.running import Findings, Pulse, no_pulse
from padscope.running.model import Asking, compare
from padscope.sites import Interception, Observation


class BandMeasurement:
    """Compare a model's answers to images with and without a band drawn on them; a measurement.

    Rows: each measure of `answering.compare`, (n, bands); of a dense answer, the lines over the
    band are left out, which may show the band itself. Sums, over images: what `FiringReader` sums,
    on the images as they are under ``as is/``, and with the band that imitates the side under
    ``fill {width}/`` and ``mean colour {width}/``; and ``images``, their number.

    Parameters
    ----------
    model : nn.Module
        In eval mode; left as it was.
    bands : sequence of Band
        From `choose_bands`.
    value : float
        Of the padding, from `padding_value`.
    size : sequence of int
        Pixels of an image per axis. Larger images, canvases, are cut to their centre.
    observed : Observation
        Of the model.
    watched : mapping
        Site → side → filters that are expected to fire there.
    asking : Asking
    pulse : callable
        See `padscope.running.Pulse`.

    Attributes
    ----------
    compared : tuple of Band
        The columns of the rows: bands that imitate the first side of an axis. At the others,
        filters are watched, and the answer is not.
    passes : int
        Forward passes that an image takes.
    """

    def __init__(
        self,
        model: nn.Module,
        bands: Sequence[Band],
        value: float,
        size: Sequence[int],
        observed: Observation,
        watched: Watched,
        asking: Asking,
        pulse: Pulse = no_pulse,
    ) -> None:
        self.compared = tuple(band for band in bands if not band.side.far)
        self._far = tuple(band for band in bands if band.side.far and fires(band, watched))
        self.passes = 1 + len(self.compared) + len(self._far)
        self._model, self._value, self._size = model, value, tuple(size)
        self._watched, self._asking, self._pulse = watched, asking, pulse
        self._edges = {band.side.name: band.edge for band in bands}
        self._hidden = any(site.below_autograd for site in observed.sites)
        self._every_module = not observed.named_by_weight

    def __call__(self, batch: Batch) -> Findings:
        """Measure one batch of images, or of canvases."""
        pixels = central(batch.pixels, self._size, "a batch of canvases")
        sums: dict[str, Tensor] = {"images": torch.tensor(len(batch.indices))}
        unchanged = Unchanged(self._read(batch, pixels, None, sums).cpu(), batch.indices)
        columns: dict[str, list[Tensor]] = {}
        for band in self.compared:
            drawn = band.drawn_on(pixels, self._value)
            answers = self._read(batch, drawn, band, sums).cpu()
            for measure, column in self._compare(unchanged, answers, band).items():
                columns.setdefault(measure, []).append(column)
            self._pulse(len(batch.indices))
        for band in self._far:
            self._read(batch, band.drawn_on(pixels, self._value), band, sums)
            self._pulse(len(batch.indices))
        rows = {measure: torch.stack(found, dim=1) for measure, found in columns.items()}
        return Findings(rows, sums)

    def _compare(self, unchanged: Unchanged, answers: Tensor, band: Band) -> dict[str, Tensor]:
        """Compare with the unchanged answers; of maps over the image, what lies beside the band."""
        if unchanged.kind != "dense" or answers.ndim != len(self._size) + 2:
            return compare(unchanged, answers)
        before, after = (
            band.outside(maps, self._size[band.side.axis]) for maps in (unchanged.answers, answers)
        )
        return compare(replace(unchanged, answers=before), after)

    def _read(
        self, batch: Batch, pixels: Tensor, band: Band | None, sums: dict[str, Tensor]
    ) -> Tensor:
        images = batch.indices
        with torch.no_grad():
            if not self._watched or (band is not None and not fires(band, self._watched)):
                return self._asking.ask(self._model, pixels, images)
            reader = FiringReader(self._watched, band, self._edges, self._size, len(images))
            with Interception(
                self._model, reader, below_autograd=self._hidden, every_module=self._every_module
            ):
                answer = self._asking.ask(self._model, pixels, images)
        label = "as is" if band is None else f"{band.content} {band.width}"
        sums.update({f"{label}/{name}": part for name, part in reader.sums.items()})
        return answer
