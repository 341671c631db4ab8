"""The planted truth beside slow measurements, made with nothing of padscope."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.planted import Judgement, PlantedNetwork, judge, networks
from padscope.regions import Side, sides_of
from padscope.sites import Call, Interception, find_sites

NETWORKS = networks()
IMAGES = 64
NEAR_CORNERS = 4  # positions of a line that another side may reach
CUT = 0.3  # between the largest negative and the smallest positive; for own and incoming too

Place = tuple[str, int, str]


def layers(module: nn.Module) -> Iterator[tuple[str, nn.Sequential, nn.Module]]:
    """Each convolution of a chain, with what stands between it and the one before."""
    waiting: list[nn.Module] = []
    for name, part in module.named_children():
        waiting.append(part)
        if hasattr(part, "kernel_size"):
            yield name, nn.Sequential(*waiting), part
            waiting = []


def inside(x: Tensor, margin: list[int], size: tuple[int, ...]) -> Tensor:
    """View of the frame inside a map of the canvas."""
    for axis, (m, n) in enumerate(zip(margin, size, strict=True), start=2):
        x = x.narrow(axis, m, n)
    return x


def line(x: Tensor, side: Side, number: int = 0) -> Tensor:
    """(C, values) of one line, without its ends."""
    for axis in range(x.ndim - 2):
        n = x.shape[axis + 2]
        if axis != side.axis:
            x = x.narrow(axis + 2, NEAR_CORNERS, n - 2 * NEAR_CORNERS)
    n = x.shape[side.axis + 2]
    return (
        x.select(side.axis + 2, n - 1 - number if side.far else number).transpose(0, 1).flatten(1)
    )


def distances(one: Tensor, other: Tensor) -> list[float]:
    """Exact Kolmogorov-Smirnov distance per channel."""
    pairs = zip(one.numpy(), other.numpy(), strict=True)
    return [
        0.0 if (a == b).all() else float(ks_2samp(a, b, method="asymp").statistic) for a, b in pairs
    ]


class Measured:
    """The 2×2 factorial at every convolution: own padding × padding before it."""

    def __init__(self, network: PlantedNetwork, canvas: Tensor) -> None:
        self.padded: dict[str, Tensor] = {}
        self.own: dict[str, Tensor] = {}
        self.incoming: dict[str, Tensor] = {}
        self.real: dict[str, Tensor] = {}
        frame, margin = network.crop(canvas), list(network.margin)
        for site, layer, conv in layers(network.module):
            size = tuple(frame.shape[2:])
            mixed = canvas.clone()
            inside(mixed, margin, size)[:] = frame
            own = layer(inside(canvas, margin, size))
            frame, canvas, mixed = layer(frame), layer(canvas), layer(mixed)
            up = isinstance(conv, nn.ConvTranspose2d)
            stride: tuple[int, ...] = conv.stride  # type: ignore[assignment]  # torch allows 1 to 3 axes
            margin = [m * s if up else m // s for m, s in zip(margin, stride, strict=True)]
            size = tuple(frame.shape[2:])
            self.padded[site], self.own[site] = frame, own
            self.real[site] = inside(canvas, margin, size)
            self.incoming[site] = inside(mixed, margin, size)

    def scores(self, of: dict[str, Tensor], number: int = 0) -> dict[Place, float]:
        """KS distance from real context, by site, filter and side."""
        found = {}
        for site, maps in of.items():
            for side in sides_of(maps.ndim - 2):
                pair = line(maps, side, number), line(self.real[site], side, number)
                for index, score in enumerate(distances(*pair)):
                    found[site, index, side.name] = score
        return found


@cache
def measured(name: str) -> Measured:
    network = NETWORKS[name]
    times = 1 if len(network.size) > 1 else 4  # a line of a signal has one value per image
    return Measured(network, network.images(times * IMAGES))


@cache
def scores(name: str) -> dict[Place, float]:
    return measured(name).scores(measured(name).padded)


def corner_scores(name: str) -> dict[Place, float]:
    """KS distances at the outermost position of each corner."""
    found = {}
    for site, maps in measured(name).padded.items():
        for vertical, horizontal in product((0, -1), (0, -1)):
            corner = f"{('top', 'bottom')[vertical]}-{('left', 'right')[horizontal]}"
            pair = (x[..., vertical, horizontal].T for x in (maps, measured(name).real[site]))
            for index, score in enumerate(distances(*pair)):
                found[site, index, corner] = score
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_truth_is_found_exactly(name: str) -> None:
    judgement = judge(NETWORKS[name], scores(name), CUT)
    print(f"{judgement.largest_negative:.3f} {judgement.smallest_positive:.3f}")
    assert (judgement.missed, judgement.wrong) == ((), ())
    assert judgement.largest_negative < 0.01
    assert judgement.smallest_positive > CUT
    assert judgement.separating is not None


@pytest.mark.parametrize("name", NETWORKS)
def test_notes_tell_what_stays_under_one_half(name: str) -> None:
    causes = [(plant, cause) for plant in NETWORKS[name].plants for cause in plant.causes]
    score = {(p.site, p.filter, c.side): scores(name)[p.site, p.filter, c.side] for p, c in causes}
    low = {place for place, value in score.items() if value < 0.5}
    assert low == {(p.site, p.filter, c.side) for p, c in causes if c.note}


@pytest.mark.parametrize("name", NETWORKS)
def test_origin_is_that_of_the_factorial(name: str) -> None:
    own = measured(name).scores(measured(name).own)
    incoming = measured(name).scores(measured(name).incoming)
    named = {(True, False): "nascent", (False, True): "inherited", (True, True): "both"}
    for plant, side in product(NETWORKS[name].plants, NETWORKS[name].sides):
        if side not in plant.faint:
            place = plant.site, plant.filter, side
            origin = named.get((own[place] > CUT, incoming[place] > CUT), "")
            cause = plant.cause(side)
            assert origin == (cause.origin if cause else ""), place


@pytest.mark.parametrize("name", NETWORKS)
def test_sign_is_that_of_the_mean_difference(name: str) -> None:
    maps = measured(name)
    sides = {side.name: side for side in sides_of(len(NETWORKS[name].size))}
    for plant in NETWORKS[name].plants:
        for cause in plant.causes:
            difference = maps.padded[plant.site] - maps.real[plant.site]
            mean = line(difference, sides[cause.side])[plant.filter].mean()
            assert (mean > 0) == (cause.sign == "excited"), (plant, cause)


@pytest.mark.parametrize("name", NETWORKS)
def test_reach_is_the_last_line_that_shifts(name: str) -> None:
    sides = {side.name: side for side in sides_of(len(NETWORKS[name].size))}
    for plant in NETWORKS[name].plants:
        keep = slice(plant.filter, plant.filter + 1)
        maps = [of[plant.site][:, keep] for of in (measured(name).padded, measured(name).real)]
        for cause in plant.causes:
            last, beyond = (
                distances(*(line(x, sides[cause.side], cause.reach + more) for x in maps))[0]
                for more in (0, 1)
            )
            assert last > 0.05 > beyond, (plant, cause)


@pytest.mark.parametrize("name", [name for name, net in NETWORKS.items() if len(net.size) == 2])
def test_corners_are_as_planted(name: str) -> None:
    judgement = judge(NETWORKS[name], scores(name) | corner_scores(name), 0.9)
    planted = [plant for plant in NETWORKS[name].plants if plant.corners]
    assert len(planted) == (4 if name == "corners" else 0)
    assert judgement.wrong == ()
    assert not {corner for _, _, corner in judgement.missed if "-" in corner}
    assert judgement.largest_negative < 0.01


@pytest.mark.parametrize("name", NETWORKS)
def test_null_twin_sees_no_border(name: str) -> None:
    twin = NETWORKS[name].null_twin()
    canvas = twin.images(4)
    assert find_sites(twin.module, twin.crop(canvas)) == []
    assert not any(plant.sides or plant.faint or plant.corners for plant in twin.plants)
    assert len(twin.plants) == len(NETWORKS[name].plants)
    null = Measured(twin, canvas)
    for site, maps in null.padded.items():
        torch.testing.assert_close(maps, null.real[site])


@pytest.mark.parametrize("name", NETWORKS)
def test_margin_suffices(name: str) -> None:
    network = NETWORKS[name]
    canvas = network.images(1)
    edged = torch.full_like(canvas, torch.nan)
    size = tuple(n - 2 for n in canvas.shape[2:])
    inside(edged, [1] * len(size), size)[:] = inside(canvas, [1] * len(size), size)
    assert all(maps.isfinite().all() for maps in Measured(network, edged).real.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_filter_of_every_convolution_has_its_truth(name: str) -> None:
    network = NETWORKS[name]
    seen: list[tuple[str, int]] = []

    def note(call: Call) -> None:
        seen.extend((call.name, index) for index in range(call.output.shape[1]))

    with Interception(network.module, note), torch.no_grad():
        network.module(network.crop(network.images(1)))
    assert [(plant.site, plant.filter) for plant in network.plants] == seen
    assert not network.module.training


def test_zero_mean_inputs_hide_positives_but_invent_none() -> None:
    network = NETWORKS["sides"]
    canvas = network.images(IMAGES)
    hidden = Measured(network, canvas - canvas.mean())
    judgement = judge(network, hidden.scores(hidden.padded), CUT)
    print(f"recall {judgement.recall:.2f}, smallest positive {judgement.smallest_positive:.3f}")
    assert judgement.precision == 1
    assert judgement.largest_negative < 0.01


def test_images_repeat_and_are_stationary() -> None:
    network = NETWORKS["inherited"]
    images = network.images(256)
    assert torch.equal(images, network.images(256))
    assert not torch.equal(images, network.images(256, seed=1))
    assert images.min() > 0
    assert images.max() < 1
    means = images.mean(dim=(0, 1))
    assert (means - means.mean()).abs().max() < 0.06
    assert network.crop(images).shape == (256, network.channels, *network.size)


def test_networks_are_the_same_every_time() -> None:
    for name, again in networks().items():
        weights = zip(again.module.parameters(), NETWORKS[name].module.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in weights)
        assert again.plants == NETWORKS[name].plants


def test_strided_convolutions_see_no_far_side_of_even_size() -> None:
    sides = {name: NETWORKS[name].plants[8].sides for name in ("strided", "strided odd", "same")}
    assert sides == {
        "strided": {"top", "left"},
        "strided odd": {"top", "bottom", "left", "right"},
        "same": {"bottom", "right"},
    }


# Judging


@pytest.fixture
def small() -> PlantedNetwork:
    return NETWORKS["1d"]


def truth(network: PlantedNetwork) -> dict[Place, float]:
    places = product(network.plants, network.sides)
    return {(p.site, p.filter, side): float(side in p.sides) for p, side in places}


def test_the_truth_is_judged_perfect(small: PlantedNetwork) -> None:
    assert judge(small, truth(small), 0.5) == Judgement(1.0, 1.0, 0.0, 1.0, 0.5, (), ())


def test_misses_and_false_finds_are_named(small: PlantedNetwork) -> None:
    wrong = truth(small) | {("conv1", 0, "start"): 0.2, ("conv1", 6, "end"): 0.7}
    judgement = judge(small, wrong, 0.5)
    assert judgement.missed == (("conv1", 0, "start"),)
    assert judgement.wrong == (("conv1", 6, "end"),)
    positives = sum(truth(small).values())
    assert judgement.precision == judgement.recall == (positives - 1) / positives
    assert (judgement.largest_negative, judgement.smallest_positive) == (0.7, 0.2)
    assert judgement.separating is None


@pytest.mark.parametrize("missing", [True, False])
def test_a_truth_without_a_score_is_missed(small: PlantedNetwork, missing: bool) -> None:
    scores = truth(small) | {("conv1", 0, "start"): float("nan")}
    if missing:
        del scores["conv1", 0, "start"]
    judgement = judge(small, scores, 0.5)
    assert judgement.missed == (("conv1", 0, "start"),)
    assert judgement.precision == 1
    assert judgement.smallest_positive == 1
    assert judgement.separating is None


def test_faint_sides_are_not_judged() -> None:
    network = NETWORKS["reflect"]
    assert network.plants[0].faint == {"top", "bottom"}
    for score in (0.0, 1.0):
        judgement = judge(network, truth(network) | {("conv1", 0, "top"): score}, 0.5)
        assert judgement.precision == judgement.recall == 1


def test_corners_count_where_no_side_is_seen() -> None:
    network = NETWORKS["corners"]
    places: list[Place] = [("conv3", 0, "top-left"), ("conv3", 0, "top-right")]
    judgement = judge(network, truth(network) | dict.fromkeys(places, 0.9), 0.5)
    assert judgement.wrong == (("conv3", 0, "top-right"),)
    of_a_side: Place = ("conv1", 0, "top-left")
    assert judge(network, truth(network) | {of_a_side: 0.0}, 0.5).recall == 1


@pytest.mark.parametrize("stranger", [("conv9", 0, "start"), ("conv1", 0, "top")])
def test_scores_of_other_networks_are_refused(small: PlantedNetwork, stranger: Place) -> None:
    with pytest.raises(PadscopeError, match="has no"):
        judge(small, truth(small) | {stranger: 1.0}, 0.5)


def test_nothing_to_find_is_found(small: PlantedNetwork) -> None:
    judgement = judge(small.null_twin(), {}, 0.5)
    assert judgement.precision == judgement.recall == 1
