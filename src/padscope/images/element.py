"""What inputs consist of, by their number of spatial axes: samples, pixels or voxels."""

from __future__ import annotations

_NAMES = {1: ("sample", "samples"), 2: ("px", "px"), 3: ("voxel", "voxels")}


def elements(axes: int) -> str:
    """Name the elements of inputs with 1, 2 or 3 spatial axes.

    Examples
    --------
    >>> elements(1), elements(2)
    ('samples', 'pixels')
    """
    return "pixels" if axes == 2 else _NAMES[axes][1]


def told_length(length: float, axes: int) -> str:
    """Write a length along one of an input's axes.

    Examples
    --------
    >>> told_length(1, 1), told_length(2.5, 2), told_length(16, 3)
    ('1 sample', '2.5 px', '16 voxels')
    """
    one, many = _NAMES[axes]
    return f"{length:g} {one if length == 1 else many}"
