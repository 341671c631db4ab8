"""Measures of how answers change, over images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from padscope.effects.classification import calibration_error
from padscope.effects.comparison import UNCHANGED
from padscope.effects.resampling import Bootstrap, Resampled, Statistic, means

FloatArray = NDArray[np.float64]
Places = NDArray[np.intp]

# In display order; all are differences from the unchanged answer. Whether more of it is better:
# None where neither is, or it is not known.
MEASURES: dict[str, bool | None] = {
    "kl": None, "flip": None, "confidence": None, "accuracy": True, "nll": False, "ece": False,
    "metric": None, "change": None,
}  # fmt: skip


def measured(rows: Mapping[str, Tensor], bootstrap: Bootstrap) -> dict[str, tuple[int, Resampled]]:
    """Take every measure over images.

    Parameters
    ----------
    rows : mapping
        Of `measurements.effects.TreatmentMeasurement`, for T treatments.
    bootstrap : Bootstrap

    Returns
    -------
    dict
        Measure → how many images it is of, and its (T,) values. Images for which it is NaN are left
        out, and measures that no image has.
    """
    found = {}
    for measure in MEASURES:
        made = _statistic(measure, rows)
        if made is None:
            continue
        per_image, statistic = made
        used = np.flatnonzero(np.isfinite(per_image).all(axis=1))
        if len(used):
            found[measure] = (len(used), bootstrap.of(statistic(used), used))
    return found


def _statistic(
    measure: str, rows: Mapping[str, Tensor]
) -> tuple[FloatArray, Callable[[Places], Statistic]] | None:
    """Values of each image under each treatment, and the statistic of those that are used."""
    if measure == "ece":
        return _calibration(rows) if "top" in rows else None
    if measure == "accuracy" and "correct" in rows:
        gained = (rows["correct"] - rows[f"{UNCHANGED}correct"][:, None]).double().numpy()
        return gained, lambda used: means(gained[used])
    if measure in rows:
        values = rows[measure].double().numpy()
        return values, lambda used: means(values[used])
    return None


def _calibration(rows: Mapping[str, Tensor]) -> tuple[FloatArray, Callable[[Places], Statistic]]:
    top, correct = (rows[name].double().numpy() for name in ("top", "correct"))
    base_top, base_correct = (
        rows[f"{UNCHANGED}{name}"].double().numpy() for name in ("top", "correct")
    )

    def of(used: Places) -> Statistic:
        def change(weights: FloatArray) -> FloatArray:
            base = calibration_error(base_top[used], base_correct[used], weights=weights)
            treated = [
                calibration_error(top[used, place], correct[used, place], weights=weights)
                for place in range(top.shape[1])
            ]
            return np.stack(treated, axis=-1) - base[:, None]

        return change

    return correct, of
