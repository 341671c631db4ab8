"""`Counts`, what comparing activations under one or several conditions has counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from padscope.images import Skipped
from padscope.measurements.first_images import FirstImages
from padscope.running import Packed, Spans
from padscope.tallies import NEAR, Bins, Tally
from padscope.tallies.contrast import PADDED


@dataclass(frozen=True)
class Counts:
    """What has been counted so far; a `State`.

    Attributes
    ----------
    done, images, skipped, complete
        See `State`; images that are too small for a canvas are skipped, too.
    bins : dict
        Site name → bins of its filters; empty until they are fitted.
    tallies : dict
        (site name, stream key) → counts.
    first : FirstImages or None
        What is kept of the images that the bins are fitted to.
    """

    done: Spans = field(default_factory=Spans)
    images: int = 0
    skipped: tuple[Skipped, ...] = ()
    bins: dict[str, Bins] = field(default_factory=dict)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    first: FirstImages | None = None
    complete: bool = False

    def of_site(self, name: str) -> dict[str, Tally]:
        """Select the counts of one site, by stream."""
        return {key: tally for (site, key), tally in self.tallies.items() if site == name}

    def near(self, site: str) -> Tally:
        """Return the counts of line 0 of every side, and of the core, as they are."""
        return self.tallies[site, f"{PADDED}/{NEAR}"]

    def mean_map(self, site: str) -> Tensor:
        """Return the (C, *spatial) mean maps of the first images; long axes are thinned."""
        assert self.first is not None
        return self.first.maps[site, PADDED]

    def merge(self, other: Counts) -> Counts:
        """Add up the counts of some units and of others, made with the same bins."""
        if self.bins and other.bins and not _same_bins(self.bins, other.bins):
            raise ValueError("counts in other bins cannot be added up")
        tallies = dict(self.tallies)
        for key, tally in other.tallies.items():
            tallies[key] = tallies[key].merge(tally) if key in tallies else tally
        return Counts(
            self.done.merge(other.done),
            self.images + other.images,
            tuple(sorted((*self.skipped, *other.skipped), key=lambda skip: skip.index)),
            self.bins or other.bins,
            tallies,
            self.first or other.first,
            self.complete or other.complete,
        )

    def blank(self) -> Counts:
        """Keep the bins."""
        return Counts(bins=self.bins)

    def finished(self) -> Counts:
        """Return the state of a run that has come to its end."""
        return replace(self, complete=True)

    def pack(self) -> Packed:
        """Take the state apart."""
        first = self.first or FirstImages()
        tensors: dict[str, Tensor] = {}
        for name, bins in self.bins.items():
            tensors |= {f"{name}/centre": bins.centre, f"{name}/spread": bins.spread}
        for (name, key), tally in self.tallies.items():
            tensors |= {f"{name}/{key}/fine": tally.fine, f"{name}/{key}/folds": tally.folds}
        tensors |= {f"{name}/map/{condition}": m for (name, condition), m in first.maps.items()}
        tensors |= {f"{name}/borders": borders for name, borders in first.borders.items()}
        if first.photos is not None:
            tensors["photos"] = first.photos
        facts = {
            "done": [list(span) for span in self.done.spans],
            "images": self.images,
            "skipped": [[skip.index, skip.name, skip.reason] for skip in self.skipped],
            "complete": self.complete,
            "bins": list(self.bins),
            "tallies": [list(key) for key in self.tallies],
            "first": self.first is not None,
            "maps": [list(key) for key in first.maps],
            "borders": list(first.borders),
            "photos": first.photos is not None,
        }
        return Packed(tensors, facts)

    @classmethod
    def unpack(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Counts:
        """Put a state together again."""
        first = FirstImages(
            {(name, kind): tensors[f"{name}/map/{kind}"] for name, kind in facts["maps"]},
            {name: tensors[f"{name}/borders"] for name in facts["borders"]},
            tensors["photos"] if facts["photos"] else None,
        )
        return cls(
            Spans(tuple((start, stop) for start, stop in facts["done"])),
            facts["images"],
            tuple(Skipped(*skip) for skip in facts["skipped"]),
            {n: Bins(tensors[f"{n}/centre"], tensors[f"{n}/spread"]) for n in facts["bins"]},
            {
                (name, key): Tally(tensors[f"{name}/{key}/fine"], tensors[f"{name}/{key}/folds"])
                for name, key in facts["tallies"]
            },
            first if facts["first"] else None,
            facts["complete"],
        )


def _same_bins(ours: Mapping[str, Bins], theirs: Mapping[str, Bins]) -> bool:
    return ours.keys() == theirs.keys() and all(
        torch.equal(bins.centre, theirs[name].centre)
        and torch.equal(bins.spread, theirs[name].spread)
        for name, bins in ours.items()
    )
