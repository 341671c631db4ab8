"""Activations as small integers: 248 bins whose width grows away from a centre.

A value v of a filter with centre m and spread s falls into the bin of softsign((v - m) / s), where
softsign(z) = z / (1 + |z|) squeezes the real line into (-1, 1): no value is out of range, and the
bins are narrow where the filter's values are dense. KS distances do not change under such a
monotone map, so binning costs resolution only, and `scores.distance` bounds that cost.

The centre is a bin of its own, of one value. Behind a ReLU a filter often has one value, what it
gives for an input of zeros, in a tenth or half of all places; counted together with its neighbours
it would blur the distance by as much.

Codes are laid out for two resolutions at once: code >> 3 is the coarse bin that image folds count
in. What is not a number gets a code of its own, so that it is counted and never scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from padscope.tallies.edges import bin_edges
from padscope.tallies.names import CENTRE, HOLE

ROUNDING = 1e-4  # in spreads
_CENTRE = torch.tensor(float(CENTRE))


@dataclass(frozen=True)
class Bins:
    """The bins of C filters.

    Attributes
    ----------
    centre, spread : (C,) float32 Tensor
        In units of the activation; `spread` is positive.
    """

    centre: Tensor
    spread: Tensor

    @cached_property
    def _slope(self) -> Tensor:
        return 1 / self.spread

    @cached_property
    def _rounding(self) -> Tensor:
        """Distance from the centre, in spreads, within which a value may be the centre."""
        return ROUNDING + 1e-6 * self.centre.abs() * self._slope

    def codes(self, values: Tensor, *, snap_to_centre: bool = False) -> Tensor:
        """Bin every value.

        Parameters
        ----------
        values : (..., C) floating Tensor
        snap_to_centre : bool
            Take what is the centre but for rounding for the centre, which is a bin of its own.
            Where a part of an output was taken out of it by subtraction, a value that recurs comes
            back with rounding errors.

        Returns
        -------
        (..., C) int32 Tensor
            In 0 … `BINS` - 1, or `HOLE` where the value is NaN or infinite, or so large that it is
            once it is scaled: about 1e36 spreads from the centre.
        """
        scaled = (values.float() - self.centre).mul_(self._slope)
        beyond = scaled.abs()
        if snap_to_centre:  # by a product, which leaves NaN as it is
            scaled.mul_(beyond > self._rounding)
        beyond.add_(1)
        squeezed = torch.addcdiv(_CENTRE, scaled, beyond, value=CENTRE, out=scaled)
        # What lies above the centre, and would share its bin or a higher one, moves up by one. All
        # of it in floats: a mask of bools, and adding it to integers, would take twice as long.
        above = torch.gt(squeezed, CENTRE, out=beyond)
        codes = squeezed.trunc_().add_(above).to(torch.int32)
        # One sum tells whether anything is not finite: infinity became inf / inf, and so did what
        # is too large to be scaled.
        if not math.isfinite(squeezed.sum().item()):
            codes[~squeezed.isfinite()] = HOLE
        return codes

    def of(self, filters: slice) -> Bins:
        """Select the bins of some filters."""
        return Bins(self.centre[filters], self.spread[filters])

    def edges(self) -> NDArray[np.float64]:
        """Upper edge of every bin but the last; see `bin_edges`."""
        return bin_edges(self.centre.numpy(), self.spread.numpy())
