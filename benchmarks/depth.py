"""What measuring the depth costs above its forward passes: one of each crop, one of each canvas."""

from __future__ import annotations

import torch

from benchmarks.pairs import Ratio, in_clocked_pairs
from padscope import load_model
from padscope.images import central
from padscope.measurements.depth import DepthMeasurement
from padscope.models import as_found
from padscope.running.model import Asking, as_input
from padscope.settings import DepthSettings
from padscope.study.depth import crop_size, open_large, prepare


def depth_to_bare(spec: str, images: int, margin: int, pairs: int) -> Ratio:
    """Compare processor time with that of the passes alone, on the same batches."""
    loaded, settings = load_model(spec), DepthSettings(limit=images, margin=margin)
    source = open_large(None, loaded, settings)
    with as_found(loaded.module) as module:
        canvas, _, plan = prepare(
            module, loaded, source, crop_size(loaded, settings), settings, workers=1
        )
        batches = list(canvas.batches(canvas.units))
        look = DepthMeasurement(module, plan, Asking())

        @torch.no_grad()
        def bare() -> None:
            for batch in batches:
                module(as_input(module, central(batch.pixels, canvas.size, "a batch")))
                module(as_input(module, batch.pixels))

        return in_clocked_pairs(lambda: [look(batch) for batch in batches], bare, pairs)[1]


def describe_depth() -> None:
    """Print the cost."""
    print("depth ÷ its unavoidable passes, processor time (target: ≤ 1.15)")
    print("  lite0, 26 images, margin 64: ", depth_to_bare("lite0", 26, margin=64, pairs=5))
