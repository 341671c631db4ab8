"""Sites, counted in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from padscope.counts import plural
from padscope.sites import Site


def describe_sites(sites: Sequence[Site]) -> str:
    """Count sites in a sentence."""
    scored = [site for site in sites if site.scored]
    filters = sum(site.filters for site in scored)
    counted = f"{plural(len(scored), 'scored site')}, {plural(filters, 'filter')}"
    return f"{counted}; {len(sites) - len(scored)} listed only."
