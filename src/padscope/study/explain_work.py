"""What an explanation takes, in forward passes: known before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from padscope.settings import ExplainSettings
from padscope.study.baselines import USUAL, passes_of
from padscope.study.context import Canvas
from padscope.study.likeness import LIKENESS_IMAGES


@dataclass(frozen=True)
class ExplainWork:
    """Forward passes of single crops; a canvas counts by its area.

    Attributes
    ----------
    canvas : Canvas
    settings : ExplainSettings
    few : int
        Images that networks are run on beside the given one.
    networks : sequence of str
        Those that are run; from `baseline_names`.
    """

    canvas: Canvas
    settings: ExplainSettings
    few: int
    networks: Sequence[str]

    @property
    def contrast(self) -> float:
        """Of each image explained: its crop and its canvas."""
        return 1 + self._canvas(1)

    @property
    def margin(self) -> float:
        """Of the check with twice the margin."""
        if not any(self.canvas.margin):
            return 0.0
        images = self.canvas.first_images(self.settings.check)
        return images * (2 + self._canvas(1) + self._canvas(2))

    @property
    def likeness(self) -> int:
        """Of the comparison of the network's statistics with those of the images."""
        return min(LIKENESS_IMAGES, self.few)

    @property
    def total(self) -> int | None:
        """Of all; None for a stream of unknown length."""
        images = self.canvas.images
        if images is None:
            return None
        named = (USUAL, *self.networks)
        beside = sum(passes_of(name, self.few, self.settings) for name in named)
        return round(images * self.contrast + self.likeness + self.margin + beside)

    def _canvas(self, times: int) -> float:
        """Area of a canvas with so many times the margin, in crops; 0 without a margin."""
        size, margin = self.canvas.size, self.canvas.margin
        if not any(margin):
            return 0.0
        return prod((n + 2 * times * m) / n for n, m in zip(size, margin, strict=True))
