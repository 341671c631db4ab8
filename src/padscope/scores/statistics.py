"""What is told of a border beside its core: one table, each entry a number per filter and side.

Every entry is a column of the tables of sides and filters, and ``causal_`` and its name another, of
the border with padding beside the same border with real surroundings, unless it is of the core
alone. What is listed is on the page's cards, in its menu and in the terminal too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from padscope.errors import PadscopeError, brief
from padscope.plugins import complete
from padscope.scores.distance import Counts, ks_bound, polarity_of
from padscope.scores.recall import border_recall, recall_bound
from padscope.tallies.names import BINS, CENTRE

FloatArray = NDArray[np.float64]
Values = dict[str, FloatArray]  # by the names of statistics


@dataclass(frozen=True)
class Statistic:
    """How a border differs from its core, as a number.

    Attributes
    ----------
    of : callable
        Takes `Counts` of (..., B) arrays, gives the (...) values; NaN is no value.
    title : str
        Its name for people.
    meaning : str
        What it is, in half a sentence.
    unit : str
        "" if it has none.
    bounds : (float or None, float or None)
        Least and greatest value there can be; None where there is no such end.
    words : callable, optional
        Puts a value into words, instead of its number and unit.
    listed : bool
        Whether it is listed beside the KS; KS, recall and their bounds have places of their own.
    of_core : bool
        Whether it is of a border beside a core only: no ``causal_`` column.
    interval : bool
        Whether it has an interval over images: columns ``…_low`` and ``…_high``.
    """

    of: Callable[[Counts], FloatArray]
    title: str
    meaning: str
    unit: str = ""
    bounds: tuple[float | None, float | None] = (0.0, 1.0)
    words: Callable[[float], str] | None = None
    listed: bool = True
    of_core: bool = False
    interval: bool = False

    @property
    def share(self) -> bool:
        """Whether all values lie in [0, 1], so that two decimals tell them apart."""
        return self.bounds == (0, 1)

    def write(self, value: float | None) -> str:
        """Write a value and its unit.

        Examples
        --------
        >>> Statistic(polarity, "", "").write(0.25)
        '0.25'
        >>> Statistic(polarity, "", "", "spreads", (None, None)).write(-12.345)
        '−12.3 spreads'
        """
        if value is None:
            return "–"
        number = f"{value:.2f}" if self.share else f"{value:.3g}"
        return f"{number.replace('-', '−')} {self.unit}".rstrip()

    def say(self, value: float | None) -> str:
        """Put a value into words."""
        return self.words(value) if self.words and value is not None else self.write(value)


def polarity(counts: Counts) -> FloatArray:
    """Take `polarity_of` counts."""
    return polarity_of(counts.border, counts.core)


def _sign(above: float) -> str:
    sign = "excited" if above > 0.5 else "inhibited" if above < 0.5 else "neither"
    return f"{sign}, P(border > core) = {above:.2f}"


STATISTICS: dict[str, Statistic] = {
    "ks": Statistic(
        lambda counts: counts.ks,
        "KS",
        "greatest gap between the two cumulative distributions",
        listed=False,
        interval=True,
    ),
    "ks_bound": Statistic(
        lambda counts: ks_bound(counts, single=CENTRE),
        "bound of the KS",
        "how much larger the exact KS can be",
        listed=False,
    ),
    "polarity": Statistic(
        polarity,
        "P(border > core)",
        "how often the border has the higher value; ½ is neither",
        words=_sign,
    ),
    "border_recall": Statistic(
        border_recall,
        "border recall",
        "share of the border beyond a threshold that 1 % of the core exceeds",
        listed=False,
        of_core=True,
        interval=True,
    ),
    "border_recall_bound": Statistic(
        recall_bound,
        "bound of the border recall",
        "how far the exact recall can lie from it",
        listed=False,
        of_core=True,
    ),
}
STATISTICS_GROUP = "padscope.statistics"


def known_statistics() -> dict[str, Statistic]:
    """Return `STATISTICS` and what installed packages add to them.

    Raises
    ------
    PadscopeError
        A package cannot be imported, or adds something that is no statistic of counts.
    """
    known = complete(STATISTICS, STATISTICS_GROUP)
    for name, statistic in known.items():
        if not isinstance(statistic, Statistic) or not name.isidentifier():
            raise PadscopeError(
                f"{name!r} among the statistics is {type(statistic).__name__}: give a "
                "padscope.scores.Statistic, under a name that can be a column name"
            )
    # Tried here, and not only when all images are counted.
    measure(known, Counts(np.ones((2, 1, BINS), np.int32), np.ones((1, BINS), np.int32)))
    return {name: known[name] for name in (*STATISTICS, *sorted(known.keys() - STATISTICS.keys()))}


def listed_statistics(columns: Iterable[str]) -> dict[str, Statistic]:
    """Return those that stand beside the KS, of a table that has these columns."""
    held = set(columns)
    return {
        name: statistic
        for name, statistic in known_statistics().items()
        if statistic.listed and name in held
    }


def measure(statistics: Mapping[str, Statistic], counts: Counts) -> Values:
    """Work out every statistic of (..., B) counts.

    Raises
    ------
    PadscopeError
        One fails, or gives something else than a number for each pair.
    """
    values = {}
    shape = np.broadcast_shapes(counts.border.shape[:-1], counts.core.shape[:-1])
    for name, statistic in statistics.items():
        try:
            found = np.asarray(statistic.of(counts), dtype=np.float64)
        except Exception as error:  # it may be somebody else's code
            raise PadscopeError(f"the statistic {name!r} failed with {brief(error)}") from error
        if found.shape != shape:
            raise PadscopeError(
                f"the statistic {name!r} gave an array of {found.shape} for counts of "
                f"{(*shape, counts.border.shape[-1])}: it must leave out the last axis alone"
            )
        values[name] = np.where(np.isfinite(found), found, np.nan)
    return values
