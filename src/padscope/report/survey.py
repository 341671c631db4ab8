"""A survey of models as a page, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from padscope.counts import plural
from padscope.figures.comparison import shares
from padscope.figures.rendering import charted
from padscope.figures.survey import against
from padscope.findings.survey import (
    Survey,
    failures,
    property_listing,
    read_survey,
    side_listing,
    survey_listing,
)
from padscope.report.comparison import READING, kind_parts, markdown
from padscope.report.parts import Part
from padscope.report.templates import render_page

ROWS = (
    "[In brackets]: the filters that recognise by the lower ends of their 95 % intervals over "
    "images, and those that may by the upper ends. Fresh weights, matched kernels: least and "
    "greatest count of such networks, on the crops that all of them share.",
    READING[0],
)
WHERE = (
    "Networks with trained weights, pooled; large ones count more. The last column counts networks "
    "instead: those whose share is greater at such sites than at their others."
)


def render_survey(survey: Survey) -> str:
    """Write the page of a survey, which links each model to the page of its run.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    str
        A page that loads nothing from elsewhere; without scripts its tables are there all the same.
    """
    models = survey_listing(survey)
    listed = Part(
        "models", "Model by model", notes=ROWS, tables=[("models-rows", "Models", models)]
    )
    left_out = [Part("left-out", "Not measured", told)] if (told := failures(survey)) else []
    return render_page(
        "tables", ("report", "opening", "survey"), ("survey",),
        title=f"A survey of {plural(len(models.rows), 'model')}", about="model by model",
        sentences=read_survey(survey), parts=[listed, *left_out, *_parts(survey)],
    )  # fmt: skip


def _parts(survey: Survey) -> Iterator[Part]:
    explained = survey.table.filter(survey.table["recognises"].is_not_null())
    if explained.is_empty():
        return
    charts = [charted(chart, told) for chart, told in against(survey.table)]
    charts += [charted(chart, "Drawn from the table of models.") for chart in shares(explained)]
    yield Part("against", "Depth, size, year, accuracy", charts=charts)
    yield Part(
        "where", "Where they are", notes=[WHERE],
        tables=[("where-rows", "By place and kind of site", property_listing(survey)),
                ("side-rows", "By side and origin", side_listing(survey))],
    )  # fmt: skip
    yield from kind_parts(explained)


def survey_markdown(survey: Survey) -> str:
    """Write a survey as Markdown: sentences, the table of models, what is left out."""
    return markdown(read_survey(survey), survey_listing(survey), failures(survey))
