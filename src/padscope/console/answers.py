"""What a stage answers, in the few sentences that are read first."""

from __future__ import annotations

from padscope.findings.headline import headline
from padscope.findings.recognition import recognition
from padscope.findings.rungs import rungs
from padscope.study import Study
from padscope.study.stages import EXPLAIN, IMPACT, SCAN


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
