"""What a scan costs above the bare forward pass.

The baseline is the same loop over the same tensors without padscope: model in eval mode,
`torch.no_grad`, batches of 16 in channels-last memory format, large blocks kept in the process
(`keep_freed_memory`), torch's own number of threads. Each of these was chosen because it is the
fastest of its kind here: it is the fastest eager loop a user would write, and padscope's scan uses
the very same settings. Preparing the images is in neither; `from files` adds the same decoding to
both. A scan includes everything: finding sites, calibration, counting, scoring, tables.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from benchmarks.pairs import Ratio, in_pairs, timed
from padscope import ScanSettings, load_model, scan
from padscope.images import BuiltinPhotos, StreamedImages, stream, unit_count
from padscope.models import LoadedModel, as_found
from padscope.study import as_images

BATCH = 16


def crops(loaded: LoadedModel, count: int) -> list[Tensor]:
    """Batches of random crops of the built-in photographs, channels last."""
    source = as_images(None, loaded, ScanSettings(crops=count, limit=count))
    assert isinstance(source, BuiltinPhotos)
    units = range(unit_count(count, BATCH))
    return [batch.pixels for batch in stream(source, units, BATCH)]


class Repeated:
    """An iterable of batches that gives a few over and over, up to a number of images.

    Holding thousands of images would be most of the memory, and their values do not change the
    time; a scan counts them as different images.
    """

    def __init__(self, batches: list[Tensor], images: int) -> None:
        self._batches = batches
        self._count = images // BATCH

    def __iter__(self) -> Iterator[Tensor]:
        """Give the batches."""
        return (self._batches[i % len(self._batches)] for i in range(self._count))


def bare(module: nn.Module, batches: Repeated) -> Callable[[], None]:
    """Return the fastest eager loop over batches."""

    def run() -> None:
        with as_found(module), torch.no_grad():
            for batch in batches:
                module(batch.contiguous(memory_format=torch.channels_last))

    return run


def scanned(
    loaded: LoadedModel, batches: Repeated, images: int, per_line: int | None = None
) -> Callable[[], None]:
    """Return a scan of the same batches, at the default settings but for the number of images."""
    settings = ScanSettings(limit=images, per_line=per_line)

    def run() -> None:
        scan(loaded, StreamedImages(batches, dims=2, length=images), settings)

    return run


def scan_to_bare(spec: str, images: int, pairs: int, weights: str | None = None) -> Ratio:
    """Time a scan against the bare forward pass of the same tensors."""
    loaded = load_model(spec, weights=weights)
    batches = Repeated(crops(loaded, 64), images)
    return in_pairs(scanned(loaded, batches, images), bare(loaded.module, batches), pairs)


def scan_to_bare_from_files(images: int, pairs: int) -> Ratio:
    """Time a scan against the bare forward pass, both decoding and cropping the photographs."""
    loaded = load_model("lite0")
    settings = ScanSettings(limit=images, crops=images)
    source = as_images(None, loaded, settings)
    units = range(unit_count(images, BATCH))

    def bare_run() -> None:
        with as_found(loaded.module) as module, torch.no_grad():
            for batch in stream(source, units, BATCH):
                module(batch.pixels.contiguous(memory_format=torch.channels_last))

    return in_pairs(lambda: scan(loaded, source, settings), bare_run, pairs)


def obvious_script(module: nn.Module, batches: list[Tensor], per_layer: int) -> tuple[float, float]:
    """Time the obvious script: hooks that store everything, then `scipy.stats.ks_2samp`.

    Returns
    -------
    collecting, comparing : float
        Seconds. Comparing is timed on `per_layer` filters of every layer and extrapolated: all of
        them would take hours.
    """
    kept: dict[str, list[Tensor]] = {}
    layers = {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1
    }

    def keep(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: object, output: Tensor) -> None:  # noqa: ARG001 - torch's hook
            kept.setdefault(name, []).append(output.clone())

        return hook

    handles = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]

    def collect() -> None:
        with torch.no_grad():
            for batch in batches:
                module(batch)

    collecting = timed(collect)
    for handle in handles:
        handle.remove()
    comparing = 0.0
    for outputs in kept.values():
        maps = torch.cat(outputs).numpy()
        chosen = min(per_layer, maps.shape[1])
        seconds = timed(lambda maps=maps, chosen=chosen: _compare(maps[:, :chosen]))  # type: ignore[misc]  # defaults bind the names
        comparing += seconds * maps.shape[1] / chosen
    return collecting, comparing


def _compare(maps: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    high, wide = maps.shape[2] // 4, maps.shape[3] // 4
    for channel in range(maps.shape[1]):
        one = maps[:, channel]
        core = one[:, high:-high, wide:-wide].ravel()
        for line in (one[:, 0], one[:, -1], one[:, :, 0], one[:, :, -1]):
            stats.ks_2samp(line.ravel(), core, method="asymp")


def scan_to_script(images: int) -> tuple[float, float, float, float]:
    """Time a scan and the obvious script on the same crops.

    Returns
    -------
    scan, bare, collecting, comparing : float
        Seconds.
    """
    loaded = load_model("lite0")
    batches = crops(loaded, images)
    repeated = Repeated(batches, images)
    ours, forward = scanned(loaded, repeated, images), bare(loaded.module, repeated)
    ours(), forward()
    times = timed(ours), timed(forward)
    gc.collect()
    with as_found(loaded.module) as module:
        return (*times, *obvious_script(module, batches, per_layer=2))
