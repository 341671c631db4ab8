"""Running a model no farther than a plan looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from torch import Tensor, nn

from padscope.measurements.contrast_plan import ContrastPlan
from padscope.sites import StopAfter, StopForward


@contextmanager
def shortened(model: nn.Module, plan: ContrastPlan) -> Iterator[Callable[[Tensor], None]]:
    """Give a way to run a model as far as the last site of a plan.

    Parameters
    ----------
    model : nn.Module
    plan : ContrastPlan

    Yields
    ------
    callable
        Takes a batch and returns nothing.
    """
    stop = StopAfter()

    def run(pixels: Tensor) -> None:
        stop.expect(plan.plans)
        with suppress(StopForward):
            model(pixels)

    with plan.interception(model, stop.see):
        yield run
