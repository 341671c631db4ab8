"""`Explanation`, what the second rung adds to a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from padscope.counts import plural

if TYPE_CHECKING:
    from padscope.measurements import Counts

GIVEN, FRESH, MATCHED, SHUFFLED = "given", "fresh", "matched", "shuffled"  # "fresh 1" …
CONTRASTED = "contrasted"  # the job behind `Explanation.counts`
REESTIMATED, UNSHIFTED = "re-estimated", "unshifted"
COMPARED = (FRESH, MATCHED)  # kinds of baselines that answer where a count comes from


@dataclass(frozen=True)
class Explanation:
    """What padding causes, beside its baselines.

    Columns of the tables are described in `padscope.tables.schema`, and by ``padscope columns``.

    Attributes
    ----------
    identity : dict
        Images, settings and versions: what the explanation depends on.
    images : str
        A line for people about the images explained.
    margin : tuple of int
        Pixels of real surroundings at each end of each axis; zeros where there are none.
    counts : Counts
        The counts behind the scores.
    inherited : polars.DataFrame
        What convolutions without padding inherit.
    networks : polars.DataFrame
        The given network and its baselines, site by site, all on crops of the first images.
        Baselines are named ``fresh 1`` …, ``matched 1`` …, ``shuffled``, ``re-estimated`` (as
        given, but for statistics of batch norm that are those of the images) and ``unshifted``
        (the same, and batch norms shift nothing).
    usual : polars.DataFrame
        How usual the padding's value is among the content.
    warnings : tuple of str
        Why the given network may not be what it is taken for: weights that no training has moved,
        statistics of batch norm that are not those of the images.
    open_training : str
        Why nothing can be said of what training does; "" if something can.
    notes : tuple of str
        What could not be done, and why, in sentences.
    """

    identity: dict[str, Any]
    images: str
    margin: tuple[int, ...]
    counts: Counts
    inherited: pl.DataFrame
    networks: pl.DataFrame
    usual: pl.DataFrame
    warnings: tuple[str, ...] = ()
    open_training: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say what it rests on."""
        networks = self.networks["network"].unique(maintain_order=True).to_list()
        return (
            f"Explanation({self.images!r}, {plural(self.counts.images, 'image')}, "
            f"networks: {', '.join(networks)})"
        )

    @property
    def content(self) -> float:
        """Share of the core's values that may lie beyond the threshold of a border recall."""
        return float(self.identity["settings"]["content"])

    @property
    def baselines(self) -> pl.DataFrame:
        """Shares of filters per network, the given one first.

        Columns: ``network``, ``filters`` (measured ones), ``candidates``, ``strong``,
        ``recalled`` (counts), and each of these as a ``…_share``.
        """
        counts = ["candidates", "strong", "recalled"]
        totals = self.networks.group_by("network", maintain_order=True).agg(
            (pl.col("filters") - pl.col("unmeasured")).sum(), pl.col(counts).sum()
        )
        shares = (pl.col(name) / pl.col("filters") for name in counts)
        return totals.with_columns(share.name.suffix("_share") for share in shares)

    @property
    def kinds_of_baselines(self) -> tuple[str, ...]:
        """Those of `COMPARED` of which a network was run."""
        names = self.networks["network"].unique().to_list()
        return tuple(
            kind for kind in COMPARED if any(name.startswith(f"{kind} ") for name in names)
        )

    @property
    def has_baselines(self) -> bool:
        """Whether anything stands beside the given network."""
        return self.networks["network"].n_unique() > 1
