"""Sites, counted in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from padscope.findings.words import plural, visible
from padscope.findings.words import size as times
from padscope.sites import Site

NAMED = 5  # sites named in a sentence


def describe_uneven(uneven: Sequence[str], size: Sequence[int], even: Sequence[int] | None) -> str:
    """Name the strided sites that are padded more at one end, and a size at which none is.

    Parameters
    ----------
    uneven : sequence of str
        Names of the sites.
    size, even : sequence of int
        Pixels of the input, and of the nearest one that is even; None if there is none near.

    Examples
    --------
    >>> describe_uneven([], (224, 224), None)
    'At 224×224 every site with a stride sees as much padding at both ends.'
    """
    if not uneven:
        return f"At {times(size)} every site with a stride sees as much padding at both ends."
    named = ", ".join(map(visible, uneven[:NAMED])) + (" and more" if len(uneven) > NAMED else "")
    told = f"at {times(even)} none does" if even else "no size near it makes all of them even"
    return (
        f"At {times(size)}, {plural(len(uneven), 'site')} with a stride "
        f"{'sees' if len(uneven) == 1 else 'see'} more padding at one end than at the other "
        f"({named}); {told}."
    )


def describe_sites(sites: Sequence[Site]) -> str:
    """Count sites in a sentence."""
    scored = [site for site in sites if site.scored]
    filters = sum(site.filters for site in scored)
    return (
        f"{len(scored)} scored sites, {filters:,} filters; {len(sites) - len(scored)} listed only."
    )
