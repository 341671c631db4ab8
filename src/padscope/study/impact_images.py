"""The images whose answers are compared: inputs, labels, and which of them belong together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.images import (
    ArrayFiles,
    Batch,
    CentralCrop,
    Images,
    Labels,
    PhotoFiles,
    StreamedImages,
    central,
    given_labels,
    read_labels,
    unit_count,
)
from padscope.images.folders import HoldsLabels
from padscope.models import LoadedModel, class_names, class_numbers
from padscope.running import Job, Pulse, Recorded
from padscope.running.recorded import Look
from padscope.settings import FEWEST_IMAGES, ImpactSettings, ScanSettings
from padscope.study.inputs import Sample, Work, as_images, fingerprint
from padscope.study.stage import look_job

Labelled = Sequence[Any] | Tensor | Mapping[str, Any]
GivenLabels = str | Path | Labelled


@dataclass(frozen=True)
class ImpactImages:
    """Images as the model is tested on them.

    Attributes
    ----------
    work : Work
        The images, in units.
    size : tuple of int
        Pixels of an input per spatial axis; larger images are cut to their centre.
    labels : Labels or None
    """

    work: Work
    size: tuple[int, ...]
    labels: Labels | None

    @property
    def source(self) -> Images | StreamedImages:
        """Where the images come from."""
        return self.work.source

    def images(self, most: int | None = None) -> int | None:
        """Return how many images there are, no more than `most`, if it is known."""
        known = self.work.images
        return known if most is None or known is None else min(known, most)

    def units(self, most: int | None = None) -> int | None:
        """Return in how many units `most` images come, if it is known."""
        images = self.images(most)
        return None if images is None else unit_count(images, self.work.batch_size)

    def first(self) -> Batch | None:
        """Give the first batch of which any image can be read."""
        units = itertools.count() if self.units() is None else range(self.units() or 0)
        return next((batch for batch in self.batches(units) if batch.indices), None)

    def batches(self, units: Iterable[int], most: int | None = None) -> Iterator[Batch]:
        """Give the inputs of some units; no more than `most` images."""
        limit = self.images(most) if self.work.images is not None else most
        settings = replace(self.work.settings, limit=limit or self.work.settings.limit)
        work = replace(self.work, settings=settings)
        for batch in work.batches(units):
            if not batch.indices:
                yield batch
                continue
            name = f"a batch of images ({batch.indices[0]} to {batch.indices[-1]})"
            yield replace(batch, pixels=central(batch.pixels, self.size, name))

    def job(
        self, name: str, make: Callable[[Pulse], Look], most: int | None = None
    ) -> Job[Recorded]:
        """Describe a job that looks at every image, or at `most` of them."""
        return look_job(
            name, lambda units: self.batches(units, most), self.units(most), make,
            random_access=not isinstance(self.source, StreamedImages),
            fingerprint=self.fingerprint, images=self.images(most),
        )  # fmt: skip

    def groups(self, indices: Sequence[int]) -> list[int]:
        """Return which photograph each of some images comes from."""
        source = self.source
        if isinstance(source, StreamedImages):
            return list(indices)
        return [source.group(index) for index in indices]

    def fingerprint(self, *, compared: bool = True) -> str:
        """Return a digest of the images and of their labels."""
        images = fingerprint(self.source, self.work.settings.limit, compared=compared)
        digest = blake2b(images.encode(), digest_size=16)
        if self.labels is not None:
            digest.update(np.array(self.labels.classes, dtype="<i8").tobytes())
        return digest.hexdigest()


def open_impact_images(
    images: object,
    loaded: LoadedModel,
    size: tuple[int, ...],
    settings: ImpactSettings,
    workers: int,
) -> ImpactImages:
    """Open the images that answers are compared on, as yet without labels.

    Photographs are cropped as models are evaluated on them, in the centre; of the built-in ones,
    which are only eight, random crops are taken.

    Raises
    ------
    PadscopeError
        There are too few images.
    """
    opening = ScanSettings(
        limit=settings.limit, seed=settings.seed, crops=settings.limit or ScanSettings.crops
    )
    source = as_images(images, loaded, opening)
    if isinstance(source, PhotoFiles):
        source = replace(source, probe=CentralCrop.like(source.probe))
    work = Work(source, opening, loaded.static_batch, workers)
    batch_size = settings.batch_size
    if work.images:  # in batches of one size: a small last one costs nearly as much as a full one
        batch_size = -(-work.images // unit_count(work.images, batch_size))
    work = replace(work, settings=replace(opening, batch_size=batch_size))
    if work.images is not None and work.images < FEWEST_IMAGES:
        raise PadscopeError(
            f"{source.describe()}: effects need {FEWEST_IMAGES} images or more; give more"
        )
    return ImpactImages(work, size, None)


def with_labels(
    tested: ImpactImages, labels: GivenLabels | None, loaded: LoadedModel, classes: int
) -> ImpactImages:
    """Add labels: a file, ``folders``, a column, one class per image, or classes by image name.

    Raises
    ------
    PadscopeError
        They do not fit the images, or the classes that the model answers with.
    """
    if labels is None:
        return tested
    source = tested.source
    if isinstance(source, StreamedImages):
        raise PadscopeError("a stream of images takes no labels; give a tensor or a Dataset")
    names = [source.name(index) for index in range(len(source))]
    known = class_numbers(loaded, classes)
    if isinstance(source, PhotoFiles | ArrayFiles) and isinstance(source.container, HoldsLabels):
        labels = source.container.labels(str(labels), names, known) or labels
    if isinstance(labels, str | Path):
        root = source.root if isinstance(source, PhotoFiles | ArrayFiles) else None
        found = read_labels(labels, names, classes, known=known, root=root)
    else:
        given = _of_sample(labels, source) if isinstance(source, Sample) else labels
        found = given_labels(given, names, classes, known=known)
    return replace(tested, labels=found)


def _of_sample(labels: Labelled, sample: Sample) -> Labelled:
    """Take the labels of a sample, where they are those of the larger set that it is drawn from."""
    try:
        every = list(labels)
    except TypeError:  # which is named where labels are read
        return labels
    if isinstance(labels, Mapping) or len(every) != len(sample.source):
        return labels
    return [every[index] for index in sample.chosen]


def names_of_classes(loaded: LoadedModel, labels: Labels | None, count: int) -> tuple[str, ...]:
    """Return what classes are called, as far as anything tells; "" for the others."""
    known = class_names(loaded, count) or ("",) * count
    told = labels.names if labels is not None else {}
    return tuple(told.get(number) or name for number, name in enumerate(known))
