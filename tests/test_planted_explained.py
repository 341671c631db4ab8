"""The whole second stage on networks whose padding-aware filters are known by construction."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from padscope import PadscopeError, ScanSettings, Study, explain, planted, scan
from padscope.evidence import CANDIDATE, CONFIRMED, GREY
from padscope.images import Canvases, TensorImages, stream
from padscope.measurements import contrast_units, plan_contrast
from padscope.planted import Judgement, PlantedNetwork
from padscope.regions import SampleSize
from padscope.running.model import observe_first
from padscope.scores import causal_distances
from padscope.settings import ExplainSettings
from padscope.sites import observe

NETWORKS = planted.networks()
IMAGES = 128
# Under one position an image and line, as in one dimension, it takes more of them.
MORE_IMAGES = 256


@cache
def explained(name: str) -> Study:
    network = NETWORKS[name]
    count = MORE_IMAGES if len(network.size) == 1 else IMAGES
    canvases = network.images(count, seed=0)
    study = scan(network.module, network.crop(canvases), ScanSettings(limit=count))
    settings = ExplainSettings(limit=count, margin=network.margin[0], baselines=0, check=0)
    return explain(study, network.module, canvases, settings)


def scores(study: Study) -> dict[tuple[str, int, str], float]:
    """Causal KS of padded sites, and of convolutions without padding."""
    assert study.explanation is not None
    columns = ("site", "filter", "side", "causal_ks")
    tables = (study.sides, study.explanation.inherited)
    return {
        (site, index, side): float("nan") if ks is None else ks
        for table in tables
        for site, index, side, ks in table.select(columns).iter_rows()
    }


def judged(name: str, cut: float) -> Judgement:
    return planted.judge(NETWORKS[name], scores(explained(name)), cut)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_side_is_recovered_and_nothing_else(name: str) -> None:
    """At the default cut whatever physics allows; at a cut that exists, everything."""
    network, result = NETWORKS[name], judged(name, CONFIRMED)
    print(f"{name}: largest negative {result.largest_negative:.3f}, smallest positive "
          f"{result.smallest_positive:.3f}, separating cut {result.separating}")  # fmt: skip
    assert result.precision == 1
    assert result.wrong == ()
    noted = {
        (plant.site, plant.filter, cause.side)
        for plant in network.plants
        for cause in plant.causes
        if cause.note
    }
    assert set(result.missed) == noted
    assert result.separating is not None
    exact = planted.judge(network, scores(explained(name)), result.separating)
    assert (exact.precision, exact.recall) == (1, 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_origins_and_signs_are_exact(name: str) -> None:
    rows = {
        (row["site"], row["filter"], row["side"]): row
        for row in explained(name).sides.iter_rows(named=True)
    }
    strong = 0
    for plant in NETWORKS[name].plants:
        for cause in plant.causes:
            row = rows.get((plant.site, plant.filter, cause.side))
            if row is None or row["causal_ks"] < GREY:
                continue
            strong += 1
            assert row["origin"] == cause.origin, (plant, cause)
            assert (row["causal_polarity"] > 0.5) == (cause.sign == "excited"), (plant, cause)
    # What the mirrored fills shift, they shift behind the padded site alone.
    assert strong or name in ("reflect", "replicate")


@pytest.mark.parametrize("name", NETWORKS)
def test_active_sides_of_strong_plants_are_theirs(name: str) -> None:
    """Of filters without a weak side, the kind's active sides are exactly the planted ones."""
    filters = {
        (row["site"], row["filter"]): row for row in explained(name).filters.iter_rows(named=True)
    }
    for plant in NETWORKS[name].plants:
        row = filters.get((plant.site, plant.filter))
        weak = plant.faint or any(cause.note for cause in plant.causes)
        if row is None or weak or not plant.causes:
            continue
        sides = explained(name).sides.filter(site=plant.site, filter=plant.filter)
        responds = (sides.filter(pl.col("side").is_in(row["active"]))["ks"] >= CANDIDATE).any()
        # A border that is like the core, where real surroundings would not be, is no response.
        assert row["label"] == ("confirmed" if responds else "grey"), plant
        assert responds or name == "transposed"
        assert set(row["active"]) == plant.sides, plant


def test_corner_filters_answer_at_no_side() -> None:
    found = scores(explained("corners"))
    corners = [plant for plant in NETWORKS["corners"].plants if plant.corners]
    assert len(corners) == 4
    for plant in corners:
        for side in NETWORKS["corners"].sides:
            assert found[plant.site, plant.filter, side] == 0


def largest_causal(network: PlantedNetwork, images: int) -> float:
    """Largest causal KS of a network without padding."""
    size, margin = network.size, network.margin
    source = TensorImages(network.images(images, seed=1), len(size))
    canvases = Canvases(source, size, margin)
    module = network.module
    crop = observe_first(module, network.crop(canvases.tensor(0)[None]), None)
    assert all(not site.window.padded for site in (*crop.sites, *crop.unpadded))
    canvas = observe(module, canvases.tensor(0)[None].repeat_interleave(2, dim=0))
    plan = plan_contrast(crop, canvas, size, margin, SampleSize(0, None, 4, 8, 1), {})
    assert plan.elsewhere

    batches = list(stream(canvases, range(images // 16), 16))
    counted = contrast_units(module, batches, plan, 2)
    causal = [
        causal_distances(site.layout, counted.of_site(name))
        for name, site in plan.elsewhere.items()
    ]
    return float(np.nanmax(np.concatenate([ks.ravel() for ks in causal])))


@pytest.mark.parametrize("name", ["sides", "inherited", "depthwise", "dilated", "strided", "1d"])
def test_null_twins_show_nothing(name: str) -> None:
    twin = NETWORKS[name].null_twin()
    largest = largest_causal(twin, 64)
    print(f"{name} without padding: largest causal KS {largest:.3f}")
    assert largest < 0.1
    with pytest.raises(PadscopeError, match="nothing to scan"):
        scan(twin.module, twin.crop(twin.images(16)))


def test_the_truth_of_a_wrong_network_is_not_recovered() -> None:
    """The check can fail: scores of other weights do not pass it."""
    network = NETWORKS["sides"]
    study = explained("sides")
    found = scores(study)
    shifted = {
        (site, (index + 1) % len(network.plants), side): ks
        for (site, index, side), ks in found.items()
    }
    result = planted.judge(network, shifted, CONFIRMED)
    assert result.precision < 1
    assert result.recall < 1
