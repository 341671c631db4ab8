"""What filters cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from torch import Tensor

from padscope.sites import Site


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
