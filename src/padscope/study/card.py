"""One filter: everything a study knows of it, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.evidence import SMALL_MAP
from padscope.scores import Statistic, listed_statistics
from padscope.study.card_html import Fact, Picture, draw_card
from padscope.study.explanation import COMPARED
from padscope.study.impact_result import Impact
from padscope.study.recall_curve import RecallCurve

FloatArray = NDArray[np.float64]
NAMED = 5  # sites named where one is unknown
# Of estimated impacts: see `padscope.tables.impact_columns`.
_UNIT = {"classes": "nats", "dense": "in units of the answer", "values": "in units of the answer"}


@dataclass(frozen=True)
class FilterCard:
    """What is known of one filter; a notebook shows it as a card.

    Attributes
    ----------
    row : dict
        Of `Study.filters`.
    sides : tuple of dict
        Its rows of `Study.sides`.
    map_size : tuple of int
        Positions per axis of its site's map.
    kernel : (*kernel) Tensor or None
        Its weights, summed over the input channels; None if the study did not keep them.
    mean_map : (*spatial) Tensor
        Its mean activation over the calibration images; long axes are thinned in the middle.
    explained : bool
        Whether the second rung is known.
    estimated : int
        Filters with an estimated impact, among which `row` has its rank.
    recall : RecallCurve or None
        None for a filter with one value everywhere.
    unit : str
        Of the impact.
    reliable : bool
        Whether estimates agree well enough with exact effects.
    """

    row: dict[str, Any]
    sides: tuple[dict[str, Any], ...]
    map_size: tuple[int, ...]
    kernel: Tensor | None
    mean_map: Tensor
    explained: bool
    estimated: int
    recall: RecallCurve | None
    unit: str
    reliable: bool

    @property
    def name(self) -> str:
        """Site and filter."""
        return f"{self.row['site']}/{self.row['filter']}"

    @property
    def facts(self) -> list[Fact]:
        """What it is called, and on what evidence: name and value, in words."""
        row = self.row
        facts = [
            ("label", (row["label"] or "not explained") + self._doubt),
            *(
                (name.replace("_", " "), self._statistic(statistic, self.row[name]))
                for name, statistic in listed_statistics(row).items()
            ),
        ]
        if self.explained:
            facts.insert(0, ("recognises", self._recognises))
            facts += [
                ("kind", _kind(row)),
                ("stability", _stability(row["stability"])),
                ("origin", row["origin"] or "–"),
                ("reach", describe_reach(row, self.sides)),
                ("chance", "–" if row["q"] is None else f"q = {row['q']:.2g}"),
            ]
            facts += [
                (f"beside {kind}", f"q = {row[f'q_{kind}']:.2g}")
                for kind in COMPARED
                if row.get(f"q_{kind}") is not None
            ]
        if self.estimated:
            facts.append(("impact", self._impact))
        if self.kernel is None:
            facts.append(("kernel", "not kept by this run"))
        if row["nonfinite"]:
            facts.append(("not finite", f"{row['nonfinite']:,} values, which were left out"))
        return facts

    @property
    def _doubt(self) -> str:
        if self.explained:
            return ", without real context" if self.row["real_context"] is False else ""
        small = min(self.map_size) < SMALL_MAP
        return f", on a map under {SMALL_MAP} positions: needs a counterfactual" if small else ""

    @property
    def _recognises(self) -> str:
        recall, low, high = (self.row[name] for name in ("recall", "recall_low", "recall_high"))
        if recall is None:
            return "unknown: the core has too few values"
        between = f" [{low:.2f} to {high:.2f}]" if low is not None else ""
        told = "yes" if self.row["recognises"] else "no"
        return f"{told}, recall {recall:.2f}{between} at the {self.row['recall_side']}"

    def _statistic(self, statistic: Statistic, value: float | None) -> str:
        """Tell the value of a statistic where the filter responds most."""
        said = statistic.say(value)
        return said if value is None else f"at the {self.row['side']}: {said}"

    @property
    def _impact(self) -> str:
        impact, low, high = (self.row[name] for name in ("impact", "impact_low", "impact_high"))
        if impact is None:
            return "not estimated"
        between = f" [{low:.2g} to {high:.2g}]" if low is not None else ""
        rank = f"rank {self.row['impact_rank']:,} of {self.estimated:,}"
        doubt = "" if self.reliable else "; estimates are unreliable for this model"
        return f"{impact:.3g} {self.unit}{between}, {rank}{doubt}"

    def _repr_html_(self) -> str:
        pictures = []
        if self.kernel is not None:
            pictures.append(Picture("kernel, summed", flat(self.kernel), signed=True))
        pictures.append(Picture("mean map", flat(self.mean_map), signed=False))
        return draw_card(
            self.name, pictures, self.sides, self.facts, recall=self.recall,
            explained=self.explained,
        )  # fmt: skip


def flat(values: Tensor) -> FloatArray:
    """Cut a kernel or map of 1 to 3 axes into what can be drawn flat: in the middle of its depth.

    Examples
    --------
    >>> import torch
    >>> flat(torch.zeros(3)).shape, flat(torch.zeros(5, 7, 9)).shape
    ((1, 3), (7, 9))
    """
    plane: FloatArray = values.double().numpy()
    return plane[len(plane) // 2] if plane.ndim == 3 else np.atleast_2d(plane)


def check_filter(sites: pl.DataFrame, site: str, index: int) -> None:
    """Refuse a filter that there is not.

    Raises
    ------
    PadscopeError
        The site is unknown or was not scored, or it has no such filter.
    """
    found = sites.filter(pl.col("site") == site)
    if found.is_empty():
        names = sites.filter("scored")["site"].to_list()
        near = get_close_matches(site, names, NAMED, cutoff=0.3) or names[:NAMED]
        raise PadscopeError(
            f"there is no site {site!r}; there are {', '.join(near)}"
            f"{' and more' if len(names) > len(near) else ''}"
        )
    row = found.row(0, named=True)
    if not row["scored"]:
        raise PadscopeError(f"site {site!r} was not scored: {row['unscored']}")
    if not 0 <= index < row["filters"]:
        raise PadscopeError(
            f"site {site!r} has no filter {index}; its filters are 0 to {row['filters'] - 1}"
        )


def make_card(
    sites: pl.DataFrame,
    filters: pl.DataFrame,
    sides: pl.DataFrame,
    site: str,
    index: int,
    *,
    kernel: Tensor | None,
    mean_map: Tensor,
    explained: bool,
    recall: RecallCurve | None,
    impact: Impact | None,
) -> FilterCard:
    """Gather what the tables of a study say of one filter, which they have."""
    chosen = (pl.col("site") == site) & (pl.col("filter") == index)
    return FilterCard(
        row=filters.row(by_predicate=chosen, named=True),
        sides=tuple(sides.filter(chosen).iter_rows(named=True)),
        map_size=tuple(sites.row(by_predicate=pl.col("site") == site, named=True)["map_size"]),
        kernel=kernel,
        mean_map=mean_map,
        explained=explained,
        estimated=filters["impact"].count() if "impact" in filters.columns else 0,
        recall=recall,
        unit=_UNIT[impact.answer] if impact else "",
        reliable=impact is not None and bool(impact.agreement.get("reliable")),
    )


def _kind(row: dict[str, Any]) -> str:
    if row["kind"] is None:
        return "–"
    if row["kind"] == "corner":
        return f"corner ({row['causal_corner']}), provisional"
    return f"{row['kind']}, {row['sign']}: {', '.join(row['active'])}"


def _stability(share: float | None) -> str:
    return "–" if share is None else f"kind in {share:.0%} of resamples the same"


def describe_reach(row: Mapping[str, Any], sides: Sequence[Mapping[str, Any]]) -> str:
    """Write down to which line padding makes a difference, at the active sides.

    Examples
    --------
    >>> side = {"side": "top", "reach": 1, "causal_1": 0.4, "causal_2": 0.1, "causal_3": 0.0}
    >>> describe_reach({"reach": 1, "active": ["top"]}, [side])
    'to line 1'
    >>> describe_reach({"reach": 1, "active": ["top"]}, [side | {"causal_2": None}])
    'to line 1, the deepest measured'
    """
    reach = row["reach"]
    if reach is None:
        return "–"
    deeper = [
        side.get(f"causal_{reach + 1}")
        for side in sides
        if side["side"] in row["active"] and side["reach"] == reach
    ]
    line = f"to line {reach}" if reach else "the outermost line alone"
    return line if all(ks is not None for ks in deeper) else f"{line}, the deepest measured"
