"""Vega-Lite, SVG and PNG of the figures of a study."""

from __future__ import annotations

import json
from pkgutil import resolve_name
from typing import Any

import vl_convert
from markupsafe import Markup

from padscope.errors import PadscopeError, near
from padscope.figures import vega as vl
from padscope.figures.listed import FIGURES
from padscope.figures.neurons import neuron
from padscope.figures.theme import FAINT, INK, MUTED, printed
from padscope.study import Study

SCALE = 3  # pixels of the PNG for each of the SVG: 288 to the inch at the SVG's size
# Names are shortened before: what cuts a label here may cut a character in two, and then fails.
_TEXT = {"labelFontSize": 12, "titleFontSize": 13, "labelLimit": 0}
_INKED = {"labelColor": INK, "titleColor": INK}
_CONFIG = {
    # The renderer brings the first: texts are measured alike on every machine, and five times as
    # fast as in DejaVu Sans. Arial is as wide.
    "font": "Liberation Sans, Arial, sans-serif",
    "view": {"continuousWidth": 300, "continuousHeight": 300, "stroke": None},
    "axis": _TEXT | {
        "titleFontWeight": "normal", "labelColor": MUTED, "titleColor": INK, "gridColor": FAINT,
        "domainColor": FAINT, "tickColor": FAINT,
    },
    "legend": _TEXT | _INKED | {"symbolOpacity": 1},
    "header": {"labelFontSize": 13, "labelFontWeight": "bold", "labelColor": INK},
    "title": {
        "fontSize": 13, "subtitleFontSize": 12, "fontWeight": "normal", "anchor": "start",
        "color": INK, "subtitleColor": MUTED,
    },
}  # fmt: skip
_PAGE = {"background": "transparent", "padding": 0, "aria": False}  # words stand around it
_ALONE = {"background": "white", "padding": 8, "aria": True}


def figure_spec(study: Study, name: str) -> vl.Spec:
    """Describe one figure in Vega-Lite, with its numbers, as it is written to files.

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
        chart = draw(study, name)
    except PadscopeError as error:
        raise PadscopeError(f"figure {name} cannot be drawn: {error}") from error
    spec = chart | {"config": _CONFIG | _ALONE}
    resolved: vl.Spec = json.loads(printed(json.dumps(spec)))
    return resolved


def figure_chart(study: Study, name: str) -> Any:
    """Give a figure as an Altair chart, which notebooks show; see `figure_spec`."""
    import altair  # here: nothing else takes it, and it takes as long as a figure

    return altair.Chart.from_dict(figure_spec(study, name))


def inline(chart: vl.Spec) -> Markup:
    """Draw a chart for the page: its colours follow the style sheet, light and dark.

    Its marks, which have no words, are hidden from readers of the screen: words stand around it.
    """
    spec = chart | {"config": _CONFIG | _PAGE}
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return Markup(f'<div aria-hidden="true">{svg}</div>')  # vega has escaped the texts


def charted(chart: vl.Spec, alt: str) -> Markup:
    """Draw a chart for the page, with words for those who do not see it."""
    return Markup('<div class="chart" role="img" tabindex="0" aria-label="{}">{}</div>').format(
        alt, inline(chart)
    )


def draw(study: Study, name: str) -> vl.Spec:
    """Draw one figure in the page's colours; see `figure_spec`."""
    if name in FIGURES:
        drawn: vl.Spec = resolve_name(f"padscope.figures.{FIGURES[name]}")(study)
        return drawn
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


def figure_svg(study: Study, name: str) -> str:
    """Draw one figure as it is written to files; see `figure_spec`."""
    return vl_convert.vegalite_to_svg(figure_spec(study, name), allowed_base_urls=[])


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
        As of `figure_spec`.
    """
    svg, stem = figure_svg(study, name), file_stem(name)
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
