"""Which sites a network has, for those who have it in Python."""

from __future__ import annotations

from torch import Tensor, nn

from padscope import sites
from padscope.models import as_found


def find_sites(model: nn.Module, example: Tensor) -> list[sites.Site]:
    """List every padded operation that one forward pass in eval mode runs, in order.

    Parameters
    ----------
    model : nn.Module
        It comes back exactly as it was: without what a first pass makes, too.
    example : (N, C, ...) Tensor
        Input of the size to be scanned, run where the model is, in its type. Use N ≥ 2: the batch
        axis is recognised by its size.

    Returns
    -------
    list of Site
        Scored sites, poolings, and pads or operations that could not be followed, each with the
        reason in `Site.unscored`. Nothing is skipped silently.

    Examples
    --------
    >>> import torch
    >>> [site.name for site in find_sites(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(2, 3, 9, 9))]
    ['conv2d']
    """
    with as_found(model, channels_last=False) as borrowed:
        return sites.find_sites(borrowed, example)
