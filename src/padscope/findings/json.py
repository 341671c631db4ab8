"""What was found as plain values that JSON can hold; its schema is docs/json.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from padscope.findings.checks import count, limits
from padscope.findings.depth import depth_json, depth_profile
from padscope.findings.headline import headline
from padscope.findings.kinds import kinds
from padscope.findings.networks import networks
from padscope.findings.neuron import Neuron
from padscope.findings.rungs import rungs
from padscope.findings.verdict import verdict
from padscope.study import Study
from padscope.study.beside import Beside

SCHEMA = 1  # raised when a name goes or means something else; new names leave it as it is


def as_json(study: Study) -> dict[str, Any]:
    """Gather what a study found.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict
        Of strings, numbers, booleans, lists and dicts alone; None for what is not known. See
        docs/json.md.
    """
    explanation, impact = study.explanation, study.impact
    found = {
        "schema": SCHEMA,
        "model": study.model,
        "images": study.images,
        "headline": asdict(headline(study)),
        "rungs": [asdict(rung) for rung in rungs(study)],
        "counts": asdict(count(study)),
        "networks": [asdict(each) for each in networks(explanation)] if explanation else [],
        "depth": depth_profile(study).to_dicts(),
        "reach": depth_json(study.depth) if study.depth else None,
        "kinds": [asdict(kind) for kind in kinds(study)],
        "effects": impact.effects.to_dicts() if impact else [],
        "verdict": [asdict(heading) for heading in verdict(study)] if impact else [],
        "limits": limits(study),
        "notes": list(impact.notes) if impact else [],
        "damage": list(study.missing),
        "next": study.next_stage,
    }
    return {name: plain(value) for name, value in found.items()}


def beside_json(found: Beside, sentences: Iterable[str]) -> dict[str, Any]:
    """Gather what a stage beside a run found: what it is of, sentences, and its tables."""
    gathered = {**found.facts(), "sentences": list(sentences), **found.tables}
    return {"schema": SCHEMA, **{name: plain(value) for name, value in gathered.items()}}


def neuron_json(neuron: Neuron) -> dict[str, Any]:
    """Gather what is known of one filter."""
    recall = neuron.recall
    found = {
        "schema": SCHEMA,
        "name": neuron.name,
        "facts": dict(neuron.facts),
        "filter": neuron.row,
        "sides": list(neuron.sides),
        "map_size": neuron.map_size,
        "recall": asdict(recall) if recall else None,
        "kernel": neuron.kernel,
        "mean_map": neuron.mean_map,
        "real_map": neuron.real_map,
    }
    return {name: plain(value) for name, value in found.items()}


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold: NaN and infinities become None.

    Examples
    --------
    >>> plain({"a": (1, float("nan")), "b": np.ones(2)})
    {'a': [1, None], 'b': [1.0, 1.0]}
    """
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, pl.DataFrame):
        return plain(value.to_dicts())
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
