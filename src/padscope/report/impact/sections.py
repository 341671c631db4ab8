"""What the sections of the third rung show."""

from __future__ import annotations

from typing import Any

from padscope.findings.verdict import verdict
from padscope.interventions.fill_told import tell_fill
from padscope.report.impact.bands import make_bands
from padscope.report.impact.classes import make_classes
from padscope.report.impact.distances import make_distances
from padscope.report.impact.doses import make_doses
from padscope.report.impact.effects import make_effects
from padscope.report.impact.estimates import make_estimates
from padscope.report.impact.views import make_position
from padscope.study import Impact, Study


def show_impact(study: Study, impact: Impact, skipped: int) -> dict[str, Any]:
    """Gather what the sections of the third rung show.

    Parameters
    ----------
    study : Study
    impact : Impact
        That of the study.
    skipped : int
        Most skipped images to name.

    Returns
    -------
    dict
        Of the templates; a part that was not measured is None or empty, and its section is left
        out.
    """
    return {
        "headings": verdict(study),
        "headline": impact.headline,
        "filled": tell_fill(impact.fill),
        "effects": make_effects(impact),
        "doses": make_doses(study, impact),
        "classes": make_classes(impact),
        "distances": make_distances(study, impact),
        "position": make_position(study, impact),
        "bands": make_bands(study, impact),
        "estimates": make_estimates(study, impact),
        "impact_skipped": impact.skipped[:skipped],
    }
