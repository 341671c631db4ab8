"""The second stage: which responses padding causes, and what baselines show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any, Protocol

import polars as pl
from torch import nn

from padscope.engines import Contrasted, Processes, contrast_units
from padscope.errors import PadscopeError
from padscope.images import Images, StreamedImages, unit_count
from padscope.models import LoadedModel, as_found
from padscope.settings import ExplainSettings, Settings
from padscope.study.baselines import baseline_networks, run_baseline
from padscope.study.conclusion import conclude
from padscope.study.context import Context, find_context
from padscope.study.inputs import as_images, as_loaded
from padscope.study.margin import check_margin
from padscope.study.result import Study
from padscope.study.watch import Interrupted, Progress
from padscope.tables import without_impact


@dataclass(frozen=True)
class Explained:
    """What explaining has done so far; all that it needs to go on from.

    Attributes
    ----------
    contrasted : Contrasted
        Counts of the trained network.
    networks : dict
        Baseline → its scores, or why there are none.
    """

    contrasted: Contrasted = field(default_factory=Contrasted)
    networks: dict[str, pl.DataFrame | str] = field(default_factory=dict)


class ExplainJournal(Protocol):
    """Where an explanation keeps what it has done, so that it can be stopped and resumed."""

    def begin_explaining(self, identity: dict[str, Any]) -> Explained | None:
        """Open the explanation of this identity; return what has been done already."""
        ...

    def due(self) -> bool:
        """Say whether it is time for a checkpoint."""
        ...

    def keep_explained(self, explained: Explained) -> None:
        """Keep what has been done."""
        ...


def explain(
    study: Study,
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: ExplainSettings | None = None,
    *,
    journal: ExplainJournal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
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
    journal : ExplainJournal, optional
        A `RunDirectory` to keep checkpoints in and to resume from.
    progress, stop, workers
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
    if Processes.current().count > 1:
        raise PadscopeError("explaining needs a single process; call it in one of them alone")
    settings = settings or ExplainSettings()
    loaded = as_loaded(model)
    if loaded.weights_hash != study.identity["weights"]:
        raise PadscopeError(
            f"{loaded.spec} has other weights than the network that was scanned; "
            "give the same model and weights, or scan this one"
        )
    source = _open(images, loaded, study, settings)
    with as_found(loaded.module) as module:
        context = find_context(module, loaded, source, study.size, settings, workers)
        identity = _identify(study, source, context, settings)
        so_far = (journal.begin_explaining(identity) if journal else None) or Explained()
        watch = _Watch(settings, context, so_far, journal, progress, stop)
        explained = _contrast(module, context, settings, so_far, watch)
        margin = check_margin(module, context, explained.contrasted, settings)
        for name, build in baseline_networks(loaded, settings).items():
            if name not in explained.networks:
                watch.enter_baseline(explained)
                try:
                    scores: pl.DataFrame | str = run_baseline(
                        name, build, context.canvas, context.plan, settings, watch
                    )
                except Interrupted:
                    raise
                except PadscopeError as error:
                    scores = str(error)
                explained = replace(explained, networks=explained.networks | {name: scores})
                watch.keep(explained)
    if journal:
        journal.keep_explained(explained)
    return conclude(
        _without_other_impact(study, identity), identity, context, explained.contrasted,
        explained.networks, margin, settings,
    )  # fmt: skip


def _without_other_impact(study: Study, identity: dict[str, Any]) -> Study:
    """Drop the impact of another explanation, which belongs to other sets of filters."""
    if study.explanation is not None and study.explanation.identity == identity:
        return study
    return replace(study, filters=without_impact(study.filters), impact=None)


def _open(
    images: object, loaded: LoadedModel, study: Study, settings: ExplainSettings
) -> Images | StreamedImages:
    scanned = study.identity["settings"]
    opening = Settings(
        limit=settings.limit, seed=scanned["seed"], crops=settings.limit or scanned["crops"]
    )
    return as_images(images, loaded, opening)


def _identify(
    study: Study, source: Images | StreamedImages, context: Context, settings: ExplainSettings
) -> dict[str, Any]:
    return {
        "scan": study.identity,
        "images": source.fingerprint(),
        "margin": list(context.canvas.margin),
        "settings": asdict(settings),
        "versions": {name: version(name) for name in ("padscope", "scipy")},
    }


class _Watch:
    """Reports progress over all networks, writes checkpoints, and stops when asked to."""

    def __init__(
        self,
        settings: ExplainSettings,
        context: Context,
        so_far: Explained,
        journal: ExplainJournal | None,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        networks = 1 + (settings.baselines + 1 if settings.baselines else 0)
        images = context.canvas.images
        self._each = images
        self._total = None if images is None else networks * images
        self._done = len(so_far.networks) * (images or 0)
        self._journal, self._progress, self._stop = journal, progress, stop
        self._explained = so_far
        self._trained = True

    def enter_baseline(self, explained: Explained) -> None:
        """Go on to a baseline, whose counts are not kept until it is done."""
        if self._trained:
            self._done += explained.contrasted.images
        self._trained, self._explained = False, explained

    def keep(self, explained: Explained) -> None:
        """Note a baseline as done."""
        self._explained = explained
        self._done += self._each or explained.contrasted.images
        if self._journal and self._journal.due():
            self._journal.keep_explained(explained)

    def after(self, images: int, state: Callable[[], Contrasted] | None) -> None:
        """Look on after a unit."""
        if self._progress:
            self._progress(self._done + images, self._total)
        stop = self._stop is not None and self._stop()
        if self._journal and (stop or self._journal.due()):
            if self._trained and state:
                self._journal.keep_explained(replace(self._explained, contrasted=state()))
            elif not self._trained:
                self._journal.keep_explained(self._explained)
        if stop:
            of_all = f" of {self._total}" if self._total else ""
            raise Interrupted(f"stopped after {self._done + images}{of_all} images")


def _contrast(
    module: nn.Module, context: Context, settings: ExplainSettings, so_far: Explained, watch: _Watch
) -> Explained:
    contrasted = so_far.contrasted
    if not contrasted.complete:
        canvas = context.canvas
        calibrate = unit_count(settings.calibrate, canvas.batch_size)
        batches = canvas.kept if settings.baselines else canvas.batches
        contrasted = contrast_units(
            module, batches(contrasted.units), context.plan, calibrate, watch, contrasted
        )
        if not contrasted.images:
            raise PadscopeError(
                "no image could be explained: all of them are unreadable or too small for "
                f"{'×'.join(map(str, canvas.canvas_size))} pixels; give larger images"
            )
    return replace(so_far, contrasted=replace(contrasted, complete=True))
