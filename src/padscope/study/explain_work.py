"""What an explanation takes, in forward passes: known before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from padscope.study.baselines import USUAL, Baselines
from padscope.study.likeness import LIKENESS_IMAGES


@dataclass(frozen=True)
class ExplainWork:
    """Forward passes of single crops; a canvas counts by its area.

    Attributes
    ----------
    beside : Baselines
    networks : sequence of str
        Those that are run; from `baseline_names`.
    """

    beside: Baselines
    networks: Sequence[str]

    @property
    def contrast(self) -> float:
        """Of each image explained: its crop and its canvas."""
        return 1 + self._canvas(1)

    @property
    def margin(self) -> float:
        """Of the check with twice the margin."""
        canvas = self.beside.canvas
        if not any(canvas.margin):
            return 0.0
        images = canvas.first_images(self.beside.settings.check)
        return images * (2 + self._canvas(1) + self._canvas(2))

    @property
    def likeness(self) -> int:
        """Of the comparison of the network's statistics with those of the images."""
        return min(LIKENESS_IMAGES, self.beside.images)

    @property
    def total(self) -> int | None:
        """Of all; None for a stream of unknown length."""
        images = self.beside.canvas.images
        if images is None:
            return None
        beside = sum(map(self.beside.passes, (USUAL, *self.networks)))
        return round(images * self.contrast + self.likeness + self.margin + beside)

    def _canvas(self, times: int) -> float:
        """Area of a canvas with so many times the margin, in crops; 0 without a margin."""
        size, margin = self.beside.canvas.size, self.beside.canvas.margin
        if not any(margin):
            return 0.0
        return prod((n + 2 * times * m) / n for n, m in zip(size, margin, strict=True))
