"""How well scores of a detector agree with the truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from padscope.errors import PadscopeError
from padscope.planted.network import PlantedNetwork
from padscope.planted.plant import Plant
from padscope.regions import sides_of

Place = tuple[str, int, str]  # site, filter, side or corner


@dataclass(frozen=True)
class Judgement:
    """Scores beside the truth.

    Attributes
    ----------
    precision, recall : float
        At the cut; 1 if nothing was found, or if there was nothing to find.
    largest_negative, smallest_positive : float
        Extremes of the measured scores; 0 and 1 if there is no score of the kind.
    separating : float or None
        A cut at which precision and recall are 1, midway between these; None if there is none.
    missed, wrong : tuple of (str, int, str)
        Places of truths under the cut or without a score, and of false finds.
    """

    precision: float
    recall: float
    largest_negative: float
    smallest_positive: float
    separating: float | None
    missed: tuple[Place, ...]
    wrong: tuple[Place, ...]


def judge(network: PlantedNetwork, causal: Mapping[Place, float], cut: float) -> Judgement:
    """Compare scores with the truth about a planted network.

    Faint sides are left out. A side that padding changes but that has no score, or NaN, is missed.
    Corners are judged where scores of them are given, and only of filters without a side there.

    Parameters
    ----------
    network : PlantedNetwork
    causal : mapping
        Score by site, filter and side (``top``) or corner (``top-left``).
    cut : float
        Scores from here on count as found.

    Raises
    ------
    PadscopeError
        A score is of a filter or side that the network does not have.
    """
    truth = dict(_truth(network))
    if strangers := sorted(set(causal) - set(truth)):
        raise PadscopeError(f"the planted network has no {strangers[0]}; give its own filters")
    scores = {
        place: causal.get(place, math.nan) for place, seen in truth.items() if seen is not None
    }
    wanted = {p for p in scores if truth[p] and (p in causal or p[2] in network.sides)}
    found = {place for place, score in scores.items() if score >= cut}
    negatives = [s for p, s in scores.items() if not truth[p] and not math.isnan(s)]
    positives = [s for p, s in scores.items() if truth[p] and not math.isnan(s)]
    low, high = max(negatives, default=0.0), min(positives, default=1.0)
    complete = all(not math.isnan(scores[place]) for place in wanted)
    return Judgement(
        len(found & wanted) / len(found) if found else 1.0,
        len(found & wanted) / len(wanted) if wanted else 1.0,
        low,
        high,
        (low + high) / 2 if low < high and complete else None,
        tuple(sorted(wanted - found)),
        tuple(sorted(found - wanted)),
    )


def _truth(network: PlantedNetwork) -> Iterator[tuple[Place, bool | None]]:
    """Every place that can have a score: seen, not seen, or None for neither."""
    sides = sides_of(len(network.size))
    corners = [(a.name, b.name) for a in sides for b in sides if a.axis < b.axis]
    for plant in network.plants:
        for side in network.sides:
            yield (plant.site, plant.filter, side), _seen_at(plant, side)
        for pair in corners:
            corner = "-".join(pair)
            seen = [_seen_at(plant, side) for side in pair]
            answer = None if seen != [False, False] else corner in plant.corners
            yield (plant.site, plant.filter, corner), answer


def _seen_at(plant: Plant, side: str) -> bool | None:
    return None if side in plant.faint else side in plant.sides
