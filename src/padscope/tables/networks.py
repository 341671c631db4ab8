"""What stands beside the explained filters: baseline networks, and operations without padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from padscope.evidence import CANDIDATE, RECOGNISED, STRONG
from padscope.scores import decoy_q, images_needed
from padscope.tables.causes import numbers, strongest_of
from padscope.tables.schema import INHERITED, NETWORKS

if TYPE_CHECKING:
    from padscope.regions import Layout
    from padscope.sites import Site

FloatArray = NDArray[np.float64]
DECILES = np.linspace(0, 1, 11)


def inherited_table(
    site: Site, layout: Layout, causal: FloatArray, polarity: FloatArray
) -> pl.DataFrame:
    """One row per filter and side of a convolution without padding: what it inherits.

    Columns are those of `schema.INHERITED`.
    """
    sides, count = len(layout.sides), len(layout.sides) * site.filters
    axes = pl.List(pl.Int64)
    return pl.DataFrame(
        {
            "site": pl.repeat(site.name, count, eager=True),
            "op": pl.repeat(site.op, count, eager=True),
            "kernel": pl.repeat(list(site.window.kernel), count, dtype=axes, eager=True),
            "map_size": pl.repeat(list(site.map_size), count, dtype=axes, eager=True),
            "filter": np.repeat(np.arange(site.filters), sides),
            "side": np.tile([side.name for side in layout.sides], site.filters),
            "causal_ks": numbers(causal.T),
            "causal_polarity": numbers(polarity.T),
        },
        INHERITED.dtypes,
    )


def network_table(
    network: str,
    scores: Mapping[str, tuple[FloatArray, FloatArray, FloatArray]],
    core: Mapping[str, int],
    images: int,
    note: str = "",
) -> pl.DataFrame:
    """One row per site of one network, given or baseline, from `padscope.scores.recall_of` it.

    Columns are those of `schema.NETWORKS`. Counts are of filters by their strongest side, recall is
    counted at `RECOGNISED`.
    """
    rows = []
    for site, (response, recall, left_out) in scores.items():
        best, _ = strongest_of(response)
        recalled, _ = strongest_of(recall)
        without = np.fmax.reduce(left_out, axis=1, initial=-1)
        rows.append(
            {
                "network": network,
                "site": site,
                "images": images,
                "core": core[site],
                "filters": len(best),
                "unmeasured": int(np.isnan(best).sum()),
                "candidates": int((best >= CANDIDATE).sum()),
                "strong": int((best >= STRONG).sum()),
                "recalled": int((recalled >= RECOGNISED).sum()),
                "response_deciles": _deciles(best),
                "recall": [None if np.isnan(value) else value for value in recalled.tolist()],
                "recalled_without": (without >= RECOGNISED).sum(axis=1).tolist(),
                "note": note,
            }
        )
    return NETWORKS.frame(rows)


def with_decoys(
    filters: pl.DataFrame,
    given: pl.DataFrame,
    baselines: Mapping[str, Sequence[pl.DataFrame]],
    content: float,
) -> pl.DataFrame:
    """Add to the table of filters how each stands out from those of baselines.

    Columns are ``q_`` and each kind of baseline, see `padscope.scores.decoy_q`; null where no
    baseline of the kind could be run, or on too few images (see `padscope.scores.images_needed`).

    Parameters
    ----------
    filters : polars.DataFrame
        See `padscope.tables.with_causes`.
    given : polars.DataFrame
        Of `network_table`, for the network itself.
    baselines : mapping
        Kind → `network_table` of each network.
    content : float
        Of `padscope.scores.Counts`.
    """
    own = _every_recall(given)
    places = given.select("site", filter=pl.int_ranges("filters")).explode("filter")
    for kind, tables in baselines.items():
        q = own * np.nan
        if tables and all(_has_images(table, content) for table in (given, *tables)):
            q = decoy_q(own, [_every_recall(table) for table in tables])
        places = places.with_columns(numbers(q).alias(f"q_{kind}"))
    return filters.join(places, on=["site", "filter"], how="left", maintain_order="left")


def _has_images(table: pl.DataFrame, content: float) -> bool:
    images, core = table.select(pl.col("images", "core").min()).row(0)
    return bool(images >= images_needed(core, content))


def _every_recall(table: pl.DataFrame) -> FloatArray:
    """Recall of every filter of a network, site after site; NaN where unmeasured."""
    return table["recall"].explode().fill_null(float("nan")).to_numpy()


def _deciles(values: FloatArray) -> list[float]:
    finite = values[~np.isnan(values)]
    return np.quantile(finite, DECILES).tolist() if len(finite) else []
