"""A network and images that processes of their own can make again."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from padscope import PadscopeError, RunDirectory, Study, explain, impact, scan
from padscope.running import Runner
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings

SIZE, MARGIN, COUNT = 16, 16, 26
_READ: Counter[tuple[Numbers, int]] = Counter()  # in this process


@dataclass(frozen=True)
class Numbers:
    """Random images; reading one of them may do something else."""

    count: int = COUNT
    size: int = SIZE + 2 * MARGIN
    kill_at: int = -1  # index whose second reading ends the process
    fail_at: int = -1  # index whose second reading raises an error
    once: Path | None = None  # made when the process was ended
    wait: float = 0.0  # seconds
    shift: int = 0  # of the seeds: other images

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        _READ[self, index] += 1
        if _READ[self, index] > 1:  # the first reading is for the fingerprint
            if index == self.kill_at and self.once is not None and not self.once.exists():
                with suppress(FileNotFoundError):
                    self.once.write_text("killed")
                os.kill(os.getpid(), signal.SIGKILL)
            if index == self.fail_at:
                raise PadscopeError(f"image {index} cannot be had")
        time.sleep(self.wait)
        generator = torch.Generator().manual_seed(index + self.shift)
        return torch.rand(1, self.size, self.size, generator=generator)

    @property
    def armed(self) -> bool:
        """Whether this is a worker, and none was ended yet."""
        return (
            self.once is not None and not self.once.exists() and "PADSCOPE_TEST" not in os.environ
        )


@dataclass(frozen=True)
class Elsewhere(Numbers):
    """Other images in other processes."""

    process: int = field(default_factory=os.getpid)

    def __getitem__(self, index: int) -> Tensor:
        return super().__getitem__(index) + (os.getpid() != self.process)


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
    """Scan, explain, and measure the impact."""
    study = scan_all(runner, Numbers(size=SIZE), journal)
    if journal and _leads():
        journal.save(study)
    images = images or Numbers()
    how = ExplainSettings(batch_size=2, calibrate=4, baselines=1, check=4, resamples=5)
    study = explain(study, net(), images, how, runner=runner, journal=journal)
    if journal and _leads():
        journal.save(study)
    last = ImpactSettings(
        limit=None, batch_size=4, draws=2, disturbances=1, check=3, check_images=20, dose_images=20,
        canvas_images=20, resamples=10,
    )  # fmt: skip
    study = impact(study, net(), images, settings=last, runner=runner, journal=journal)
    if journal and _leads():
        journal.save(study)
    return study


def _leads() -> bool:
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
