"""Batches of images, decoded ahead of whoever consumes them.

A *unit* u is the images u·batch_size to (u+1)·batch_size, less those which cannot be read. It is
the grain in which work is shared out, resumed and checkpointed. What it holds depends on indices
alone: an image which is skipped never shifts another into its place.
"""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import torch
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.images.skipped import Skipped
from padscope.images.source import Images, UnreadableImage
from padscope.images.tensors import StreamedImages
from padscope.threads import single_threaded_pool


@dataclass(frozen=True)
class Batch:
    """The readable images of one unit.

    Attributes
    ----------
    unit : int
        Number of the unit.
    indices : tuple of int
        The images in the batch, ascending.
    pixels : (len(indices), C, *spatial) float32 tensor
        Of shape (0,) if no image of the unit can be read. Channels lie innermost in memory
        (channels last) if they do in the images, as in photographs.
    skipped : tuple of Skipped
        The other images of the unit.
    """

    unit: int
    indices: tuple[int, ...]
    pixels: Tensor
    skipped: tuple[Skipped, ...] = ()


def unit_count(length: int, batch_size: int) -> int:
    """Return the number of units of `length` images; the last one may be smaller."""
    return -(-length // batch_size)


def stream(
    images: Images | StreamedImages,
    units: Iterable[int],
    batch_size: int,
    workers: int = 1,
    ahead: int = 3,
) -> Generator[Batch, None, None]:
    """Yield the batches of some units, in the given order.

    Images with random access are decoded in threads while the consumer computes. Closing the
    iterator, or an exception in it, drops the waiting work and ends the threads. Images which come
    one after the other are read as they come, up to the last unit asked for.

    Parameters
    ----------
    images : Images or StreamedImages
        The source.
    units : iterable of int
        Numbers below `unit_count`. For `StreamedImages` they must ascend, and numbers beyond the
        last image end the stream.
    batch_size : int
        Images per unit.
    workers : int
        Decoding threads.
    ahead : int
        Units which may be decoded, or waiting for it, before they are consumed.

    Raises
    ------
    PadscopeError
        The images of a unit differ in shape, or the units of a stream do not ascend.
    """
    if isinstance(images, StreamedImages):
        return _read_in_order(images, units, batch_size)
    return _decode_ahead(images, units, batch_size, workers, ahead)


def _decode_ahead(
    images: Images, units: Iterable[int], batch_size: int, workers: int, ahead: int
) -> Generator[Batch, None, None]:
    pool = single_threaded_pool(workers, "padscope-decode")
    waiting: deque[Future[Batch]] = deque()
    try:
        for unit in units:
            indices = range(unit * batch_size, min((unit + 1) * batch_size, len(images)))
            futures = [(index, pool.submit(images.tensor, index)) for index in indices]
            # Stacked in a thread too, or the consumer would wait for it between batches. The pool
            # begins what it is given in order, so that all images of the unit are begun by then.
            waiting.append(pool.submit(_collect, images, unit, futures))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _collect(images: Images, unit: int, futures: list[tuple[int, Future[Tensor]]]) -> Batch:
    """Wait for the images of a unit."""
    tensors: dict[int, Tensor] = {}
    skipped: list[Skipped] = []
    for index, future in futures:
        try:
            tensors[index] = future.result()
        except UnreadableImage as error:
            skipped.append(Skipped(index, images.name(index), error.reason))
    names = [images.name(index) for index in tensors]
    return Batch(unit, tuple(tensors), _stack(list(tensors.values()), names), tuple(skipped))


def _read_in_order(
    images: StreamedImages, units: Iterable[int], batch_size: int
) -> Generator[Batch, None, None]:
    chunks = (chunk for chunk in images.chunks() if len(chunk))
    waiting: Tensor | None = None
    position = 0

    def take(count: int) -> Generator[Tensor, None, None]:
        """Cut the next images out of the chunks, in as few pieces as can be."""
        nonlocal waiting, position
        while count:
            if waiting is None and (waiting := next(chunks, None)) is None:
                return
            piece, rest = waiting[:count], waiting[count:]
            waiting = rest if len(rest) else None
            count -= len(piece)
            position += len(piece)
            yield piece

    for unit in units:
        start = unit * batch_size
        if start < position:
            raise PadscopeError(
                f"a stream of images cannot go back to unit {unit}; "
                "give a tensor or a Dataset instead"
            )
        for _ in take(start - position):
            pass
        pieces = list(take(batch_size))
        if not pieces:
            return
        indices = tuple(range(start, position))
        # A batch of the right size is handed on as it is.
        yield Batch(unit, indices, pieces[0] if len(pieces) == 1 else _join(images, start, pieces))


def _join(images: StreamedImages, start: int, pieces: Sequence[Tensor]) -> Tensor:
    tensors = [image for piece in pieces for image in piece.unbind()]
    return _stack(tensors, [images.name(start + place) for place in range(len(tensors))])


def _stack(tensors: Sequence[Tensor], names: Sequence[str]) -> Tensor:
    """Stack images into a batch, in the memory layout they have."""
    if not tensors:
        return torch.empty(0)
    for tensor, name in zip(tensors, names, strict=True):
        if tensor.shape != tensors[0].shape:
            raise PadscopeError(
                f"{name} has shape {tuple(tensor.shape)} and {names[0]} in the same batch "
                f"{tuple(tensors[0].shape)}; give images of one shape, or a batch size of 1"
            )
    channels_last = [tensor.movedim(0, -1) for tensor in tensors]
    if channels_last[0].is_contiguous():
        return torch.stack(channels_last).movedim(-1, 1)
    return torch.stack(list(tensors))
