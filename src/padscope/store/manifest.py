"""``manifest.json``: whose a run directory is, and what it holds beside tables and counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from padscope.errors import PadscopeError
from padscope.paths import MISSING, file_problem
from padscope.store.files import readable
from padscope.study import Explanation, Impact, Study
from padscope.study.stages import BESIDE

SCHEMA = 6
# What the manifest holds until the run has come to its end, and then.
UNFINISHED = {"schema", "identity"}
FINISHED = UNFINISHED | {
    "model", "images", "size", "counted", "skipped", "portraits", "invocation", "explanation",
    "impact",
}  # fmt: skip


def manifest_of(study: Study) -> dict[str, Any]:
    """Write the manifest of a finished scan and of the stages after it."""
    beside = {stage: getattr(study, stage) for stage in BESIDE}
    return {
        "schema": SCHEMA,
        "identity": study.identity,
        "model": study.model,
        "images": study.images,
        "size": list(study.size),
        "counted": study.counted.images,
        "skipped": [[skip.index, skip.name, skip.reason] for skip in study.counted.skipped],
        "portraits": [[portrait.site, portrait.filter] for portrait in study.portraits],
        "invocation": study.invocation,
        "warnings": list(study.warnings),
        "explanation": None if study.explanation is None else _explained(study.explanation),
        "impact": None if study.impact is None else _impact(study.impact),
    } | {stage: None if found is None else found.facts() for stage, found in beside.items()}


def _explained(explanation: Explanation) -> dict[str, Any]:
    return {
        "identity": explanation.identity,
        "images": explanation.images,
        "margin": list(explanation.margin),
        "counted": explanation.counts.images,
        "warnings": list(explanation.warnings),
        "open_training": explanation.open_training,
        "notes": list(explanation.notes),
    }


def _impact(impact: Impact) -> dict[str, Any]:
    return {
        "identity": impact.identity,
        "images": impact.images,
        "labels": impact.labels,
        "counted": impact.counted,
        "answer": impact.answer,
        "fill": impact.fill,
        "agreement": dict(impact.agreement),
        "skipped": [[skip.index, skip.name, skip.reason] for skip in impact.skipped],
        "notes": list(impact.notes),
    }


def differing_parts(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Name what differs between two identities: the parts, and within the settings which."""
    differing = []
    for name, value in wanted.items():
        had = found.get(name)
        if isinstance(value, dict) and isinstance(had, dict):
            keys = value.keys() | had.keys()
            differing += [
                f"{key} ({had.get(key)}, now {value.get(key)})"
                for key in sorted(keys)
                if had.get(key) != value.get(key)
            ]
        elif had != value:
            differing.append(name)
    return differing


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a run, finished or not.

    Raises
    ------
    PadscopeError
        The directory is no run, another version's, or its manifest is damaged.
    """
    file = path / "manifest.json"
    if problem := file_problem(file):
        raise PadscopeError(
            f"{path} is not a padscope run: it has no manifest.json"
            if problem == MISSING
            else f"{path} is not a padscope run that can be read: its manifest.json {problem}"
        )
    with readable(file):
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if manifest["schema"] != SCHEMA:
            raise PadscopeError(
                f"{path} was written with schema {manifest['schema']}, this version reads "
                f"{SCHEMA}; scan again"
            )
        missing = FINISHED - manifest.keys()
        if missing and manifest.keys() != UNFINISHED:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return manifest
