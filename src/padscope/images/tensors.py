"""Images which are Python objects already: tensors, datasets, data loaders, generators."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from typing import Any, Protocol, runtime_checkable

from torch import Tensor
from torch.utils.data import IterableDataset

from padscope.counts import plural
from padscope.errors import PadscopeError
from padscope.images.fingerprint import fingerprint_tensors, one_by_one
from padscope.images.items import Take, given, image_of, parts_of, taken


@runtime_checkable
class Indexable(Protocol):
    """A tensor or a map-style dataset."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def __getitem__(self, index: int, /) -> object:
        """Return an item: an image, or what contains one."""
        ...


class TensorImages:
    """A tensor, or a dataset of tensors, with random access; an `Images`.

    Parameters
    ----------
    items : Tensor or map-style dataset
        Each item is a (C, *spatial) floating-point tensor, a tuple or list which starts with one,
        or a dictionary which has one under ``pixel_values``, ``image`` or ``img``.
    dims : int
        Number of spatial dimensions.
    take : callable, optional
        Takes the image out of an item.
    """

    def __init__(self, items: Indexable, dims: int, take: Take | None = None) -> None:
        self.items = items
        self.dims = dims
        self.take = take
        self._length = len(items)

    def __len__(self) -> int:
        """Return the number of images there were at first."""
        return self._length

    def name(self, index: int) -> str:
        """Return "image" and the index."""
        return f"image {index}"

    def group(self, index: int) -> int:
        """Return the index: every item counts as independent."""
        return index

    def tensor(self, index: int) -> Tensor:
        """Return the image, (C, *spatial) float32.

        Raises
        ------
        PadscopeError
            The item is none, or cannot be had, or there are no longer as many as there were.
        """
        kind, name = type(self.items).__name__, self.name(index)
        if len(self.items) != self._length:
            raise PadscopeError(
                f"the {kind} had {plural(self._length, 'image')} at first and has "
                f"{len(self.items)} now; give images that do not change while they are read"
            )
        advice = f"; make it give one for every index below its length, {self._length}"
        item = given(lambda: self.items[index], kind, name, advice)
        image = image_of(taken(item, name, self.take), name)
        if image.ndim != self.dims + 1:
            raise PadscopeError(
                f"{name} has shape {tuple(image.shape)}; the model wants items of "
                f"{self.dims + 1} axes, channels first"
            )
        return image

    def fingerprint(self) -> str:
        """Return a digest of the type and of all images, each of which is read once.

        A dataset which draws its images at random has another one each time.
        """
        return fingerprint_tensors(one_by_one(self), type(self.items).__name__)

    def describe(self) -> str:
        """Return one line for people."""
        return f"{plural(len(self), 'image')} from a {type(self.items).__name__}"


class StreamedImages:
    """Images which come one after the other, and cannot be asked for by their index.

    Parameters
    ----------
    batches : iterable
        Yields (N, C, *spatial) batches or (C, *spatial) images, told apart by their rank; tuples
        or lists which start with one; dictionaries which have one under ``pixel_values``,
        ``image`` or ``img``; or lists of images or of such samples.
    dims : int
        Number of spatial dimensions.
    length : int, optional
        Number of images, if it is known before they come.
    take : callable, optional
        Takes the images out of what `batches` yields: a batch, an image, or a list of images.
    """

    def __init__(
        self,
        batches: Iterable[object],
        dims: int,
        length: int | None = None,
        take: Take | None = None,
    ) -> None:
        self.batches = batches
        self.dims = dims
        self.length = length
        self.take = take
        self._spent = False

    def __len__(self) -> int:
        """Return the number of images; raises `TypeError` if it is unknown."""
        if self.length is None:
            raise TypeError("the number of streamed images is unknown until they have come")
        return self.length

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the images, each (C, *spatial) float32, from the first one on; see `chunks`."""
        for chunk in self.chunks():
            yield from chunk.unbind()

    def chunks(self) -> Iterator[Tensor]:
        """Yield the images in the batches in which they come, (n, C, *spatial) float32 each.

        Raises
        ------
        PadscopeError
            Something else than images comes, or not as many as there were, they cannot be had, or
            a generator is asked a second time.
        """
        if self._spent:
            raise PadscopeError(
                "the images came from a generator, which gives them only once; "
                "give a list, a DataLoader or a Dataset instead"
            )
        kind, end = type(self.batches).__name__, object()
        iterator: Any = given(lambda: iter(self.batches), kind, "its start")
        self._spent = iterator is self.batches
        total, every = 0, self.take is not None
        for number in count():
            name = f"item {number} of the images"
            item = given(lambda: next(iterator, end), kind, name)
            if item is end:
                break
            parts, every = parts_of(taken(item, name, self.take), name, self.dims, every=every)
            for part in parts:
                chunk = self._chunk(image_of(part, name), name)
                total += len(chunk)
                yield chunk
        if self.length not in (None, total):
            raise PadscopeError(
                f"the {kind} had {plural(self.length, 'image')} at first and gave {total} now; "
                "give images that do not change while they are read"
            )

    def _chunk(self, pixels: Tensor, name: str) -> Tensor:
        if pixels.ndim == self.dims + 2:
            return pixels
        if pixels.ndim == self.dims + 1:
            return pixels[None]
        raise PadscopeError(
            f"{name} has shape {tuple(pixels.shape)}; the model wants batches of {self.dims + 2} "
            f"axes or single images of {self.dims + 1}, channels before the spatial axes"
        )

    def name(self, index: int) -> str:
        """Return "image" and the index."""
        return f"image {index}"

    def group(self, index: int) -> int:
        """Return the index: every image counts as independent."""
        return index

    def fingerprint(self, limit: int | None = None) -> str:
        """Return a digest of the type and of the images, the first `limit` ones or all.

        They are read once more for it. Those of a generator would be used up, so they are the
        same as no others, not even as those of a generator which gives them again.
        """
        if isinstance(self.batches, Iterator):
            return f"from a generator, {secrets.token_hex(16)}"
        return fingerprint_tensors(islice(self, limit), type(self.batches).__name__)

    def describe(self) -> str:
        """Return one line for people."""
        number = "" if self.length is None else f"{self.length} "
        return f"{number}images streamed from a {type(self.batches).__name__}"


def from_python(data: object, dims: int, take: Take | None = None) -> TensorImages | StreamedImages:
    """Make images of what a Python user has.

    Parameters
    ----------
    data : Tensor, map-style dataset, or iterable
        A (N, C, *spatial) tensor, or a dataset with ``__getitem__`` and ``__len__``, gives random
        access. A list, data loader or generator of batches or single images gives a stream.
    dims : int
        Number of spatial dimensions of the model: 1, 2 or 3.
    take : callable, optional
        Takes the images out of an item, where that is not the item itself, its first part, or its
        entry ``pixel_values``, ``image`` or ``img``. `scan`, `explain` and `impact` take what this
        function returns as images.

    Raises
    ------
    PadscopeError
        `data` is none of these, is empty, or is a tensor without a batch axis.
    """
    if isinstance(data, Tensor) and data.ndim != dims + 2:
        raise PadscopeError(
            f"the tensor given as images has shape {tuple(data.shape)}; the model wants "
            f"{dims + 2} axes: batch, channels and {dims} spatial"
        )
    images = _wrapped(data, dims, take)
    if images is None:
        raise PadscopeError(
            f"images cannot come from a {type(data).__name__}; give a tensor, a Dataset, a "
            "DataLoader or another iterable of tensors"
        )
    length = images.length if isinstance(images, StreamedImages) else len(images)
    if length == 0:
        raise PadscopeError(f"the {type(data).__name__} given as images is empty")
    return images


def _wrapped(data: object, dims: int, take: Take | None) -> TensorImages | StreamedImages | None:
    if isinstance(data, str | bytes | Mapping):
        return None
    if isinstance(data, list | tuple):
        # Already in memory, so going through it once is cheap, and finds mistakes early.
        length = sum(1 for _ in StreamedImages(data, dims, take=take))
        return StreamedImages(data, dims, length, take)
    # Every torch Dataset has a __getitem__, even one which can only be iterated.
    if isinstance(data, Indexable) and not isinstance(data, IterableDataset):
        return TensorImages(data, dims, take)
    if isinstance(data, Iterable):
        return StreamedImages(data, dims, take=take)
    return None
