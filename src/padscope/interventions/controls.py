"""Controls: other filters of the same site and of like scale, to which the same is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from padscope.evidence import CANDIDATE

# A control is drawn among so many filters of the site whose scale is nearest. Fewer would match
# better, and make the draws of a small set much alike.
NEAREST = 10
EXCLUDED = ("confirmed", "grey", "unmeasured")
UNLABELLED = (pl.col("ks") < CANDIDATE) & ~pl.col("label").is_in(EXCLUDED).fill_null(value=False)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Controls:
    """Partners of chosen filters, drawn several times.

    Attributes
    ----------
    chosen : polars.DataFrame
        ``site`` and ``filter`` of n filters.
    partners : (D, n) int64 array
        Filter of the same site that stands for each of them in each of D draws; -1 if the site has
        none left. That concerns the same chosen filters in every draw.
    apart : (D, n) float64 array
        |ln(scale of the control / scale of its filter)|; NaN where there is none.
    """

    chosen: pl.DataFrame
    partners: NDArray[np.int64]
    apart: FloatArray

    @property
    def draws(self) -> int:
        """How many control sets there are; 0 if no filter has a control."""
        return len(self.partners) if self.matched else 0

    @property
    def matched(self) -> int:
        """How many of the chosen filters have controls."""
        return int((self.partners >= 0).all(axis=0).sum()) if len(self.partners) else 0

    @property
    def unmatched(self) -> int:
        """How many have none."""
        return self.chosen.height - self.matched

    @property
    def scale_error(self) -> float:
        """Median of `apart`; NaN without controls."""
        known = self.apart[~np.isnan(self.apart)]
        return float(np.median(known)) if len(known) else float("nan")

    @cached_property
    def shared(self) -> float:
        """Share of a draw's controls that another draw has too: mean over pairs of draws.

        1 where there are fewer than two draws, of which nothing can be said.
        """
        sites = self.chosen["site"].to_list()
        drawn = [
            {(site, int(control)) for site, control in zip(sites, row, strict=True) if control >= 0}
            for row in self.partners
        ]
        if len(drawn) < 2 or not self.matched:
            return 1.0
        return float(np.mean([len(a & b) for a, b in combinations(drawn, 2)]) / self.matched)

    def draw(self, number: int) -> pl.DataFrame:
        """Return ``site`` and ``filter`` of one draw, with ``of``, the filter each stands for."""
        return self.chosen.select(
            "site", pl.Series("filter", self.partners[number]), pl.col("filter").alias("of")
        ).filter(pl.col("filter") >= 0)

    def with_controls(self) -> pl.DataFrame:
        """Return ``site`` and ``filter`` of the chosen filters that have controls."""
        return self.chosen.filter(pl.Series((self.partners >= 0).all(axis=0)))

    def first(self, count: int) -> Controls:
        """Return the first chosen filters with their partners in every draw."""
        return Controls(self.chosen.head(count), self.partners[:, :count], self.apart[:, :count])


def draw_controls(
    chosen: pl.DataFrame,
    filters: pl.DataFrame,
    scale: Mapping[str, ArrayLike],
    draws: int,
    seed: int,
    *,
    pool: pl.Expr = UNLABELLED,
    nearest: int = NEAREST,
) -> Controls:
    """Draw control sets for a set of filters.

    Every chosen filter in turn is given another filter of the same site, out of a pool. It is drawn
    among the nearest in scale that the draw has not taken yet. Sites with fewer filters in the pool
    than chosen ones give all they have, to the chosen filters that come first.

    Parameters
    ----------
    chosen : polars.DataFrame
        ``site`` and ``filter``, in the order in which they are matched.
    filters : polars.DataFrame
        All filters with ``site``, ``filter``, ``ks`` and, once explained, ``label``.
    scale : mapping
        Site → (C,) positive array: how widely each filter's activations spread.
    draws : int
        Control sets, independent of each other.
    seed : int
    pool : polars.Expr
        Which of the filters may be drawn; left out, those that are not labelled: neither confirmed
        nor grey nor unmeasured, with KS below `CANDIDATE`.
    nearest : int
        Among how many one is drawn; 1 takes the nearest.
    """
    rng = np.random.default_rng(seed)
    partners = np.full((draws, chosen.height), -1)
    sites = chosen["site"].to_numpy()
    wanted = chosen["filter"].to_numpy()
    errors = np.full(partners.shape, np.nan)
    for site, there in _pools(filters.filter(pool), chosen).items():
        places = np.flatnonzero(sites == site)
        logs = np.log(np.asarray(scale[site], dtype=np.float64))
        apart = np.abs(logs[there] - logs[wanted[places], None])  # (chosen, pool)
        for draw in range(draws):
            taken = _match(apart, rng, nearest)
            partners[draw, places[: len(taken)]] = there[taken]
            errors[draw, places[: len(taken)]] = apart[np.arange(len(taken)), taken]
    return Controls(chosen.select("site", "filter"), partners, errors)


def _pools(pool: pl.DataFrame, chosen: pl.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Site → its filters that may be controls, of the sites of the chosen filters in their order.

    Sites without any are left out.
    """
    others = pool.join(chosen, on=["site", "filter"], how="anti")
    by_site = {name: part["filter"].to_numpy() for (name,), part in others.group_by("site")}
    return {
        site: np.sort(by_site[site])
        for site in chosen["site"].unique(maintain_order=True)
        if site in by_site
    }


def _match(apart: FloatArray, rng: np.random.Generator, nearest: int) -> NDArray[np.int64]:
    """Give the first chosen filters a different place in the pool each, as far as it goes."""
    chosen, pool = apart.shape
    free = np.ones(pool, dtype=bool)
    taken = np.empty(min(chosen, pool), dtype=np.int64)
    for place in range(len(taken)):
        left = np.flatnonzero(free)
        taken[place] = rng.choice(left[np.argsort(apart[place, left], kind="stable")[:nearest]])
        free[taken[place]] = False
    return taken
