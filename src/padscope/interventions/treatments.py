"""Treatments: what is done to a network, to which filters, and beside which controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import polars as pl
from torch import nn

from padscope.interventions.controls import Controls
from padscope.interventions.fills import FillName
from padscope.interventions.intervention import Intervention
from padscope.interventions.interventions import disturb_core, repad, silence
from padscope.interventions.selection import Selection
from padscope.interventions.sets import (
    ALL_PADDING,
    RECOGNISING_SET,
    SILENCE,
    headline_of,
    is_part,
)
from padscope.sites import Observation, Site

# Of one set and change: all its filters; those of them that have controls, if not all have, and
# likewise partners; a draw of controls; and what the change does at the border of all of them, put
# into the core.
Part = Literal["set", "matched", "paired", "control", "disturbance"]
Make = Callable[[nn.Module], AbstractContextManager[Intervention]]
Changing = Callable[[Selection], Make]

SECOND_FILL = "replicate"


@dataclass(frozen=True)
class Share:
    """Which images something is done to: a rule that no batch and no worker changes.

    Attributes
    ----------
    total : int or None
        How many images there are; None if that is not known.
    chosen : int or None
        How many of them are taken, spread evenly over all; None for all.
    block, blocks : int
        These come in so many runs of neighbours, of equal size but for rounding, of which one is
        taken. In a stream of unknown length every `blocks`-th image is taken.
    """

    total: int | None = None
    chosen: int | None = None
    block: int = 0
    blocks: int = 1

    def __contains__(self, image: int) -> bool:
        """Whether an image belongs to it, by its index.

        Examples
        --------
        >>> [image for image in range(12) if image in Share(12, chosen=6, block=1, blocks=2)]
        [7, 9, 11]
        """
        if self.total is None:
            return image < (self.chosen or image + 1) and image % self.blocks == self.block
        chosen = self._size(self.total)
        place = image * chosen // self.total
        taken = place < (image + 1) * chosen // self.total
        return taken and place * self.blocks // chosen == self.block

    @property
    def images(self) -> int:
        """How many images belong to it; 0 if it is not known how many there are."""
        return sum(image in self for image in range(self.total or 0))

    def at_most(self, images: int | None) -> Share:
        """Take no more than so many; None for no limit."""
        return self if images is None else replace(self, chosen=images)

    def split(self, draws: int, each: int | None) -> tuple[Share, ...]:
        """Give every draw a part of the images, so that each image is run with `each` of them.

        No image is without, and no draw: of few images, or with `each` None, draws share images.
        """
        if each is None or not draws:
            return (self,) * draws
        blocks = -(-draws // each)
        if self.total is not None:
            blocks = min(blocks, self._size(self.total))
        return tuple(replace(self, block=draw % blocks, blocks=blocks) for draw in range(draws))

    def _size(self, total: int) -> int:
        return total if self.chosen is None else min(self.chosen, total)


@dataclass(frozen=True)
class Sparing:
    """How much of what could be run is run.

    Attributes
    ----------
    controls : int or None
        Draws of controls that an image is run with, of the sets that stand for themselves; None
        for all. What adds to them takes one.
    images : int or None
        On how many images is run what adds to them: a second change to the set that use is judged
        by, and kinds and sides.
    """

    controls: int | None = None
    images: int | None = None

    @property
    def further(self) -> int | None:
        """Draws that an image is run with, of what adds to the sets."""
        return None if self.controls is None else 1


@dataclass(frozen=True)
class Treatment:
    """One change to a network.

    Attributes
    ----------
    chosen : str
        Name of the set of filters.
    change : str
        What is done to them, such as ``refill reflect``.
    part : {"set", "matched", "paired", "control", "disturbance"}
        Of the set; see `Part`.
    draw : int or None
        Number of the control set or disturbance.
    filters, sites : int
        How many are changed.
    make : callable
        From the network to the `Intervention`.
    share : Share
        The images that it is done to.
    """

    chosen: str
    change: str
    part: Part
    draw: int | None
    filters: int
    sites: int
    make: Make
    share: Share = Share()

    @property
    def name(self) -> str:
        """A line for people."""
        number = "" if self.draw is None else f" {self.draw}"
        part = "" if self.part == "set" else f", {self.part}{number}"
        return f"{self.chosen}, {self.change}{part}"


def refill(fill: FillName) -> str:
    """Name the change that fills padding anew."""
    return f"refill {fill}"


def set_treatments(
    sets: Mapping[str, pl.DataFrame],
    controls: Mapping[str, Controls],
    observed: Observation,
    *,
    fill: FillName,
    disturbances: int,
    seed: int,
    partners: Controls | None = None,
    images: int | None = None,
    sparing: Sparing | None = None,
) -> tuple[Treatment, ...]:
    """List what is done to sets of filters, set by set, and last to all padding.

    Parameters
    ----------
    sets : mapping
        Name → ``site`` and ``filter``, from `named_sets`.
    controls : mapping
        Name → controls of the set; sets that have none may be missing.
    observed : Observation
        Of the network.
    fill : str
        What padding is filled with.
    disturbances : int
        Draws of the same disturbance in the core.
    seed : int
        Of fills and disturbances.
    partners : Controls, optional
        Of the recognising filters, one draw: confirmed ones that do not recognise.
    images : int, optional
        How many there are, if it is known.
    sparing : Sparing, optional
        Left out, everything is run on all images.

    Returns
    -------
    tuple of Treatment
        Every set is refilled with `fill`, with its controls. The set that use is judged by (see
        `padscope.interventions.sets.HEADLINES`) is also refilled by replication, with its controls,
        and its core is disturbed where there is one. Recognising filters are also silenced, with
        their controls; and those that have partners are refilled alone, unless all have.
    """
    listed: list[Treatment] = []
    sparing, every = sparing or Sparing(), Share(images)
    few, filling = every.at_most(sparing.images), _filling(fill, seed, observed)
    for name, chosen in sets.items():
        beside, further = controls.get(name), (few, sparing.further)
        main = further if is_part(name) else (every, sparing.controls)
        listed += _with_controls(name, refill(fill), chosen, beside, filling, *main)
        if name == headline_of(sets):
            shares = every.split(disturbances, sparing.further)
            listed += _disturbances(name, fill, chosen, observed, shares, seed)
            if fill != SECOND_FILL:
                again = _filling(SECOND_FILL, seed, observed)
                listed += _with_controls(name, refill(SECOND_FILL), chosen, beside, again, *further)
        if name == RECOGNISING_SET:
            if partners and 0 < partners.matched < chosen.height:
                paired = partners.with_controls()
                listed.append(
                    _treatment(name, refill(fill), "paired", None, paired, filling, every)
                )
            silencing = _silencing(observed)
            listed += _with_controls(name, SILENCE, chosen, beside, silencing, *further)
    everywhere = [site.filters for site in observed.sites if site.filters]
    undone = filling(Selection())
    listed.append(
        Treatment(
            ALL_PADDING, refill(fill), "set", None, sum(everywhere), len(everywhere), undone, every
        )
    )
    return tuple(listed)


def dose_treatments(
    chosen: pl.DataFrame,
    controls: Controls,
    observed: Observation,
    *,
    fill: FillName,
    seed: int,
    factor: int = 2,
    images: int | None = None,
    each: int | None = None,
) -> tuple[Treatment, ...]:
    """List the refilling of ever more filters of a set, the strongest first, and of all.

    Parameters
    ----------
    chosen : polars.DataFrame
        ``site`` and ``filter``, strongest first.
    controls : Controls
        Of all of them. The first of each draw stand for the first filters.
    observed, fill, seed, images
        As of `set_treatments`.
    factor : int
        Of each number of filters to the one before; the first is 1.
    each : int, optional
        Draws of controls that an image is run with; left out, all.
    """
    doses = [factor**power for power in range(chosen.height.bit_length())]
    doses = [dose for dose in doses if dose < chosen.height]
    listed: list[Treatment] = []
    filling, every = _filling(fill, seed, observed), Share(images)
    for dose in [*doses, chosen.height] if chosen.height else []:
        first, beside = chosen.head(dose), controls.first(dose)
        name = f"strongest {dose}"
        listed += _with_controls(name, refill(fill), first, beside, filling, every, each)
    return tuple(listed)


@dataclass
class Columns:
    """Places of the treatments of one set and change among all.

    Attributes
    ----------
    whole : Treatment
        Of all filters of the set.
    set, matched, paired : int
        Its place, and that of the filters that have controls, or partners: the same if all have.
    controls, disturbances : list of int
    """

    whole: Treatment
    set: int
    matched: int
    paired: int
    controls: list[int] = field(default_factory=list)
    disturbances: list[int] = field(default_factory=list)


def columns_of(treatments: Sequence[Treatment]) -> dict[tuple[str, str], Columns]:
    """Find the treatments of every set and change: (set, change) → their places."""
    found: dict[tuple[str, str], Columns] = {}
    for place, treatment in enumerate(treatments):
        key = (treatment.chosen, treatment.change)
        if treatment.part == "set":
            found[key] = Columns(treatment, place, place, place)
        elif treatment.part == "matched":
            found[key].matched = place
        elif treatment.part == "paired":
            found[key].paired = place
        elif treatment.part == "control":
            found[key].controls.append(place)
        else:
            found[key].disturbances.append(place)
    return found


def _with_controls(
    name: str,
    change: str,
    chosen: pl.DataFrame,
    controls: Controls | None,
    changing: Changing,
    share: Share,
    each: int | None,
) -> Iterator[Treatment]:
    """All of a set, those with controls if that is another set, and every draw."""
    yield _treatment(name, change, "set", None, chosen, changing, share)
    if controls is None:
        return
    if 0 < controls.matched < chosen.height:
        yield _treatment(name, change, "matched", None, controls.with_controls(), changing, share)
    for draw, part in enumerate(share.split(controls.draws, each)):
        yield _treatment(name, change, "control", draw, controls.draw(draw), changing, part)


def _treatment(
    name: str,
    change: str,
    part: Part,
    draw: int | None,
    chosen: pl.DataFrame,
    changing: Changing,
    share: Share,
) -> Treatment:
    make, sites = changing(Selection.of(chosen)), chosen["site"].n_unique()
    return Treatment(name, change, part, draw, chosen.height, sites, make, share)


def _filling(fill: FillName, seed: int, observed: Observation) -> Changing:
    return lambda chosen: partial(repad, filters=chosen, fill=fill, seed=seed, observed=observed)


def _silencing(observed: Observation) -> Changing:
    return lambda chosen: partial(silence, selection=chosen, observed=observed)


def _disturbing(fill: FillName, seed: int, observed: Observation) -> Changing:
    return lambda chosen: partial(
        disturb_core, selection=chosen, fill=fill, seed=seed, observed=observed
    )


def _disturbances(
    name: str,
    fill: FillName,
    chosen: pl.DataFrame,
    observed: Observation,
    shares: Sequence[Share],
    seed: int,
) -> Iterator[Treatment]:
    roomy = [site.name for site in observed.sites if _has_room(site)]
    chosen = chosen.filter(pl.col("site").is_in(roomy))
    for draw, share in enumerate(shares if chosen.height else ()):
        changing = _disturbing(fill, seed + draw, observed)
        yield _treatment(name, refill(fill), "disturbance", draw, chosen, changing, share)


def _has_room(site: Site) -> bool:
    """Whether some outputs touch no padding."""
    return all(
        len({*before, *(size - 1 - line for line in after)}) < size
        for size, (before, after) in zip(site.map_size, site.contact, strict=True)
    )
