"""Streaming: the same units however they are shared out, and no thread left behind."""

import pickle
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from padscope.errors import PadscopeError
from padscope.images import (
    Batch,
    KeptBatches,
    Probe,
    StreamedImages,
    TensorImages,
    UnreadableImage,
    open_photos,
    stream,
    unit_count,
)


class Numbered:
    """Image i is full of i; some cannot be read, some have another shape."""

    def __init__(
        self, length: int, unreadable: frozenset[int] = frozenset(), odd: int | None = None
    ) -> None:
        self.length = length
        self.unreadable = unreadable
        self.odd = odd
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.length

    def name(self, index: int) -> str:
        return f"{index}.png"

    def group(self, index: int) -> int:
        return index

    def tensor(self, index: int) -> Tensor:
        self.asked.append(index)
        if index in self.unreadable:
            raise UnreadableImage(self.name(index), "torn")
        return torch.full((1, 2, 3 if index == self.odd else 2), float(index))

    def fingerprint(self) -> str:
        return "numbered"

    def describe(self) -> str:
        return f"{self.length} numbers"


def decoding_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("padscope")]


def values(batch: Batch) -> list[int]:
    return [int(image.mean()) for image in batch.pixels]


@given(length=st.integers(0, 1000), batch_size=st.integers(1, 70))
def test_unit_count(length: int, batch_size: int) -> None:
    assert unit_count(length, batch_size) == len(range(0, length, batch_size))


@given(
    length=st.integers(1, 40),
    batch_size=st.integers(1, 9),
    unreadable=st.frozensets(st.integers(0, 39)),
    workers=st.integers(1, 4),
    ahead=st.integers(0, 5),
    data=st.data(),
)
def test_units_depend_on_indices_alone(
    length: int,
    batch_size: int,
    unreadable: frozenset[int],
    workers: int,
    ahead: int,
    data: st.DataObject,
) -> None:
    units = data.draw(st.permutations(range(unit_count(length, batch_size))))
    images = Numbered(length, unreadable)
    batches = list(stream(images, units, batch_size, workers, ahead))
    assert [batch.unit for batch in batches] == units
    for batch in batches:
        members = range(batch.unit * batch_size, min((batch.unit + 1) * batch_size, length))
        assert batch.indices == tuple(index for index in members if index not in unreadable)
        assert values(batch) == list(batch.indices)
        assert [(s.index, s.name, s.reason) for s in batch.skipped] == [
            (index, f"{index}.png", "torn") for index in members if index in unreadable
        ]
        if not batch.indices:
            assert batch.pixels.shape == (0,)


def test_any_sharding_gives_the_same_crops(tmp_path: Path) -> None:
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"")
    probe = Probe((16, 16), (0.5,) * 3, (0.25,) * 3, channels=3)

    def crops(shards: list[list[int]], workers: int) -> dict[int, Tensor]:
        # Opened anew for every shard, as another process would.
        batches = [
            batch
            for shard in shards
            for batch in stream(open_photos(tmp_path, probe), shard, 3, workers)
        ]
        assert all(b.pixels.is_contiguous(memory_format=torch.channels_last) for b in batches)
        return {i: image for b in batches for i, image in zip(b.indices, b.pixels, strict=True)}

    whole = crops([[0, 1, 2, 3]], workers=1)
    assert len(whole) == 9
    for shards, workers in (([[3, 1], [0], [2]], 3), ([[2], [3], [], [1, 0]], 2)):
        again = crops(shards, workers)
        assert again.keys() == whole.keys()
        assert all(torch.equal(again[index], whole[index]) for index in whole)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 4), (2, 5, 4, 3)])
def test_every_rank_keeps_its_layout(shape: tuple[int, ...]) -> None:
    items = torch.rand(6, *shape)
    for images in (
        TensorImages(items, len(shape) - 1),
        TensorImages(items.movedim(1, -1).contiguous().movedim(-1, 1), len(shape) - 1),
    ):
        (batch,) = stream(images, [0], 6)
        assert torch.equal(batch.pixels, items)
        assert batch.pixels[0].stride() == images.tensor(0).stride()


def test_look_ahead_is_bounded() -> None:
    images = Numbered(100)
    batches = stream(images, range(10), 10, workers=2, ahead=2)
    next(batches)
    time.sleep(0.05)
    assert max(images.asked) < 30
    batches.close()


def test_different_shapes_in_one_batch() -> None:
    with pytest.raises(
        PadscopeError, match=r"7\.png has shape \(1, 2, 3\) and 6\.png .*\(1, 2, 2\)"
    ):
        list(stream(Numbered(10, odd=7), range(5), 2))
    assert len(list(stream(Numbered(10, odd=7), range(10), 1))) == 10
    assert decoding_threads() == []


class Slow(Numbered):
    def tensor(self, index: int) -> Tensor:
        time.sleep(0.02)
        return super().tensor(index)


def test_closing_early_ends_the_threads() -> None:
    images = Slow(1000)
    batches = stream(images, range(10), 100, workers=2)
    started = time.perf_counter()
    batches.close()  # before it has begun
    batches = stream(images, range(100), 10, workers=2)
    next(batches)
    assert decoding_threads()
    batches.close()
    assert decoding_threads() == []
    assert len(images.asked) < 40
    assert time.perf_counter() - started < 5


def test_a_consumer_which_fails_ends_the_threads() -> None:
    def consume() -> None:
        for _ in stream(Slow(100), range(10), 10):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert decoding_threads() == []


def test_other_exceptions_propagate() -> None:
    class Broken(Numbered):
        def tensor(self, index: int) -> Tensor:
            if index == 5:
                raise ZeroDivisionError
            return super().tensor(index)

    with pytest.raises(ZeroDivisionError):
        list(stream(Broken(100), range(10), 10))
    assert decoding_threads() == []


@given(
    sizes=st.lists(st.integers(0, 7), min_size=1, max_size=8),
    batch_size=st.integers(1, 9),
    wanted=st.sets(st.integers(0, 30)),
)
def test_streamed_images_are_cut_anew(sizes: list[int], batch_size: int, wanted: set[int]) -> None:
    pixels = torch.arange(sum(sizes), dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    streamed = StreamedImages(iter(torch.split(pixels, sizes)), dims=2)
    units = [unit for unit in sorted(wanted) if unit < unit_count(len(pixels), batch_size)]
    expected = list(stream(TensorImages(pixels, 2), units, batch_size))
    # A unit beyond the end stops the stream, whose length nobody may know.
    batches = list(stream(streamed, [*units, 1000], batch_size))
    assert [batch.unit for batch in batches] == units
    for batch, truth in zip(batches, expected, strict=True):
        assert batch.indices == truth.indices
        assert torch.equal(batch.pixels, truth.pixels)


def test_streamed_images_come_no_earlier_than_needed() -> None:
    given_out = 0

    def generate() -> Iterator[Tensor]:
        nonlocal given_out
        while True:
            given_out += 1
            yield torch.zeros(4, 1, 2, 2)

    batches = stream(StreamedImages(generate(), 2), [1, 3], 4)
    next(batches)
    assert given_out == 2
    next(batches)
    assert given_out == 4


def test_streamed_images_cannot_go_back() -> None:
    batches = stream(StreamedImages([torch.zeros(9, 1, 2, 2)], 2), [1, 0], 3)
    next(batches)
    with pytest.raises(PadscopeError, match="cannot go back to unit 0"):
        next(batches)


class Source:
    """Units of one image each, made anew whenever they are asked for."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.made: list[int] = []

    def __call__(self, units: Iterable[int]) -> Iterator[Batch]:
        for unit in takewhile(lambda unit: unit < self.units, units):
            self.made.append(unit)
            yield Batch(unit, (unit,), torch.full((1, 1, 4), float(unit)))


@pytest.mark.parametrize(
    ("units", "most", "kept"), [(4, 0, 0), (4, 40, 2), (4, 64, 4), (9, 10**6, 4), (3, 10**6, 3)]
)
def test_kept_batches_are_made_once_as_far_as_memory_allows(
    units: int, most: int, kept: int
) -> None:
    source = Source(4)
    batches = KeptBatches(source, units, most)
    for _ in range(3):
        assert [value for batch in batches(range(4)) for value in values(batch)] == [0, 1, 2, 3]
        assert [batch.unit for batch in batches(range(1, 4))] == [1, 2, 3]
    assert source.made[:4] == [0, 1, 2, 3]
    again = [unit for first in (1, 0, 1, 0, 1) for unit in range(max(first, kept), 4)]
    assert source.made[4:] == again


def test_kept_batches_are_given_in_any_order_and_may_be_left_early() -> None:
    source = Source(6)
    batches = KeptBatches(source, 6)
    assert [batch.unit for batch in batches([2, 3])] == [2, 3]
    assert next(batches(range(6))).unit == 0
    assert [batch.unit for batch in batches([5, 3, 0, 1])] == [5, 3, 0, 1]
    assert source.made == [2, 3, 0, 5, 1]


def test_kept_batches_of_a_stream_end_where_it_does() -> None:
    source = Source(3)
    batches = KeptBatches(source, 3)
    for _ in range(2):
        assert [batch.unit for batch in batches(count())] == [0, 1, 2]
    assert source.made == [0, 1, 2]


def test_kept_batches_go_to_other_processes_empty() -> None:
    batches = KeptBatches(Source(3), 3)
    list(batches(range(3)))
    other = pickle.loads(pickle.dumps(batches))
    assert [batch.unit for batch in other(range(3))] == [0, 1, 2]
    assert len(pickle.dumps(other)) < 5000 + len(pickle.dumps(batches))


def test_the_consumer_stacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is ready when its turn comes: neither decoded nor stacked by whoever asks for it."""
    stacked = []

    def stack(tensors: Sequence[Tensor], names: Sequence[str]) -> Tensor:
        stacked.append(threading.current_thread().name)
        return torch.stack(list(tensors))

    monkeypatch.setattr("padscope.images.batches._stack", stack)
    images = TensorImages(torch.rand(10, 3, 4, 4), 2)
    assert len(list(stream(images, range(5), 2, workers=2))) == 5
    assert len(stacked) == 5
    assert all(name.startswith("padscope-decode") for name in stacked)
