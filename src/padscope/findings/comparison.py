"""Several runs side by side: what each found, what it lacks, how far they can be compared."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.evidence import CANDIDATE, CONFIRMED, KINDS, RECOGNISED
from padscope.findings.depth import depth_profile
from padscope.findings.json import SCHEMA, plain
from padscope.findings.listing import Listing
from padscope.findings.measures import Measure, measure_of
from padscope.findings.recognition import recognition
from padscope.findings.words import NONE, chance, percent, share, visible
from padscope.study import Study
from padscope.study.impact_result import LEVEL, beyond_controls, cannot_show
from padscope.tables.comparison import (
    cause_columns,
    comparison_table,
    response_columns,
    used_columns,
)

HEADINGS = (
    "model", "filters", f"responds (KS ≥ {CANDIDATE:g})", f"caused (causal KS ≥ {CONFIRMED:g})",
    f"recognises (recall ≥ {RECOGNISED:g})", "fresh weights", "matched kernels",
    "used: change if undone", "controls", "p", "images",
)  # fmt: skip
_ANSWERS = {"more": "more", "as many": "about as many", "fewer": "fewer"}


@dataclass(frozen=True)
class Run:
    """What a comparison keeps of one study.

    Attributes
    ----------
    name : str
        Tells it from the others.
    directory, model, images : str
        The latter two are lines for people.
    row : dict
        Of `padscope.tables.comparison.comparison_table`.
    profile : polars.DataFrame or None
        See `padscope.findings.depth.depth_profile`; None if the run is not explained.
    lacks : str
        What it has not measured, and the command that would; "" for nothing.
    missing : tuple of str
        What its directory lacks, if that is damaged, in sentences.
    weights, images_id : str
        Digests.
    apart : int
        Filters explained without real context.
    answer : str
        What the model answers with; "" if the impact was not measured.
    settings : dict
        Stage → its settings.
    """

    name: str
    directory: str
    model: str
    images: str
    row: dict[str, Any]
    profile: pl.DataFrame | None
    lacks: str
    missing: tuple[str, ...]
    weights: str
    images_id: str
    apart: int
    answer: str
    settings: dict[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side.

    Attributes
    ----------
    table : polars.DataFrame
        See `padscope.tables.comparison.comparison_table`.
    runs : tuple of Run
        In the order of its rows.
    refused : tuple of (str, str)
        Directories that could not be read, and why.
    cautions, settings : tuple of str
        In what the runs differ beside the model, in sentences: what their numbers may owe to it,
        and the settings of their stages.
    """

    table: pl.DataFrame
    runs: tuple[Run, ...]
    refused: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    settings: tuple[str, ...]


def take(directory: str, study: Study) -> Run:
    """Keep what a comparison needs of a study, which may then be let go.

    Parameters
    ----------
    directory : str
        Where it lies, or what else tells it from others of the same model.
    study : Study
    """
    stages = {"scan": study.identity}
    if study.explanation:
        stages["explanation"] = study.explanation.identity
    if study.impact:
        stages["impact"] = study.impact.identity
    return Run(
        name=study.identity["model"],
        directory=directory,
        model=study.model,
        images=study.images,
        row=_row(directory, study),
        profile=depth_profile(study) if study.explanation else None,
        lacks=_lacks(directory, study) if not study.missing else "",
        missing=study.missing,
        weights=study.identity["weights"],
        images_id=study.identity["images"],
        apart=_apart(study),
        answer=study.impact.answer if study.impact else "",
        settings={stage: identity["settings"] for stage, identity in stages.items()},
    )


def compare(runs: Sequence[Run], refused: Mapping[str, str] | None = None) -> Comparison:
    """Set runs side by side.

    Parameters
    ----------
    runs : sequence of Run
        From `take`.
    refused : mapping, optional
        Directory → why its study could not be read.

    Raises
    ------
    PadscopeError
        There is no run.
    """
    refused = refused or {}
    if not runs:
        why = "; ".join(refused.values()) or "give the directories of runs"
        raise PadscopeError(f"there is nothing to compare: {why}")
    often = Counter(run.name for run in runs)
    named = [
        replace(run, name=f"{run.name} ({run.directory})") if often[run.name] > 1 else run
        for run in runs
    ]
    return Comparison(
        comparison_table(run.row | {"name": run.name} for run in named),
        tuple(named),
        tuple(refused.items()),
        tuple(_cautions(named)),
        tuple(_settings(named)),
    )


def _row(directory: str, study: Study) -> dict[str, Any]:
    row = {
        "run": directory, "model": study.model, "sites": int(study.sites["scored"].sum()),
        "scanned": study.counted.images, **response_columns(study.filters),
    }  # fmt: skip
    if study.explanation:
        row |= cause_columns(study.filters) | {"explained": study.explanation.counts.images}
        row |= recognition(study.filters, study.explanation).columns
    used = _effect(study)
    if used and not cannot_show(used):
        row["beyond_controls"] = beyond_controls(used)
    return row | used_columns(used)


def _effect(study: Study) -> dict[str, Any] | None:
    """Return what undoing the headline set changes, by the answer's own measure."""
    return study.impact.use if study.impact else None


def _apart(study: Study) -> int:
    if study.explanation is None:
        return 0
    return study.filters.filter(~pl.col("real_context")).height


def _lacks(directory: str, study: Study) -> str:
    directory = shlex.quote(directory)
    if study.explanation is None:
        return (
            f"what padding causes and what the model uses; run padscope explain {directory}, then "
            f"padscope impact {directory}"
        )
    baselines = "" if study.explanation.has_baselines else "baselines"
    if study.impact is None:
        beside = f"{baselines} and " if baselines else ""
        return f"{beside}what the model uses; run padscope impact {directory}"
    if not _effect(study):
        return "the effect of undoing filters: none was found, or none tested"
    return baselines


def _cautions(runs: Sequence[Run]) -> Iterator[str]:
    if len({run.images_id for run in runs}) > 1:
        yield (
            "The runs were not scanned on the same images and crops: part of a difference may be "
            "that of the images."
        )
    if len({run.answer for run in runs if run.answer}) > 1:
        yield "The answers are of different types, so that their changes have different units."

    for run in runs:
        for sentence in run.missing:
            yield f"{run.name} is damaged. {sentence}"
        if run.apart:
            yield (
                f"{run.name} was explained without real context at {plural(run.apart, 'filter')}: "
                "weaker evidence."
            )


def _settings(runs: Sequence[Run]) -> Iterator[str]:
    for stage in dict.fromkeys(stage for run in runs for stage in run.settings):
        found = [run.settings[stage] for run in runs if stage in run.settings]
        if differing := list(_differing(found)):
            yield f"Settings of the {stage} differ: {', '.join(differing)}."


def _differing(settings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for name in dict.fromkeys(name for one in settings for name in one):
        values = list(dict.fromkeys(str(one.get(name)) for one in settings))
        if len(values) > 1:
            yield f"{name} ({', '.join(values)})"


def comparison_listing(table: pl.DataFrame) -> Listing:
    """List the runs of a comparison: filters, baselines, the effect of undoing them."""
    return Listing(HEADINGS, tuple(_cells(row) for row in table.iter_rows(named=True)))


def kind_listing(table: pl.DataFrame) -> Listing:
    """List how many filters of each kind every run has."""
    kinds = kinds_found(table)
    return Listing(
        ("kinds", *kinds),
        tuple(
            (row["name"], *(NONE if row[kind] is None else f"{row[kind]:,}" for kind in kinds))
            for row in table.iter_rows(named=True)
        ),
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    measure = measure_of(row["measure"]) if row["measure"] else None
    stages = (row["scanned"], row["explained"], row["tested"])
    used, control = NONE, NONE
    if measure:
        used = _spelt(measure, row, "used", measure.unit)
        control = _spelt(measure, row, "control") if row["draws"] else NONE
    return (
        row["name"], NONE if row["filters"] is None else f"{row['filters']:,}",
        *(_count(row[rung], row["measured"]) for rung in ("responds", "caused", "recognises")),
        *(_range(row[f"{kind}_low"], row[f"{kind}_high"]) for kind in ("fresh", "matched")),
        used, control, chance(row["p"]),
        " / ".join(f"{images:,}" if images else NONE for images in stages),
    )  # fmt: skip


def _spelt(measure: Measure, row: Mapping[str, Any], name: str, unit: str = "") -> str:
    parts = measure.figure(row[name]), unit, measure.between(row, f"{name}_low", f"{name}_high")
    return " ".join(filter(None, parts))


def _count(part: int | None, whole: int | None) -> str:
    return NONE if part is None or whole is None else f"{part:,} ({percent(part, whole)})"


def _range(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return NONE
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def kinds_found(table: pl.DataFrame) -> list[str]:
    """Name the kinds that any model has filters of, in display order."""
    return [kind for kind in KINDS if table[kind].sum()]


def read_comparison(table: pl.DataFrame) -> list[str]:
    """Put a comparison into sentences: who recognises the border, why, and what is used.

    Examples
    --------
    >>> from padscope.tables.comparison import comparison_table
    >>> read_comparison(comparison_table([{"name": "vdsr", "measured": None}]))
    ['None of these runs is explained: nothing is known of what padding causes.']
    """
    explained = table.filter(pl.col("recognises_share").is_not_null())
    if explained.is_empty():
        return ["None of these runs is explained: nothing is known of what padding causes."]
    rows = explained.sort("recognises_share", "name").to_dicts()
    return [_read_recognising(rows), *_read_origins(rows), *_read_used(table)]


def _read_recognising(rows: Sequence[Mapping[str, Any]]) -> str:
    least, most = rows[0], rows[-1]
    if len(rows) == 1:
        shares = f"{share(most['recognises_share'])} of the measured filters"
    else:
        shares = (
            f"Between {share(least['recognises_share'])} ({least['name']}) and "
            f"{share(most['recognises_share'])} ({most['name']}) of the measured filters"
        )
    return f"{shares} recognise the border."


def _read_origins(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    told = []
    for question, others in (("training", "untrained networks"),
                             ("kernels", "random kernels on the same channels")):  # fmt: skip
        answers = [row[question] for row in rows if row[question]]
        if not answers:
            continue
        found = [(w, answers.count(answer)) for answer, w in _ANSWERS.items() if answer in answers]
        (first, count), *rest = found
        counts = ", ".join(
            [
                f"{first} in {count} of {plural(len(answers), 'run')}",
                *(f"{w} in {n}" for w, n in rest),
            ]
        )
        told.append(f"Beside {others} they are {counts}.")
    return told or ["There are no baselines to compare with: nothing here can be called learned."]


def _read_used(table: pl.DataFrame) -> list[str]:
    measured = table.filter(pl.col("used").is_not_null())
    tested = measured["beyond_controls"].drop_nulls()
    told = []
    if len(tested):
        told.append(
            "Undoing these filters changes the answers more than undoing matched ones "
            f"(p ≤ {LEVEL:g}, and the interval of what is beyond them above 0) "
            f"in {tested.sum()} of {plural(len(tested), 'run')} tested."
        )
    if open_ := measured.height - len(tested):
        told.append(f"In {plural(open_, 'run')} controls are lacking or too few to show it.")
    return told


def lacking(comparison: Comparison) -> list[str]:
    """Name what runs lack, and the runs that could not be read."""
    return [
        *(f"{run.name} lacks {run.lacks}." for run in comparison.runs if run.lacks),
        *(f"Left out: {reason}." for _, reason in comparison.refused),
    ]


def comparison_lines(comparison: Comparison) -> list[str]:
    """Put a comparison, and what limits it, into sentences."""
    said = [*read_comparison(comparison.table), *lacking(comparison), *comparison.cautions]
    return [visible(sentence) for sentence in said]


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Gather a comparison as plain values; see `padscope.findings.json`."""
    found = {
        "schema": SCHEMA,
        "runs": comparison.table,
        "sentences": read_comparison(comparison.table),
        "cautions": comparison.cautions,
        "settings": comparison.settings,
        "lacks": {run.name: run.lacks for run in comparison.runs if run.lacks},
        "refused": dict(comparison.refused),
    }
    return {name: plain(value) for name, value in found.items()}
