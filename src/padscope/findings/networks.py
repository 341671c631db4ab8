"""The given network and its baselines: how many of their filters climb each rung on crops."""

from __future__ import annotations

from dataclasses import dataclass

from padscope.evidence import CANDIDATE, RECOGNISED, STRONG
from padscope.findings.listing import Listing
from padscope.findings.recognition import NETWORKS
from padscope.findings.words import percent
from padscope.study import GIVEN, Explanation

RUNGS = (
    ("candidates", "respond", f"KS ≥ {CANDIDATE:g}"),
    ("strong", "strongly", f"KS ≥ {STRONG:g}"),
    ("recalled", "recall the border", f"recall ≥ {RECOGNISED:g}"),
)  # column of `Explanation.baselines`, what it is called, its cut


@dataclass(frozen=True)
class Network:
    """One network's counts, on the crops of the images that all networks are measured on.

    Attributes
    ----------
    title : str
    given : bool
    measured : int
        Filters with a score.
    counts : tuple of int
        In the order of `RUNGS`.
    """

    title: str
    given: bool
    measured: int
    counts: tuple[int, ...]


def title_of(network: str) -> str:
    """Name a network for people.

    Examples
    --------
    >>> title_of("fresh 2"), title_of("shuffled"), title_of("given")
    ('fresh weights 2', 'weights shuffled', 'given')
    """
    kind, _, seed = network.partition(" ")
    return f"{NETWORKS.get(kind, kind)} {seed}".rstrip()


def networks(explanation: Explanation) -> tuple[Network, ...]:
    """Count the rungs of the given network, the first, and of its baselines."""
    return tuple(
        Network(
            title_of(row["network"]),
            row["network"] == GIVEN,
            row["filters"],
            tuple(row[column] for column, _, _ in RUNGS),
        )
        for row in explanation.baselines.iter_rows(named=True)
    )


def network_listing(explanation: Explanation) -> Listing:
    """List the given network beside its baselines: filters on each rung, and their shares."""
    return Listing(
        ("network", "filters", *(f"{words} ({cut})" for _, words, cut in RUNGS)),
        tuple(
            (
                each.title, f"{each.measured:,}",
                *(f"{count:,} ({percent(count, each.measured)})" for count in each.counts),
            )
            for each in networks(explanation)
        ),
    )  # fmt: skip
