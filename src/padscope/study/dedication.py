"""Which filters answer to hardly anything but the border."""

from __future__ import annotations

import polars as pl

from padscope.regions import Layout
from padscope.sites import Observation
from padscope.study.explanation import Explanation
from padscope.tables.efficiency import dedication
from padscope.tallies import Tally
from padscope.tallies.contrast import NEAR, PADDED


def dedicated_filters(
    filters: pl.DataFrame, explanation: Explanation, observation: Observation
) -> pl.DataFrame:
    """Find them in the counts of an explanation.

    Parameters
    ----------
    filters : polars.DataFrame
        Of the explained study.
    explanation : Explanation
    observation : Observation
        Of the network, on images of the same size.

    Returns
    -------
    polars.DataFrame
        ``site`` and ``filter``.
    """
    contrasts: dict[str, tuple[Layout, Tally]] = {}
    for site in observation.sites:
        tally = explanation.counts.of_site(site.name).get(f"{PADDED}/{NEAR}")
        if tally is not None:
            extent = tuple((len(before), len(after)) for before, after in site.contact)
            contrasts[site.name] = Layout(site.map_size, extent), tally
    return dedication(filters, contrasts).filter("dedicated").select("site", "filter")
