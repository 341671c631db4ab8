"""How fills are named: what a pad holds, and how those that come with the library are told of."""

from __future__ import annotations

import math
from collections.abc import Iterable

ZEROS = "zeros"
_CONSTANT = "constant "
_FLOAT32 = 2**-24  # up to which float32 tells numbers apart, relative to them

# Completes "padding is refilled …".
FILL_WORDS = {
    "reflect": "by reflection",
    "replicate": "with its last values",
    "circular": "from the opposite side",
    "zeros": "with zeros",
    "mean": "with its channel's mean",
    "panorama": "from the opposite side, along the last axis alone",
    "shuffle": "with the border of another image",
    "core": "with values of the core",
}
PARTIAL = "partial"  # no fill: windows that touch zeros are scaled up to full ones
FILLS_GROUP = "padscope.fills"


def describe_fill(mode: str, value: float | None) -> str:
    """Name what a pad writes, such as ``zeros``, ``constant 0.5``, ``-inf`` or ``reflect``."""
    if mode != "constant":
        return mode
    if not value:
        return ZEROS
    if value == -math.inf:
        return "-inf"
    short = f"{value:g}"
    told = math.isclose(float(short), value, rel_tol=_FLOAT32) or math.isnan(value)
    return f"{_CONSTANT}{short if told else f'{value:.9g}'}"


def constant_value(fill: str) -> float | None:
    """Value that a fill holds everywhere; None if it holds several, or what depends on the input.

    Examples
    --------
    >>> [constant_value(fill) for fill in ("zeros", "constant 0.5", "-inf", "reflect")]
    [0.0, 0.5, -inf, None]
    >>> constant_value("constant 0.5 + zeros") is None
    True
    """
    if fill == ZEROS:
        return 0.0
    try:
        return float(fill.removeprefix(_CONSTANT))
    except ValueError:
        return None


def join_fills(fills: Iterable[str]) -> str:
    """Join the fills of nested pads, innermost first, each once."""
    return " + ".join(dict.fromkeys(fills))
