"""Networks trained for the border and for what has no place: what padscope says of them.

Every control is trained once and kept in `KEPT`, under a name that changes with what it was trained
on and how. Then it is scanned and explained as any network is, beside three networks of fresh and
three of matched weights.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from evidence.wording import markdown
from safetensors.torch import load_file, save_file
from torch import nn

from padscope.findings.recognition import Recognition, recognition
from padscope.images import BuiltinPhotos, Images, TensorImages, open_photos, stream
from padscope.planted import Task, control_accuracy, control_photographs, controls, train_control
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study import explain, scan

KEPT = Path(__file__).parent / "results" / "controls"
IMAGES = 96
ELSEWHERE = 1000  # added to the seed of a control: other crops than it was trained on
APART, SEEDS = 0.3, 0.9  # share of filters told apart, and of seeds in which it has to be so


@dataclass(frozen=True)
class Control:
    """A trained control, and what is said of it.

    Attributes
    ----------
    task, norm, seed
        As for `train_control`.
    seconds : float
        Of training, on the processor; 0 if it was trained before.
    accuracy : float
        Of `control_accuracy`, on other crops.
    found : Recognition
    """

    task: Task
    norm: bool
    seed: int
    seconds: float
    accuracy: float
    found: Recognition

    @property
    def apart(self) -> int:
        """Filters that are told apart one by one from either kind of baseline."""
        return min(origin.apart for origin in self.found.origins)

    @property
    def as_trained(self) -> bool:
        """Whether it is found to be what it was trained for; promised with batch norm alone."""
        if self.task == "local":
            return not self.found.recognising
        answers = {origin.comparison.answer for origin in self.found.origins}
        return answers == {"more"} and self.apart >= APART * self.found.measured

    def __str__(self) -> str:
        """Write one line."""
        norm = "batch norm" if self.norm else "no norm"
        origins = "; ".join(
            f"{', '.join(map(str, sorted(origin.comparison.baselines)))} {origin.kind}: "
            f"{origin.comparison.answer}, {origin.apart} apart"
            for origin in self.found.origins
        )
        return (
            f"{self.task:6}  {norm:10}  seed {self.seed}: {self.found.recognising:3} recognise; "
            f"{origins}  (accuracy {self.accuracy:.3f}; {self.seconds:.0f} s)"
        )


def judged(module: nn.Module, images: Images) -> Recognition:
    """Scan and explain a network, as any is."""
    study = explain(scan(module, images, ScanSettings()), module, images, ExplainSettings())
    assert study.explanation is not None
    return recognition(study.filters, study.explanation)


def every_control(seeds: int, source: str | None = None) -> Iterator[Control]:
    """Train controls, or take those kept, and judge them.

    Parameters
    ----------
    seeds : int
        Controls of each kind.
    source : str, optional
        A folder of photographs, of which the last 96 in a random order are counted on and the
        others trained on. The built-in photographs if not given, other crops of them for either.
    """
    training, images = _photographs(source)
    kinds: list[tuple[Task, bool]] = list(product(("border", "local"), (True, False)))
    for (task, norm), seed in product(kinds, range(seeds)):
        module, seconds = _trained(task, norm, seed, training)
        accuracy = control_accuracy(module, task, seed + ELSEWHERE, training)
        yield Control(task, norm, seed, seconds, accuracy, judged(module, images))


def _photographs(source: str | None) -> tuple[TensorImages, Images]:
    builtin = control_photographs()
    cropped = replace(builtin.probe, size=controls.SIZE, seed=1)
    training: Images = builtin
    measured: Images = BuiltinPhotos(cropped, IMAGES)
    if source is not None:
        every = open_photos(source, builtin.probe)
        training = replace(every, photos=every.photos[:-IMAGES])
        measured = replace(every, photos=every.photos[-IMAGES:], probe=cropped)
    # Kept in memory: every control is trained on them.
    pixels = next(stream(training, [0], len(training))).pixels
    return TensorImages(pixels, dims=2), measured


def _trained(task: Task, norm: bool, seed: int, training: TensorImages) -> tuple[nn.Module, float]:
    how = f"{Path(controls.__file__).read_text()} {training.fingerprint()} {controls.STEPS}"
    digest = hashlib.sha256(how.encode()).hexdigest()[:12]
    file = KEPT / f"{task}-{'norm' if norm else 'none'}-{seed}-{digest}.safetensors"
    if file.is_file():
        module = train_control(task, norm=norm, seed=seed, photographs=training, steps=0)
        module.load_state_dict(load_file(file))
        return module, 0.0
    begun = time.process_time()
    module = train_control(task, norm=norm, seed=seed, photographs=training, steps=controls.STEPS)
    seconds = time.process_time() - begun
    KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    save_file(module.state_dict(), unfinished)
    unfinished.replace(file)
    return module, seconds


def closing_table(found: Sequence[Control]) -> str:
    """Write what is said of each kind of control, over all seeds."""
    header = ("trained to say", "norm", "seeds", "recognising", "fresh", "matched",
              "training: more", "kernels: more", "q ≤ .05", "as trained")  # fmt: skip
    rows = [
        (
            task, "batch" if norm else "none", len(alike),
            _range([control.found.recognising for control in alike]),
            *(_range([n for each in kind for n in each.baselines]) for kind in origins),
            *(sum(each.answer == "more" for each in kind) for kind in origins),
            _range([control.apart for control in alike]),
            sum(control.as_trained for control in alike) if norm else "–",
        )
        for (task, norm), alike in _by_kind(found).items()
        for origins in [
            [[control.found.origins[place].comparison for control in alike] for place in (0, 1)]
        ]
    ]  # fmt: skip
    return markdown(header, rows, names=2)


def _by_kind(found: Sequence[Control]) -> dict[tuple[str, bool], list[Control]]:
    kinds: dict[tuple[str, bool], list[Control]] = {}
    for control in found:
        kinds.setdefault((control.task, control.norm), []).append(control)
    return kinds


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}–{high}"


def describe_controls(seeds: int = 10, source: str | None = None) -> None:
    """Print all of it; exit with 1 if those with batch norm are not found to be what they are."""
    torch.set_num_threads(1)
    print("what is said of networks that were trained for the border, and for what has no place")
    print("  (targets, with batch norm: the former have more than either kind of baseline, and")
    print(
        f"  {APART:.0%} of their filters at q ≤ .05, in {SEEDS:.0%} of the seeds; the latter none)"
    )
    found = []
    for control in every_control(seeds, source):
        print(f"  {control}", flush=True)
        found.append(control)
    print(closing_table(found))
    of_kind = _by_kind(found)
    for task, share in (("border", SEEDS), ("local", 1)):
        alike = of_kind[task, True]
        if sum(control.as_trained for control in alike) < share * len(alike):
            sys.exit(1)
