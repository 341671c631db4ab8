"""What a study says at once: a title, and the sentences that carry it."""

from __future__ import annotations

from dataclasses import dataclass

from padscope.counts import plural
from padscope.findings.effects import use_sentence
from padscope.findings.once import once
from padscope.findings.recognition import Recognition, recognition
from padscope.findings.rungs import rungs
from padscope.findings.verdict import verdict
from padscope.interventions.sets import RECOGNISING_SET
from padscope.study import Impact, Study
from padscope.study.impact_result import beyond_controls, cannot_show
from padscope.tables.comparison import response_columns

OPEN = (
    "These figures alone advise nothing. padscope depth, swaps and sizes measure what cropping, "
    "other padding and other input sizes would change; padscope advise ranks what they find."
)


@dataclass(frozen=True)
class Headline:
    """What to read first.

    Attributes
    ----------
    title : str
        Who recognises the border, and whether the answers depend on them: one sentence.
    sentences : tuple of str
        Beside untrained networks, beside random kernels, what undoing these filters does.
    advice : tuple of str
        What to do, or what would tell; nothing before the impact.
    warnings : tuple of str
        Why the network may not be what it is taken for; to be read before all else.
    """

    title: str
    sentences: tuple[str, ...]
    advice: tuple[str, ...]
    warnings: tuple[str, ...]


@once
def headline(study: Study) -> Headline:
    """Say the most important of what a study found, and no more than its figures carry."""
    explanation, impact = study.explanation, study.impact
    if explanation is None:
        return Headline(_responding_title(study), (rungs(study)[1].open,), (), study.warnings)
    found = recognition(study.filters, explanation)
    sentences = found.origin_sentences
    advice: tuple[str, ...] = ()
    if impact is not None:
        sentences = (*sentences, use_sentence(impact))
        advice = tuple(told for heading in verdict(study) for told in heading.advice) or (OPEN,)
    return Headline(_title(found, impact), sentences, advice, found.warnings)


def opening(study: Study) -> list[str]:
    """Say what a study found, what matters most first: warnings, title, origins, use, counts."""
    found = headline(study)
    told = [*found.warnings, found.title, *found.sentences, *found.advice]
    counts = [rung.sentence for rung in rungs(study)[:3] if rung.sentence]
    return [*told, *reversed(counts)]


def _responding_title(study: Study) -> str:
    count = response_columns(study.filters)["responds"]
    if not count:
        return "No filter responds to the border."
    verb = "responds" if count == 1 else "respond"
    return (
        f"{plural(count, 'filter')} {verb} to the border; whether padding causes it is not tested."
    )


def _title(found: Recognition, impact: Impact | None) -> str:
    count = found.recognising
    if not count:
        if found.without == found.measured:
            return "Whether any filter recognises the border is open: there are too few images."
        return "No filter recognises the border."
    verb, them = ("recognises", "it") if count == 1 else ("recognise", "them")
    return f"{plural(count, 'filter')} {verb} where the image ends{_used(impact, them)}."


def _used(impact: Impact | None, them: str) -> str:
    if impact is None:
        return f"; whether the answers depend on {them} is not tested"
    row = impact.use
    if row is None or impact.headline != RECOGNISING_SET or cannot_show(row):
        return f"; whether the answers depend on {them} is open"
    if beyond_controls(row):
        return f", and the answers depend on {them}"
    return f"; no sign that the answers depend on {them}"
