"""The third stage: whether the model uses what padding tells it, and whether that is desirable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from torch import nn

from padscope.errors import PadscopeError, Unfinished
from padscope.interventions.fills import find_fill
from padscope.models import LoadedModel, as_found
from padscope.running import Runner, find_runner
from padscope.settings import ImpactSettings
from padscope.study.borders import FalseBorders
from padscope.study.effects import SetEffects
from padscope.study.estimates import FilterEstimates
from padscope.study.impact_images import GivenLabels, open_impact_images
from padscope.study.impact_result import Impact
from padscope.study.inputs import as_loaded
from padscope.study.outcome import Outcome, Step
from padscope.study.positions import PositionBias
from padscope.study.result import Study
from padscope.study.stage import Journal, Stage
from padscope.study.stages import IMPACT, Effort, Progress
from padscope.study.subject import Subject, ask_first
from padscope.tables import with_impact


def impact(
    study: Study,
    model: nn.Module | LoadedModel | str,
    images: object = None,
    labels: GivenLabels | None = None,
    settings: ImpactSettings | None = None,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Study:
    """Measure what undoing padding-aware neurons changes in a model's answers, beside controls.

    Parameters
    ----------
    study : Study
        Of `explain`.
    model : nn.Module, LoadedModel or str
        The network that was explained; it comes back exactly as it was.
    images : path, Tensor, Dataset, iterable or None
        As of `scan`. Photographs are cropped in the centre, as models are evaluated.
    labels : path, "folders", sequence or mapping, optional
        Classes of the images: see `padscope.images.read_labels`; one number or name for each, in
        order, None, NaN or -1 where unknown; or the same by the images' names.
    settings : ImpactSettings, optional
    journal : Journal, optional
        A `RunDirectory` to keep checkpoints in and to resume from.
    progress, stop, workers, runner
        As of `scan`; what is done is counted in forward passes of single images.

    Returns
    -------
    Study
        With `impact`, and estimated impacts in its table of filters.

    Raises
    ------
    PadscopeError
        The study is not explained, the model is another one, or it, the images, the labels or the
        metric cannot be used.
    Interrupted
        `stop` said so; with a journal, the same call goes on from there.
    """
    if workers < 1:
        raise PadscopeError(f"workers is {workers}; give 1 or more")
    settings = settings or ImpactSettings()
    find_fill(settings.fill)
    if study.explanation is None:
        raise PadscopeError(
            "the study is not explained yet; run padscope explain, or "
            "padscope.explain(study, model, images), first"
        )
    runner = find_runner(runner)
    with runner.together():
        loaded = as_loaded(model, study)
        tested = open_impact_images(images, loaded, study.size, settings, workers)
        with as_found(loaded.module) as module:
            asked = ask_first(loaded, module, tested, labels, settings)
            subject = Subject(
                study, study.explanation, loaded, module, asked.tested, asked.observation,
                asked.asking, asked.answer, settings, asked.notes,
            )  # fmt: skip
            compared = journal is not None or not runner.in_order
            identity = _identify(subject, compared=compared)
            stage = Stage(IMPACT, identity, runner, journal, progress, stop)
            steps = _steps(subject)
            outcomes = _measure(stage, steps)
            stage.finish()
        return _conclude(subject, identity, outcomes)


def _steps(subject: Subject) -> tuple[Step, ...]:
    return (
        FilterEstimates(subject),
        SetEffects.of(subject),
        PositionBias(subject),
        FalseBorders(subject),
    )


def _identify(subject: Subject, *, compared: bool) -> dict[str, Any]:
    return {
        "explanation": subject.explanation.identity,
        "images": subject.tested.fingerprint(compared=compared),
        "settings": asdict(subject.settings),
        "versions": {name: version(name) for name in ("padscope", "scipy")},
    }


def _measure(stage: Stage, steps: Sequence[Step]) -> list[Outcome]:
    """Take every step; one that cannot be taken leaves a note behind."""
    outcomes = []
    for place, step in enumerate(steps):
        stage.expect(sum((each.effort for each in steps[place:]), Effort()))
        try:
            outcomes.append(step.run(stage))
        except Unfinished:
            raise
        except PadscopeError as error:
            if isinstance(step, SetEffects):  # without effects there is no impact
                raise
            outcomes.append(Outcome(notes=(f"Not measured: {step.what} ({error}).",)))
    return outcomes


def _conclude(subject: Subject, identity: dict[str, Any], outcomes: Sequence[Outcome]) -> Study:
    """Put what was measured beside the explanation."""
    study, tested, filters = subject.study, subject.tested, subject.study.filters
    found = Impact(
        identity, tested.source.describe(), tested.labels.described if tested.labels else "",
        max(outcome.images for outcome in outcomes), subject.kind, subject.settings.fill,
        notes=(*subject.notes, *(note for outcome in outcomes for note in outcome.notes)),
        skipped=tuple(dict.fromkeys(skip for outcome in outcomes for skip in outcome.skipped)),
    )  # fmt: skip
    for outcome in outcomes:
        found = replace(found, **outcome.tables)
        if outcome.agreement:
            found = replace(found, agreement=outcome.agreement)
        if outcome.filters is not None:
            filters = with_impact(filters, outcome.filters)
    return replace(study, filters=filters, impact=found)
