"""A change of a network with the statistics of its batch norms estimated anew under it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from padscope.interventions import Intervention, Selection
from padscope.interventions.treatments import Make, Treatment
from padscope.models.batchnorm import holds_statistics, reestimate_batchnorm
from padscope.running.model import as_input
from padscope.study.swaps_result import REESTIMATED

Statistics = dict[str, tuple[Tensor, Tensor]]


def reestimated(
    treatment: Treatment, module: nn.Module, batches: Iterable[Tensor]
) -> Treatment | None:
    """Give a treatment with statistics that are estimated under it; None without batch norms.

    Parameters
    ----------
    treatment : Treatment
    module : nn.Module
        It comes back as it was.
    batches : iterable of Tensor
        Images to estimate from.
    """
    norms = _norms(module)
    if not norms:
        return None
    before = _statistics(norms)
    try:
        with treatment.make(module):
            reestimate_batchnorm(module, batches, lambda pixels: module(as_input(module, pixels)))
        found = _statistics(norms)
    finally:
        _put(norms, before)
    make = partial(_with_statistics, make=treatment.make, statistics=found)
    return replace(treatment, change=f"{treatment.change}{REESTIMATED}", make=make)


def unchanged(module: nn.Module) -> Intervention:
    """Change nothing."""
    return Intervention(module, Selection(), lambda *_: None)


@contextmanager
def _with_statistics(
    module: nn.Module, make: Make, statistics: Statistics
) -> Iterator[Intervention]:
    norms = _norms(module)
    before = _statistics(norms)
    _put(norms, statistics)
    try:
        with make(module) as intervention:
            yield intervention
    finally:
        _put(norms, before)


def _norms(module: nn.Module) -> dict[str, nn.Module]:
    return {name: child for name, child in module.named_modules() if holds_statistics(child)}


def _statistics(norms: dict[str, nn.Module]) -> Statistics:
    return {
        name: (norm.get_buffer("running_mean").clone(), norm.get_buffer("running_var").clone())
        for name, norm in norms.items()
    }


def _put(norms: dict[str, nn.Module], statistics: Statistics) -> None:
    for name, (mean, var) in statistics.items():
        norms[name].get_buffer("running_mean").copy_(mean)
        norms[name].get_buffer("running_var").copy_(var)
