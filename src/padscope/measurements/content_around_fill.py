"""On which side of what padding holds the content of each input channel lies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from padscope.images import Batch, central
from padscope.measurements.contrast_plan import ContrastPlan
from padscope.running import Findings
from padscope.running.model import run_batch
from padscope.sites import Call, StopAfter, StopForward
from padscope.sites.fill_words import constant_value


@dataclass(frozen=True)
class ContentAroundFill:
    """Counts content below, at and above the fill of each padded site: a measurement.

    Of every batch it finds the sums named by site, (3, C_in) int64: how many values of each input
    channel, without padding, are less than the value that the padding holds, equal to it, and
    greater. Values that are NaN are in none of them. Sites that get no scores are left out, as
    are those whose padding holds no one value.

    Attributes
    ----------
    model : nn.Module
        In eval mode. It is left as it was.
    plan : ContrastPlan
        Its sites, on the crop in the middle of each image.
    """

    model: nn.Module
    plan: ContrastPlan

    def __call__(self, batch: Batch) -> Findings:
        """Count on one batch.

        Raises
        ------
        PadscopeError
            The model fails on the images, or they are smaller than the crop.
        """
        sums: dict[str, Tensor] = {}
        passes, sites = StopAfter(), self.plan.sites

        def look(call: Call) -> None:
            value = constant_value(call.operation.fill)
            if call.name in sites and value is not None:
                sums[call.name] = count_around(call.real_input[: len(batch.indices)], value)
            passes.see(call)

        crop = central(batch.pixels, self.plan.size, "a batch of images")
        passes.expect(sites)
        with torch.no_grad(), self.plan.interception(self.model, look), suppress(StopForward):
            run_batch(self.model, crop, batch.indices, self.plan.static_batch)
        return Findings(sums=sums)


def count_around(values: Tensor, level: float) -> Tensor:
    """Count the values of each channel below, at and above a level.

    Parameters
    ----------
    values : (N, C, *spatial) Tensor
    level : float

    Returns
    -------
    (3, C) int64 Tensor

    Examples
    --------
    >>> count_around(torch.tensor([[[-1.0, 0.0, 2.0, 3.0]]]), 0.0).tolist()
    [[1], [1], [2]]
    """
    apart = (0, *range(2, values.ndim))
    sides = (values < level, values == level, values > level)
    return torch.stack([side.sum(dim=apart) for side in sides])
