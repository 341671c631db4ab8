"""Figures that stand alone, as SVG and PNG: for a paper, a slide, or a page of one's own."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.figures.listed import FIGURES
    from padscope.figures.rendering import (
        SCALE,
        figure_chart,
        figure_spec,
        render_figure,
        render_figures,
    )

__all__ = ["FIGURES", "SCALE", "figure_chart", "figure_spec", "render_figure", "render_figures"]

__getattr__, __dir__ = lazily(__name__)
