"""The first stage: which filters respond to the border."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
from torch import Tensor, nn

from padscope.engines import Counted, Plan, Processes, count_units, make_plan
from padscope.errors import PadscopeError
from padscope.images import Images, StreamedImages, unit_count
from padscope.models import LoadedModel, as_found
from padscope.settings import Settings
from padscope.study.inputs import Work, as_images, as_loaded, identify
from padscope.study.kernels import kernels_of
from padscope.study.result import Portrait, Study
from padscope.study.watch import Journal, Progress, UntilCalibrated, Watcher, score_plan
from padscope.tables import site_table

PORTRAITS = 24  # the strongest filters, whose kernels and maps are kept


def scan(
    model: nn.Module | LoadedModel | str,
    images: object = None,
    settings: Settings | None = None,
    *,
    journal: Journal | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    workers: int = 1,
) -> Study:
    """Find the filters that respond to the border.

    Under an initialised `torch.distributed` group every process takes its share of the images and
    each returns the whole study.

    Parameters
    ----------
    model : nn.Module, LoadedModel or str
        A network; it comes back exactly as it was. A str is a spec, see `load_model`.
    images : path, Tensor, Dataset, iterable or None
        A folder of photographs, a list file or one photograph; or tensors that are ready for the
        model: a Tensor or Dataset of single images, or an iterable of batches. None takes random
        crops of a few photographs that are built in.
    settings : Settings, optional
    journal : Journal, optional
        A `RunDirectory` to keep checkpoints in and to resume from.
    progress : callable, optional
        Called with the number of images done, and of all (None if not known).
    stop : callable, optional
        Asked after every batch whether to stop there.
    workers : int
        Threads that decode photographs ahead of the model.

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
    settings = settings or Settings()
    loaded = as_loaded(model)
    source = as_images(images, loaded, settings)
    identity = identify(loaded, source, settings)
    work = Work(source, settings, loaded.static_batch, workers)
    processes = Processes.current()
    if processes.count > 1 and (journal is not None or settings.until_stable):
        raise PadscopeError("a journal and until_stable need a single process; leave them out")
    watch = Watcher(settings, work.images, journal, progress, stop)
    with as_found(loaded.module) as module:
        if processes.count > 1:
            plan, counted = _count_among(processes, module, work, settings, watch)
        else:
            plan, counted = _count_alone(module, work, identity, settings, watch)
    counted = replace(counted, complete=True)
    if journal:
        journal.checkpoint(counted)
    return _conclude(identity, loaded, source, plan, counted)


def _count_alone(
    module: nn.Module, work: Work, identity: dict[str, Any], settings: Settings, watch: Watcher
) -> tuple[Plan, Counted]:
    image, batches_from = work.begin()
    plan = _plan(module, image, work, settings)
    so_far = watch.begin(plan, identity)  # a model or images that cannot be used leave no trace
    if so_far and so_far.complete:
        return plan, so_far
    calibrate = unit_count(settings.calibrate, work.batch_size)
    batches = batches_from(so_far.units if so_far else 0)
    return plan, count_units(module, batches, plan, calibrate, watch, so_far)


def _count_among(
    processes: Processes, module: nn.Module, work: Work, settings: Settings, watch: Watcher
) -> tuple[Plan, Counted]:
    """Count this process's share of the units; the first process calibrates for all."""
    if work.units is None or isinstance(work.source, StreamedImages):
        raise PadscopeError("several processes need images with random access; give a Dataset")
    plan = _plan(module, work.first_image(), work, settings)
    units, head = range(work.units), None
    calibrate = unit_count(settings.calibrate, work.batch_size)
    if processes.rank == 0:
        until = UntilCalibrated(watch)
        head = count_units(module, work.batches(units), plan, calibrate, until)
    so_far = processes.share_calibration(plan, head)
    rest = work.batches(processes.share(units[so_far.units :]))
    return plan, processes.merge(count_units(module, rest, plan, calibrate, watch, so_far))


def _plan(module: nn.Module, image: Tensor, work: Work, settings: Settings) -> Plan:
    positions = settings.positions(work.images)
    plan = make_plan(module, image, settings.seed, *positions, work.static_batch)
    if not plan.positions:
        raise PadscopeError(_nothing_to_scan(plan))
    return plan


def _nothing_to_scan(plan: Plan) -> str:
    sites = plan.observation.sites
    if not sites:
        return "nothing to scan: no operation of the model is padded"
    found = "; ".join(f"{site.name}: {site.unscored}" for site in sites[:3])
    return f"nothing to scan: no padded operation of the model can be scored ({found})"


def _conclude(
    identity: dict[str, Any],
    loaded: LoadedModel,
    source: Images | StreamedImages,
    plan: Plan,
    counted: Counted,
) -> Study:
    filters, sides = score_plan(plan, counted)
    sites = site_table(plan.observation.sites)
    portraits = _portraits(filters, plan, counted)
    kernels = {
        site.name: kernels_of(site, plan.observation.weights[site.name])
        for site in plan.observation.sites
        if site.scored
    }
    return Study(
        identity, loaded.describe(), source.describe(), plan.size, sites, filters, sides, counted,
        portraits, kernels=kernels,
    )  # fmt: skip


def _portraits(filters: pl.DataFrame, plan: Plan, counted: Counted) -> tuple[Portrait, ...]:
    """Kernels and mean maps of the filters that respond most."""
    ranked = filters.drop_nulls("ks").sort("ks", "site", "filter", descending=[True, False, False])
    sites = {site.name: site for site in plan.observation.sites}
    portraits = []
    for name, index in ranked.head(PORTRAITS).select("site", "filter").iter_rows():
        kernel = sites[name].kernel(plan.observation.weights[name].detach(), index)
        mean_map = counted.calibration[name].mean_map[index]
        portraits.append(Portrait(name, index, kernel.float().contiguous(), mean_map.contiguous()))
    return tuple(portraits)
