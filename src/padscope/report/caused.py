"""What an explained study found, in numbers and sentences: the second rung."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from padscope.kinds import CANDIDATE, STRONG
from padscope.report.words import percent, percent_range
from padscope.study import TRAINED, Explanation, Study

FRESH, SHUFFLED = "fresh", "shuffled"
NO_BASELINE = (
    "No baseline was run, so nothing here can be called learned: untrained networks of the same "
    "architecture have filters like these too."
)


@dataclass(frozen=True)
class Caused:
    """The counts that the page of an explained study opens with.

    Attributes
    ----------
    filters, measured : int
        All filters, and those with both a KS and a causal KS.
    respond, strong : int
        Measured filters that do, by their strongest side.
    caused, grey, rejected : int
        Labels of measured filters; rejected ones all respond.
    caused_responding, grey_responding : int
        Those of them that respond.
    apart : int
        Measured filters whose contrast was made without real context.
    images, skipped : int
        Images explained, and left out.
    reading : str
        What the baselines make of the share, in a sentence or two.
    """

    filters: int
    measured: int
    respond: int
    strong: int
    caused: int
    grey: int
    rejected: int
    caused_responding: int
    grey_responding: int
    apart: int
    images: int
    skipped: int
    reading: str

    @property
    def all_apart(self) -> bool:
        """Whether nothing was contrasted with real context."""
        return self.apart == self.measured


def count_caused(study: Study, explanation: Explanation) -> Caused:
    """Count what an explained study found."""
    measured = study.filters.filter(pl.col("label") != "unmeasured")
    responding = pl.col("ks") >= CANDIDATE

    def count(condition: pl.Expr) -> int:
        return measured.filter(condition).height

    return Caused(
        filters=study.filters.height,
        measured=measured.height,
        respond=count(responding),
        strong=count(pl.col("ks") >= STRONG),
        caused=count(pl.col("label") == "confirmed"),
        grey=count(pl.col("label") == "grey"),
        rejected=count(pl.col("label") == "rejected"),
        caused_responding=count((pl.col("label") == "confirmed") & responding),
        grey_responding=count((pl.col("label") == "grey") & responding),
        apart=count(~pl.col("real_context")),
        images=explanation.counts.images,
        skipped=len(explanation.counts.skipped),
        reading=read_baselines(explanation.baselines),
    )


def read_baselines(networks: pl.DataFrame) -> str:
    """Say what the baselines make of the trained network's share of confirmed filters.

    Parameters
    ----------
    networks : polars.DataFrame
        Of `Explanation.baselines`.

    Examples
    --------
    >>> table = {"network": ["trained", "fresh 1"], "filters": [50, 50], "confirmed": [5, 6]}
    >>> read_baselines(pl.DataFrame(table)).replace(chr(160), " ")[:63]
    'An untrained network of this architecture has as many (12.0 %):'
    """
    counts = {
        name: (confirmed, filters)
        for name, confirmed, filters in networks.select(
            "network", "confirmed", "filters"
        ).iter_rows()
    }
    trained = _share(counts.get(TRAINED, (0, 0)))
    fresh = sorted((c for name, c in counts.items() if name.startswith(FRESH)), key=_share)
    shuffled = counts.get(SHUFFLED)
    if not fresh and shuffled is None:
        return NO_BASELINE
    beside = f"; its own weights shuffled, {percent(*shuffled)}" if shuffled else ""
    among = f" ({percent_range(fresh)}" if fresh else ""
    if fresh and _share(fresh[-1]) >= trained:
        return (
            f"An untrained network of this architecture has as many{among}{beside}): the share "
            "alone is no evidence of learning."
        )
    if shuffled and _share(shuffled) >= trained:
        before = f"Fresh weights have fewer{among}), but with" if fresh else "With"
        return (
            f"{before} its own weights shuffled within each layer the network has as many "
            f"({percent(*shuffled)}): the share alone is no evidence of learning."
        )
    if not fresh:
        return (
            f"With its own weights shuffled within each layer the network has fewer "
            f"({percent(*shuffled or (0, 0))}); no untrained one was run, so nothing here can be "
            "called learned."
        )
    return f"Every baseline has fewer: fresh weights{among}){beside}. {_beyond(trained, fresh)}"


def _beyond(trained: float, fresh: list[tuple[int, int]]) -> str:
    shares = [_share(count) for count in fresh]
    if len(fresh) == 1:
        return "One fresh network does not show how much such networks differ among themselves."
    if trained - shares[-1] <= shares[-1] - shares[0]:
        return "The difference is no greater than that among the fresh networks."
    return (
        "The share goes beyond what this architecture has untrained; which filters make the "
        "difference, it does not say."
    )


def _share(count: tuple[int, int]) -> float:
    confirmed, filters = count
    return confirmed / filters if filters else 0.0
