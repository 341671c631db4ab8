"""How often p of an effect misleads and its intervals miss, on rows and networks made up.

`python -m benchmarks calibration` prints the table. A world says how images, sets of filters and
their noise vary; its rows go through `padscope.tables.effects`, by the default and thoroughly.
Networks of one layer go the whole way, from refilling on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy import stats
from tests.test_effect_tables import significance

from padscope.effects.resampling import Bootstrap
from padscope.interventions.controls import Controls
from padscope.interventions.sets import NOT_RECOGNISING_SET, RECOGNISING_SET
from padscope.interventions.treatments import Share, Sparing, Treatment, refill
from padscope.tables.effects import effect_table

FloatArray = NDArray[np.float64]
DRAWS, FILTERS = 20, 30
CHANGE = refill("reflect")
LEVELS = (0.05, 0.1)
# Measures: of one sign, in proportion to the image; of both signs; and whether the first is great.
SCALED, SIGNED, RARE = "kl", "confidence", "flip"


@dataclass(frozen=True)
class World:
    """How effects of sets of filters vary.

    The effect of a set is a sum over its filters: s, of variance 1. On an image of size g,
    log-normal and alike in all crops of a photograph, a measure of one sign says
    g · exp(`spread` · s + `noise` · e), and one of both says `spread` · s + `noise` · g · e, with e
    normal, of its own for every image and set. A third says whether the first lies beyond two
    standard deviations.

    Attributes
    ----------
    photographs, crops : int
        Independent ones, and images of each.
    spread : float
        Of sets of filters about their mean.
    tails : float
        Standard deviation of ln g.
    noise : float
    pool : int
        Filters that controls are drawn from; 0 if they are so many that draws share none.
    planted : float
        By how much s · `spread` of the set exceeds what is usual.
    """

    photographs: int = 48
    crops: int = 1
    spread: float = 0.5
    tails: float = 0.5
    noise: float = 0.5
    pool: int = 0
    planted: float = 0.0

    @property
    def groups(self) -> NDArray[np.int64]:
        """Photograph of every image, as of the built-in ones."""
        return np.arange(self.photographs * self.crops) % self.photographs

    def describe(self) -> str:
        """Name the world for people."""
        images = f"{self.photographs}" + (f"×{self.crops}" if self.crops > 1 else "")
        pool = f", pool {self.pool}" if self.pool else ""
        planted = f", planted {self.planted:g}" if self.planted else ""
        spreads = f"sets {self.spread:g}, tails {self.tails:g}, noise {self.noise:g}"
        return f"{images}, {spreads}{pool}{planted}"


@dataclass(frozen=True)
class Truth:
    """What a made-up network would show on all images there are.

    Attributes
    ----------
    effect, beyond : float
        Of the set, and more than of its partners.
    excess : float
        More than controls, of all that could be drawn.
    excess_of_these : float
        More than those that were drawn.
    """

    effect: float
    beyond: float
    excess: float
    excess_of_these: float


@dataclass(frozen=True)
class Made:
    """One made-up network: rows of a set, of its partners and of `DRAWS` controls."""

    rows: dict[str, torch.Tensor]
    controls: Controls
    truths: dict[str, Truth]


def made_up(world: World, seed: int) -> Made:
    """Make rows of one network up, every treatment done to every image."""
    rng = np.random.default_rng(seed)
    sums, every, controls = _sums(world, rng)
    sums[0] += world.planted / world.spread if world.spread else 0.0
    sizes = np.exp(world.tails * rng.normal(size=world.photographs))[world.groups]
    errors = rng.normal(size=(len(sizes), len(sums)))
    shifts = world.spread * sums if world.spread else np.array([world.planted, *sums[1:] * 0])
    rows = {
        SCALED: sizes[:, None] * np.exp(shifts + world.noise * errors),
        SIGNED: shifts + world.noise * sizes[:, None] * errors,
    }
    far = 2 * np.sqrt(world.tails**2 + world.noise**2 + world.spread**2)
    rows[RARE] = (np.log(rows[SCALED]) > far).astype(float)

    def rare(of: FloatArray) -> FloatArray:
        beyond: FloatArray = stats.norm.sf((far - of) / np.hypot(world.tails, world.noise))
        return beyond

    mean = np.exp((world.tails**2 + world.noise**2) / 2)
    truths = {
        SCALED: _truth(mean * np.exp(shifts), mean * np.exp(world.spread * every).mean()),
        SIGNED: _truth(shifts, world.spread * every.mean()),
        RARE: _truth(rare(shifts), rare(world.spread * every).mean()),
    }
    return Made({name: torch.from_numpy(part) for name, part in rows.items()}, controls, truths)


def _truth(effects: FloatArray, usual: float) -> Truth:
    own, partner, *drawn = effects
    return Truth(own, own - partner, own - usual, own - float(np.mean(drawn)))


def _sums(world: World, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, Controls]:
    """Draw sums of the set, its partners and the draws, many of other draws, and who is drawn."""
    pool = world.pool or FILTERS * (DRAWS + 1)
    filters, others = rng.normal(size=pool), rng.normal(size=(2, FILTERS))
    if world.pool:
        taken = np.array([rng.permutation(pool)[:FILTERS] for _ in range(DRAWS)])
        many = np.array([rng.permutation(pool)[:FILTERS] for _ in range(500)])
        every = filters[many].sum(axis=1)
    else:
        taken = np.arange(DRAWS * FILTERS).reshape(DRAWS, FILTERS)
        every = np.sqrt(FILTERS) * rng.normal(size=4000)
    sums = np.concatenate([others.sum(axis=1), filters[taken].sum(axis=1)])
    chosen = pl.DataFrame({"site": ["a"] * FILTERS, "filter": range(pool, pool + FILTERS)})
    controls = Controls(chosen, taken, np.zeros(taken.shape))
    return sums / np.sqrt(FILTERS), every / np.sqrt(FILTERS), controls


def treated(images: int, each: int | None) -> tuple[Treatment, ...]:
    """List the set, its partners, and draws of controls of which every image is given some."""

    def one(name: str, part: str, draw: int | None, share: Share) -> Treatment:
        return Treatment(name, CHANGE, part, draw, FILTERS, 1, None, share)  # type: ignore[arg-type]  # the change is never run

    every = Share(images)
    drawn = enumerate(every.split(DRAWS, each))
    return (
        one(RECOGNISING_SET, "set", None, every),
        one(NOT_RECOGNISING_SET, "set", None, every),
        *(one(RECOGNISING_SET, "control", draw, share) for draw, share in drawn),
    )


def only_given(
    rows: dict[str, torch.Tensor], treatments: Sequence[Treatment]
) -> dict[str, torch.Tensor]:
    """Leave out what a treatment is not given to."""
    images = len(next(iter(rows.values())))
    given = torch.tensor([[image in one.share for one in treatments] for image in range(images)])
    return {name: values.where(given, torch.nan) for name, values in rows.items()}


@dataclass(frozen=True)
class Rates:
    """Over many networks: how often p is small, and how often intervals hold the truth.

    Attributes
    ----------
    rejected : tuple of float
        At `LEVELS`.
    used : float
        How often p and the interval of the excess both say that a set is used.
    effect, beyond, excess, excess_of_these : float
        Share of intervals that hold it.
    """

    rejected: tuple[float, ...]
    used: float
    effect: float
    beyond: float
    excess: float
    excess_of_these: float


def rates(world: World, each: int | None, seeds: int, resamples: int = 1000) -> dict[str, Rates]:
    """Make many networks up, and say how often p and intervals of each measure are right."""
    images = len(world.groups)
    treatments = treated(images, each)
    found: dict[str, list[FloatArray]] = {SCALED: [], SIGNED: [], RARE: []}
    for seed in range(seeds):
        made = made_up(world, seed)
        table = effect_table(
            treatments, {RECOGNISING_SET: made.controls}, only_given(made.rows, treatments),
            Bootstrap(world.groups, resamples),
        ).filter(pl.col("set") == RECOGNISING_SET)  # fmt: skip
        for row in table.iter_rows(named=True):
            truth = made.truths[row["measure"]]

            def held(name: str, value: float, row: dict[str, float] = row) -> bool:
                low, high = ("low", "high") if name == "effect" else (f"{name}_low", f"{name}_high")
                return row[low] <= value <= row[high]

            found[row["measure"]].append(np.array([
                *(row["p"] <= level for level in LEVELS),
                row["p"] <= LEVELS[0] and row["excess_low"] > 0,
                held("effect", truth.effect), held("beyond", truth.beyond),
                held("excess", truth.excess), held("excess", truth.excess_of_these),
            ], dtype=float))  # fmt: skip
    return {
        measure: Rates(tuple(mean[: len(LEVELS)]), *mean[len(LEVELS) :])
        for measure, rows in found.items()
        for mean in [np.mean(rows, axis=0)]
    }


def of_any_filters(seed: int, sparing: Sparing | None, crop: int = 0) -> tuple[float, float]:
    """Effect and p of four filters picked at random; with `crop` 1 the answer ignores borders."""
    chosen = np.random.default_rng(seed).permutation(30)[:4].tolist()
    return significance(seed, crop, chosen, 30, images=24, sparing=sparing)


def of_a_strong_filter(seed: int, sparing: Sparing | None) -> tuple[float, float]:
    """Effect and p of four filters, of which one weighs twenty times as much as others."""
    return significance(seed, 0, (0, 1, 2, 3), 30, gain=20, images=24, sparing=sparing)


NETWORKS: dict[str, Callable[[int, Sparing | None], tuple[float, float]]] = {
    "the border is ignored": partial(of_any_filters, crop=1),
    "any filters": of_any_filters,
    "one filter weighs 20 times as much": of_a_strong_filter,
}


def worlds() -> Iterator[World]:
    """Give the worlds of the table: first those in which a set is as its controls are."""
    null = World()
    for spread in (0.0, 0.1, 0.5):
        yield replace(null, spread=spread)
    yield replace(null, tails=1.0, noise=1.0)
    yield replace(null, tails=0.0, noise=0.1)
    yield replace(null, pool=60)
    yield replace(null, pool=40)
    yield replace(null, pool=40, tails=1.0)
    yield replace(null, photographs=8, crops=6)
    yield replace(null, photographs=8, crops=6, spread=0.1, tails=1.0)
    for planted in (0.5, 1.0, 2.0):
        yield replace(null, spread=0.3, planted=planted)
        yield replace(null, spread=0.3, tails=1.0, planted=planted)


def describe_calibration(seeds: int = 1000) -> None:
    """Print how often p is small and how often intervals hold the truth, in every world.

    Parameters
    ----------
    seeds : int
        Made-up networks of each world; a fifth of them where a network is run.
    """
    print("images, and how they and sets vary; measure; share with p ≤ .05, p ≤ .1, called used;")
    print(
        "intervals that hold: effect, beyond partners, excess over all controls, over those drawn"
    )
    for world in worlds():
        for each, name in ((2, "default"), (None, "thorough")):
            for measure, found in rates(world, each, seeds).items():
                numbers = [*found.rejected, found.used]
                if measure != RARE:
                    numbers += [found.effect, found.beyond, found.excess, found.excess_of_these]
                told = " ".join(f"{number:.3f}" for number in numbers)
                print(f"{world.describe():52} {name:9} {measure:10} {told}", flush=True)
    print("networks of 30 filters; share with p ≤ .05, with p ≤ .1")
    for name, network in NETWORKS.items():
        for sparing, design in ((Sparing(2, 24), "default"), (None, "thorough")):
            p = np.array([network(seed, sparing)[1] for seed in range(max(seeds // 5, 1))])
            told = " ".join(f"{(p <= level).mean():.3f}" for level in LEVELS)
            print(f"{name:52} {design:9} {told}", flush=True)
