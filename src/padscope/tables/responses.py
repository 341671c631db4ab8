"""The first rung as data frames: sites, filters and sides, and how they respond."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from padscope.errors import PadscopeError
from padscope.evidence import SMALL_MAP, label_responses
from padscope.tables.schema import SCAN, SITES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from padscope.regions import Layout
    from padscope.scores import Scores
    from padscope.sites import Site

# Above this the bins may hide more of a KS than the reports show digits of.
RESOLUTION = 0.01
REPORTED_LINES = (1, 2, 3)


def site_table(sites: Sequence[Site]) -> pl.DataFrame:
    """One row per site, in the order of the forward pass.

    Columns are those of `schema.SITES` that the scan makes. Padding is that of
    `padscope.sites.Window.given`.
    """
    rows = []
    for site in sites:
        before, after = site.window.given
        rows.append(
            {
                "site": site.name, "op": site.op, "kernel": site.window.kernel,
                "stride": site.window.stride, "dilation": site.window.dilation,
                "groups": site.groups, "pad_before": before, "pad_after": after,
                "fill": site.fill, "input_size": site.window.size, "map_size": site.map_size,
                "contact_before": [len(first) for first, _ in site.contact],
                "contact_after": [len(last) for _, last in site.contact],
                "filters": site.filters, "scored": site.scored, "unscored": site.unscored,
                "hidden": site.below_autograd,
            }
        )  # fmt: skip
    return SITES.frame(rows).select(SITES.since(SCAN))


def response_tables(
    site: Site, layout: Layout, scores: Scores
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tables of a site's filters and of its sides; see `filter_table` and `side_table`."""
    return filter_table(site, layout, scores), side_table(site, layout, scores)


def side_table(site: Site, layout: Layout, scores: Scores) -> pl.DataFrame:
    """One row per filter and side of a site.

    Columns are those of `schema.SIDES` that the scan makes, and those of statistics that other
    packages add. Dead filters have nulls; ``ks_bound`` is flagged above `RESOLUTION`.
    """
    sides, filters = len(layout.sides), site.filters

    def column(values: NDArray[np.float64]) -> pl.Series:
        return pl.Series(values.T.ravel(), dtype=pl.Float64, nan_to_null=True)

    def line(profile: NDArray[np.float64], d: int) -> pl.Series:
        missing = np.full((sides, filters), np.nan)
        return column(profile[:, d - 1] if d <= profile.shape[1] else missing)

    contact = [len(site.contact[side.axis][side.far]) for side in layout.sides]
    return with_statistics(
        {
            "site": pl.repeat(site.name, sides * filters, eager=True),
            "filter": np.repeat(np.arange(filters), sides),
            "side": pl.Series([side.name for side in layout.sides] * filters, dtype=pl.String),
            "contact": np.tile(np.array(contact, dtype=np.int64), filters),
            **interval_columns(scores, column),
            "flagged": column(scores.line["ks_bound"]) > RESOLUTION,
            **{f"ks_{d}": line(scores.profile, d) for d in REPORTED_LINES},
            **{f"border_recall_{d}": line(scores.recall_profile, d) for d in REPORTED_LINES},
        },
        {name: column(values) for name, values in scores.line.items()},
    )


def interval_columns(
    scores: Scores, column: Callable[[NDArray[np.float64]], pl.Series]
) -> dict[str, pl.Series]:
    """Make columns of the ends of every interval, by way of a function of (S, C) values."""
    return {
        f"{name}_{end}": column(getattr(interval, end))
        for name, interval in scores.intervals.items()
        for end in ("low", "high")
    }


def with_statistics(
    columns: Mapping[str, Any], statistics: Mapping[str, pl.Series]
) -> pl.DataFrame:
    """Make a table of columns and, before the first interval, of statistics.

    Raises
    ------
    PadscopeError
        A statistic is called like another column.
    """
    if taken := sorted(columns.keys() & statistics.keys()):
        raise PadscopeError(
            f"a statistic cannot be called {taken[0]!r}: another column has this name; give "
            "it another"
        )
    first = next(place for place, name in enumerate(columns) if name.endswith("_low"))
    ordered = [*columns.items()]
    ordered[first:first] = statistics.items()
    return pl.DataFrame(dict(ordered))


def filter_table(site: Site, layout: Layout, scores: Scores) -> pl.DataFrame:
    """One row per filter of a site.

    Columns are those of `schema.FILTERS` that the scan makes, and those of statistics that other
    packages add.
    """
    ks = np.nan_to_num(scores.line["ks"], nan=-1)
    strongest = ks.argmax(axis=0)
    filters = np.arange(site.filters)

    def at_strongest(values: NDArray[np.float64]) -> pl.Series:
        return pl.Series(values[strongest, filters], dtype=pl.Float64, nan_to_null=True)

    measured = ~scores.dead
    names = np.array([side.name for side in layout.sides])
    corner_names, corner_ks, corner_recall = _strongest_corner(scores, site.filters)
    return with_statistics(
        {
            "site": pl.repeat(site.name, site.filters, eager=True),
            "filter": filters,
            "label": label_responses(scores.line["ks"][strongest, filters]),
            "side": pl.Series(np.where(measured, names[strongest], ""), dtype=pl.String),
            **interval_columns(scores, at_strongest),
            "corner": pl.Series(corner_names, dtype=pl.String),
            "corner_ks": pl.Series(corner_ks, dtype=pl.Float64, nan_to_null=True),
            "corner_recall": pl.Series(corner_recall, dtype=pl.Float64, nan_to_null=True),
            "needs_counterfactual": [min(site.map_size) < SMALL_MAP] * site.filters,
            "nonfinite": scores.nonfinite.astype(np.int64),
        },
        {name: at_strongest(values) for name, values in scores.line.items()},
    ).with_columns(pl.col("side", "corner").replace("", None))


def responses_alone(filters: pl.DataFrame) -> pl.DataFrame:
    """Drop from a table of filters what later rungs have added, and label by the KS again."""
    ks = filters["ks"].fill_null(float("nan")).to_numpy()
    labels = pl.Series("label", label_responses(ks), dtype=pl.String)
    # Later rungs add theirs behind the last of `filter_table`, and move the label there.
    first = filters.columns[: filters.columns.index("nonfinite") + 1]
    return filters.select(name for name in first if name != "label").insert_column(2, labels)


def _strongest_corner(
    scores: Scores, filters: int
) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]]:
    if not scores.corners:  # one-dimensional maps have none
        unknown = np.full(filters, np.nan)
        return np.full(filters, ""), unknown, unknown
    ks = np.stack(list(scores.corners.values()))
    recall = np.stack(list(scores.corner_recall.values()))
    strongest = np.nan_to_num(ks, nan=-1).argmax(axis=0), np.arange(filters)
    best = ks[strongest]
    names = np.where(np.isnan(best), "", np.array(list(scores.corners))[strongest[0]])
    return names, best, recall[strongest]
