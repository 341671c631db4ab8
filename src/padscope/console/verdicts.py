"""The verdict, as the command line shows it."""

from __future__ import annotations

from padscope.findings.verdict import verdict
from padscope.study import Study


def verdict_lines(study: Study, *, notes: bool = True) -> list[str]:
    """Put the answer under its four headings, and what it rests on; and what was not measured."""
    headings = verdict(study)
    impact = study.impact
    assert impact is not None  # or there would be no verdict
    lines = [
        f"{impact.counted} images ({impact.images}); intervals at 95 %, over images.",
    ]
    for heading in headings:
        lines += ["", heading.name.capitalize(), *(f"  {line}" for line in heading.sentences)]
    return [*lines, *(["", *impact.notes] if notes and impact.notes else [])]
