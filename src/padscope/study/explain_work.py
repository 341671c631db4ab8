"""What an explanation takes, in forward passes: known before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from padscope.settings import ExplainSettings
from padscope.study.baselines import USUAL, effort_of
from padscope.study.context import Canvas
from padscope.study.likeness import LIKENESS_IMAGES
from padscope.study.stages import Effort

CHECKED = 1.5  # what a pass of the check of the margin costs, over one of the contrast


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
    def margin(self) -> Effort:
        """Of the check with twice the margin."""
        if not any(self.canvas.margin):
            return Effort()
        images = self.canvas.first_images(self.settings.check)
        return Effort.of(images * (2 + self._canvas(1) + self._canvas(2)), CHECKED)

    @property
    def likeness(self) -> int:
        """Of the comparison of the network's statistics with those of the images."""
        return min(LIKENESS_IMAGES, self.few)

    @property
    def total(self) -> Effort | None:
        """Of all; None for a stream of unknown length."""
        images = self.canvas.images
        if images is None:
            return None
        beside = (effort_of(name, self.few, self.settings) for name in (USUAL, *self.networks))
        first = (Effort.of(images * self.contrast), Effort.of(self.likeness), self.margin)
        return sum(beside, sum(first, Effort()))

    def _canvas(self, times: int) -> float:
        """Area of a canvas with so many times the margin, in crops; 0 without a margin."""
        size, margin = self.canvas.size, self.canvas.margin
        if not any(margin):
            return 0.0
        return prod((n + 2 * times * m) / n for n, m in zip(size, margin, strict=True))
