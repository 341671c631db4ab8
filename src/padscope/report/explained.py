"""The sections of the second rung: kinds, baselines, origins, how it was checked."""

from __future__ import annotations

from padscope.counts import plural
from padscope.evidence import RECOGNISED
from padscope.findings.checks import check_facts
from padscope.findings.kinds import kind_sentence, kinds
from padscope.findings.networks import network_listing
from padscope.findings.sites import check_listing, origin_sentence
from padscope.report.parts import Part, drawn
from padscope.study import Explanation, Study


def kind_part(study: Study) -> Part:
    """Say which sides filters answer to, with which sign, and what their kernels do."""
    found = kinds(study)
    if not found:
        return Part("kinds", "Kinds", ["No filter has a kind: none responds because of padding."])
    return Part(
        "kinds", "Kinds",
        notes=[
            "Which sides a filter answers to, and whether padding raises or lowers its activations "
            "there. A corner alone is few positions: such filters are counted beside the others, "
            "and are found again less often on other images."
        ],
        charts=drawn(study, "kinds", kind_sentence(study)),
        facts=[(kind.title, f"{kind.sentence} {kind.kernels}".rstrip()) for kind in found],
    )  # fmt: skip


def evidence_parts(study: Study, explanation: Explanation) -> list[Part]:
    """Set the network beside its baselines, and say where signals are born and what was checked."""
    return [
        _baselines(study, explanation),
        Part(
            "origins", "Where the signal is born", [origin_sentence(study)],
            [
                "At the side where padding does most. Each cause is tried alone against real "
                "surroundings: the site's own padding, and what comes in from padding before it."
            ],
            drawn(study, "origins", f"{origin_sentence(study)} By site, in the table of sites."),
        ),
        Part(
            "observed", "Observation against cause",
            notes=[
                "Every filter at every side. Right of the line filters respond; above the upper "
                "line padding is the cause, below the lower one it is not."
            ],
            charts=drawn(study, "scatter", "Causal KS against KS of all filter-sides, in squares."),
        ),
        Part(
            "checks", "How this was checked", facts=check_facts(study, explanation),
            tables=[("check-rows", "Site by site", check_listing(study))],
        ),
    ]  # fmt: skip


def _baselines(study: Study, explanation: Explanation) -> Part:
    notes = [
        "All on the same crops, of the first "
        f"{plural(explanation.networks['images'][0], 'image')}: recall here (≥ {RECOGNISED:g}) is "
        "of the shift from core to border, whatever its cause."
    ]
    if not explanation.has_baselines:
        asked = explanation.identity["settings"]["baselines"]
        why = "those asked for failed" if asked else "none was asked for"
        notes.append(f"There is no baseline to compare with: {why}.")
    alt = "KS of all filters by site, in this network and in fresh ones: deciles and median."
    return Part(
        "ladder", "Where it comes from: beside the same network with other weights",
        notes=notes, charts=drawn(study, "scores", alt),
        tables=[("baselines", "The network and its baselines", network_listing(explanation))],
    )  # fmt: skip
