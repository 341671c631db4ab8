"""Networks trained for the border and for what has no place: how many of their filters see it.

Every control is trained once and kept in `KEPT`, under a name that changes with what it was trained
on and how. Beside each stand three networks of fresh weights, whose batch norms have statistics of
the same images. Counted are the filters with a border recall of at least `RECOGNISED` at any side,
by brute force on raw outputs, or what another function counts.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from padscope.images import BuiltinPhotos, Images, PhotoFiles, TensorImages, stream
from padscope.models import fresh_weights, reestimate_batchnorm, wrap_module
from padscope.planted import (
    Task,
    control_accuracy,
    control_photographs,
    controls,
    raw_recalls,
    train_control,
)

KEPT = Path(__file__).parent / "results" / "controls"
IMAGES, ESTIMATED = 96, 48  # to count on, and to estimate statistics on
FRESH = 3
RECOGNISED = 0.5
ELSEWHERE = 1000  # added to the seed of a control: other crops than it was trained on

Count = Callable[[nn.Module, Tensor], int]


@dataclass(frozen=True)
class Control:
    """A trained control, and what was counted.

    Attributes
    ----------
    task, norm, seed
        As for `train_control`.
    seconds : float
        Of training, on the processor; 0 if it was trained before.
    accuracy : float
        Of `control_accuracy`, on other crops.
    given : int
        Counted in it.
    fresh : tuple of int
        Counted in networks of fresh weights.
    """

    task: Task
    norm: bool
    seed: int
    seconds: float
    accuracy: float
    given: int
    fresh: tuple[int, ...]

    def __str__(self) -> str:
        """Write one line."""
        norm = "batch norm" if self.norm else "no norm"
        return (
            f"{self.task:6}  {norm:10}  seed {self.seed}: {self.given:3} given, "
            f"{', '.join(map(str, self.fresh))} fresh  "
            f"(accuracy {self.accuracy:.3f}; {self.seconds:.0f} s)"
        )


def recognising(module: nn.Module, images: Tensor) -> int:
    """Count the filters that recognise a side, by brute force."""
    recalls = raw_recalls(module, images)
    return len({(site, index) for (site, index, _), r in recalls.items() if r >= RECOGNISED})


def counted(
    seeds: int, source: str | None = None, count: Count = recognising, steps: int = controls.STEPS
) -> Iterator[Control]:
    """Train controls, or take those kept, and count.

    Parameters
    ----------
    seeds : int
        Controls of each kind.
    source : str, optional
        A folder of photographs, of which the last 96 in a random order are counted on and the
        others trained on. The built-in photographs if not given, other crops of them for either.
    count : callable
        Of a network in eval mode and (N, 3, H, W) images.
    steps : int
        Of training.
    """
    training, images = _photographs(source)
    kinds: list[tuple[Task, bool]] = list(product(("border", "local"), (True, False)))
    for (task, norm), seed in product(kinds, range(seeds)):
        module, seconds = _trained(task, norm, seed, training, steps)
        loaded, fresh = wrap_module(module), []
        for number in range(FRESH):
            untrained = fresh_weights(loaded, FRESH * seed + number + 1)
            reestimate_batchnorm(untrained, [images[:ESTIMATED]])
            fresh.append(count(untrained, images))
        accuracy = control_accuracy(module, task, seed + ELSEWHERE, training)
        yield Control(task, norm, seed, seconds, accuracy, count(module, images), tuple(fresh))


def _photographs(source: str | None) -> tuple[TensorImages, Tensor]:
    builtin = control_photographs()
    cropped = replace(builtin.probe, size=controls.SIZE, seed=1)
    training: Images = builtin
    measured: Images = BuiltinPhotos(cropped, IMAGES)
    if source is not None:
        every = PhotoFiles.from_folder(Path(source), builtin.probe)
        training = replace(every, names=every.names[:-IMAGES])
        measured = replace(every, names=every.names[-IMAGES:], probe=cropped)
    return TensorImages(_all(training), dims=2), _all(measured)


def _all(images: Images) -> Tensor:
    return next(stream(images, [0], len(images))).pixels


def _trained(
    task: Task, norm: bool, seed: int, training: TensorImages, steps: int
) -> tuple[nn.Module, float]:
    how = f"{Path(controls.__file__).read_text()} {training.fingerprint()} {steps}"
    digest = hashlib.sha256(how.encode()).hexdigest()[:12]
    file = KEPT / f"{task}-{'norm' if norm else 'none'}-{seed}-{digest}.safetensors"
    if file.is_file():
        module = train_control(task, norm=norm, seed=seed, photographs=training, steps=0)
        module.load_state_dict(load_file(file))
        return module, 0.0
    begun = time.process_time()
    module = train_control(task, norm=norm, seed=seed, photographs=training, steps=steps)
    seconds = time.process_time() - begun
    KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    save_file(module.state_dict(), unfinished)
    unfinished.replace(file)
    return module, seconds


def describe_controls(seeds: int = 10, source: str | None = None) -> None:
    """Print all of it."""
    torch.set_num_threads(1)
    print(f"filters that recognise the border, of 120 (recall ≥ {RECOGNISED}, brute force;")
    print("  with batch norm, fresh weights and the local task should have next to none):")
    for control in counted(seeds, source):
        print(f"  {control}", flush=True)
