"""What a run found, as the command line says it: sentences, the tables being those of findings."""

from __future__ import annotations

from padscope.counts import plural
from padscope.findings.checks import limits, skipped_lines
from padscope.findings.classes import class_lines
from padscope.findings.effects import compared_lines
from padscope.findings.estimates import estimate_lines
from padscope.findings.headline import headline
from padscope.findings.kinds import kind_sentence
from padscope.findings.recognition import recognition
from padscope.findings.rungs import rungs
from padscope.findings.verdict import verdict
from padscope.study import Study
from padscope.study.stages import EXPLAIN, IMPACT, SCAN


def summary_lines(study: Study) -> list[str]:
    """Put what a scan found, and what limits it, into sentences."""
    warnings = (f"Warning: {warning}" for warning in study.warnings)
    return [*warnings, rungs(study)[0].sentence, *limits(study)]


def cause_lines(study: Study) -> list[str]:
    """Put what padding causes, who recognises the border, and what limits it, into sentences."""
    explanation = study.explanation
    assert explanation is not None
    found, (responds, caused, recognises, _) = headline(study), rungs(study)
    return [
        *(f"Warning: {warning}" for warning in found.warnings),
        *(rung.sentence for rung in (recognises, caused, responds)),
        f"Recognising: {recognises.rule}",
        *recognition(study.filters, explanation).origin_sentences,
        f"All on the same {plural(explanation.counts.images, 'image')} ({explanation.images}).",
        kind_sentence(study),
        *limits(study),
    ]


def impact_lines(study: Study) -> list[str]:
    """Put what undoing does, and what limits it, into sentences."""
    impact = study.impact
    assert impact is not None
    return [
        *compared_lines(impact),
        *class_lines(impact),
        *estimate_lines(study),
        *impact.notes,
        *skipped_lines("could not be used", impact.skipped),
    ]


def verdict_lines(study: Study, *, notes: bool = True) -> list[str]:
    """Put the answer under its four headings, and what it rests on; and what was not measured."""
    headings = verdict(study)
    impact = study.impact
    assert impact is not None  # or there would be no verdict
    lines = [
        f"{plural(impact.counted, 'image')} ({impact.images}); intervals at 95 %, over images."
    ]
    for heading in headings:
        lines += ["", heading.name.capitalize(), *(f"  {line}" for line in heading.sentences)]
    return [*lines, *(["", *impact.notes] if notes and impact.notes else [])]


def answer_lines(study: Study, stage: str) -> list[str]:
    """Answer the question of a stage; nothing where the study lacks it."""
    if stage == SCAN:
        return [*(f"Warning: {warning}" for warning in study.warnings), rungs(study)[0].sentence]
    if stage == EXPLAIN and study.explanation:
        _, caused, recognises, _ = rungs(study)
        found = recognition(study.filters, study.explanation)
        warnings = (f"Warning: {warning}" for warning in found.warnings)
        return [*warnings, caused.sentence, recognises.sentence, *found.origin_sentences]
    if stage == IMPACT and study.impact:
        first, used = headline(study), rungs(study)[3]
        return [first.title, used.sentence or used.open, *first.advice]
    return []
