"""From what the caller has, a model and a path or tensors, to what a run works on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.images import (
    Batch,
    Images,
    Probe,
    StreamedImages,
    TensorImages,
    UnreadableImage,
    Window,
    fingerprint_tensors,
    from_python,
    one_by_one,
    open_images,
    stream,
    unit_count,
)
from padscope.models import LoadedModel, load_model, spatial_dims, takes, wrap_module
from padscope.running import Job, Measurement, Pulse
from padscope.running.loop import S
from padscope.running.model import find_device
from padscope.settings import AUTO, ScanSettings

if TYPE_CHECKING:
    from padscope.study.result import Study

Batches = Callable[[Iterable[int]], Iterator[Batch]]
Start = Callable[[Pulse], AbstractContextManager[Measurement[S]]]


NOT_COMPARED = "not read for a fingerprint"


def as_loaded(model: nn.Module | LoadedModel | str, study: Study | None = None) -> LoadedModel:
    """Load a spec, onto the best device there is, or take a module as it is.

    Raises
    ------
    PadscopeError
        It has other weights than the network of a study.
    """
    if isinstance(model, str):
        loaded = load_model(model)
        loaded.module.to(find_device(AUTO))
    else:
        loaded = model if isinstance(model, LoadedModel) else wrap_module(model)
    if study is not None and loaded.weights_hash != study.identity["weights"]:
        raise PadscopeError(
            f"{loaded.spec} has other weights than the network that was scanned; "
            "give the same model and weights, or scan this one"
        )
    return loaded


def as_images(
    images: object, loaded: LoadedModel, settings: ScanSettings
) -> Images | StreamedImages:
    """Open a path, or take what Python gives, as a source of images."""
    if isinstance(images, Images | StreamedImages):
        return images
    if images is None or isinstance(images, str | Path):
        framing = make_framing(loaded, settings.seed)
        return open_images(images, framing, settings.limit, settings.seed, settings.crops)
    source = from_python(images, _spatial_dims(images, loaded))
    if isinstance(source, TensorImages) and settings.limit and settings.limit < len(source):
        return Sample.of(source, settings.limit, settings.seed)
    return source


def _spatial_dims(images: object, loaded: LoadedModel) -> int:
    """Count the spatial axes: those of the images if the model runs on them, else of its own."""
    want = loaded.preprocessing
    dims = len(want.size) if want else spatial_dims(loaded.module)
    readings = [shape for shape in _image_shapes(images) if 2 <= len(shape) <= 4]
    if any(len(shape) != dims + 1 for shape in readings):
        for channels, *size in sorted(readings, key=lambda shape: len(shape) != dims + 1):
            if takes(loaded.module, channels, size):
                return len(size)
    return dims


def _image_shapes(images: object) -> list[tuple[int, ...]]:
    """Shapes (C, *spatial) that the first of some images may have; none if nothing tells yet."""
    if isinstance(images, Tensor):
        return [tuple(images.shape[1:])]
    listed = isinstance(images, list | tuple)
    if isinstance(images, IterableDataset) or not isinstance(images, list | tuple | Dataset):
        return []  # to look at the first might use it up
    try:
        item: Any = images[0]
    except Exception:  # it is told when all of them are read
        return []
    while isinstance(item, list | tuple) and item:
        item = item[0]
    if not isinstance(item, Tensor):
        return []
    shape = tuple(item.shape)
    return [shape, shape[1:]] if listed else [shape]  # a list holds images or batches


@dataclass(frozen=True)
class Sample:
    """Some images of a source, in random order; an `Images`.

    Attributes
    ----------
    source : Images
    chosen : tuple of int
        Their indices there.
    description : str
        One line for people.
    """

    source: Images
    chosen: tuple[int, ...]
    description: str

    @classmethod
    def of(cls, source: Images, limit: int, seed: int) -> Sample:
        """Draw `limit` images; a larger limit adds to a smaller one."""
        order = np.random.default_rng(seed).permutation(len(source))
        chosen = tuple(map(int, order[:limit]))
        return cls(source, chosen, f"{limit} of {source.describe()} (seed {seed})")

    def __len__(self) -> int:
        """Return how many were chosen."""
        return len(self.chosen)

    def name(self, index: int) -> str:
        """Return the image's name in its source."""
        return self.source.name(self.chosen[index])

    def group(self, index: int) -> int:
        """Return the image's group in its source."""
        return self.source.group(self.chosen[index])

    def tensor(self, index: int) -> Tensor:
        """Return the image."""
        return self.source.tensor(self.chosen[index])

    def fingerprint(self) -> str:
        """Return a digest of the choice and of the images chosen, each of which is read once."""
        return fingerprint_tensors(one_by_one(self), len(self.source), self.chosen)

    def describe(self) -> str:
        """Return one line for people."""
        return self.description


def fingerprint(
    source: Images | StreamedImages, limit: int | None, *, compared: bool = True
) -> str:
    """Return a digest of the images that are used, no more than `limit` of a stream.

    Images that are no files are read once more for it; where nobody compares digests, for there is
    no journal and no other process, they are not.
    """
    if isinstance(source, StreamedImages):
        return source.fingerprint(limit) if compared else NOT_COMPARED
    inner = source.source if isinstance(source, Sample) else source
    if isinstance(inner, TensorImages) and not compared:
        return NOT_COMPARED
    return source.fingerprint()


def make_framing(loaded: LoadedModel, seed: int) -> Probe | Window:
    """Return what turns images in files into a model's inputs.

    That is a random crop of a photograph for models that take images of one or three channels, and
    a window of an array for all others.

    Raises
    ------
    PadscopeError
        The input size of the model is unknown, or its channels do not fit the normalisation.
    """
    want = loaded.preprocessing
    if want is None:
        raise PadscopeError(
            f"the input size of {loaded.spec} is not known; pass a size, or tensors"
        )
    if loaded.input_channels not in (None, want.channels):
        raise PadscopeError(
            f"mean and std have {plural(want.channels, 'value')} and {loaded.spec} takes "
            f"{plural(loaded.input_channels, 'channel')}; give one value, or one per channel"
        )
    if len(want.size) != 2 or want.channels not in (1, 3):
        return Window(want.size, want.mean, want.std, seed)
    height, width = want.size
    channels: Any = want.channels
    return Probe((height, width), want.mean, want.std, channels, seed)


def make_probe(loaded: LoadedModel, seed: int) -> Probe:
    """Return the random crop that turns photographs into a model's inputs.

    Raises
    ------
    PadscopeError
        As of `make_framing`, or the model takes no photographs.
    """
    framing = make_framing(loaded, seed)
    if isinstance(framing, Window):
        raise framing.no_photograph
    return framing


def identify(
    loaded: LoadedModel,
    source: Images | StreamedImages,
    settings: ScanSettings,
    *,
    compared: bool = True,
) -> dict[str, Any]:
    """Name what the results depend on. A run directory belongs to one identity."""
    # As installed: to import timm and torchvision takes seconds, and most models need neither.
    installed = {name: version(name) for name in ("padscope", "torchvision", "timm", "numpy")}
    adapter = loaded.input_adapter
    return {
        "model": loaded.spec,
        "weights": loaded.weights_hash,
        "images": fingerprint(source, settings.limit, compared=compared),
        "settings": asdict(settings),
        # What decodes the images, where that is known.
        "versions": {"torch": torch.__version__}
        | installed
        | dict(getattr(source, "decoders", {})),
    } | ({"input adapter": adapter.name} if adapter else {})


def beside_identity(
    study: Study | None, loaded: LoadedModel, images: str, settings: Any, **sizes: Sequence[int]
) -> dict[str, Any]:
    """Name what the results of a stage beside a run depend on, as it is read back.

    Parameters
    ----------
    study : Study or None
        That of the run.
    loaded : LoadedModel
    images : str
        Their digest.
    settings : dataclass
        What has an entry of its own among `sizes` is left out.
    **sizes
        Pixels per axis.
    """
    told = {
        name: [*value] if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }
    return {
        "scan": None if study is None else study.identity,
        "weights": loaded.weights_hash,
        "images": images,
        **{name: [*size] for name, size in sizes.items()},
        "settings": told | dict.fromkeys(told.keys() & sizes.keys()),
        "versions": {"padscope": version("padscope"), "torch": torch.__version__},
    }


def job_over(
    source: Images | StreamedImages,
    name: str,
    batches: Batches,
    start: Start[S],
    units: int | None,
    images: int | None,
) -> Job[S]:
    """Describe a job over the images of a source; arguments as of `Job`."""
    in_order = isinstance(source, StreamedImages)
    return Job(name, start, batches, units, not in_order, source.fingerprint, images)


@dataclass(frozen=True)
class Work:
    """The units of a source that a run has to do.

    Attributes
    ----------
    source : Images or StreamedImages
    settings : ScanSettings
    static_batch : int or None
        The only number of images the model takes at once, if there is one.
    workers : int
        Decoding threads.
    """

    source: Images | StreamedImages
    settings: ScanSettings
    static_batch: int | None
    workers: int

    @property
    def batch_size(self) -> int:
        """Images per unit."""
        return self.static_batch or self.settings.batch_size

    @property
    def images(self) -> int | None:
        """Number of images, if it is known."""
        if isinstance(self.source, StreamedImages) and self.source.length is None:
            return None
        return min(len(self.source), self.settings.limit or len(self.source))

    @property
    def units(self) -> int | None:
        """Number of units, if it is known."""
        return None if self.images is None else unit_count(self.images, self.batch_size)

    def batches(self, units: Iterable[int]) -> Iterator[Batch]:
        """Decode the batches of some units ahead."""
        stream_of = stream(self.source, units, self.batch_size, self.workers)
        return up_to(self.settings.limit, stream_of)

    def job(self, name: str, batches: Batches, start: Start[S]) -> Job[S]:
        """Describe a job over all units."""
        return job_over(self.source, name, batches, start, self.units, self.images)

    def begin(self) -> tuple[Tensor, Batches]:
        """Give one image as a batch, and what gives the batches of some units.

        Raises
        ------
        PadscopeError
            There is no image that can be read.
        """
        if not isinstance(self.source, StreamedImages):
            return self.first_image(), self.batches
        # What comes one after the other cannot be asked for its first image again.
        most = self.images or self.settings.limit
        units = itertools.count() if most is None else range(unit_count(most, self.batch_size))
        batches = self.batches(units)
        head = next(batches, None)
        if head is None:
            raise PadscopeError("the iterable gave no images; give at least one batch")
        every = itertools.chain([head], batches)

        def rest(wanted: Iterable[int]) -> Iterator[Batch]:
            first = next(iter(wanted), None)
            return (batch for batch in every if first is not None and batch.unit >= first)

        return head.pixels[:1], rest

    def first_image(self) -> Tensor:
        """Give the first image that can be read, as a batch of one."""
        assert not isinstance(self.source, StreamedImages)
        problem = "there are none"
        for index in range(self.images or 0):
            try:
                return self.source.tensor(index)[None]
            except UnreadableImage as error:
                problem = f"for example, {error}"
        raise PadscopeError(f"no image can be read ({problem}); give others")


def up_to(limit: int | None, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Leave out the images of batches from index `limit` on."""
    for batch in batches:
        indices, skipped = batch.indices, batch.skipped
        if limit is None or max((*indices, *(skip.index for skip in skipped)), default=0) < limit:
            yield batch
            continue
        indices = tuple(index for index in indices if index < limit)
        skipped = tuple(skip for skip in skipped if skip.index < limit)
        pixels = batch.pixels[: len(indices)]
        yield replace(batch, indices=indices, pixels=pixels, skipped=skipped)
