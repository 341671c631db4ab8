"""Measures of how answers change, over images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from padscope.effects.classification import calibration_error
from padscope.effects.comparison import UNCHANGED
from padscope.effects.resampling import Statistic, means

FloatArray = NDArray[np.float64]
Places = NDArray[np.intp]

# In display order; all are differences from the unchanged answer. Whether more of it is better:
# None where neither is, or it is not known.
MEASURES: dict[str, bool | None] = {
    "kl": None, "flip": None, "confidence": None, "accuracy": True, "nll": False, "ece": False,
    "metric": None, "change": None,
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What a measure says of every image under T treatments.

    Attributes
    ----------
    name : str
        One of `MEASURES`.
    values : (n, T) float64 array
        NaN of images that a treatment is not done to, and of those for which it is undefined.
    tops : (n, T) float64 array or None
        Of calibration, whose values are whether answers are right: their confidence.
    base : pair of (n,) float64 arrays or None
        Likewise: whether the unchanged answers are right, and their confidence.
    """

    name: str
    values: FloatArray
    tops: FloatArray | None = None
    base: tuple[FloatArray, FloatArray] | None = None

    def used(self, columns: Sequence[int]) -> Places:
        """Places of the images that these treatments are all done to."""
        return np.flatnonzero(np.isfinite(self.values[:, columns]).all(axis=1))

    def columns(self, columns: Sequence[int]) -> Measured:
        """Select treatments."""
        tops = None if self.tops is None else self.tops[:, columns]
        return Measured(self.name, self.values[:, columns], tops, self.base)

    def in_turn(self, columns: Sequence[int], used: Places) -> Measured:
        """Put together columns of which every image has a value, of treatments that few are given.

        The first column has the first of these treatments that an image is given, and so on, as
        many as the image with the most of them is given; who has fewer begins again.
        """
        given = np.isfinite(self.values[:, columns])
        counts = np.maximum(given.sum(axis=1), 1)[:, None]
        order = np.argsort(~given, axis=1, kind="stable")  # those that are given come first
        turns = np.arange(counts[used].max() if len(used) else 0)
        taken = np.asarray(columns)[np.take_along_axis(order, turns % counts, axis=1)]
        tops = None if self.tops is None else np.take_along_axis(self.tops, taken, axis=1)
        return Measured(self.name, np.take_along_axis(self.values, taken, axis=1), tops, self.base)

    def over(self, used: Places) -> Statistic:
        """Return the statistic of these images: from (R, n) weights to (R, T) values."""
        if self.tops is None or self.base is None:
            return means(self.values[used])
        values, tops = self.values[used], self.tops[used]
        base_values, base_tops = (part[used] for part in self.base)

        def change(weights: FloatArray) -> FloatArray:
            base = calibration_error(base_tops, base_values, weights=weights)
            treated = [
                calibration_error(tops[:, place], values[:, place], weights=weights)
                for place in range(values.shape[1])
            ]
            return np.stack(treated, axis=-1) - base[:, None]

        return change


def measured(rows: Mapping[str, Tensor]) -> Iterator[Measured]:
    """Give every measure that any image has, in display order.

    Parameters
    ----------
    rows : mapping
        Of `measurements.effects.TreatmentMeasurement`, for T treatments.
    """
    arrays = {name: values.double().numpy() for name, values in rows.items()}
    for name in MEASURES:
        found = _measure(name, arrays)
        if found is not None and np.isfinite(found.values).any():
            yield found


def _measure(name: str, rows: Mapping[str, FloatArray]) -> Measured | None:
    """Give one measure, if the rows have it."""
    if name in ("accuracy", "ece") and "correct" in rows:
        base = rows[f"{UNCHANGED}correct"], rows[f"{UNCHANGED}top"]
        if name == "ece":
            return Measured(name, rows["correct"], rows["top"], base)
        return Measured(name, rows["correct"] - base[0][:, None])
    return Measured(name, rows[name]) if name in rows else None
