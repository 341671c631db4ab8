"""`Contrasted`, what contrasting crops with canvases has counted."""

from __future__ import annotations

from dataclasses import dataclass

from padscope.engines.first_images import FirstImages
from padscope.images import Skipped
from padscope.tallies import Bins, Tally


@dataclass(frozen=True)
class Contrasted:
    """What has been counted so far; all that a run needs to go on from.

    Attributes
    ----------
    units, images : int
        Units done, from the first one on, and images counted.
    skipped : tuple of Skipped
        Images that could not be read, or are too small for a canvas.
    bins : dict
        Site name → bins of its filters.
    tallies : dict
        (site name, stream key) → counts.
    complete : bool
        Whether the run has come to its end.
    first : FirstImages or None
        What is kept of the images that the bins are fitted to.
    """

    units: int = 0
    images: int = 0
    skipped: tuple[Skipped, ...] = ()
    bins: dict[str, Bins] | None = None
    tallies: dict[tuple[str, str], Tally] | None = None
    complete: bool = False
    first: FirstImages | None = None

    def of_site(self, name: str) -> dict[str, Tally]:
        """Select the counts of one site, by stream."""
        return {key: tally for (site, key), tally in (self.tallies or {}).items() if site == name}
