"""The first stage: which filters respond to the border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import torch
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.evidence import CANDIDATE, UNDECIDED_BAND
from padscope.images import Images, StreamedImages, unit_count
from padscope.measurements import ContrastPlan, Counts, SitePlan, contrasting, plan_scan
from padscope.models import LoadedModel, as_found
from padscope.regions import SampleSize
from padscope.regions.sampling import DEEPER_EVERY
from padscope.running import Runner, find_runner
from padscope.running.model import observe_first
from padscope.scores import known_statistics, score_site
from padscope.settings import ScanSettings
from padscope.study.inputs import Work, as_images, as_loaded, identify
from padscope.study.kernels import kernels_of
from padscope.study.likeness import find_warnings
from padscope.study.result import Portrait, Study
from padscope.study.stage import Journal, Stage
from padscope.study.stages import SCAN, Effort, Progress
from padscope.tables import response_tables, site_table, undecided
from padscope.threads import single_threaded_pool

FIRST_LOOK = 128.0  # images after which a run may be found stable
PORTRAITS = 24  # the strongest filters, whose kernels and maps are kept


def scan(
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: ScanSettings | None = None,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
    runner: str | Runner = "local",
) -> Study:
    """Find the filters that respond to the border.

    Parameters
    ----------
    model : nn.Module, LoadedModel or str
        A network; it comes back exactly as it was. A str is a spec, see `load_model`.
    images : path, Tensor, Dataset, iterable or None
        A folder of photographs, a list file or one photograph; or tensors that are ready for the
        model: a Tensor or Dataset of single images, or an iterable of batches, bare, first in a
        tuple, or under "pixel_values", "image" or "img"; see `padscope.images.from_python`. None
        takes random crops of a few photographs that are built in. All are read once beforehand, to
        know them again; what a generator gives cannot be, so that a run of it is never resumed.
    settings : ScanSettings, optional
    journal : Journal, optional
        A `RunDirectory` to keep checkpoints in and to resume from.
    progress : callable, optional
        Called with how much is done, and of how much (None if not known): images here; see
        `padscope.study.stage.COUNTED` for the other stages.
    stop : callable, optional
        Asked after every batch whether to stop there.
    workers : int
        Threads that decode photographs ahead of the model.
    runner : str or Runner
        Where the work runs: ``local``, ``torchrun`` or ``ray``, see `padscope.running.RUNNERS`. The
        study is the same whatever the runner; under torchrun every process returns it.

    Returns
    -------
    Study

    Raises
    ------
    PadscopeError
        The model, the images or the two together cannot be used.
    Interrupted
        `stop` said so; with a journal, the same call goes on from there.

    Examples
    --------
    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    >>> study = scan(net, torch.rand(64, 3, 16, 16, generator=torch.manual_seed(0)))
    >>> study.filters.height, study.sides.height
    (4, 16)
    """
    if workers < 1:
        raise PadscopeError(f"workers is {workers}; give 1 or more")
    settings = settings or ScanSettings()
    known_statistics()  # one that cannot be used is told of before anything is counted
    runner = find_runner(runner)
    if settings.until_stable and not runner.in_order:
        raise PadscopeError("until_stable needs the local runner: it looks at images in order")
    with runner.together():
        loaded = as_loaded(model)
        source = as_images(images, loaded, settings)
        compared = journal is not None or not runner.in_order
        identity = identify(loaded, source, settings, compared=compared)
        work = Work(source, settings, loaded.static_batch, workers)
        with as_found(loaded.module) as module:
            image, batches = work.begin()
            plan = _plan(module, image, work, settings)
            # From here on: a model or images that cannot be used leave no trace in the journal.
            stage = Stage(SCAN, identity, runner, journal, progress, stop)
            stage.expect(None if work.images is None else Effort.of(work.images))
            calibrate = unit_count(settings.calibrate, work.batch_size)
            job = work.job(SCAN, batches, lambda _: contrasting(module, plan, calibrate))
            counts = stage.run(job, Counts(), enough=_stable(plan, settings, stage.images(SCAN)))
            stage.finish()
        return _conclude(identity, loaded, source, plan, counts)


def _plan(module: nn.Module, image: Tensor, work: Work, settings: ScanSettings) -> ContrastPlan:
    observation = observe_first(module, image, work.static_batch)
    per_line, per_core = settings.positions(work.images)
    sample = SampleSize(settings.seed, work.images, per_line, per_core, per_line, DEEPER_EVERY)
    plan = plan_scan(observation, image.shape[2:], sample, work.static_batch)
    if not plan.sites:
        raise PadscopeError(_nothing_to_scan(plan))
    return plan


def _stable(
    plan: ContrastPlan, settings: ScanSettings, before: int
) -> Callable[[int, Callable[[], Counts]], bool] | None:
    """Say when a scan may end before all images are seen: when every filter is decided.

    Looks come at 128, 160, 200, … images, each a quarter later than the last: they cost time, and
    must not depend on where a run was gone on with.
    """
    if not settings.until_stable:
        return None
    looks = [FIRST_LOOK]

    def stable(images: int, counts: Callable[[], Counts]) -> bool:
        nonlocal before
        while looks[-1] <= images:
            looks.append(looks[-1] * 1.25)
        due = any(before < look <= images for look in looks)
        before = images
        return due and undecided(score_plan(plan, counts())[1], CANDIDATE, UNDECIDED_BAND)[0] == 0

    return stable


def score_plan(plan: ContrastPlan, counts: Counts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score every filter: the tables of filters and of sides."""
    statistics = known_statistics()

    def tables(site: SitePlan) -> tuple[pl.DataFrame, pl.DataFrame]:
        scores = score_site(site.layout, counts.of_site(site.site.name), statistics)
        return response_tables(site.site, site.layout, scores)

    with single_threaded_pool(torch.get_num_threads(), "padscope-score") as pool:
        filters, sides = zip(*pool.map(tables, plan.sites.values()), strict=True)
    return pl.concat(filters), pl.concat(sides)


def _nothing_to_scan(plan: ContrastPlan) -> str:
    sites = plan.observation.sites
    if not sites:
        return "nothing to scan: no operation of the model is padded"
    found = "; ".join(f"{site.name}: {site.unscored}" for site in sites[:3])
    return f"nothing to scan: no padded operation of the model can be scored ({found})"


def _conclude(
    identity: dict[str, Any],
    loaded: LoadedModel,
    source: Images | StreamedImages,
    plan: ContrastPlan,
    counts: Counts,
) -> Study:
    filters, sides = score_plan(plan, counts)
    sites = site_table(plan.observation.sites)
    portraits = _portraits(filters, plan, counts)
    kernels = {
        site.name: kernels_of(site, plan.observation.weights[site.name])
        for site in plan.observation.sites
        if site.scored
    }
    return Study(
        identity, loaded.describe(), source.describe(), plan.size, sites, filters, sides, counts,
        portraits, kernels=kernels, warnings=find_warnings(loaded),
    )  # fmt: skip


def _portraits(filters: pl.DataFrame, plan: ContrastPlan, counts: Counts) -> tuple[Portrait, ...]:
    """Kernels and mean maps of the filters that respond most."""
    ranked = filters.drop_nulls("ks").sort("ks", "site", "filter", descending=[True, False, False])
    sites = {site.name: site for site in plan.observation.sites}
    portraits = []
    for name, index in ranked.head(PORTRAITS).select("site", "filter").iter_rows():
        kernel = sites[name].kernel(plan.observation.weights[name].detach(), index)
        mean_map = counts.mean_map(name)[index]
        # A copy: the model's owner may train it further.
        own = kernel.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        portraits.append(Portrait(name, index, own.cpu().numpy(), mean_map.numpy()))
    return tuple(portraits)
