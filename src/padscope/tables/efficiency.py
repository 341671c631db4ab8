"""What filters cost, and which of them answer to hardly anything but the border."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from padscope.regions import Layout
from padscope.sites import Site
from padscope.tallies import BINS, Tally

DEDICATED = 0.01  # most of the core that may respond as the border does


def filter_costs(
    sites: Sequence[Site],
    weights: Mapping[str, Tensor],
    biases: Mapping[str, Tensor | None] | None = None,
) -> pl.DataFrame:
    """Parameters and multiply-adds of every filter.

    Columns: ``site``, ``filter``, ``parameters`` (weights, and the bias where it is known) and
    ``macs`` (multiply-adds of one image, those with padding included, without the bias).

    Parameters
    ----------
    sites : sequence of Site
        What has no weights is left out.
    weights : mapping
        Site name → weight of its operation, as `Observation.weights`. Where operations share one,
        its parameters are counted at the first of them.
    biases : mapping, optional
        Site name → bias, None for operations that have none.

    Notes
    -----
    A filter of a convolution multiplies its kernel once per output; one of a transposed
    convolution once per input, even where the product is cropped away.
    """
    rows, seen = [], set()
    for site in sites:
        weight = weights.get(site.name)
        if weight is None or not site.filters:
            continue
        kernel = weight.numel() // site.filters
        bias = int((biases or {}).get(site.name) is not None)
        window = site.window
        places = math.prod(window.size if window.transposed else window.out)
        rows.append(
            pl.DataFrame(
                {
                    "site": pl.repeat(site.name, site.filters, eager=True),
                    "filter": np.arange(site.filters),
                    "parameters": np.full(site.filters, 0 if id(weight) in seen else kernel + bias),
                    "macs": np.full(site.filters, kernel * places),
                }
            )
        )
        seen.add(id(weight))
    schema = {"site": pl.String, "filter": pl.Int64, "parameters": pl.Int64, "macs": pl.Int64}
    return pl.concat(rows) if rows else pl.DataFrame(schema=schema)


def dedication(
    filters: pl.DataFrame, contrasts: Mapping[str, tuple[Layout, Tally]]
) -> pl.DataFrame:
    """Which filters answer to hardly anything but the border.

    Columns: ``site``, ``filter``, ``content_beyond`` (see `content_share`, at the strongest causal
    side; null where there is none), ``dedicated`` (confirmed, and at most `DEDICATED` of the core
    lies beyond).

    Parameters
    ----------
    filters : polars.DataFrame
        Filters of an explained study: ``site``, ``filter`` (ascending from 0 at each site),
        ``label``, ``causal_side``, ``causal_polarity``.
    contrasts : mapping
        Site name → layout of its maps, and counts of the padded run near the border and in the
        core: the stream ``padded/near``.

    Returns
    -------
    polars.DataFrame
        Of the sites in `contrasts`.
    """
    tables = []
    for (site,), table in filters.group_by("site", maintain_order=True):
        if site not in contrasts:
            continue
        layout, tally = contrasts[site]
        names = [side.name for side in layout.sides]
        places = [names.index(side) if side in names else -1 for side in table["causal_side"]]
        excited = table["causal_polarity"].fill_null(0.5).to_numpy() > 0.5
        share = content_share(layout, tally, places, excited)
        tables.append(
            table.select("site", "filter", "label").with_columns(
                content_beyond=pl.Series(share, dtype=pl.Float64, nan_to_null=True)
            )
        )
    schema = {
        "site": pl.String,
        "filter": pl.Int64,
        "label": pl.String,
        "content_beyond": pl.Float64,
    }
    found = pl.concat(tables) if tables else pl.DataFrame(schema=schema)
    rarely = (pl.col("content_beyond") <= DEDICATED).fill_null(value=False)
    is_confirmed = (pl.col("label") == "confirmed").fill_null(value=False)
    return found.with_columns(dedicated=is_confirmed & rarely).drop("label")


def content_share(
    layout: Layout, tally: Tally, side_index: ArrayLike, excited: ArrayLike
) -> NDArray[np.float64]:
    """How much of the core responds at least as strongly as the border does.

    The border's response is the median over line 0 of one side, over images and positions. A
    filter that watches the border alone has none of the core there; an edge filter that takes a
    border for an edge has as much as its images have such edges.

    Parameters
    ----------
    layout : Layout
        The regions that the tally counts finely: line 0 of every side, then the core.
    tally : Tally
        Counts of C filters.
    side_index : (C,) int array
        Which of the layout's sides is looked at; -1 for none.
    excited : (C,) bool array
        Whether the border responds with greater values than elsewhere, or with smaller ones.

    Returns
    -------
    (C,) float64
        Share of the core's values at or beyond the median, values of one bin being equal: at most
        a bin's mass too great. NaN where there is no side, or no value.
    """
    counts = tally.fine.numpy()[..., :BINS].astype(np.int64)  # (regions, C, B)
    side, upwards = np.asarray(side_index), np.asarray(excited, dtype=bool)
    filters = np.arange(counts.shape[1])
    line = counts[np.maximum(side, 0), filters] if layout.sides else np.zeros_like(counts[0])
    core = counts[len(layout.sides)]
    median = _median(line)[:, None]
    bins = np.arange(BINS)
    beyond = np.where(upwards[:, None], bins >= median, bins <= median)
    total, known = core.sum(axis=1), (side >= 0) & (line.sum(axis=1) > 0)
    share = (core * beyond).sum(axis=1) / np.maximum(total, 1)
    return np.where(known & (total > 0), share, np.nan)


def _median(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median bin of every row, halfway between two bins where they divide the counts evenly."""
    below, total = counts.cumsum(axis=1), counts.sum(axis=1, keepdims=True)
    lower = (below >= (total + 1) // 2).argmax(axis=1)
    upper = (below >= total // 2 + 1).argmax(axis=1)
    median: NDArray[np.float64] = (lower + upper) / 2
    return median
