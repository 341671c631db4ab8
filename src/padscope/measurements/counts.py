"""`Counts`, what comparing activations under one or several conditions has counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from padscope.images import Skipped
from padscope.measurements.first_images import FirstImages
from padscope.regions import FOLDS
from padscope.running import Packed, Spans
from padscope.tallies import NEAR, Bins, Tally
from padscope.tallies.names import COARSE_CODES, CODES, PADDED, REAL


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
        """Select the counts of one site, by stream; in 32 bits or more, to be calculated with."""
        return {
            key: tally.at_least(torch.int32)
            for (site, key), tally in self.tallies.items()
            if site == name
        }

    def near(self, site: str) -> Tally:
        """Return the counts of line 0 of every side, and of the core, as they are."""
        return self.tallies[site, f"{PADDED}/{NEAR}"]

    def near_real(self, site: str) -> Tally | None:
        """Return the same with real surroundings; None where these were not counted."""
        return self.tallies.get((site, f"{REAL}/{NEAR}"))

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
        for (name, key), counted in self.tallies.items():
            tally = counted.narrowest()  # whatever the way in which it came about
            # Folds are much alike: beside each other they are compressed better.
            by_fold = tally.folds.movedim(1, -1)
            tensors |= {f"{name}/{key}/fine": tally.fine, f"{name}/{key}/folds": by_fold}
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
        """Put a state together again.

        Raises
        ------
        ValueError, KeyError
            Parts are missing, or do not belong to as many filters.
        """
        bins = {n: _bins(tensors[f"{n}/centre"], tensors[f"{n}/spread"]) for n in facts["bins"]}
        first = FirstImages(
            {(name, kind): tensors[f"{name}/map/{kind}"] for name, kind in facts["maps"]},
            {name: tensors[f"{name}/borders"] for name in facts["borders"]},
            tensors["photos"] if facts["photos"] else None,
        )
        for (name, _), mean_map in first.maps.items():
            spatial = (None,) * (mean_map.ndim - 1)
            _require(mean_map, name, (len(bins[name].centre), *spatial), floating=True)
        return cls(
            Spans(tuple((start, stop) for start, stop in facts["done"])),
            facts["images"],
            tuple(Skipped(*skip) for skip in facts["skipped"]),
            bins,
            {
                (name, key): _tally(tensors, f"{name}/{key}", len(bins[name].centre))
                for name, key in facts["tallies"]
            },
            first if facts["first"] else None,
            facts["complete"],
        )


def _bins(centre: Tensor, spread: Tensor) -> Bins:
    _require(centre, "bins", (None,), floating=True)
    _require(spread, "bins", (len(centre),), floating=True)
    return Bins(centre, spread)


def _tally(tensors: Mapping[str, Tensor], name: str, filters: int) -> Tally:
    fine, by_fold = tensors[f"{name}/fine"], tensors[f"{name}/folds"]
    folds = FOLDS if by_fold.shape[-1] > 1 else 1
    _require(fine, name, (None, filters, CODES), floating=False)
    _require(by_fold, name, (None, filters, COARSE_CODES, folds), floating=False)
    tally = Tally(fine, by_fold.movedim(-1, 1)).narrowest()
    return Tally(tally.fine, tally.folds.contiguous())


def _require(values: Tensor, name: str, shape: tuple[int | None, ...], *, floating: bool) -> None:
    """Refuse what is not of a shape, where that is known, or not of its kind: a damaged file."""
    same = values.ndim == len(shape) and all(
        known in (None, found) for known, found in zip(shape, values.shape, strict=True)
    )
    if not same or values.is_floating_point() != floating:
        raise ValueError(f"{name} has {values.dtype} of {tuple(values.shape)}")


def _same_bins(ours: Mapping[str, Bins], theirs: Mapping[str, Bins]) -> bool:
    return ours.keys() == theirs.keys() and all(
        torch.equal(bins.centre, theirs[name].centre)
        and torch.equal(bins.spread, theirs[name].spread)
        for name, bins in ours.items()
    )
