"""One self-contained HTML page about a study."""

from __future__ import annotations

from typing import Any

from padscope.evidence import (
    CANDIDATE,
    CONFIRMED,
    GREY,
    RECOGNISED,
    SMALL_MAP,
    STRONG,
    UNDECIDED_BAND,
)
from padscope.report.again import commands
from padscope.report.answer import answer, site_rows
from padscope.report.caused import count_caused
from padscope.report.charts import depth_chart
from padscope.report.checks import describe_skipped, make_checks
from padscope.report.gallery.making import make_gallery
from padscope.report.impact.sections import show_impact
from padscope.report.kinds import make_kinds
from padscope.report.ladder import RUNGS, make_ladder
from padscope.report.origins import ORIGINS, make_origins
from padscope.report.scatter import make_panels
from padscope.report.story import make_funnel, tell
from padscope.report.templates import content_hash, page_environment, script, style_sheet
from padscope.study import Explanation, Study
from padscope.study.recognition import NO_AIM

SKIPPED_SHOWN = 20
SCRIPTS = ("gallery_draw", "gallery_card", "gallery")  # in this order
CUTS = {
    "candidate": CANDIDATE, "strong": STRONG, "small": SMALL_MAP, "confirmed": CONFIRMED,
    "recognised": RECOGNISED,
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
        A page that loads nothing from elsewhere and runs its own script alone; the same for the
        same study. It can be read without the script too.
    """
    rungs = {"explained": study.explanation, "impact": study.impact}
    css = style_sheet("report", "strips", "gallery", *(name for name in rungs if rungs[name]))
    code = script(*SCRIPTS)
    sides, sites = site_rows(study)
    command, python = commands(study)
    found = answer(study)
    caused = count_caused(study, study.explanation) if study.explanation else None
    template = page_environment().get_template("report.html.jinja")
    return template.render(
        study=study,
        css=css,
        css_hash=content_hash(css),
        script=code,
        script_hash=content_hash(code),
        answer=found,
        caused=caused,
        story=tell(study, found, caused),
        funnel=make_funnel(found, caused, study.impact),
        cuts=CUTS,
        settings=study.identity["settings"],
        candidate=CANDIDATE,
        margin=UNDECIDED_BAND,
        chart=depth_chart(study),
        narrow_chart=depth_chart(study, narrow=True),
        sides=sides,
        sites=sites,
        gallery=make_gallery(study),
        skipped=study.counted.skipped[:SKIPPED_SHOWN],
        command=command,
        python=python,
        explanation=study.explanation,
        no_aim=NO_AIM,
        impact=study.impact,
        **(_explained(study, study.explanation) if study.explanation else {}),
        **(show_impact(study, study.impact, SKIPPED_SHOWN) if study.impact else {}),
    )


def _explained(study: Study, explanation: Explanation) -> dict[str, Any]:
    """Gather what the sections of the second rung show."""
    checks = make_checks(study, explanation)
    return {
        "ladder": make_ladder(study, explanation),
        "rungs": RUNGS,
        "kinds": make_kinds(study),
        "origins": make_origins(study, explanation),
        "origin_names": ORIGINS,
        "panels": make_panels(study),
        "checks": checks,
        "left_out": describe_skipped(checks),
    }
