"""A network and images that processes of their own can make again."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from padscope import (
    PadscopeError,
    RunDirectory,
    Study,
    depth,
    explain,
    impact,
    measure_sizes,
    measure_swaps,
    retrofit,
    scan,
)
from padscope.images import Batch
from padscope.running import Job, Runner, Watch
from padscope.running.loop import S
from padscope.settings import (
    DepthSettings,
    ExplainSettings,
    ImpactSettings,
    RetrofitSettings,
    ScanSettings,
    SizeSettings,
    SwapSettings,
)
from padscope.study import Retrofit, Sizes, Swaps

SIZE, MARGIN, COUNT = 16, 8, 26
EXPLAINING = ExplainSettings(
    margin=MARGIN, batch_size=2, calibrate=4, baselines=1, check=4, resamples=5
)
ESTIMATING = ImpactSettings(
    limit=None, batch_size=4, draws=2, disturbances=1, check=3, check_images=20, dose_images=20,
    canvas_images=8, resamples=10,
)  # fmt: skip
REACHING = DepthSettings(margin=MARGIN, limit=None, batch_size=2, resamples=10)
TUNING = RetrofitSettings(
    size=(SIZE, SIZE), margin=MARGIN, limit=12, steps=3, batch_size=4, resamples=10
)
SWAPPING = SwapSettings(
    ("reflect", "shuffle", "partial"), size=(SIZE, SIZE), margin=MARGIN, border_images=10,
    reestimate=8, batch_size=4, resamples=10,
)  # fmt: skip
SIZING = SizeSettings(size=(SIZE, SIZE), batch_size=4, resamples=10)
T = TypeVar("T")
_READ: Counter[tuple[Numbers, int]] = Counter()  # in this process


@dataclass(frozen=True)
class Numbers:
    """Random images; reading one of them may do something else."""

    count: int = COUNT
    size: int = SIZE + 2 * MARGIN
    fail_at: int = -1  # index whose second reading raises an error
    wait: float = 0.0  # seconds
    shift: int = 0  # of the seeds: other images

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        _READ[self, index] += 1
        if index == self.fail_at and _READ[self, index] > 1:  # the first is for the fingerprint
            raise PadscopeError(f"image {index} cannot be had")
        time.sleep(self.wait)
        generator = torch.Generator().manual_seed(index + self.shift)
        return torch.rand(1, self.size, self.size, generator=generator)


@dataclass(frozen=True)
class Elsewhere(Numbers):
    """Other images in other processes, from when a file is there."""

    process: int = field(default_factory=os.getpid)
    since: Path = Path()

    def __getitem__(self, index: int) -> Tensor:
        other = os.getpid() != self.process and self.since.exists()
        return super().__getitem__(index) + other


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Disturbed:
    """A runner in some of whose jobs something happens, in a worker that has measured a unit."""

    runner: Runner
    jobs: tuple[str, ...]
    folder: Path | None  # to note in what has happened, which happens once then in each job
    spared: int  # the process that it does not happen in
    happens: Callable[[], None] = die

    @property
    def leads(self) -> bool:
        return self.runner.leads

    @property
    def in_order(self) -> bool:
        return self.runner.in_order

    def together(self) -> AbstractContextManager[None]:
        return self.runner.together()

    def share(self, mine: T, pack: Callable[[T], bytes], unpack: Callable[[bytes], T]) -> T:
        return self.runner.share(mine, pack, unpack)

    def run(self, job: Job[S], so_far: S, watch: Watch[S]) -> S:
        if job.name in self.jobs:
            note = self.folder / job.name if self.folder else None
            batches = _DisturbedBatches(job.batches, note, self.spared, self.happens)
            job = replace(job, batches=batches)
        return self.runner.run(job, so_far, watch)


@dataclass(frozen=True)
class _DisturbedBatches:
    batches: Callable[[Iterable[int]], Iterator[Batch]]
    note: Path | None
    spared: int
    happens: Callable[[], None]

    def __call__(self, units: Iterable[int]) -> Iterator[Batch]:
        for batch in self.batches(units):
            yield batch
            if os.getpid() != self.spared and not (self.note and self.note.exists()):
                if self.note:
                    self.note.touch()
                self.happens()


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip


def scan_all(
    runner: str | Runner, images: Numbers | None = None, journal: RunDirectory | None = None
) -> Study:
    images = images or Numbers(size=SIZE)
    settings = ScanSettings(batch_size=2, calibrate=4)
    return scan(net(), images, settings, runner=runner, journal=journal)


def run_all(
    runner: str | Runner, images: Numbers | None = None, journal: RunDirectory | None = None
) -> Study:
    """Scan, explain, measure the impact and the depth of padding."""
    study = scan_all(runner, Numbers(size=SIZE), journal)
    if journal and _leads():
        journal.save(study)
    images = images or Numbers()
    study = explain(study, net(), images, EXPLAINING, runner=runner, journal=journal)
    if journal and _leads():
        journal.save(study)
    study = impact(study, net(), images, settings=ESTIMATING, runner=runner, journal=journal)
    if journal and _leads():
        journal.save(study)
    study = depth(study, net(), images, REACHING, runner=runner, journal=journal)
    if journal and _leads():
        journal.save(study)
    return study


def retrofit_all(runner: str | Runner) -> Retrofit:
    """Tune to reflected padding."""
    return retrofit(net(), Numbers(), TUNING, runner=runner)


def compare_all(runner: str | Runner) -> tuple[Swaps, Sizes]:
    """Measure other padding and other sizes, of a network with a stride that is uneven."""
    torch.manual_seed(0)
    strided = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 5, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    ).eval()  # fmt: skip
    labels = [index % 5 for index in range(COUNT)]
    swapping = measure_swaps(strided, Numbers(), labels, SWAPPING, runner=runner)
    return swapping, measure_sizes(strided, Numbers(), labels, SIZING, runner=runner)


def _leads() -> bool:
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
