"""How long the model waits for photographs that are decoded ahead of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from padscope import ScanSettings, load_model
from padscope.images import StreamedImages, stream, unit_count
from padscope.models import LoadedModel, as_found
from padscope.study import as_images

BATCH = 16
NETWORKS = ("lite0", "torchvision:mobilenet_v3_small", "torchvision:resnet50")
WORKERS = (1, 2, 4)


@dataclass(frozen=True)
class Waited:
    """What the model's time goes into.

    Attributes
    ----------
    images : int
    computing, waiting : float
        Seconds, of all images but the first batches, which nothing can be done ahead of.
    """

    images: int
    computing: float
    waiting: float

    def __str__(self) -> str:
        """Write the share of waiting and the pace."""
        whole = self.computing + self.waiting
        return (
            f"waits {self.waiting / whole:.1%} of the time, {self.images / whole:.1f} images/s "
            f"({self.images / self.computing:.1f} if it never waited)"
        )


def waited(
    loaded: LoadedModel, images: str | None, count: int, workers: int, passes: int
) -> Waited:
    """Run a network on photographs as a scan does, and time what it waits for.

    Parameters
    ----------
    loaded : LoadedModel
    images : str or None
        As of `open_images`.
    count, workers : int
        Of images, and of decoding threads.
    passes : int
        Forward passes a batch: a scan takes one, an explanation about a dozen.
    """
    source = as_images(images, loaded, ScanSettings(limit=count, crops=count))
    assert not isinstance(source, StreamedImages)
    batches = stream(source, range(unit_count(len(source), BATCH)), BATCH, workers)
    computing = waiting = 0.0
    seen = 0
    with as_found(loaded.module) as module, torch.no_grad():
        begun = time.perf_counter()
        for batch in batches:
            come = time.perf_counter()
            for _ in range(passes if batch.indices else 0):
                module(batch.pixels.contiguous(memory_format=torch.channels_last))
            done = time.perf_counter()
            if seen:
                waiting, computing = waiting + come - begun, computing + done - come
            seen, begun = seen + len(batch.indices), done
    return Waited(max(1, seen - BATCH), computing, waiting)


def describe_decoding(images: str | None = None, networks: Sequence[str] = NETWORKS) -> None:
    """Print how long networks wait for photographs, by the number of threads that decode them."""
    print(f"photographs decoded ahead of the model, {torch.get_num_threads()} threads of its own")
    for spec in networks:
        loaded = load_model(spec, weights=None if spec == "lite0" else "random")
        for workers in WORKERS:
            print(f"  {spec}, {workers} decoding:", waited(loaded, images, 192, workers, 1))
