"""Vega-Lite, SVG and PNG of the figures of a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import vl_convert
from altair.utils.schemapi import debug_mode
from markupsafe import Markup

from padscope.errors import PadscopeError, near
from padscope.figures import causes, changes, effects, positions, tiles
from padscope.figures.depth import depth
from padscope.figures.marks import Chart
from padscope.figures.neurons import neuron, neurons
from padscope.figures.reach import reach
from padscope.figures.retrofit import retrofit
from padscope.figures.theme import FAINT, INK, MUTED, printed
from padscope.study import Study

FONT = "DejaVu Sans, Arial, sans-serif"
SCALE = 3  # pixels of the PNG for each of the SVG: 288 to the inch at the SVG's size
FIGURES: Mapping[str, Callable[[Study], Chart]] = {
    "depth": depth, "neurons": neurons,
    "ladder": causes.ladder, "baselines": causes.baselines, "recall": causes.recall,
    "scores": causes.scores, "kinds": causes.kinds, "origins": causes.origins,
    "scatter": causes.scatter,
    "effects": effects.effects, "doses": effects.doses, "distances": effects.distances,
    "classes": effects.classes, "estimates": effects.estimates,
    "views": positions.views, "readout": positions.readout, "bands": positions.bands,
    "firing": positions.firing,
    "reach": reach,
    "swaps": changes.swaps, "border": changes.border, "sizes": changes.sizes,
    "tiles": tiles.tiles, "shares": tiles.shares, "retrofit": retrofit,
}  # fmt: skip

# Altair checks every part of a chart against the schema of all charts, which takes longer than
# making it; the tests do that.
unchecked = debug_mode(False)


@unchecked
def figure_chart(study: Study, name: str) -> Chart:
    """Draw one figure as an Altair chart, with its numbers.

    Parameters
    ----------
    study : Study
    name : str
        One of `FIGURES`, or ``SITE/FILTER`` for one neuron.

    Raises
    ------
    PadscopeError
        There is no such figure, or the study lacks what it shows.
    """
    try:
        chart = FIGURES[name](study) if name in FIGURES else _neuron(study, name)
    except PadscopeError as error:
        raise PadscopeError(f"figure {name} cannot be drawn: {error}") from error
    return chart


def figure_spec(study: Study, name: str) -> dict[str, Any]:
    """Describe one figure in Vega-Lite, as it is written to files; see `figure_chart`."""
    spec = _spec(figure_chart(study, name))
    resolved: dict[str, Any] = json.loads(printed(json.dumps(spec)))
    return resolved


def _spec(chart: Chart, *, page: bool = False) -> dict[str, Any]:
    fonts = {"labelFontSize": 12, "titleFontSize": 13, "labelLimit": 320}
    background, padding = ("transparent", 0) if page else ("white", 8)
    spec: dict[str, Any] = (
        chart.configure(background=background, font=FONT, padding=padding, aria=not page)
        .configure_view(stroke=None)
        .configure_axis(
            **fonts,
            titleFontWeight="normal",
            labelColor=MUTED,
            titleColor=INK,
            gridColor=FAINT,
            domainColor=FAINT,
            tickColor=FAINT,
        )
        .configure_legend(**fonts, symbolOpacity=1, labelColor=INK, titleColor=INK)
        .configure_header(labelFontSize=13, labelFontWeight="bold", labelColor=INK)
        .configure_title(
            fontSize=13,
            subtitleFontSize=12,
            fontWeight="normal",
            anchor="start",
            color=INK,
            subtitleColor=MUTED,
        )
        .to_dict(validate=False)
    )
    return spec


def inline(chart: Chart) -> Markup:
    """Draw a chart for the page: its colours follow the style sheet, light and dark.

    Its marks, which have no words, are hidden from readers of the screen: words stand around it.
    """
    spec = _spec(chart, page=True)
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return Markup(f'<div aria-hidden="true">{svg}</div>')  # vega has escaped the texts


def charted(chart: Chart, alt: str) -> Markup:
    """Draw a chart for the page, with words for those who do not see it."""
    return Markup('<div class="chart" role="img" tabindex="0" aria-label="{}">{}</div>').format(
        alt, inline(chart)
    )


def _neuron(study: Study, name: str) -> Chart:
    site, slash, index = name.rpartition("/")
    if not slash or not index.isdecimal():
        raise PadscopeError(
            f"there is no such figure; {near(name, FIGURES)} or name a neuron: SITE/FILTER"
        )
    return neuron(study, site, int(index))


def file_stem(name: str) -> str:
    """Name of a figure's files: that of a neuron without what file systems refuse.

    Examples
    --------
    >>> file_stem("layer1.0/conv/7"), file_stem("depth")
    ('layer1.0_conv_7', 'depth')
    """
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[-120:]


def render_figure(study: Study, name: str) -> dict[str, bytes]:
    """Draw one figure.

    Returns
    -------
    dict
        File name → content: an SVG, and the same as a PNG of three times as many pixels. The same
        study gives the same bytes.

    Raises
    ------
    PadscopeError
        As of `figure_chart`.
    """
    spec, stem = figure_spec(study, name), file_stem(name)
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    png = vl_convert.svg_to_png(svg, scale=SCALE)  # at half the cost of drawing it again
    return {f"{stem}.svg": svg.encode(), f"{stem}.png": png}


def render_figures(study: Study) -> dict[str, bytes]:
    """Draw every figure that the study has the numbers for, as `render_figure` does one."""
    files: dict[str, bytes] = {}
    for name in FIGURES:
        try:
            files |= render_figure(study, name)
        except PadscopeError:  # of a rung that has not been climbed, or a part not measured
            continue
    return files
