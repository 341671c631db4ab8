"""Kernels of all filters of a site, small enough to keep: their sums and their strongest slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from padscope.sites import Site

SLICES = 8  # input channels kept of a kernel


@dataclass(frozen=True)
class Kernels:
    """The kernels of C filters with I input channels each.

    Attributes
    ----------
    total : (C, *kernel) float32 array
        Weights summed over the input channels.
    channels : (C, S) int32 array
        Input channels of the slices within the filter's group, strongest first (by the sum of
        squared weights); S is at most `SLICES`, and 0 for filters with one input channel.
    slices : (C, S, *kernel) float32 array
        Weights for those input channels.
    inputs : int
        I.
    """

    total: NDArray[np.float32]
    channels: NDArray[np.int32]
    slices: NDArray[np.float32]
    inputs: int

    @classmethod
    def of(cls, weight: Tensor) -> Kernels:
        """Keep what there is to see of kernels.

        Parameters
        ----------
        weight : (C, I, *kernel) Tensor
        """
        import torch  # not for those who look at kernels that there are

        filters, inputs = weight.shape[:2]
        total = weight.sum(dim=1, dtype=torch.float64).float()
        strength = torch.linalg.vector_norm(weight.float().flatten(2), dim=2)
        # A slice that is not finite comes last, so that it does not hide the others.
        strength = strength.nan_to_num(nan=0, posinf=0)
        kept = min(SLICES, inputs) if inputs > 1 else 0
        channels = strength.argsort(dim=1, descending=True, stable=True)[:, :kept]
        slices = weight[torch.arange(filters, device=weight.device)[:, None], channels]
        return cls(
            total.cpu().numpy(), channels.int().cpu().numpy(), slices.float().cpu().numpy(), inputs
        )


def kernels_of(site: Site, weight: Tensor) -> Kernels:
    """Keep what there is to see of a site's kernels.

    Parameters
    ----------
    site : Site
    weight : Tensor
        Weight of the operation, as it was given it.
    """
    weight = weight.detach()
    if site.window.transposed:
        # (C_in, C_out / groups, *kernel), see `Site.kernel`.
        grouped = weight.reshape(site.groups, -1, *weight.shape[1:])
        weight = grouped.transpose(1, 2).flatten(0, 1)
    return Kernels.of(weight)
