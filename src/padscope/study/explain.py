"""The second stage: which responses padding causes, and what baselines show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from torch import nn

from padscope.errors import PadscopeError, Unfinished
from padscope.images import Images, StreamedImages, unit_count
from padscope.images.skipped import Skipped
from padscope.measurements import Counts, contrasting
from padscope.models import LoadedModel, as_found
from padscope.running import Runner, find_runner
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study.baselines import USUAL, Baselines, baseline_names
from padscope.study.conclusion import conclude
from padscope.study.context import Context, find_context
from padscope.study.explain_work import ExplainWork
from padscope.study.explanation import CONTRASTED
from padscope.study.inputs import as_images, as_loaded, fingerprint
from padscope.study.likeness import LIKENESS_IMAGES, find_likeness
from padscope.study.margin import check_margin
from padscope.study.result import Study
from padscope.study.stage import Journal, Scores, Stage
from padscope.study.stages import EXPLAIN, Effort, Progress


def explain(
    study: Study,
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: ExplainSettings | None = None,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Study:
    """Find out which responses of a scanned network are caused by padding.

    Every image is run as a crop, and with real surroundings; at the same positions the two are
    compared. See `padscope.settings.ExplainSettings` for what is compared beside that.

    Parameters
    ----------
    study : Study
        Of `scan`.
    model : nn.Module, LoadedModel or str
        The network that was scanned; it comes back exactly as it was.
    images : path, Tensor, Dataset, iterable or None
        As of `scan`. Photographs have surroundings; tensors must be larger than those scanned, by
        the margin at every end. Where they are not, everything is explained without real context,
        and marked so.
    settings : ExplainSettings, optional
    journal : Journal, optional
        A `RunDirectory` to keep checkpoints in and to resume from.
    progress, stop, workers, runner
        As of `scan`.

    Returns
    -------
    Study
        With `explanation`, and more columns in its tables.

    Raises
    ------
    PadscopeError
        The model is another one, or it and the images cannot be used.
    Interrupted
        `stop` said so; with a journal, the same call goes on from there.
    """
    if workers < 1:
        raise PadscopeError(f"workers is {workers}; give 1 or more")
    settings = settings or ExplainSettings()
    runner = find_runner(runner)
    with runner.together():
        loaded = as_loaded(model, study)
        source = _open(images, loaded, study, settings)
        with as_found(loaded.module) as module:
            context = find_context(module, loaded, source, study.size, settings, workers)
            compared = journal is not None or not runner.in_order
            images_seen = fingerprint(source, settings.limit, compared=compared)
            identity = _identify(study, images_seen, context, settings)
            stage = Stage(EXPLAIN, identity, runner, journal, progress, stop)
            canvas = context.canvas
            beside = _baselines(loaded, context, settings, canvas.images)
            crops = list(beside.crops(module, LIKENESS_IMAGES))
            likeness = find_likeness(loaded, module, crops, settings.seed + 1)
            names = baseline_names(settings, fits=likeness.fits is not False)
            work = ExplainWork(canvas, settings, beside.images, names)
            stage.expect(work.total)
            stage.spend(Effort.of(work.likeness))
            del crops
            counts = _contrast(module, context, settings, work.contrast, stage)
            margin = check_margin(module, context, counts, settings)
            stage.spend(work.margin)
            seen = counts.images + len(counts.skipped)
            beside = _baselines(loaded, context, settings, seen, counts.skipped)
            stage.expect(beside.effort(USUAL, *names))
            if USUAL in stage.kept.tables:
                stage.spend(beside.effort(USUAL))
            else:
                usual = beside.usual(module, stage)
                stage.drop(f"{USUAL} ")
                stage.conclude(USUAL, usual)
            for place, name in enumerate(names):
                stage.expect(beside.effort(*names[place:]))
                if name in stage.kept.tables:
                    stage.spend(beside.effort(name))
                else:
                    stage.conclude(name, _baseline(name, beside, stage))
        stage.finish()
        return conclude(
            _without_other_impact(study, identity), identity, context, counts,
            stage.kept.tables, likeness, margin, settings,
        )  # fmt: skip


def _contrast(
    module: nn.Module, context: Context, settings: ExplainSettings, passes: float, stage: Stage
) -> Counts:
    canvas = context.canvas
    calibrate = unit_count(settings.calibrate, canvas.batch_size)
    job = canvas.job(
        CONTRASTED, canvas.kept, lambda _: contrasting(module, context.plan, calibrate)
    )
    counts = stage.run(job, Counts(), passes)
    if not counts.images:
        raise PadscopeError(
            "no image could be explained: all of them are unreadable or too small for "
            f"{'×'.join(map(str, canvas.canvas_size))}; give larger images"
        )
    return counts


def _baselines(
    loaded: LoadedModel, context: Context, settings: ExplainSettings, seen: int | None,
    skipped: Iterable[Skipped] = (),
) -> Baselines:  # fmt: skip
    canvas = context.canvas
    few = canvas.first_images(settings.baseline_images, seen, skipped)
    plan = context.plan.of_crops(replace(canvas.sample_size(settings), images=few))
    return Baselines(loaded, canvas, plan, few, settings)


def _baseline(name: str, beside: Baselines, stage: Stage) -> Scores:
    try:
        return beside.run(name, stage)
    except Unfinished:
        raise
    except PadscopeError as error:
        return str(error)


def _without_other_impact(study: Study, identity: dict[str, Any]) -> Study:
    """Drop the impact of another explanation, which belongs to other sets of filters."""
    if study.explanation is not None and study.explanation.identity == identity:
        return study
    return replace(study, impact=None)


def _open(
    images: object, loaded: LoadedModel, study: Study, settings: ExplainSettings
) -> Images | StreamedImages:
    scanned = study.identity["settings"]
    opening = ScanSettings(
        limit=settings.limit, seed=scanned["seed"], crops=settings.limit or scanned["crops"]
    )
    return as_images(images, loaded, opening)


def _identify(
    study: Study, images_seen: str, context: Context, settings: ExplainSettings
) -> dict[str, Any]:
    return {
        "scan": study.identity,
        "images": images_seen,
        "margin": list(context.canvas.margin),
        "settings": asdict(settings),
        "versions": {name: version(name) for name in ("padscope", "scipy")},
    }
