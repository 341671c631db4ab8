"""One self-contained HTML page about a study."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from padscope.kinds import CANDIDATE, MARGIN, SMALL_MAP, STRONG
from padscope.report.answer import answer, commands, site_rows
from padscope.report.cards import make_cards
from padscope.report.charts import depth_chart
from padscope.report.words import number, percent, plural, shorten, visible
from padscope.study import Study

SKIPPED_SHOWN = 20
CUTS = {"candidate": CANDIDATE, "strong": STRONG, "small": SMALL_MAP}


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
    loader = environment.loader
    assert loader is not None
    css = loader.get_source(environment, "report.css")[0]
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
    )


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
