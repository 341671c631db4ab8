"""How deep padding reaches, beside how deep it can, as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from padscope.regions.sides import Side, sides_of
from padscope.tables.schema import DEPTH_CURVES, DEPTHS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from padscope.effects.resampling import Bootstrap, FloatArray
    from padscope.sites.depth_bounds import Bound, MapBounds


@dataclass(frozen=True)
class MeasuredMap:
    """What was measured of a map.

    Attributes
    ----------
    name : str
    stride : tuple of Fraction
        Input pixels per position, per axis.
    lines : mapping
        Axis → (n, lines) mean difference of each line, from the first end to the last.
    bounds : MapBounds or None
        How far padding can reach into it; None if that is not known.
    """

    name: str
    stride: tuple[Fraction, ...]
    lines: Mapping[int, FloatArray]
    bounds: MapBounds | None


def depth_tables(
    maps: Sequence[MeasuredMap], tolerance: float, bootstrap: Bootstrap
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return how deep padding reaches into each map from each side, and the curves behind it.

    Columns are those of `schema.DEPTHS` and `schema.DEPTH_CURVES`. Lines are looked at up to half
    the map, or up to where padding of the other end can reach. For the bound see
    `sites.depth_bounds`.
    """
    found, curves = [], []
    for each in maps:
        for side in sides_of(len(each.stride)):
            bound = each.bounds.ends[side.axis, side.far] if each.bounds else None
            lines = _looked_at(each, side)
            used = np.flatnonzero(np.isfinite(lines).all(axis=1))
            if not len(used) or not lines.shape[1]:
                continue
            stride = each.stride[side.axis]
            row, curve = _row(lines[used], used, stride, bound, tolerance, bootstrap)
            found.append({"map": each.name, "side": side.name, **row})
            curves += [{"map": each.name, "side": side.name, **point} for point in curve]
    return DEPTHS.frame(found), DEPTH_CURVES.frame(curves)


def _looked_at(each: MeasuredMap, side: Side) -> FloatArray:
    """Lines from one side on, as far as padding of the other end is not in the way."""
    lines = each.lines[side.axis]
    count = lines.shape[1]
    most = half = -(-count // 2)
    if each.bounds:
        own, other = (each.bounds.ends[side.axis, far].lines for far in (side.far, not side.far))
        free = 0 if other is None else count - other
        if free >= half or (own is not None and 0 < free >= own):
            most = free
    seen: FloatArray = lines[:, ::-1] if side.far else lines
    return seen[:, :most]


def _depth(curve: FloatArray, tolerance: float) -> NDArray[np.int64]:
    """Count the lines behind which curves (…, lines) stay below a tolerance.

    Examples
    --------
    >>> _depth(np.array([[0.5, 0.0, 0.02, 0.001], [0.0, 0.0, 0.0, 0.0]]), 0.01).tolist()
    [3, 0]
    """
    differs = curve >= tolerance
    last = curve.shape[-1] - np.argmax(differs[..., ::-1], axis=-1)
    return np.where(differs.any(axis=-1), last, 0)


def _row(
    lines: FloatArray,
    used: NDArray[np.intp],
    stride: Fraction,
    bound: Bound | None,
    tolerance: float,
    bootstrap: Bootstrap,
) -> tuple[dict[str, object], list[dict[str, float]]]:
    def depths(weights: FloatArray) -> FloatArray:
        mean = weights @ lines / weights.sum(axis=1, keepdims=True)
        reached: FloatArray = _depth(mean, tolerance) * np.float64(stride)
        return reached

    resampled = bootstrap.of(depths, used)
    low, high = (None if np.isnan(end) else float(end) for end in resampled.interval())
    mean, largest = lines.mean(axis=0), lines.max(axis=0)
    count, pixels = lines.shape[1], float(stride)
    depth = float(resampled.value)
    row: dict[str, object] = {
        "stride": pixels, "lines": count, "depth": depth, "low": low, "high": high,
        "within": depth < count * pixels, "largest": float(_depth(largest, tolerance) * pixels),
        "images": len(used), "photographs": resampled.groups,
    }  # fmt: skip
    if bound is not None:
        reach = None if bound.pixels is None else float(bound.pixels)
        row |= {"bound": reach, "status": bound.status, "reason": bound.reason,
                "ratio": depth / reach if reach else None}  # fmt: skip
    curve = [
        {"distance": place * pixels, "mean": mean[place], "p95": p95, "largest": largest[place]}
        for place, p95 in enumerate(np.quantile(lines, 0.95, axis=0))
    ]
    return row, curve
