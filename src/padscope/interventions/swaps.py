"""Other padding in place of all that a network has, with its weights as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from padscope.errors import PadscopeError
from padscope.interventions.fills import find_fill
from padscope.interventions.interventions import renormalise, repad
from padscope.interventions.sets import ALL_PADDING
from padscope.interventions.treatments import Treatment
from padscope.sites import Observation, Site, contact_boxes
from padscope.sites.fill_words import PARTIAL


def swap_treatments(
    fills: Sequence[str], observed: Observation, *, seed: int
) -> tuple[Treatment, ...]:
    """List the swaps, but for those that change nothing.

    Parameters
    ----------
    fills : sequence of str
        Names as of `padscope.repad`, or `PARTIAL`.
    observed : Observation
        Of the network.
    seed : int
        Of fills.

    Returns
    -------
    tuple of Treatment
        Called by the swap, `Treatment.change`.

    Raises
    ------
    PadscopeError
        A fill is not known, or no padding of the network can be filled anew.
    """
    for fill in fills:
        if fill != PARTIAL:
            find_fill(fill)
    sites = [site for site in observed.sites if site.refillable]
    if not sites:
        raise PadscopeError(
            "no padding of the model can be swapped: no convolution of it is padded"
        )
    held = {site.fill for site in sites}
    filters = sum(site.filters for site in sites)
    listed = []
    for fill in dict.fromkeys(fills):
        if held == {fill}:
            continue
        make = partial(repad, fill=fill, seed=seed, observed=observed)
        if fill == PARTIAL:
            make = partial(renormalise, observed=observed)
        listed.append(Treatment(ALL_PADDING, fill, "set", None, filters, len(sites), make))
    return tuple(listed)


def added_work(fill: str, sites: Sequence[Site], channels: Sequence[int]) -> int:
    """Count the values of an image that are written once more for a swap.

    Parameters
    ----------
    fill : str
    sites : sequence of Site
        Convolutions.
    channels : sequence of int
        Input channels of each.

    Returns
    -------
    int
        Zeros are padding that convolutions have themselves: none. Partial convolution scales the
        outputs in contact with padding; all else copies the inputs, with a frame around them.
    """
    if fill == "zeros":
        return 0
    if fill == PARTIAL:
        return sum(
            site.filters * math.prod(stop - first for first, stop in box)
            for site in sites
            for box in contact_boxes(site.window)
        )
    return sum(
        inputs * math.prod(
            n + max(before, 0) + max(after, 0)
            for n, before, after in zip(
                site.window.size, site.window.before, site.window.after, strict=True
            )
        )
        for site, inputs in zip(sites, channels, strict=True)
    )  # fmt: skip
