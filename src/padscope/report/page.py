"""One self-contained HTML page about a study."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from padscope.kinds import CANDIDATE, CONFIRMED, GREY, MARGIN, SMALL_MAP, STRONG
from padscope.report.again import commands
from padscope.report.answer import answer, site_rows
from padscope.report.cards import make_cards
from padscope.report.caused import count_caused
from padscope.report.charts import depth_chart
from padscope.report.checks import describe_skipped, make_checks
from padscope.report.impact import show_impact
from padscope.report.kinds import make_kinds
from padscope.report.ladder import RUNGS, make_ladder
from padscope.report.origins import ORIGINS, make_origins
from padscope.report.scatter import make_panels
from padscope.report.words import number, percent, plural, shorten, visible
from padscope.study import Explanation, Study

SKIPPED_SHOWN = 20
CUTS = {
    "candidate": CANDIDATE, "strong": STRONG, "small": SMALL_MAP, "confirmed": CONFIRMED,
    "grey": GREY,
}  # fmt: skip


def render_report(study: Study) -> str:
    """Write the report of a study.

    Parameters
    ----------
    study : Study

    Returns
    -------
    str
        A page that loads nothing from elsewhere and runs no script; the same for the same study.
    """
    environment = _environment()
    css = _source(environment, "report.css")
    if study.explanation:
        css += _source(environment, "explained.css")
    if study.impact:
        css += _source(environment, "impact.css")
    sides, sites = site_rows(study)
    command, python = commands(study)
    return environment.get_template("report.html.jinja").render(
        study=study,
        css=Markup(css),
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        answer=answer(study),
        cuts=CUTS,
        settings=study.identity["settings"],
        candidate=CANDIDATE,
        margin=MARGIN,
        chart=depth_chart(study),
        narrow_chart=depth_chart(study, narrow=True),
        sides=sides,
        sites=sites,
        cards=make_cards(study),
        skipped=study.counted.skipped[:SKIPPED_SHOWN],
        command=command,
        python=python,
        explanation=study.explanation,
        impact=study.impact,
        **(_explained(study, study.explanation) if study.explanation else {}),
        **(show_impact(study, study.impact, SKIPPED_SHOWN) if study.impact else {}),
    )


def _explained(study: Study, explanation: Explanation) -> dict[str, Any]:
    """Gather what the sections of the second rung show."""
    caused = count_caused(study, explanation)
    checks = make_checks(study, explanation)
    return {
        "caused": caused,
        "ladder": make_ladder(study, explanation, caused),
        "rungs": RUNGS,
        "kinds": make_kinds(study),
        "origins": make_origins(study, explanation),
        "origin_names": ORIGINS,
        "panels": make_panels(study),
        "checks": checks,
        "left_out": describe_skipped(checks),
    }


def _source(environment: Environment, name: str) -> str:
    loader = environment.loader
    assert loader is not None
    return loader.get_source(environment, name)[0]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("padscope.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(number=number, percent=percent, plural=plural, shorten=shorten)
    return environment


def _finalize(value: object) -> object:
    """Show every character of a text that is not the page's own; escaping comes after."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value
