"""What the stages will take, before they begin: forward passes, and how long a pass is."""

from __future__ import annotations

import time

import torch

from padscope.models import LoadedModel, as_found
from padscope.running.memory import keeping_freed_memory
from padscope.running.model import run_batch
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.sites.alignment import FAR_MARGIN, NEAR_MARGIN
from padscope.study.baselines import baseline_names
from padscope.study.context import Canvas
from padscope.study.explain_work import ExplainWork
from padscope.study.inputs import Work, as_images
from padscope.study.stages import EXPLAIN, IMPACT, SCAN, Effort, StageWork

# Forward passes of an impact on the images that all take a part of, and of every further image, as
# found for lite0; which sets there are, and so how many passes, an explanation tells.
USUAL_IMPACT, THOROUGH_IMPACT = (1700, 14), (0, 500)
IMPACT_DEAR = 1.7  # what one of them costs on average, over the cheapest
FAR_FROM = 160  # pixels of an input from which on networks reach so far that the margin is greater
AT_ONCE = 0.5  # seconds that a first batch of two may take, if a larger one shall be timed


def expect_audit(
    loaded: LoadedModel,
    images: object,
    scan: ScanSettings,
    explain: ExplainSettings,
    impact: ImpactSettings | None,
    usual: tuple[int, int] = USUAL_IMPACT,
) -> dict[str, StageWork]:
    """Estimate what the stages of an audit take: stage → work; nothing where that cannot be known.

    The margin, and the sets whose impact is measured, are not known before: they are taken for
    those of a usual network, with so many forward passes and so many more of every image tested.

    Raises
    ------
    PadscopeError
        The images cannot be opened.
    """
    source = as_images(images, loaded, scan)
    scanned = Work(source, scan, loaded.static_batch, 1).images
    if loaded.preprocessing is None or scanned is None:
        return {}
    size = loaded.preprocessing.size
    margin = explain.margin or (FAR_MARGIN if min(size) >= FAR_FROM else NEAR_MARGIN)
    canvas = Canvas(
        as_images(images, loaded, ScanSettings(limit=explain.limit, crops=explain.limit or 1)),
        size, tuple(margin for _ in size), explain.limit, explain.batch_size, 1,
    )  # fmt: skip
    few = canvas.first_images(explain.baseline_images)
    explaining = ExplainWork(canvas, explain, few, baseline_names(explain, fits=True))
    found = {SCAN: StageWork(scanned, Effort.of(scanned))}
    if explaining.total is not None and canvas.images:
        found[EXPLAIN] = StageWork(canvas.images, explaining.total)
    if impact:
        tested = min(canvas.images or scanned, impact.limit or scanned)
        found[IMPACT] = StageWork(tested, Effort.of(usual[0] + usual[1] * tested, IMPACT_DEAR))
    return found


def time_pass(loaded: LoadedModel, batch_size: int) -> float | None:
    """Time a batch of noise: seconds of a bare forward pass of one image; None if that fails.

    The first batches, one of two images, warm up; one is taken for the answer if it takes long.
    """
    if loaded.preprocessing is None:
        return None
    shape = (loaded.preprocessing.channels, *loaded.preprocessing.size)
    noise = torch.randn(batch_size, *shape, generator=torch.Generator().manual_seed(0))
    with as_found(loaded.module) as module, torch.no_grad(), keeping_freed_memory():
        for images in (2, batch_size, batch_size):
            pixels, begun = noise[: loaded.static_batch or images], time.monotonic()
            run_batch(module, pixels, range(len(pixels)), loaded.static_batch)
            if pixels.is_cuda:
                torch.cuda.synchronize()
            seconds = time.monotonic() - begun
            if seconds > AT_ONCE:
                break
    return seconds / len(pixels)
