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
from padscope.findings.again import commands
from padscope.findings.checks import count, describe_skipped, make_checks
from padscope.findings.networks import RUNGS
from padscope.report.gallery.making import make_gallery
from padscope.report.impact.sections import show_impact
from padscope.report.kinds import make_kinds
from padscope.report.ladder import make_ladder
from padscope.report.opening import make_opening
from padscope.report.origins import ORIGINS, make_origins
from padscope.report.scatter import make_panels
from padscope.report.site_rows import site_rows
from padscope.report.templates import content_hash, page_environment, script, style_sheet
from padscope.study import Explanation, Study

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
    stages = {"explained": study.explanation, "impact": study.impact}
    css = style_sheet(
        "report", "strips", "opening", "gallery", *(name for name in stages if stages[name])
    )
    code = script(*SCRIPTS)
    sides, sites = site_rows(study)
    command, python = commands(study)
    template = page_environment().get_template("report.html.jinja")
    return template.render(
        study=study,
        css=css,
        css_hash=content_hash(css),
        script=code,
        script_hash=content_hash(code),
        counted=count(study),
        opening=make_opening(study),
        cuts=CUTS,
        settings=study.identity["settings"],
        candidate=CANDIDATE,
        margin=UNDECIDED_BAND,
        sides=sides,
        sites=sites,
        gallery=make_gallery(study),
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
