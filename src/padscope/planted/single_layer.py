"""Planted networks of one layer."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from padscope.planted.canvases import HIGHEST
from padscope.planted.families import BLURS, FRAMES, PAIRS, SIGHTLESS, one_sided
from padscope.planted.kernels import (
    CENTRE,
    CORNERS,
    across,
    gabor,
    grid,
    taps,
)
from padscope.planted.layers import ONE, Filter, Layer, single
from padscope.planted.network import PlantedNetwork, plant


def sides() -> PlantedNetwork:
    """Watch single sides, pairs of them, or the frame; or see no side at all."""
    corner_taps = {f"{name} tap": taps({tap: 1.0}) for name, tap in CORNERS.items()}
    watching = one_sided(1) | one_sided(-1, ", negative") | corner_taps | PAIRS | FRAMES
    ordinary = SIGHTLESS | BLURS
    filters = single(watching | ordinary, ordinary)
    # In three channels: a third of the filters reads each.
    spread = (
        Filter(one.family, across({n % 3: one.weight[0]}, 3), dedicated=one.dedicated)
        for n, one in enumerate(filters)
    )
    return plant([Layer(tuple(spread), ONE)], channels=3)


def ordinary() -> PlantedNetwork:
    """Detect edges and waves, and so the edge that zeros make."""
    edges = {
        "Sobel, vertical": grid("-1 -2 -1 / 0 0 0 / 1 2 1"),
        "Sobel, horizontal": grid("-1 0 1 / -2 0 2 / -1 0 1"),
        "Prewitt": grid("1 1 1 / 0 0 0 / -1 -1 -1"),
        "diagonal edge": grid("-2 -1 0 / -1 0 1 / 0 1 2"),
        "Laplacian": grid("0 1 0 / 1 -4 1 / 0 1 0"),
        "texture": grid("1 -2 1 / -2 4 -2 / 1 -2 1"),
        "zero-mean 1": grid("3 1 2 / -1 -2 -3 / 2 -3 1"),
        "zero-mean 2": grid("-2 1 -3 / 1 4 2 / -3 2 -2"),
        "centre tap": taps({CENTRE: 1.0}),
    }
    framed = {name: F.pad(kernel, (2, 2, 2, 2)) for name, kernel in edges.items()}
    gabors = {
        f"Gabor {angle}°, odd": gabor(angle, phase=math.pi / 2) for angle in (0, 45, 90, 135)
    } | {f"Gabor {angle}°, even": gabor(angle, phase=0) for angle in (0, 90)}
    filters = single(framed | gabors, framed | gabors)
    return plant([Layer(filters, ((3, 3), (3, 3)))])


def padded_pointwise() -> PlantedNetwork:
    """Pad a 1×1 convolution: its outermost values are its bias."""
    kernels = {"1×1": grid("1"), "1×1, negative": grid("-1")}
    return plant([Layer(single(kernels, kernels), ONE)])


def filled(fill: float) -> PlantedNetwork:
    """Pad with a constant."""
    kernels = one_sided(1) | one_sided(-1, ", negative")
    if fill > HIGHEST:  # a fill like the images hides in all but single taps
        kernels |= PAIRS | FRAMES | BLURS
    filters = single(kernels | SIGHTLESS, BLURS | SIGHTLESS)
    return plant([Layer(filters, ONE, fill=fill)])


def transposed() -> PlantedNetwork:
    """Miss neighbours at the ends of a transposed convolution."""
    # Every output reads two of the four taps of an axis. The outermost one misses the last tap at
    # the near end, and the first tap at the far end.
    near, far = torch.tensor([0.0, 0, 0, 1]), torch.tensor([1.0, 0, 0, 0])
    inner, linear = torch.tensor([0.0, 1, 1, 0]), torch.tensor([0.25, 0.75, 0.75, 0.25])
    edge = torch.tensor([0.0, -1, 0, 1])
    kernels = {
        "top tap": torch.outer(near, inner),
        "bottom tap": torch.outer(far, inner),
        "left tap": torch.outer(inner, near),
        "right tap, negative": -torch.outer(inner, far),
        "top difference": torch.outer(edge, inner),
        "nearest neighbour": torch.outer(inner, inner),
        "linear interpolation": torch.outer(linear, linear),
    }
    layer = Layer(
        single(kernels, ("nearest neighbour", "linear interpolation")),
        ONE,
        stride=2,
        transposed=True,
    )
    return plant([layer], size=(16, 16))


def three_dimensions() -> PlantedNetwork:
    """Watch the six sides of a volume."""
    places = {
        "front": (0, 1, 1), "back": (2, 1, 1), "top": (1, 0, 1), "bottom": (1, 2, 1),
        "left": (1, 1, 0), "right": (1, 1, 2), "centre": (1, 1, 1),
    }  # fmt: skip
    size = (3, 3, 3)
    around: dict[tuple[int, ...], float] = dict.fromkeys(places.values(), 1.0)
    kernels = {f"{side} tap": taps({place: 1}, size) for side, place in places.items()}
    kernels["frame"] = taps(around | {places["centre"]: -6.0}, size)
    kernels["front against top"] = taps({places["front"]: 1, places["top"]: -1}, size)
    return plant([Layer(single(kernels, ["centre tap"]), ((1, 1),) * 3)], size=(16, 16, 16))
