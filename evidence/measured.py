"""What the figures are measured on: four networks on two samples of photographs, planted networks.

The networks' runs are kept in a directory, so that what was stopped goes on where it was.
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from padscope import RunDirectory, ScanSettings, Study, explain, load_model, planted, scan
from padscope.evidence import CONFIRMED
from padscope.images import Canvases, PhotoFiles, TensorImages, central, open_photos, stream
from padscope.measurements import contrast_units, plan_contrast
from padscope.models import LoadedModel
from padscope.planted import PlantedNetwork
from padscope.regions import Layout, SampleSize
from padscope.running.model import observe_first
from padscope.scores import causal_distances
from padscope.settings import ExplainSettings
from padscope.sites import observe
from padscope.study.inputs import make_probe

PLANTED_IMAGES = 128
TWIN_IMAGES = 64


@dataclass(frozen=True)
class Network:
    """A network to measure.

    Attributes
    ----------
    name : str
        For people.
    key : str
        For files.
    spec : str
        See `load_model`.
    weights : str
        File of its weights; "" for those that the spec brings.
    share : float
        Of the photographs asked for: dense networks on large maps take fewer.
    repeated : int
        Photographs of each of the samples that kinds are compared between; 0 for as many as asked
        for. Networks whose scores lie near the cut take more to settle.
    """

    name: str
    key: str
    spec: str
    weights: str = ""
    share: float = 1.0
    repeated: int = 0


NETWORKS = (
    Network("lite0", "lite0", "lite0"),
    Network("ResNet-20", "resnet20", "examples.cifar_resnet:resnet20",
            "cifar_resnet20.safetensors", repeated=290),
    Network("ResNet-44", "resnet44", "examples.cifar_resnet:resnet44",
            "cifar_resnet44.safetensors", repeated=290),
    Network("VDSR", "vdsr", "examples.vdsr:vdsr", "vdsr.safetensors", share=0.5,
            repeated=145),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """A network explained on two samples that share no photograph.

    Attributes
    ----------
    network : Network
    first : Study
        With baselines and the check of the margin.
    second : Study
        Without.
    fallback : Study
        The crops of the first sample again, without their surroundings; without baselines.
    larger : tuple of Study
        Explained on two larger samples, where `Network.repeated` asks for them; without baselines.
    """

    network: Network
    first: Study
    second: Study
    fallback: Study
    larger: tuple[Study, ...] = ()


def layouts(study: Study) -> dict[str, Layout]:
    """Regions of the maps of every scored site."""
    return {
        row["site"]: Layout(
            tuple(row["map_size"]),
            tuple(zip(row["contact_before"], row["contact_after"], strict=True)),
        )
        for row in study.sites.filter("scored").iter_rows(named=True)
    }


@dataclass(frozen=True)
class PlantedScores:
    """How well the truth about one planted network is recovered.

    Attributes
    ----------
    name : str
    planted : int
        Filter-sides that padding shifts.
    largest_negative, smallest_positive, separating, precision, recall
        As of `planted.Judgement`, the last two at `CONFIRMED`; ``separating`` is None if no cut is.
    twin : float or None
        Largest causal KS of the same network without padding; None if it has nothing to look at.
    """

    name: str
    planted: int
    largest_negative: float
    smallest_positive: float
    separating: float | None
    precision: float
    recall: float
    twin: float | None


def measure(network: Network, images: Path, weights: Path, out: Path, count: int) -> Measured:
    """Explain one network on two samples of a folder, or read what has been done before."""
    own = weights / network.weights if network.weights else None
    loaded = load_model(network.spec, weights=own)
    count = max(1, round(count * network.share))
    photos = open_photos(images, make_probe(loaded, 0), 2 * count)
    samples = [
        replace(photos, photos=some, description=f"{len(some)} photographs")
        for some in (photos.photos[:count], photos.photos[count : 2 * count])
    ]
    full = ExplainSettings(limit=count)
    light = replace(full, baselines=0, check=0)

    def run(name: str) -> RunDirectory:
        return RunDirectory(out / f"{network.key}-{count}-{name}")

    first = explained(loaded, samples[0], samples[0], full, run("first"))
    second = explained(loaded, samples[1], samples[1], light, run("second"))
    crops = _crops(first, samples[0])
    fallback = explained(loaded, samples[0], crops, light, run("fallback"))
    larger = _larger(network, loaded, images, out) if network.repeated > count else ()
    return Measured(network, first, second, fallback, larger)


def _larger(network: Network, loaded: LoadedModel, images: Path, out: Path) -> tuple[Study, ...]:
    """Explain a network on two samples of the size that its kinds take to settle."""
    count = network.repeated
    photos = open_photos(images, make_probe(loaded, 0), 2 * count)
    settings = ExplainSettings(limit=count, baselines=0, check=0)
    studies = []
    for place in range(2):
        some = photos.photos[place * count : (place + 1) * count]
        sample = replace(photos, photos=some, description=f"{len(some)} photographs")
        run = RunDirectory(out / f"{network.key}-{count}-larger{place}")
        studies.append(explained(loaded, sample, sample, settings, run))
    return tuple(studies)


def _crops(study: Study, photos: PhotoFiles) -> Tensor:
    """Cut out the crops that were explained, without their surroundings."""
    assert study.explanation is not None
    canvases = Canvases(photos, study.size, study.explanation.margin)
    skipped = {skip.index for skip in study.explanation.counts.skipped}
    kept = (index for index in range(len(canvases)) if index not in skipped)
    return torch.stack([central(canvases.tensor(index), study.size, "") for index in kept])


def explained(
    loaded: LoadedModel,
    scanned: PhotoFiles | Tensor,
    images: PhotoFiles | Tensor,
    settings: ExplainSettings,
    run: RunDirectory,
    limit: int | None = None,
) -> Study:
    """Scan all images, or as many as the limit says, and explain; read what has been done."""

    def progress(done: int, total: int | None, _: float | None) -> None:
        if sys.stderr.isatty():
            print(f"\r{run.path.name}: {done} of {total}   ", end="", file=sys.stderr)

    study = scan(
        loaded, scanned, ScanSettings(limit=limit or len(scanned)), journal=run, progress=progress
    )
    done = run.as_explained(study)
    if done.explanation and done.explanation.identity["settings"] == asdict(settings):
        return done
    run.save(study)
    study = explain(study, loaded, images, settings, journal=run, progress=progress)
    run.save(study)
    return study


def measure_planted() -> list[PlantedScores]:
    """Recover the truth about every planted network."""
    return [_recover(name, network) for name, network in planted.networks().items()]


def _recover(name: str, network: PlantedNetwork) -> PlantedScores:
    # In one dimension a line is one position an image: it takes more images.
    count = PLANTED_IMAGES * (2 if len(network.size) == 1 else 1)
    canvases = network.images(count, seed=0)
    study = scan(network.module, network.crop(canvases), ScanSettings(limit=count))
    settings = ExplainSettings(limit=count, margin=network.margin[0], baselines=0, check=0)
    study = explain(study, network.module, canvases, settings)
    assert study.explanation is not None
    columns = ("site", "filter", "side", "causal_ks")
    scores = {
        (site, index, side): math.nan if ks is None else ks
        for table in (study.sides, study.explanation.inherited)
        for site, index, side, ks in table.select(columns).iter_rows()
    }
    result = planted.judge(network, scores, CONFIRMED)
    return PlantedScores(
        name, sum(len(plant.causes) for plant in network.plants), result.largest_negative,
        result.smallest_positive, result.separating, result.precision, result.recall,
        _largest_causal(network.null_twin()),
    )  # fmt: skip


def _largest_causal(twin: PlantedNetwork) -> float | None:
    """Largest causal KS where there is no padding; None if the network then has no such site."""
    size = twin.size
    canvases = Canvases(
        TensorImages(twin.images(TWIN_IMAGES, seed=1), len(size)), size, twin.margin
    )
    first = canvases.tensor(0)[None]
    crop = observe_first(twin.module, twin.crop(first), None)
    canvas = observe(twin.module, first.repeat_interleave(2, dim=0))
    plan = plan_contrast(crop, canvas, size, twin.margin, SampleSize(0, TWIN_IMAGES), {})
    if plan.sites or not plan.elsewhere:
        return None
    batches = list(stream(canvases, range(TWIN_IMAGES // 16), 16))
    counted = contrast_units(twin.module, batches, plan, 2)
    causal = [
        causal_distances(site.layout, counted.of_site(name))
        for name, site in plan.elsewhere.items()
    ]
    return float(np.nanmax(np.concatenate([ks.ravel() for ks in causal])))
