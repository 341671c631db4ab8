"""Scales with evenly spaced, round ticks, linear and logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from padscope.findings.words import number

STEPS = (1, 2, 2.5, 5, 10)
WIDE = 30  # values farther apart than by this factor are drawn on a logarithmic scale
MOST_TICKS = 5
MOST_DECADES = 7
TINY = 1e-300  # decades below it cannot be written as floats of full precision
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Scale:
    """From values to places between 0 and 1.

    Attributes
    ----------
    ticks : tuple of float
        Ascending; the first and the last one are the ends. Their places are evenly spaced.
    log : bool
        Whether places grow with the logarithm; 0 then lies at the lower end.
    """

    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value; those beyond an end lie at it.

        Examples
        --------
        >>> Scale((0.01, 0.1, 1.0), log=True).at(0.1), Scale((0.0, 2.0)).at(3.0)
        (0.5, 1.0)
        """
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            if value <= low:
                return 0.0
            place = math.log(value / low) / math.log(high / low)
        else:
            place = (value - low) / (high - low)
        return min(max(place, 0.0), 1.0)

    @property
    def labels(self) -> list[str]:
        """What stands at the ticks, to be multiplied by `factor`; some are blank if they are many.

        Examples
        --------
        >>> Scale((0.0, 5e-05, 0.0001)).labels, Scale((0.0001, 0.001), log=True).labels
        (['0', '0.5', '1'], ['10⁻⁴', '0.001'])
        """
        last = len(self.ticks) - 1
        every = 1 if last <= MOST_TICKS else 2
        write = _decade if self.log else self._number
        return [
            write(tick) if (last - place) % every == 0 else ""
            for place, tick in enumerate(self.ticks)
        ]

    @property
    def factor(self) -> str:
        """What to write behind a title if a linear scale is of very small or large numbers.

        Examples
        --------
        >>> Scale((0.0, 5e-05, 0.0001)).factor, Scale((0.0, 2.0)).factor
        (' (× 10⁻⁴)', '')
        """
        return f" (× {_ten_to(self._power)})" if self._power else ""

    @property
    def _power(self) -> int:
        power = math.floor(math.log10(max(map(abs, self.ticks))) + 1e-9)
        return 0 if self.log or abs(power) < 3 else power

    def _number(self, tick: float) -> str:
        return number(tick / 10.0**self._power)

    def ends(self, times: float = 1.0) -> list[str]:
        """Label the ends and 0 alone, in another unit, where there is little room."""
        kept = {self.ticks[0], 0.0, self.ticks[-1]}
        return [number(times * tick) if tick in kept else "" for tick in self.ticks]


def _decade(tick: float) -> str:
    """Write a decade, one far from 1 as a power of 10."""
    power = round(math.log10(tick))
    return _ten_to(power) if abs(power) > 3 else number(tick)


def _ten_to(power: int) -> str:
    return f"10{str(power).translate(SUPERSCRIPTS)}"


def linear(values: Iterable[float]) -> Scale:
    """Make a scale which holds all values and 0.

    Examples
    --------
    >>> linear([0.31, -0.07]).ticks
    (-0.1, 0.0, 0.1, 0.2, 0.3, 0.4)
    """
    known = [0.0, *(value for value in values if abs(value) > TINY)]
    low, high = min(known), max(known)
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / MOST_TICKS))
    # Past the ends by a rounding error is not past the ends.
    for step in (power * factor for factor in STEPS):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= MOST_TICKS or step == power * STEPS[-1]:
            break
    last = max(last, first + 1)
    return Scale(tuple(float(f"{step * place:.12g}") for place in range(first, last + 1)))


def logarithmic(values: Iterable[float]) -> Scale:
    """Make a scale of the whole decades of all positive values, at most `MOST_DECADES`.

    Examples
    --------
    >>> logarithmic([0.004, 0.2, 0.0]).ticks
    (0.001, 0.01, 0.1, 1.0)
    """
    positive = [value for value in values if value > TINY] or [1.0]
    first = math.floor(math.log10(min(positive)) + 1e-9)
    last = max(math.ceil(math.log10(max(positive)) - 1e-9), first + 1)
    # What is left of a change far from its cause is rounding.
    first = max(first, last - MOST_DECADES)
    return Scale(tuple(float(f"1e{power}") for power in range(first, last + 1)), log=True)


def fitting(values: Iterable[float]) -> Scale:
    """Make a logarithmic scale if the values are of very different sizes and one sign.

    Examples
    --------
    >>> fitting([0.01, 2.0]).log, fitting([0.5, 2.0]).log, fitting([-0.01, 2.0]).log
    (True, False, False)
    """
    known = list(values)
    positive = [value for value in known if value > TINY]
    wide = bool(positive) and max(positive) > WIDE * min(positive)
    return logarithmic(known) if wide and min(known) >= 0 else linear(known)
