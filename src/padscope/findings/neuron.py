"""One filter: all that is said of it, for cards, terminal, notebook and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.evidence import SMALL_MAP
from padscope.findings.recall_curve import RecallCurve, recall_curve
from padscope.findings.words import NONE, chance, fixed, fixed_interval, interval, number, share
from padscope.scores import Statistic, listed_statistics
from padscope.study import Study
from padscope.study.explanation import COMPARED
from padscope.tallies.names import PADDED, REAL

FloatArray = NDArray[np.float64]
Fact = tuple[str, str]
NAMED = 5  # sites named where one is unknown
# Of estimated impacts: see `padscope.tables.impact_columns`.
_UNIT = {"classes": "nats", "dense": "in units of the answer", "values": "in units of the answer"}


@dataclass(frozen=True)
class Neuron:
    """What is known of one filter.

    Attributes
    ----------
    row : dict
        Of `Study.filters`.
    sides : tuple of dict
        Its rows of `Study.sides`.
    map_size : tuple of int
        Positions per axis of its site's map.
    kernel : (*kernel) float64 array or None
        Its weights, summed over the input channels; None if the study did not keep them.
    mean_map : (*spatial) float64 array
        Its mean activation over the first images; long axes are thinned in the middle.
    real_map : (*spatial) float64 array or None
        The same with real surroundings; None where there are none.
    explained : bool
        Whether it is known what padding causes.
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
    kernel: FloatArray | None
    mean_map: FloatArray
    real_map: FloatArray | None
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
            facts.insert(0, ("recognises", told_recall(row)))
            facts += [
                ("kind", told_kind(row)),
                ("stability", told_stability(row["stability"])),
                ("origin", told_origin(row, self.sides)),
                ("reach", told_reach(row, self.sides)),
                ("chance", NONE if row["q"] is None else f"q = {chance(row['q'])}"),
            ]
            facts += [
                (f"beside {kind}", f"q = {chance(row[f'q_{kind}'])}")
                for kind in COMPARED
                if row.get(f"q_{kind}") is not None
            ]
        if self.estimated:
            told = told_impact(row, self.estimated, self.unit)
            doubt = "" if self.reliable else "; estimates are unreliable for this model"
            facts.append(("impact", told + (doubt if row["impact"] is not None else "")))
        if self.kernel is None:
            facts.append(("kernel", "not kept by this run"))
        if row["nonfinite"]:
            facts.append(
                ("not finite", f"{plural(row['nonfinite'], 'value')}, which were left out")
            )
        return facts

    @property
    def _doubt(self) -> str:
        if self.explained:
            return ", without real context" if self.row["real_context"] is False else ""
        small = min(self.map_size) < SMALL_MAP
        return f", on a map under {SMALL_MAP} positions: needs a counterfactual" if small else ""

    def _statistic(self, statistic: Statistic, value: float | None) -> str:
        """Tell the value of a statistic where the filter responds most."""
        said = statistic.say(value)
        return said if value is None else f"at the {self.row['side']}: {said}"


def neuron(study: Study, site: str, index: int) -> Neuron:
    """Gather what a study knows of one filter.

    Raises
    ------
    PadscopeError
        The site is unknown or was not scored, or it has no such filter.
    """
    _check(study.sites, site, index)
    chosen = (pl.col("site") == site) & (pl.col("filter") == index)
    filters, impact = study.filters, study.impact
    whole, *real = mean_maps(study, site, [index])
    return Neuron(
        row=filters.row(by_predicate=chosen, named=True),
        sides=tuple(study.sides.filter(chosen).iter_rows(named=True)),
        map_size=tuple(
            study.sites.row(by_predicate=pl.col("site") == site, named=True)["map_size"]
        ),
        kernel=_kernel(study, site, index),
        mean_map=whole[0],
        real_map=real[0][0] if real else None,
        explained=study.explanation is not None,
        estimated=filters["impact"].count() if "impact" in filters.columns else 0,
        recall=recall_curve(study, site, index),
        unit=_UNIT[impact.answer] if impact else "",
        reliable=impact is not None and bool(impact.agreement.get("reliable")),
    )


def _check(sites: pl.DataFrame, site: str, index: int) -> None:
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


def _kernel(study: Study, site: str, index: int) -> FloatArray | None:
    kept = study.kernels.get(site)
    if kept is not None:
        return np.asarray(kept.total[index], np.float64)
    shown = (p.kernel.sum(axis=0) for p in study.portraits if (p.site, p.filter) == (site, index))
    portrait = next(shown, None)
    return None if portrait is None else np.asarray(portrait, np.float64)


def mean_maps(study: Study, site: str, filters: list[int]) -> list[FloatArray]:
    """Mean maps of C chosen filters: as they are, and of an explained site with real surroundings.

    Returns
    -------
    list of (C, *spatial) float64 array
        The second, if there is one, at the same positions of the same images.
    """
    first = study.explanation.counts.first if study.explanation else None
    if first and (site, REAL) in first.maps:
        maps = [first.maps[site, condition] for condition in (PADDED, REAL)]
    else:
        maps = [study.counted.mean_map(site)]
    return [np.asarray(each[filters], np.float64) for each in maps]


def scale_of(maps: Sequence[FloatArray]) -> tuple[float, float]:
    """Least and greatest finite value of maps that are drawn in the same colours; zeros if none."""
    finite = np.concatenate([each[np.isfinite(each)] for each in maps])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def flat(values: FloatArray) -> FloatArray:
    """Cut a kernel or map of 1 to 3 axes into what can be drawn flat: in the middle of its depth.

    Examples
    --------
    >>> flat(np.zeros(3)).shape, flat(np.zeros((5, 7, 9))).shape
    ((1, 3), (7, 9))
    """
    return values[len(values) // 2] if values.ndim == 3 else np.atleast_2d(values)


def told_recall(row: Mapping[str, Any]) -> str:
    """Say whether a filter recognises the border."""
    recall = row["recall"]
    if recall is None:
        return "unknown: the core has too few values"
    between = fixed_interval(row["recall_low"], row["recall_high"])
    answer = "yes" if row["recognises"] else "no"
    value = f"{fixed(recall)} {between}".rstrip()
    return f"{answer}, recall {value} at the {row['recall_side']}"


def told_kind(row: Mapping[str, Any]) -> str:
    """Say to which sides a filter answers, and how."""
    if row["kind"] is None:
        return NONE
    if row["kind"] == "corner":
        return f"corner alone ({row['causal_corner']}), provisional"
    return f"{row['kind']}, {row['sign']}: {', '.join(row['active'])}"


def told_stability(value: float | None) -> str:
    """Say how often other images give the same kind."""
    return NONE if value is None else f"the same kind in {share(value)} of resamples"


def told_origin(row: Mapping[str, Any], sides: Sequence[Mapping[str, Any]]) -> str:
    """Say whether the signal is born of the site's own padding or comes in, and by how much."""
    if row["origin"] is None:
        return NONE
    side = next(side for side in sides if side["side"] == row["causal_side"])
    own, incoming = ("own padding", "incoming") if row["real_context"] else ("refilled", "left")
    return (
        f"{row['origin']} ({own} {fixed(side['own_ks'])}, {incoming} {fixed(side['incoming_ks'])})"
    )


def told_reach(row: Mapping[str, Any], sides: Sequence[Mapping[str, Any]]) -> str:
    """Say down to which line padding makes a difference, at the active sides.

    Examples
    --------
    >>> side = {"side": "top", "reach": 1, "causal_1": 0.4, "causal_2": 0.1, "causal_3": 0.0}
    >>> told_reach({"reach": 1, "active": ["top"]}, [side])
    'to line 1'
    >>> told_reach({"reach": 1, "active": ["top"]}, [side | {"causal_2": None}])
    'to line 1, the deepest measured'
    """
    reach = row["reach"]
    if reach is None:
        return NONE
    deeper = [
        side.get(f"causal_{reach + 1}")
        for side in sides
        if side["side"] in row["active"] and side["reach"] == reach
    ]
    line = f"to line {reach}" if reach else "the outermost line alone"
    return line if all(ks is not None for ks in deeper) else f"{line}, the deepest measured"


def told_impact(row: Mapping[str, Any], estimated: int, unit: str) -> str:
    """Say how much undoing this filter alone would change, by estimate, and its rank."""
    if row["impact"] is None:
        return "not estimated"
    between = interval(row["impact_low"], row["impact_high"])
    told = " ".join(filter(None, (number(row["impact"]), unit, between)))
    return f"{told}, rank {row['impact_rank']:,} of {estimated:,}"
