"""Draws of controls that share the images out: what is estimated, and how often that misleads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from benchmarks.calibration import (
    RARE,
    SCALED,
    SIGNED,
    World,
    made_up,
    only_given,
    rates,
    treated,
)
from numpy.typing import NDArray
from scipy import stats

from padscope.effects.resampling import Bootstrap, Resampled, empirical_p, means
from padscope.interventions.sets import RECOGNISING_SET
from padscope.tables.effects import effect_table

FloatArray = NDArray[np.float64]
SEEDS = 40


def table(world: World, rows: FloatArray, each: int | None, measure: str = "kl") -> pl.DataFrame:
    treatments = treated(len(rows), each)
    given = only_given({measure: torch.from_numpy(rows)}, treatments)
    controls = {RECOGNISING_SET: made_up(world, 0).controls}
    return effect_table(treatments, controls, given, Bootstrap(world.groups, 200))


def test_draws_on_parts_are_estimated_on_all_images() -> None:
    # A draw makes its own multiple of what an image is like, and so does the set.
    world = World()
    sizes = np.random.default_rng(0).lognormal(0, 1, 48)
    scales = np.concatenate([[3.0, 2.0], np.linspace(0.8, 1.2, 20)])
    every, parts = (table(world, np.outer(sizes, scales), each).row(0, named=True)
                    for each in (None, 2))  # fmt: skip
    assert (every["control_images"], parts["control_images"]) == (48, 5)
    assert (every["p"], parts["p"]) == (1 / 21, 1 / 21)
    for name in ("effect", "low", "high", "matched_effect", "beyond", "beyond_low"):
        assert parts[name] == every[name]
    # One slope is for draws of unlike size: near what they do on all, right where all are alike.
    for name in ("control_low", "control", "control_high"):
        assert parts[name] == pytest.approx(every[name], rel=0.2), name
    alike = np.outer(sizes, np.r_[3.0, 2.0, np.ones(20)])
    parts = table(world, alike, 2).row(0, named=True)
    assert parts["control_low"] == pytest.approx(sizes.mean())
    assert parts["control_high"] == pytest.approx(sizes.mean())


def test_excess_is_paired_and_its_interval_is_over_images_and_draws() -> None:
    rows = made_up(World(), 3).rows[SCALED].numpy()
    found = table(World(), rows, 2).row(0, named=True)
    block = np.arange(48) * 10 // 48  # draws b and b + 10 are given to block b
    control = (rows[np.arange(48), 2 + block] + rows[np.arange(48), 12 + block]) / 2
    beyond = rows[:, 0] - control
    assert found["excess"] == pytest.approx(beyond.mean())
    assert found["control"] == pytest.approx(control.mean())
    times = np.random.default_rng(0).multinomial(10, np.full(10, 0.1), size=200)
    drawn = means(beyond)(times[:, block].astype(float))
    expected = Resampled(beyond.mean(), drawn, groups=10).interval()
    assert (found["excess_low"], found["excess_high"]) == pytest.approx(expected)
    # Crops of few photographs are in several such blocks: then these are drawn, as elsewhere.
    few = replace(World(), photographs=8, crops=6)
    found = table(few, rows, 2).row(0, named=True)
    times = np.random.default_rng(0).multinomial(8, np.full(8, 1 / 8), size=200)
    drawn = means(beyond)(times[:, few.groups].astype(float))
    expected = Resampled(beyond.mean(), drawn, groups=8).interval()
    assert (found["excess_low"], found["excess_high"]) == pytest.approx(expected)


def test_one_image_that_flips_is_no_evidence() -> None:
    rows = np.zeros((48, 22))
    rows[7, 0] = 1.0  # and no control flips on any of its few images
    assert table(World(), rows, 2, "flip").row(0, named=True)["p"] == 1.0


def test_noise_of_images_is_not_made_larger() -> None:
    draws = [-0.5, 0.5, 1.5]  # of variance 1; with .6 shared it is taken to be 4
    assert empirical_p(2.0, draws, shared=0.6) == 2 / 4
    assert empirical_p(2.0, draws, shared=0.6, noise=1.0) == 1 / 4
    assert empirical_p(2.0, draws, shared=0.6, noise=0.5) == 2 / 4  # the last is .5 + 1.58


@pytest.mark.parametrize("each", [2, None])
def test_p_and_intervals_keep_what_they_say(each: int | None) -> None:
    found = rates(World(), each, SEEDS, resamples=400)
    most, least = stats.binom.ppf(0.999, SEEDS, 0.05), stats.binom.ppf(0.001, SEEDS, 0.93)
    for measure in (SCALED, SIGNED, RARE):
        assert found[measure].rejected[0] * SEEDS <= most
        assert found[measure].used <= found[measure].rejected[0]
    for measure in (SCALED, SIGNED):
        held = (found[measure].effect, found[measure].beyond, found[measure].excess_of_these)
        assert min(held) * SEEDS >= least


def test_a_planted_effect_is_found() -> None:
    found = rates(World(spread=0.2, planted=2.0), 2, 10, resamples=400)
    assert found[SCALED].used >= 0.9
    assert found[SCALED].excess >= 0.7
