"""The ends of a map's axes, by name."""

from __future__ import annotations

from dataclasses import dataclass

# First and last end of each axis, outermost axis first. 2D maps are (height, width).
_NAMES = {
    1: (("start", "end"),),
    2: (("top", "bottom"), ("left", "right")),
    3: (("front", "back"), ("top", "bottom"), ("left", "right")),
}


@dataclass(frozen=True)
class Side:
    """One end of one spatial axis.

    Attributes
    ----------
    name : str
        ``top``, ``bottom``, ``left``, ``right`` in 2D; in 3D also ``front`` and ``back``; in 1D
        ``start`` and ``end``.
    axis : int
        Spatial axis, 0 first.
    far : bool
        Whether it is the axis's last end.
    """

    name: str
    axis: int
    far: bool


def sides_of(dims: int) -> tuple[Side, ...]:
    """Sides of a map with 1, 2 or 3 spatial axes.

    Examples
    --------
    >>> [side.name for side in sides_of(2)]
    ['top', 'bottom', 'left', 'right']
    """
    return tuple(
        Side(name, axis, bool(end))
        for axis, ends in enumerate(_NAMES[dims])
        for end, name in enumerate(ends)
    )
