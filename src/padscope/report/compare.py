"""Several runs side by side: what each found, what it lacks, and how far they can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from padscope.errors import PadscopeError
from padscope.interventions.sets import CONFIRMED_SET
from padscope.report.caused import FRESH, SHUFFLED
from padscope.report.impact_words import PRIMARY
from padscope.study import Study
from padscope.tables.comparison import (
    baseline_columns,
    cause_columns,
    comparison_table,
    depth_profile,
    response_columns,
    used_columns,
)

STAGES = ("scan", "explanation", "impact")


@dataclass(frozen=True)
class Compared:
    """One run of a comparison.

    Attributes
    ----------
    name : str
        Tells it from the others.
    directory, model, images : str
        The latter two are lines for people.
    weights, images_id : str
        Digests.
    profile : polars.DataFrame or None
        See `padscope.tables.comparison.depth_profile`; None if the run is not explained.
    lacks : str
        What it has not measured, and the command that would; "" for nothing.
    """

    name: str
    directory: str
    model: str
    images: str
    weights: str
    images_id: str
    profile: pl.DataFrame | None
    lacks: str


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side.

    Attributes
    ----------
    table : polars.DataFrame
        See `padscope.tables.comparison.comparison_table`.
    runs : tuple of Compared
        In the order of its rows.
    refused : tuple of (str, str)
        Directories that could not be read, and why.
    differences : tuple of str
        In what the runs differ beside the model, in sentences.
    """

    table: pl.DataFrame
    runs: tuple[Compared, ...]
    refused: tuple[tuple[str, str], ...]
    differences: tuple[str, ...]


def compare(studies: Mapping[str, Study], refused: Mapping[str, str] | None = None) -> Comparison:
    """Set runs side by side.

    Parameters
    ----------
    studies : mapping
        Directory → study.
    refused : mapping, optional
        Directory → why its study could not be read.

    Raises
    ------
    PadscopeError
        There is no study.
    """
    refused = refused or {}
    if not studies:
        why = "; ".join(refused.values()) or "give the directories of runs"
        raise PadscopeError(f"there is nothing to compare: {why}")
    names = tell_apart({path: study.identity["model"] for path, study in studies.items()})
    rows = [_row(names[path], path, study) for path, study in studies.items()]
    return Comparison(
        comparison_table(rows),
        tuple(_compared(names[path], path, study) for path, study in studies.items()),
        tuple(refused.items()),
        tuple(_differences(list(studies.values()))),
    )


def tell_apart(models: Mapping[str, str]) -> dict[str, str]:
    """Name runs by their models; those of the same model by their directories too.

    Parameters
    ----------
    models : mapping
        Directory → model.

    Examples
    --------
    >>> tell_apart({"runs/a": "lite0", "runs/b": "lite0", "runs/c": "vdsr"})
    {'runs/a': 'lite0 (runs/a)', 'runs/b': 'lite0 (runs/b)', 'runs/c': 'vdsr'}
    """
    often = Counter(models.values())
    return {
        path: f"{model} ({path})" if often[model] > 1 else model for path, model in models.items()
    }


def _row(name: str, directory: str, study: Study) -> dict[str, Any]:
    row = {
        "name": name, "run": directory, "model": study.model,
        "sites": int(study.sites["scored"].sum()), "scanned": study.counted.images,
        **response_columns(study.filters),
    }  # fmt: skip
    if study.explanation:
        row |= cause_columns(study.filters) | {"explained": study.explanation.contrasted.images}
        row |= baseline_columns(study.explanation.baselines, FRESH, SHUFFLED)
    return row | used_columns(_used(study))


def _used(study: Study) -> dict[str, Any] | None:
    """Return what undoing the confirmed filters changes, by the answer's own measure."""
    impact = study.impact
    if impact is None:
        return None
    return impact.effect(CONFIRMED_SET, PRIMARY[impact.answer].name, f"refill {impact.fill}")


def _compared(name: str, directory: str, study: Study) -> Compared:
    return Compared(
        name, directory, study.model, study.images, study.identity["weights"],
        study.identity["images"], depth_profile(study.filters) if study.explanation else None,
        _lacks(directory, study),
    )  # fmt: skip


def _lacks(directory: str, study: Study) -> str:
    if study.explanation is None:
        return (
            f"what padding causes and what the model uses; run padscope explain {directory}, then "
            f"padscope impact {directory}"
        )
    if study.impact is None:
        beside = "" if study.explanation.has_baselines else "baselines, and "
        return f"{beside}what the model uses; run padscope impact {directory}"
    if not _used(study):
        return "the effect of undoing the confirmed filters: none is confirmed, or none was tested"
    return "" if study.explanation.has_baselines else "baselines: explain it with --baselines 3"


def _differences(studies: Sequence[Study]) -> Iterator[str]:
    """Say what beside the model differs between runs."""
    if len({study.identity["images"] for study in studies}) > 1:
        yield (
            "They were not scanned on the same images and crops: part of a difference may be that "
            "of the images."
        )
    identities: dict[str, list[Mapping[str, Any]]] = {stage: [] for stage in STAGES}
    for study in studies:
        identities["scan"].append(study.identity)
        if study.explanation:
            identities["explanation"].append(study.explanation.identity)
        if study.impact:
            identities["impact"].append(study.impact.identity)
    for stage, found in identities.items():
        if differing := _differing([identity["settings"] for identity in found]):
            yield f"Settings of the {stage} differ: {', '.join(differing)}."
    if len({study.impact.answer for study in studies if study.impact}) > 1:
        yield "Their answers are of different types, so that their changes have different units."


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for one in settings for name in one)
    found = []
    for name in names:
        values = list(dict.fromkeys(str(one.get(name)) for one in settings))
        if len(values) > 1:
            found.append(f"{name} ({', '.join(values)})")
    return found
