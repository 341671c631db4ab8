"""Treatments: what is done to a network, to which filters, and beside which controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import polars as pl
from torch import nn

from padscope.interventions.controls import Controls
from padscope.interventions.fills import FillName
from padscope.interventions.intervention import Intervention
from padscope.interventions.interventions import disturb_core, repad, silence
from padscope.interventions.selection import Selection
from padscope.interventions.sets import ALL_PADDING, RECOGNISING_SET, headline_of
from padscope.sites import Observation, Site

# Of one set and change: all its filters; those of them that have controls, if not all have, and
# likewise partners; a draw of controls; and what the change does at the border of all of them, put
# into the core.
Part = Literal["set", "matched", "paired", "control", "disturbance"]
Make = Callable[[nn.Module], Intervention]
Changing = Callable[[Selection], Make]

SILENCE = "silence"
SECOND_FILL = "replicate"


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
    """

    chosen: str
    change: str
    part: Part
    draw: int | None
    filters: int
    sites: int
    make: Make

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
) -> tuple[Treatment, ...]:
    """List what is done to sets of filters, set by set, and last to all padding.

    Parameters
    ----------
    sets : mapping
        Name → ``site`` and ``filter``, from `named_sets`.
    controls : mapping
        Name → controls of the set.
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

    Returns
    -------
    tuple of Treatment
        Every set is refilled with `fill`, with its controls. The set that use is judged by (see
        `padscope.interventions.sets.HEADLINES`) is also refilled by replication, with its controls,
        and its core is disturbed where there is one. Recognising filters are also silenced, with
        their controls; and those that have partners are refilled alone, unless all have.
    """
    listed: list[Treatment] = []
    for name, chosen in sets.items():
        beside = controls[name]
        listed += _with_controls(name, refill(fill), chosen, beside, _filling(fill, seed, observed))
        if name == headline_of(sets):
            listed += _disturbances(name, fill, chosen, observed, disturbances, seed)
            if fill != SECOND_FILL:
                again = _filling(SECOND_FILL, seed, observed)
                listed += _with_controls(name, refill(SECOND_FILL), chosen, beside, again)
        if name == RECOGNISING_SET:
            if partners and 0 < partners.matched < chosen.height:
                paired, filling = partners.with_controls(), _filling(fill, seed, observed)
                listed.append(_treatment(name, refill(fill), "paired", None, paired, filling))
            listed += _with_controls(name, SILENCE, chosen, beside, _silencing(observed))
    everywhere = [site.filters for site in observed.sites if site.filters]
    undone = _filling(fill, seed, observed)(Selection())
    listed.append(
        Treatment(ALL_PADDING, refill(fill), "set", None, sum(everywhere), len(everywhere), undone)
    )
    return tuple(listed)


def dose_treatments(
    chosen: pl.DataFrame,
    controls: Controls,
    observed: Observation,
    *,
    fill: FillName,
    seed: int,
) -> tuple[Treatment, ...]:
    """List the refilling of the strongest 1, 2, 4, … and of all filters of a set.

    Parameters
    ----------
    chosen : polars.DataFrame
        ``site`` and ``filter``, strongest first.
    controls : Controls
        Of all of them. The first of each draw stand for the first filters.
    observed, fill, seed
        As of `set_treatments`.
    """
    doses = [2**power for power in range(chosen.height.bit_length())]
    listed: list[Treatment] = []
    for dose in dict.fromkeys([*doses, chosen.height] if chosen.height else []):
        first = chosen.head(dose)
        filling = _filling(fill, seed, observed)
        listed += _with_controls(
            f"strongest {dose}", refill(fill), first, controls.first(dose), filling
        )
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
    name: str, change: str, chosen: pl.DataFrame, controls: Controls, changing: Changing
) -> Iterator[Treatment]:
    """All of a set, those with controls if that is another set, and every draw."""
    yield _treatment(name, change, "set", None, chosen, changing)
    if 0 < controls.matched < chosen.height:
        yield _treatment(name, change, "matched", None, controls.with_controls(), changing)
    for draw in range(controls.draws):
        yield _treatment(name, change, "control", draw, controls.draw(draw), changing)


def _treatment(
    name: str, change: str, part: Part, draw: int | None, chosen: pl.DataFrame, changing: Changing
) -> Treatment:
    make = changing(Selection.of(chosen))
    return Treatment(name, change, part, draw, chosen.height, chosen["site"].n_unique(), make)


def _filling(fill: FillName, seed: int, observed: Observation) -> Changing:
    return lambda chosen: partial(repad, filters=chosen, fill=fill, seed=seed, observed=observed)


def _silencing(observed: Observation) -> Changing:
    return lambda chosen: partial(silence, selection=chosen, observed=observed)


def _disturbing(fill: FillName, seed: int, observed: Observation) -> Changing:
    return lambda chosen: partial(
        disturb_core, selection=chosen, fill=fill, seed=seed, observed=observed
    )


def _disturbances(
    name: str, fill: FillName, chosen: pl.DataFrame, observed: Observation, draws: int, seed: int
) -> Iterator[Treatment]:
    roomy = [site.name for site in observed.sites if _has_room(site)]
    chosen = chosen.filter(pl.col("site").is_in(roomy))
    for draw in range(draws if chosen.height else 0):
        changing = _disturbing(fill, seed + draw, observed)
        yield _treatment(name, refill(fill), "disturbance", draw, chosen, changing)


def _has_room(site: Site) -> bool:
    """Whether some outputs touch no padding."""
    return all(
        len({*before, *(size - 1 - line for line in after)}) < size
        for size, (before, after) in zip(site.map_size, site.contact, strict=True)
    )
