"""Planted networks of several layers, whose filters inherit signals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from padscope.planted.families import BLURS, FRAMES, PAIRS, SIGHTLESS, one_sided
from padscope.planted.kernels import (
    BOTTOM,
    CENTRE,
    CORNERS,
    LEFT,
    ONE_SIDED,
    RIGHT,
    TOP,
    across,
    grid,
    pointwise,
    taps,
)
from padscope.planted.layers import NONE, ONE, Filter, Layer, Mirror, copy_of, single
from padscope.planted.network import PlantedNetwork, plant
from padscope.planted.plant import INHERITED, INHIBITED, Cause


def inherited() -> PlantedNetwork:
    """Copy and mix the signals of a first layer, and make new ones."""
    # Channels: a tap for each side, 1 minus the top, the content.
    taps_first = (*single(one_sided(1)), Filter("top tap, offset", taps({TOP: -1.0})[None], 1.0))
    first = (*taps_first, Filter("centre tap", taps({CENTRE: 1.0})[None], dedicated=False))
    second = [copy_of(one, n, 6, (3, 3)) for n, one in enumerate(first)]
    top, left, content = 0, 2, 5
    made = {
        "inherited and own top": {top: taps({CENTRE: 1}), content: taps({TOP: 1, CENTRE: -2})},
        "inherited top, own left": {top: taps({CENTRE: 1}), content: taps({LEFT: 1, CENTRE: -2})},
        "own bottom": {content: taps({BOTTOM: 1})},
        "own right, inherited left": {left: taps({CENTRE: -1}), content: taps({RIGHT: 1})},
        "own frame": {content: grid("1 1 1 / 1 -8 1 / 1 1 1")},
    }
    second += [Filter(name, across(kernels, 6)) for name, kernels in made.items()]
    third = [copy_of(one, n, len(second), (1, 1)) for n, one in enumerate(second[:6])]
    mixed = {
        "top against bottom": {0: 1.0, 1: -1.0},
        "top and left": {0: 1.0, 2: 1.0, content: -2.0},
        "frame": {0: -1.0, 1: -1.0, 2: -1.0, 3: -1.0, content: 4.0},
    }
    third += [Filter(name, pointwise(weights, len(second))) for name, weights in mixed.items()]
    layers = [Layer(first, ONE), Layer(tuple(second), ONE), Layer(tuple(third), NONE)]
    return plant(layers)


def corners() -> PlantedNetwork:
    """Answer where two sides meet: an AND of two detectors, by bias and ReLU."""
    # 1 on the outermost line, and 0 inside for all images: they stay above 0.2.
    detectors = [
        Filter(f"{side} tap, offset", taps({tap: -5.0})[None], 1.0)
        for side, tap in ONE_SIDED.items()
    ]
    content = Filter("centre tap", taps({CENTRE: 1.0})[None], dedicated=False)
    channel = {side: n for n, side in enumerate(ONE_SIDED)}
    sums, ands = [], []
    for number, corner in enumerate(CORNERS):
        one, other = (channel[side] for side in corner.split("-"))
        # Above 0 only where both detectors are 1.
        weight = pointwise({one: 1.0, other: 1.0, 4: 0.1}, 5)
        sums.append(Filter(f"sum at {corner}", weight, -1.5))
        weight = pointwise({number: 2.0, 4: 0.2}, 5)
        ands.append(Filter(f"{corner} corner", weight, corners=frozenset({corner})))
    second = (*sums, Filter("copy of centre tap", pointwise({4: 1.0}, 5), dedicated=False))
    first = (*detectors, content)
    return plant([Layer(first, ONE), Layer(second, NONE), Layer(tuple(ands), NONE)])


def one_axis() -> PlantedNetwork:
    """Pad one axis at a time, after a layer without padding."""
    valid = single({"unpadded frame": FRAMES["frame"] + taps({CENTRE: 9.0})}, ["unpadded frame"])
    row = {
        "left tap": grid("1 0 0"), "right tap": grid("0 0 1"), "centre tap": grid("0 1 0"),
    }  # fmt: skip
    second = [
        Filter("own top", across({2: grid("1 / 0 / 0")}, 3)),
        Filter("copy of left tap", across({0: grid("0 / 1 / 0")}, 3)),
        Filter(
            "own bottom, inherited right", across({1: grid("0 / -1 / 0"), 2: grid("0 / 0 / 1")}, 3)
        ),
        Filter("copy of centre tap", across({2: grid("0 / 1 / 0")}, 3), dedicated=False),
    ]
    layers = [
        Layer(valid, NONE),
        Layer(single(row, SIGHTLESS), ((0, 0), (1, 1))),
        Layer(tuple(second), ((1, 1), (0, 0))),
    ]
    return plant(layers)


def depthwise() -> PlantedNetwork:
    """Read one channel each."""
    kernels = one_sided(1) | {
        "centre tap": taps({CENTRE: 1}),
        "centre tap, half": taps({CENTRE: 0.5}),
    }
    kernels |= {name: BLURS[name] for name in ("blur", "Gaussian")}
    kernels["top row"] = FRAMES["top row"]
    plain = {"centre tap", "centre tap, half", "blur", "Gaussian", "large Gaussian"}
    plain |= {"copy of blur", "copy of Gaussian"}
    binomial = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    second = {
        "copy of top tap": taps({(2, 2): 1}, (5, 5)),
        "copy of bottom tap, own top": taps({(2, 2): 1, (0, 2): -1}, (5, 5)),
        "inherited left, own top": taps({(0, 2): 1}, (5, 5)),
        "copy of right tap, negative": taps({(2, 2): -1}, (5, 5)),
        "own right": taps({(2, 4): 1}, (5, 5)),
        "large Gaussian": torch.outer(binomial, binomial),
        "copy of blur": taps({(2, 2): 1}, (5, 5)),
        "copy of Gaussian": taps({(2, 2): 1}, (5, 5)),
        "copy of top row": taps({(2, 2): 1}, (5, 5)),
    }
    layers = [
        Layer(single(kernels, plain), ONE, groups=3),
        Layer(single(second, plain), ((2, 2), (2, 2)), groups=9),
    ]
    return plant(layers, channels=3)


def dilated() -> PlantedNetwork:
    """Reach farther, so that several lines touch padding."""
    kernels = one_sided(1) | SIGHTLESS | {"top against bottom": PAIRS["top against bottom"]}
    kernels["frame blur"] = FRAMES["frame blur"]
    first = single(kernels, SIGHTLESS)
    second = [copy_of(one, n, len(first), (3, 3)) for n, one in enumerate(first[:5])]
    second.append(Filter("own left", across({4: taps({LEFT: 1.0})}, len(first))))
    layers = [
        Layer(first, ((3, 3), (3, 3)), dilation=3),
        Layer(tuple(second), ((2, 2), (2, 2)), dilation=2),
    ]
    return plant(layers)


def strided(size: int, padding: tuple[int, int]) -> PlantedNetwork:
    """Walk in steps of two, which may end short of the padding at the far sides."""
    kernels = one_sided(1) | one_sided(-1, ", negative") | FRAMES | SIGHTLESS
    first = single(kernels, SIGHTLESS)
    second = tuple(copy_of(one, n, len(first), (1, 1)) for n, one in enumerate(first[:4]))
    layers = [Layer(first, (padding, padding), stride=2), Layer(second, NONE)]
    return plant(layers, size=(size, size))


def mirrored(fill: Mirror) -> PlantedNetwork:
    """Miss the slope that mirrored and repeated values do not have."""
    slope = {"reflect": (-1, 0, 1), "replicate": (-1, 1, 0)}[fill]
    vertical, horizontal = torch.zeros(3, 3), torch.zeros(3, 3)
    vertical[:, 1] = horizontal[1] = torch.tensor(slope)
    ends = {"reflect": (("top", "bottom"), ("left", "right")), "replicate": (("top",), ("left",))}
    slopes = {
        "down": vertical, "up": -vertical, "rightwards": horizontal, "leftwards": -horizontal,
    }  # fmt: skip
    kernels = slopes | {"centre tap": taps({CENTRE: 1})} | one_sided(1)
    first, channels = single(kernels, (*slopes, "centre tap")), len(kernels)
    second = [
        Filter(name, pointwise({n: 1.0, n + 1: 1.0}, channels), known=tuple(_missing(sides)))
        for name, n, sides in zip(
            ("vertical slope", "horizontal slope"), (0, 2), ends[fill], strict=True
        )
    ]
    second.append(copy_of(first[4], 4, channels, (1, 1)))
    return plant([Layer(first, ONE, fill=fill), Layer(tuple(second), NONE)])


def _missing(sides: Sequence[str]) -> Iterator[Cause]:
    return (Cause(side, INHERITED, INHIBITED, 0) for side in sides)


def one_dimension() -> PlantedNetwork:
    """Watch the two ends of a signal."""
    rows = {
        "left tap": [1, 0, 0, 0, 0], "inner left tap": [0, 1, 0, 0, 0],
        "right tap, negative": [0, 0, 0, 0, -1], "both ends": [1, 0, -2, 0, 1],
        "left against right": [0, 1, 0, -1, 0], "blur": [0, 0.25, 0.5, 0.25, 0],
        "centre tap": [0, 0, 1, 0, 0],
    }  # fmt: skip
    kernels = {name: torch.tensor(row, dtype=torch.float32) for name, row in rows.items()}
    first = single(kernels, ("blur", "centre tap"))
    second = tuple(copy_of(first[n], n, len(first), (1,)) for n in (0, 1, 6))
    return plant([Layer(first, ((2, 2),)), Layer(second, ((0, 0),))], size=(64,))
