"""The second rung as data frames: what padding causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.evidence import (
    Kinds,
    classify,
    kind_stability,
    label_causes,
    label_origins,
    label_refilled,
    reach_of,
    recognises,
    strongest_label,
)
from padscope.scores import (
    CausalScores,
    Scores,
    coarse_counts,
    q_values,
    simes,
    tail_probability,
)
from padscope.tables.responses import REPORTED_LINES, with_statistics
from padscope.tables.schema import EXPLAIN, SITES
from padscope.tallies import CORNERS, NEAR, Tally

if TYPE_CHECKING:
    from padscope.regions import Layout
    from padscope.sites import Site

FloatArray = NDArray[np.float64]
TextArray = NDArray[np.str_]


def cause_tables(
    site: Site,
    layout: Layout,
    responses: Scores,
    scores: CausalScores,
    tallies: Mapping[str, Tally],
    *,
    real_context: bool,
    resamples: int,
    seed: int,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tables of one site's sides and filters; see `with_causes`.

    Parameters
    ----------
    site : Site
    layout : Layout
    responses : Scores
        Of the first rung, on the same images, crops and positions.
    scores : CausalScores
    tallies : mapping
        Stream key → counts behind the scores.
    real_context : bool
        Whether the contrast is with real surroundings.
    resamples, seed : int
        Of `kind_stability`.
    """
    causal = scores.causal["ks"]
    labels = label_causes(responses.line["ks"], causal)
    label_both = label_origins if real_context else label_refilled
    origin = label_both(scores.own, scores.incoming)
    reach = reach_of(scores.profile)
    p = tail_probability(responses.line["ks"], scores.null)
    recognised = recognises(labels, responses.line["border_recall"])
    sides = _side_rows(site, layout, scores, labels, recognised, origin, reach, p, real_context)
    kinds, stability = _kinds(layout, scores, tallies, resamples, seed)
    filters = _filter_rows(
        site, layout, responses, scores, labels, recognised, origin, reach, kinds, stability,
        real_context,
    )  # fmt: skip
    return sides, filters


def _kinds(
    layout: Layout,
    scores: CausalScores,
    tallies: Mapping[str, Tally],
    resamples: int,
    seed: int,
) -> tuple[Kinds, FloatArray]:
    corner, _ = strongest_of(scores.corners)
    kinds = classify(scores.causal["ks"], scores.causal["polarity"], layout.sides, corner)
    padded, real = (counts[: len(layout.sides)] for counts in coarse_counts(tallies, NEAR))
    corners = coarse_counts(tallies, CORNERS)
    stability = kind_stability(
        padded, real, layout.sides, kinds, corner_padded=corners[0], corner_real=corners[1],
        resamples=resamples, seed=seed,
    )  # fmt: skip
    return kinds, stability


def _side_rows(
    site: Site,
    layout: Layout,
    scores: CausalScores,
    labels: TextArray,
    recognised: NDArray[np.bool_],
    origin: TextArray,
    reach: FloatArray,
    p: FloatArray,
    real_context: bool,
) -> pl.DataFrame:
    sides, filters = len(layout.sides), site.filters
    missing = np.full((sides, filters), np.nan)

    def line(d: int) -> FloatArray:
        return scores.profile[d] if d < len(scores.profile) else missing

    return with_statistics(
        {
            "site": pl.repeat(site.name, sides * filters, eager=True),
            "filter": np.repeat(np.arange(filters), sides),
            "side": pl.Series([side.name for side in layout.sides] * filters, dtype=pl.String),
            "label": _texts(labels.T.ravel()),
            "recognises": recognised.T.ravel(),
            "causal_low": numbers(scores.interval.low.T),
            "causal_high": numbers(scores.interval.high.T),
            **{f"causal_{d}": numbers(line(d).T) for d in REPORTED_LINES},
            "reach": numbers(reach.T).cast(pl.Int64),
            "own_ks": numbers(scores.own.T),
            "incoming_ks": numbers(scores.incoming.T),
            "origin": _texts(origin.T.ravel()),
            "null_ks": numbers(scores.null.T),
            "p": numbers(p.T),
            "real_context": [real_context] * (sides * filters),
        },
        {f"causal_{name}": numbers(values.T) for name, values in scores.causal.items()},
    )


def _filter_rows(
    site: Site,
    layout: Layout,
    responses: Scores,
    scores: CausalScores,
    labels: TextArray,
    recognised: NDArray[np.bool_],
    origin: TextArray,
    reach: FloatArray,
    kinds: Kinds,
    stability: FloatArray,
    real_context: bool,
) -> pl.DataFrame:
    best, strongest = strongest_of(scores.causal["ks"])
    recall, recalled = strongest_of(responses.line["border_recall"])
    recall_interval = responses.intervals["border_recall"]
    filters = np.arange(site.filters)
    measured = ~np.isnan(best)
    names = np.array([side.name for side in layout.sides])
    corner_ks, corner = strongest_of(scores.corners)
    corner_names = np.array([r.name for r in layout.regions if len(r.sides) > 1] or [""])
    sets, which = np.unique(kinds.active.T, axis=0, return_inverse=True)
    active = pl.Series([names[row].tolist() for row in sets], dtype=pl.List(pl.String))
    deepest = np.where(kinds.active, np.nan_to_num(reach, nan=-1), -1).max(axis=0)
    return with_statistics(
        {
            "site": pl.repeat(site.name, site.filters, eager=True),
            "filter": filters,
            "label": _texts(strongest_label(labels)),
            "recognises": recognised.any(axis=0),
            "causal_low": numbers(scores.interval.low[strongest, filters]),
            "causal_high": numbers(scores.interval.high[strongest, filters]),
            "causal_side": _texts(np.where(measured, names[strongest], "")),
            "recall": numbers(recall),
            "recall_low": numbers(recall_interval.low[recalled, filters]),
            "recall_high": numbers(recall_interval.high[recalled, filters]),
            "recall_side": _texts(np.where(np.isnan(recall), "", names[recalled])),
            "origin": _texts(origin[strongest, filters]),
            "kind": _texts(kinds.kind),
            "active": active.gather(which.ravel()),
            "sign": _texts(kinds.sign),
            "stability": numbers(stability),
            "reach": numbers(np.where(deepest < 0, np.nan, deepest)).cast(pl.Int64),
            "causal_corner": _texts(
                np.where(np.isnan(corner_ks), "", corner_names[corner % len(corner_names)])
            ),
            "causal_corner_ks": numbers(corner_ks),
            "core_causal_ks": numbers(scores.core),
            "real_context": [real_context] * site.filters,
        },
        {
            f"causal_{name}": numbers(values[strongest, filters])
            for name, values in scores.causal.items()
        },
    )


def strongest_of(ks: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Greatest value of each column, and its row; NaN and 0 where there is none."""
    if not len(ks):
        return np.full(ks.shape[1:], np.nan), np.zeros(ks.shape[1:], dtype=np.int64)
    rows = np.nan_to_num(ks, nan=-1).argmax(axis=0)
    return np.take_along_axis(ks, rows[None], axis=0)[0], rows


def numbers(values: FloatArray) -> pl.Series:
    """Make a column of an array, row after row, with nulls for NaN."""
    return pl.Series(values.ravel(), dtype=pl.Float64, nan_to_null=True)


def _texts(values: TextArray) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.String).replace("", None)


def with_causes(
    sides: pl.DataFrame, filters: pl.DataFrame, causes: Sequence[tuple[pl.DataFrame, pl.DataFrame]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add what `cause_tables` gave of every site to the tables of responses.

    Columns are those that the explanation adds to `schema.SIDES` and `schema.FILTERS`. For p of a
    filter see `scores.simes`.

    Returns
    -------
    sides, filters
        In the order they had; filters of sites that were not explained have nulls.
    """
    by_side = _with_q(pl.concat(table for table, _ in causes))
    by_filter = _with_q(pl.concat(_with_p(filters, sides) for sides, filters in causes))

    def join(table: pl.DataFrame, new: pl.DataFrame, on: list[str]) -> pl.DataFrame:
        kept = table.select(name for name in table.columns if name in on or name not in new.columns)
        return kept.join(new, on=on, how="left", maintain_order="left")

    return join(sides, by_side, ["site", "filter", "side"]), join(
        filters, by_filter, ["site", "filter"]
    )


def _with_p(filters: pl.DataFrame, sides: pl.DataFrame) -> pl.DataFrame:
    """Combine the probabilities of the sides of one site's filters, each filter's together."""
    p = sides["p"].fill_null(float("nan")).to_numpy().reshape(filters.height, -1)
    return filters.with_columns(p=numbers(simes(p)))


def _with_q(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(q=numbers(q_values(table["p"].fill_null(float("nan")).to_numpy())))


def with_context(sites: pl.DataFrame, found: Mapping[str, Mapping[str, object]]) -> pl.DataFrame:
    """Add to the table of sites how each was explained.

    Null for sites that are not explained.
    """
    names = sites["site"].to_list()
    columns = [
        pl.Series(name, [found.get(site, {}).get(name) for site in names], SITES.dtypes[name])
        for name in SITES.since(EXPLAIN)
    ]
    return sites.with_columns(columns)
