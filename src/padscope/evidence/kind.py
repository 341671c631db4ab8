"""Kinds of padding-aware filters: which sides they tell apart, and in which direction.

A side is active if its causal KS is high in itself and beside the filter's strongest side. The
second condition makes kinds repeat on other images: a fixed cut alone splits sides that differ
little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from padscope.counts import plural
from padscope.evidence.causes import CONFIRMED, GREY

if TYPE_CHECKING:
    from padscope.regions import Side

ACTIVE_SHARE = 0.6  # of the strongest side's causal KS

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Kinds:
    """Kinds of C filters over S sides.

    Attributes
    ----------
    kind : (C,) array of str
        One of `KINDS`, or empty. ``corner`` is provisional: a corner is few positions, and in one
        network measured only 60 % of such filters were found again with other images.
    active : (S, C) bool array
        The sides that a filter answers to; none for ``corner`` and for filters without a kind.
    sign : (C,) array of str
        ``excited`` or ``inhibited`` if padding raises or lowers the activations at all active
        sides, else ``mixed``; empty where no side is active.
    """

    kind: NDArray[np.str_]
    active: BoolArray
    sign: NDArray[np.str_]


@dataclass(frozen=True)
class _ActiveSet:
    """What the rules look at.

    Attributes
    ----------
    sides, axes : (C,) int64 array
        How many sides are active, and on how many axes.
    opposed : (C,) bool array
        Whether one active side is excited and another inhibited.
    corner : (C,) bool array
        Whether a corner alone answers.
    all_sides, all_axes : int
        How many sides the map has, and on how many axes.
    """

    sides: NDArray[np.int64]
    axes: NDArray[np.int64]
    opposed: BoolArray
    corner: BoolArray
    all_sides: int
    all_axes: int


# In display order. The first rule that holds names the kind.
_RULES: tuple[tuple[str, Callable[[_ActiveSet], BoolArray]], ...] = (
    ("single", lambda a: a.sides == 1),
    ("opposite-same", lambda a: (a.sides == 2) & (a.axes == 1) & ~a.opposed),
    ("opposite-opposed", lambda a: (a.sides == 2) & (a.axes == 1)),
    ("adjacent", lambda a: a.sides == 2),
    ("three", lambda a: a.sides == 3),
    ("frame", lambda a: (a.sides == a.all_sides) & (a.all_axes > 1)),
    ("several", lambda a: a.sides > 3),
    ("corner", lambda a: a.corner),
)
KINDS = tuple(name for name, _ in _RULES)


def classify(
    causal: ArrayLike,
    polarity: ArrayLike,
    sides: tuple[Side, ...],
    corner: ArrayLike | None = None,
) -> Kinds:
    """Name the kind of every filter.

    Parameters
    ----------
    causal : (S, C) array
        Causal KS of C filters at S sides, in [0, 1]; NaN where unmeasured, which is never active.
    polarity : (S, C) array
        P(padded > real) + P(padded = real) / 2 of the same activations.
    sides : tuple of Side
        The S sides that the map has.
    corner : (C,) array, optional
        Each filter's greatest causal KS at a corner; NaN where unmeasured.

    Returns
    -------
    Kinds
        A filter has active sides if its strongest reaches `CONFIRMED`: all sides from the greater
        of `GREY` and `ACTIVE_SHARE` of the strongest on. It is ``corner`` if its strongest side is
        below `GREY` and a corner reaches `CONFIRMED`. Otherwise it has no kind.

    Raises
    ------
    ValueError
        `causal` and `polarity` are not both of S rows and C columns.

    Notes
    -----
    ``opposite`` kinds are both ends of one axis, ``opposed`` if one is excited and the other
    inhibited; ``adjacent`` are two sides of different axes; ``frame`` is all sides of a map with
    two axes or more; ``several``, in 3D only, is four or five sides. A polarity of exactly ½ is
    neither excited nor inhibited: it makes the sign ``mixed``, but opposes nothing.

    Examples
    --------
    >>> from padscope.regions import sides_of
    >>> kinds = classify([[0.9, 0.6], [0.1, 0.5]], [[0.9, 0.8], [0.5, 0.1]], sides_of(1))
    >>> kinds.kind.tolist(), kinds.sign.tolist()
    (['single', 'opposite-opposed'], ['excited', 'mixed'])
    """
    causal, polarity = np.asarray(causal, dtype=np.float64), np.asarray(polarity)
    if causal.ndim != 2 or causal.shape != polarity.shape or len(causal) != len(sides):
        raise ValueError(
            f"causal {causal.shape} and polarity {polarity.shape} need a row for each of "
            f"{plural(len(sides), 'side')}"
        )
    strongest = np.fmax.reduce(causal, axis=0, initial=np.nan)
    cut = np.maximum(GREY, ACTIVE_SHARE * strongest)
    active = (strongest >= CONFIRMED) & (causal >= cut)
    excited, inhibited = active & (polarity > 0.5), active & (polarity < 0.5)
    axes = [side.axis for side in sides]
    found = _ActiveSet(
        sides=active.sum(axis=0),
        axes=_touched_axes(active, axes),
        opposed=excited.any(axis=0) & inhibited.any(axis=0),
        corner=_corner_alone(strongest, corner),
        all_sides=len(sides),
        all_axes=len(set(axes)),
    )
    kind = np.select([holds(found) for _, holds in _RULES], KINDS, "")
    return Kinds(kind, active, _signs(active, excited, inhibited))


def _touched_axes(active: BoolArray, axes: list[int]) -> NDArray[np.int64]:
    """How many axes have an active side."""
    of_axis = [active[np.equal(axes, axis)].any(axis=0) for axis in range(max(axes, default=0) + 1)]
    count: NDArray[np.int64] = np.sum(of_axis, axis=0, dtype=np.int64)
    return count


def _corner_alone(strongest: NDArray[np.float64], corner: ArrayLike | None) -> BoolArray:
    """Whether no side answers, but a corner does. NaN compares as false: nothing is assumed."""
    if corner is None:
        return np.zeros(len(strongest), dtype=np.bool_)
    return (strongest < GREY) & (np.asarray(corner) >= CONFIRMED)


def _signs(active: BoolArray, excited: BoolArray, inhibited: BoolArray) -> NDArray[np.str_]:
    conditions = [
        ~active.any(axis=0),
        (excited == active).all(axis=0),
        (inhibited == active).all(axis=0),
    ]
    return np.select(conditions, ["", "excited", "inhibited"], "mixed")
