"""What explaining costs above the forward passes that it cannot do without.

Explaining runs every image as a crop and as a canvas around it. The crop costs a bare forward pass,
the canvas as many times that as its area is larger: the unavoidable part. Both are measured, in
the batches that padscope runs, with everything else as in `benchmarks.scan`; canvases lie channels
last in memory, as photographs do. An explanation includes choosing the margin, aligning, verifying,
counting, scoring, and resampling; not the check of the margin.

A baseline is one more network: it cannot do without the same passes, and without one more over the
crops, in which its batch norm statistics are estimated. That one is charged as a bare forward pass
in eval mode, which is cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.pairs import Ratio, timed
from padscope import ScanSettings, Study, explain, load_model, scan
from padscope.images import BuiltinPhotos, Canvases, TensorImages, central, stream, unit_count
from padscope.models import LoadedModel, as_found
from padscope.settings import ExplainSettings
from padscope.study import as_images


@dataclass(frozen=True)
class Cost:
    """Times of an explanation and of the forward passes in it.

    Attributes
    ----------
    to_bare : Ratio
        Explanation against the bare forward pass of the crops.
    to_unavoidable : Ratio
        Against the bare forward passes of crops and canvases, of all networks.
    area : float
        Area of a canvas over that of its crop, and 1 for the crop itself.
    """

    to_bare: Ratio
    to_unavoidable: Ratio
    area: float

    def __str__(self) -> str:
        """Both ratios, and what the areas say."""
        return (
            f"÷ bare crop {self.to_bare}\n    canvas area ÷ crop area + 1 = {self.area:.2f}\n"
            f"    ÷ bare passes {self.to_unavoidable}"
        )


def explain_to_bare(
    spec: str, images: int, margin: int, pairs: int, fresh: int | None = None
) -> Cost:
    """Time an explanation against the bare forward passes of the same tensors, in turns.

    Parameters
    ----------
    spec : str
    images, margin, pairs : int
    fresh : int, optional
        Baselines with fresh weights, beside the one with shuffled weights; none at all if not
        given.
    """
    loaded = load_model(spec)
    assert loaded.preprocessing is not None
    size = loaded.preprocessing.size
    canvases = _canvases(loaded, size, margin, images)
    study = _scanned(loaded, canvases, size)
    settings = ExplainSettings(limit=images, baselines=fresh or 0, check=0)
    networks = 1 + (fresh + 1 if fresh else 0)
    area = math.prod((n + 2 * margin) / n for n in size)
    batch = max(1, min(settings.batch_size, round(2 * settings.batch_size / area)))
    batches = [
        canvases[first : first + batch].contiguous(memory_format=torch.channels_last)
        for first in range(0, images, batch)
    ]
    crops = [
        central(pixels, size, "a batch").contiguous(memory_format=torch.channels_last)
        for pixels in batches
    ]

    def explained() -> None:
        explain(study, loaded, TensorImages(canvases, len(size)), settings)

    crop, canvas = _forward(loaded.module, crops), _forward(loaded.module, batches)
    for work in (explained, crop, canvas):
        work()
    ours, bare, passes = [], [], []
    for _ in range(pairs):
        ours.append(timed(explained))
        # As often as networks run them: measured once, of minutes seconds would be the yardstick.
        times = [(timed(crop), timed(canvas)) for _ in range(networks)]
        bare.append(sum(first for first, _ in times) / networks)
        passes.append(sum(map(sum, times)) + bare[-1] * (networks - 1))
    return Cost(Ratio(tuple(ours), tuple(bare)), Ratio(tuple(ours), tuple(passes)), area + 1)


def _forward(module: nn.Module, batches: list[Tensor]) -> Callable[[], None]:
    def run() -> None:
        with as_found(module), torch.no_grad():
            for batch in batches:
                module(batch)

    return run


def _canvases(loaded: LoadedModel, size: tuple[int, ...], margin: int, images: int) -> Tensor:
    """Canvases of the built-in photographs, 32 of them over and over."""
    source = as_images(None, loaded, ScanSettings(crops=32))
    assert isinstance(source, BuiltinPhotos)
    around = Canvases(source, size, (margin,) * len(size))
    few = torch.cat([batch.pixels for batch in stream(around, range(unit_count(32, 8)), 8)])
    many = few.repeat(unit_count(images, 32), 1, 1, 1)[:images]
    return many.contiguous(memory_format=torch.channels_last)


def _scanned(loaded: LoadedModel, canvases: Tensor, size: tuple[int, ...]) -> Study:
    return scan(loaded, central(canvases[:64], size, "the canvases"), ScanSettings(limit=64))
