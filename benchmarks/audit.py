"""What a whole audit costs: passes of an image, and time over the bare forward of the same images.

Passes are counted where the network is run, by the area of an input over that of a crop; one with
gradients counts as three, for its backward pass takes twice as long. The bare forward is that of
`benchmarks.scan`, timed before and after every stage, so that a machine whose speed drifts slows
both. Stages are called from Python: what a command adds, its imports and its page, is not in it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.passes import networks
from padscope import PadscopeError, ScanSettings, Study, explain, impact, scan
from padscope.images import stream, unit_count
from padscope.models import LoadedModel, as_found
from padscope.settings import ExplainSettings, ImpactSettings
from padscope.study import EXPLAIN, IMPACT, SCAN, as_images

IMAGES = 96
BATCH = 16
BACKWARD = 2  # forward passes that a backward pass takes the time of


@dataclass(frozen=True)
class StageCost:
    """What a stage cost.

    Attributes
    ----------
    stage : str
    passes : float
        Of each of the images.
    wall, processor : float
        Over those of the bare forward of the images.
    """

    stage: str
    passes: float
    wall: float
    processor: float

    def __str__(self) -> str:
        """Give a line of the table."""
        return f"{self.stage:10} {self.passes:6.1f} {self.wall:8.1f} {self.processor:8.1f}"


def describe_audit(source: object = None, *names: str) -> None:
    """Print the table of every network, or of those that are named."""
    print(f"audit of {IMAGES} images by default (target: ≤ 40 passes of each)")
    known = networks()
    if unknown := set(names) - known.keys():
        raise PadscopeError(f"no network {min(unknown)}; give some of {', '.join(known)}")
    for name in names or known:
        loaded = known[name]
        print(f"  {name}\n    {'stage':10} passes  wall ÷ bare  processor ÷ bare")
        costs = []
        for cost in audit_costs(loaded, source):
            print(f"    {cost}", flush=True)
            costs.append(cost)
        print(f"    {_sum(costs)}", flush=True)


def _sum(costs: list[StageCost]) -> StageCost:
    return StageCost(
        "together",
        passes=sum(cost.passes for cost in costs),
        wall=sum(cost.wall for cost in costs),
        processor=sum(cost.processor for cost in costs),
    )


def audit_costs(loaded: LoadedModel, source: object = None) -> Iterator[StageCost]:
    """Run the stages one after the other; as `padscope audit` does by default."""
    assert loaded.preprocessing is not None
    size = loaded.preprocessing.size
    opening = ScanSettings(limit=IMAGES, crops=IMAGES)
    images = as_images(source, loaded, opening)
    count = len(images)
    pixels = [
        batch.pixels.contiguous(memory_format=torch.channels_last)
        for batch in stream(images, range(unit_count(count, BATCH)), BATCH)
    ]
    study: Study | None = None

    def run(stage: str) -> Study:
        if study is None:
            return scan(loaded, source, opening)
        if stage == EXPLAIN:
            return explain(study, loaded, source, ExplainSettings(limit=IMAGES))
        return impact(study, loaded, source, None, ImpactSettings())

    before = _bare(loaded.module, pixels)
    for stage in (SCAN, EXPLAIN, IMPACT):
        with counting(loaded.module, math.prod(size)) as counted:
            (wall, processor), study = _clocked(partial(run, stage))
        after = _bare(loaded.module, pixels)
        bare = [statistics.mean(pair) for pair in zip(before, after, strict=True)]
        before = after
        yield StageCost(stage, counted.passes / count, wall / bare[0], processor / bare[1])


class _Counted:
    passes = 0.0


@contextmanager
def counting(module: nn.Module, area: int) -> Iterator[_Counted]:
    """Count the passes of a network and of all others of its class, such as its baselines."""
    kind, counted = type(module), _Counted()
    forward = kind.forward

    def run(self: nn.Module, x: Tensor, *further: Any, **named: Any) -> Any:
        times = 1 + BACKWARD if torch.is_grad_enabled() else 1
        counted.passes += times * x[:, 0].numel() / area
        return forward(self, x, *further, **named)

    kind.forward = run
    try:
        yield counted
    finally:
        kind.forward = forward


def _bare(module: nn.Module, pixels: list[Tensor]) -> tuple[float, float]:
    """Give the fastest of three rounds: wall and processor seconds."""

    def run() -> None:
        with as_found(module), torch.no_grad():
            for batch in pixels:
                module(batch)

    run()
    times = [_clocked(run)[0] for _ in range(3)]
    return min(wall for wall, _ in times), min(processor for _, processor in times)


def _clocked(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return (time.perf_counter() - wall, time.process_time() - processor), found
