"""One self-contained HTML page about a study."""

from __future__ import annotations

from padscope.evidence import SMALL_MAP
from padscope.findings.again import commands
from padscope.findings.checks import count, limits
from padscope.findings.sites import cause_listing, site_listing, summary_listing
from padscope.findings.verdict import verdict
from padscope.interventions.fill_told import tell_fill
from padscope.report.beside import beside_parts
from padscope.report.explained import evidence_parts, kind_part
from padscope.report.gallery.making import make_gallery
from padscope.report.opening import make_opening
from padscope.report.parts import Part
from padscope.report.templates import render_page
from padscope.report.tested import impact_parts, method_part
from padscope.study import Study

SCRIPTS = ("gallery_draw", "gallery_card", "gallery")  # in this order


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
    explanation, impact = study.explanation, study.impact
    command, python = commands(study)
    return render_page(
        "report", ("report", "opening", "gallery"), SCRIPTS,
        study=study,
        builtin=count(study).builtin,
        opening=make_opening(study),
        gallery=make_gallery(study),
        kinds=kind_part(study) if explanation else None,
        headings=verdict(study) if impact else (),
        filled=tell_fill(impact.fill) if impact else "",
        impact=impact,
        parts=[
            *(impact_parts(study, impact) if impact else ()),
            *beside_parts(study),
        ],
        limits=limits(study),
        evidence=evidence_parts(study, explanation) if explanation else (),
        method=method_part(impact) if impact else None,
        sites=_sites(study),
        stages=_stages(study),
        command=command,
        python=python,
    )  # fmt: skip


def _sites(study: Study) -> Part:
    tables = [
        ("sites-rows", "Every padded operation of a forward pass", site_listing(study.sites)),
        ("found-rows", "Filters that respond", summary_listing(study)),
    ]
    if study.explanation:
        tables.append(("cause-rows", "What padding causes", cause_listing(study)))
    note = f"In the order of the forward pass. * Map under {SMALL_MAP} positions."
    return Part("sites", "Sites", notes=[note], tables=tables)


def _stages(study: Study) -> list[tuple[str, dict[str, object]]]:
    """Give what identifies each stage: digests and settings."""
    stages = {"Scan": study, "Explanation": study.explanation, "Impact": study.impact}
    return [
        (title, {"images": stage.identity["images"], **stage.identity["settings"]})
        for title, stage in stages.items()
        if stage
    ]
