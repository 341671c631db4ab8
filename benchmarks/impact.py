"""What estimating the impact of every filter costs, and how well it tells exact effects.

The baseline is the bare forward pass of the same images in the same batches, with everything else
as in `benchmarks.scan`. Exact ablation is what the estimates stand for: one forward pass per filter
with that filter's padding refilled, with padscope's own interventions, which recompute border lines
only. It is timed on the filters that are checked and scaled to all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.pairs import Ratio, in_pairs
from padscope import load_model
from padscope.images import Batch, open_images, stream, unit_count
from padscope.images.probe import CentralCrop
from padscope.measurements.estimates import EstimateMeasurement, ExactMeasurement
from padscope.models import LoadedModel, as_found
from padscope.running import Recorded, Recording
from padscope.running.model import as_input
from padscope.running.recorded import Look
from padscope.sites import Observation, observe
from padscope.study.inputs import make_probe
from padscope.tables.impacts import agreement, check_table, choose_checked, impact_columns

BATCH = 16


@dataclass(frozen=True)
class Agreed:
    """How estimates and exact effects compare.

    Attributes
    ----------
    found : dict
        From `padscope.tables.impacts.agreement`.
    filters : int
        All that are estimated.
    estimating, checking : float
        Seconds for estimating all, and for the exact effect of one.
    """

    found: dict[str, float]
    filters: int
    estimating: float
    checking: float

    def __str__(self) -> str:
        """Rank correlations, and the factor in time."""
        found = self.found
        factor = self.checking * self.filters / self.estimating
        return (
            f"Spearman {found['spearman']:.3f} [{found['low']:.3f} – {found['high']:.3f}], "
            f"with the divergence {found['spearman_kl']:.3f}\n    {found['filters']:.0f} filters, "
            f"{found['images']:.0f} images; {self.checking:.2f} s per exact filter, "
            f"{self.estimating:.1f} s for all {self.filters:,} estimates: {factor:,.0f} × faster"
        )


def estimate_to_bare(spec: str, images: int, pairs: int) -> Ratio:
    """Time the estimates against the bare forward pass of the same crops."""
    loaded = load_model(spec)
    batches = _batches(loaded, None, images)
    with as_found(loaded.module) as module:
        observed = _observe(module, batches[0])

        def estimate() -> None:
            _measure(EstimateMeasurement(module, observed), batches)

        return in_pairs(estimate, _forward(module, batches), pairs)


def estimate_to_exact(spec: str, source: str | None, images: int, filters: int) -> Agreed:
    """Check the estimates exactly on some filters, and time both.

    Parameters
    ----------
    spec : str
    source : str, optional
        A folder of photographs, of which the centre is taken; random crops of the built-in ones
        if not given.
    images, filters : int
    """
    loaded = load_model(spec)
    batches = _batches(loaded, source, images)
    with as_found(loaded.module) as module:
        observed = _observe(module, batches[0])
        start = time.perf_counter()
        impacts = impact_columns(
            _measure(EstimateMeasurement(module, observed), batches).sums, "classes"
        )
        middle = time.perf_counter()
        chosen = choose_checked(impacts, filters, seed=0)
        rows = _measure(ExactMeasurement(module, observed, chosen), batches).rows
        end = time.perf_counter()
    checks = check_table(chosen, rows, "classes", range(len(rows["exact"])))
    found = agreement(checks, len(rows["exact"]), resamples=1000, seed=0)
    return Agreed(found, impacts.height, middle - start, (end - middle) / len(chosen))


def _observe(module: nn.Module, batch: Batch) -> Observation:
    return observe(module, as_input(module, batch.pixels[:2]))


def _batches(loaded: LoadedModel, source: str | None, images: int) -> list[Batch]:
    probe = make_probe(loaded, seed=0)
    if source is not None:
        probe = CentralCrop.like(probe)
    photographs = open_images(source, probe, limit=images, crops=images)
    return list(stream(photographs, range(unit_count(len(photographs), BATCH)), BATCH))


def _measure(measurement: Look, batches: list[Batch]) -> Recorded:
    recording = Recording(measurement)
    for batch in batches:
        recording.update(batch)
    return recording.state()


def _forward(module: nn.Module, batches: list[Batch]) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            for batch in batches:
                module(as_input(module, batch.pixels))

    return run
