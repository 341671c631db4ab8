"""Sites, counted in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from padscope.sites import Site


def describe_sites(sites: Sequence[Site]) -> str:
    """Count sites in a sentence."""
    scored = [site for site in sites if site.scored]
    filters = sum(site.filters for site in scored)
    return (
        f"{len(scored)} scored sites, {filters:,} filters; {len(sites) - len(scored)} listed only."
    )
