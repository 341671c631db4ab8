"""`Study`, the frozen result of all stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from torch import Tensor

from padscope.engines import Counted
from padscope.errors import PadscopeError
from padscope.kinds import CANDIDATE, MARGIN, STRONG
from padscope.tables import summarize, undecided


@dataclass(frozen=True)
class Portrait:
    """What a filter looks like.

    Attributes
    ----------
    site : str
    filter : int
    kernel : (C_in / groups, *kernel) Tensor
        Its weights.
    mean_map : (*spatial) Tensor
        Its mean activation over the calibration images; long axes are thinned in the middle.
    """

    site: str
    filter: int
    kernel: Tensor
    mean_map: Tensor


@dataclass(frozen=True)
class Study:
    """What is known of a model's padding-aware neurons.

    Attributes
    ----------
    identity : dict
        Model, weights, images, settings and versions: what the results depend on.
    model, images : str
        A line for people about each.
    sites, filters, sides : polars.DataFrame
        See `padscope.tables`.
    counted : Counted
        The counts behind the scores.
    portraits : tuple of Portrait
        The filters that respond most, strongest first.
    """

    identity: dict[str, Any]
    model: str
    images: str
    sites: pl.DataFrame
    filters: pl.DataFrame
    sides: pl.DataFrame
    counted: Counted
    portraits: tuple[Portrait, ...]

    def pans(
        self, *, label: str = "candidate", side: str | None = None, site: str | None = None
    ) -> pl.DataFrame:
        """Select the filters that respond to the border, strongest first.

        Parameters
        ----------
        label : {"candidate", "strong"}
            Least evidence; a strong filter is a candidate too.
        side : str, optional
            Only those that reach the label at this side; the columns are then those of `sides`.
        site : str, optional
            Only those of one site.

        Raises
        ------
        PadscopeError
            There is no such label, side or site.
        """
        cuts = {"candidate": CANDIDATE, "strong": STRONG}
        table = self.filters if side is None else self.sides
        if label not in cuts:
            raise PadscopeError(f"label {label!r} is not known; choose from {', '.join(cuts)}")
        for column, wanted in (("side", side), ("site", site)):
            if wanted is not None:
                table = table.filter(pl.col(column) == wanted)
                if table.is_empty():
                    raise PadscopeError(f"no {column} {wanted!r} was scored")
        found = table.filter(pl.col("ks") >= cuts[label])
        return found.sort("ks", "site", "filter", descending=[True, False, False])

    def summary(self) -> pl.DataFrame:
        """One row per scored site; see `padscope.tables.summarize`."""
        return summarize(self.sites, self.filters, self.sides)

    def undecided(self) -> tuple[int, int]:
        """Count the filters left open at the cut by the images: beyond the margin, and in all."""
        return undecided(self.sides, CANDIDATE, MARGIN)
