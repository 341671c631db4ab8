"""Canvases: crops with real surroundings, which show what padding alone does to a crop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol, Self, runtime_checkable

from PIL import Image
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.images.element import elements
from padscope.images.probe import Probe
from padscope.images.source import Images, UnreadableImage
from padscope.images.tensors import StreamedImages

MAX_ENLARGEMENT = 3.0
"""Pixels of a canvas per pixel of its photograph; beyond it, there is little but interpolation."""


class TooSmall(UnreadableImage):
    """An image has too few pixels for a canvas; it is skipped like one that cannot be decoded."""

    @classmethod
    def of(cls, name: str, size: Iterable[int], canvas: Iterable[int]) -> Self:
        """Make the reason of the size there is and that of the canvas."""
        there, wanted = ("×".join(map(str, pixels)) for pixels in (size, canvas))
        return cls(name, f"too small: {there} for a canvas of {wanted}")


@runtime_checkable
class Photographs(Protocol):
    """A source whose images are crops of whole photographs, with more around them."""

    @property
    def probe(self) -> Probe:
        """How a photograph becomes an input."""
        ...

    def photo(self, index: int) -> Image.Image:
        """Return the whole photograph; raises `UnreadableImage`."""
        ...


@runtime_checkable
class Surrounded(Protocol):
    """A source that cuts out its images with what lies around them itself, such as `ArrayFiles`."""

    def canvas(self, index: int, size: tuple[int, ...], margin: tuple[int, ...]) -> Tensor:
        """Return (C, *size + 2 · margin) values; raises `UnreadableImage`."""
        ...


@dataclass(frozen=True)
class Canvases:
    """Crops of the images of a source, each with real pixels on every side; an `Images`.

    The crop is the exact centre of the canvas: ``central(canvas, size, name)`` cuts it out.

    The canvases of photographs are drawn at random, as `Probe.canvas` does, and those of arrays in
    files lie around their windows. Of other images, which must be at least as large as a canvas,
    the centre is taken.

    Parameters
    ----------
    source : Images
        `PhotoFiles`, `BuiltinPhotos`, `TensorImages`, or any other with random access.
    size : tuple of int
        Pixels of the crop along each spatial axis. For photographs it takes the place of the
        probe's.
    margin : tuple of int
        Pixels around the crop along each spatial axis, at each end.

    Raises
    ------
    PadscopeError
        The sizes contradict each other or the source, or the source has no random access.
    """

    source: Images
    size: tuple[int, ...]
    margin: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the settings."""
        if isinstance(self.source, StreamedImages):
            raise PadscopeError(
                "a stream of images has no canvases; give a tensor or a "
                "Dataset instead, or cut the batches with `central`"
            )
        if len(self.size) != len(self.margin):
            raise PadscopeError(
                f"size {self.size} and margin {self.margin} need one number per spatial axis each"
            )
        if min(self.size, default=0) < 1 or min(self.margin) < 0:
            raise PadscopeError(
                f"size {self.size} must be positive and margin {self.margin} must not be negative"
            )
        if isinstance(self.source, Photographs) and len(self.size) != 2:
            raise PadscopeError(f"photographs have two spatial axes, but size {self.size} has not")

    @property
    def canvas_size(self) -> tuple[int, ...]:
        """Pixels of the canvas along each spatial axis."""
        pairs = zip(self.size, self.margin, strict=True)
        return tuple(pixels + 2 * margin for pixels, margin in pairs)

    def __len__(self) -> int:
        """Return the number of images of the source."""
        return len(self.source)

    def name(self, index: int) -> str:
        """Return the image's name in its source."""
        return self.source.name(index)

    def group(self, index: int) -> int:
        """Return the image's group in its source."""
        return self.source.group(index)

    def tensor(self, index: int) -> Tensor:
        """Return the canvas.

        Returns
        -------
        (C, *canvas_size) float32 tensor
            Normalised, and laid out in memory, as the images of the source are.

        Raises
        ------
        TooSmall
            The image is smaller than the canvas, or is a photograph that would have to be enlarged
            more than `MAX_ENLARGEMENT` times.
        UnreadableImage
            It cannot be decoded.
        PadscopeError
            It has another number of spatial axes than the canvas.
        """
        if isinstance(self.source, Photographs):
            return self._from_photo(self.source, index)
        if isinstance(self.source, Surrounded):
            return self.source.canvas(index, self.size, self.margin)
        image = self.source.tensor(index)
        if image.ndim != len(self.size) + 1:
            raise PadscopeError(
                f"{self.name(index)} has shape {tuple(image.shape)}; a canvas of {self.size} with "
                f"margin {self.margin} wants {len(self.size) + 1} axes, channels first"
            )
        # A copy is dense in the order of its axes in memory, by which batches tell channels last.
        return central(image, self.canvas_size, self.name(index)).clone()

    def _from_photo(self, source: Photographs, index: int) -> Tensor:
        (rows, columns), (down, across) = self.size, self.margin
        margin = (down, across)
        probe = replace(source.probe, size=(rows, columns))
        photo = source.photo(index)
        left, _, right, _ = probe.canvas_box(index, photo.width, photo.height, margin)
        height, width = probe.canvas_size(margin)
        if width > MAX_ENLARGEMENT * (right - left):
            # Width first, as people give the size of photographs.
            raise TooSmall.of(self.name(index), photo.size, (width, height))
        return probe.canvas(photo, index, margin)

    def fingerprint(self) -> str:
        """Return a digest of the source, the size and the margin."""
        digest = blake2b(self.source.fingerprint().encode(), digest_size=16)
        digest.update(repr((tuple(self.size), tuple(self.margin))).encode())
        return digest.hexdigest()

    def describe(self) -> str:
        """Return one line for people."""
        margin, unit = "×".join(map(str, self.margin)), elements(len(self.margin))
        where = "at the ends of the axes"
        if len(set(self.margin)) == 1:
            margin, where = str(self.margin[0]), "on every side"
        return f"{self.source.describe()} with {margin} {unit} of surroundings {where}"


def central(pixels: Tensor, size: Sequence[int], name: str) -> Tensor:
    """Cut out the central region of an image or of a batch.

    Where the difference in size is odd, the extra pixel stays at the far end.

    Parameters
    ----------
    pixels : (C, *spatial) or (N, C, *spatial) tensor
    size : sequence of int
        Pixels along each spatial axis. Their number tells which axes are spatial: the last ones.
    name : str
        What the error calls the image.

    Returns
    -------
    (C, *size) or (N, C, *size) tensor
        A view.

    Raises
    ------
    TooSmall
        The image is smaller along some axis.

    Examples
    --------
    >>> import torch
    >>> central(torch.arange(6.0)[None], (3,), "a row")
    tensor([[1., 2., 3.]])
    """
    first = pixels.ndim - len(size)
    there = pixels.shape[first:]
    if any(have < want for have, want in zip(there, size, strict=True)):
        raise TooSmall.of(name, there, size)
    for axis, (have, want) in enumerate(zip(there, size, strict=True), start=first):
        pixels = pixels.narrow(axis, (have - want) // 2, want)
    return pixels
