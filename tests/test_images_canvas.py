"""Canvases: the crop is their exact centre, and around it lies what lies there in the image."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from padscope.errors import PadscopeError
from padscope.images import (
    BuiltinPhotos,
    Canvases,
    Folder,
    PhotoFiles,
    Probe,
    StreamedImages,
    TensorImages,
    TooSmall,
    UnreadableImage,
    central,
    stream,
)
from padscope.study.inputs import Sample

RGB = Probe((20, 30), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), channels=3)
MARGIN = (8, 12)  # a canvas of 36 rows and 54 columns
GREY_LEVEL = 1 / 255 / 0.2  # one of the 256, normalised
pairs = st.tuples(st.integers(1, 500), st.integers(1, 500))


def noise(rows: int, columns: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (rows, columns, 3), np.uint8))


def folder(root: Path, *sizes: tuple[int, int], probe: Probe = RGB) -> PhotoFiles:
    """Photographs 0.png, 1.png, … of so many rows and columns."""
    for number, (rows, columns) in enumerate(sizes):
        noise(rows, columns, number).save(root / f"{number}.png")
    photos = tuple((f"{number}.png", None) for number in range(len(sizes)))
    return PhotoFiles(Folder(root), photos, probe, "photos")


def ramp(*shape: int) -> torch.Tensor:
    return torch.arange(float(np.prod(shape))).reshape(shape)


# Where canvases lie


@given(
    size=pairs,
    margin=st.tuples(st.integers(0, 300), st.integers(0, 300)),
    seed=st.integers(0, 2**40),
    index=st.integers(0, 2**40),
    width=st.integers(1, 10_000),
    height=st.integers(1, 10_000),
)
def test_canvas_box(
    size: tuple[int, int], margin: tuple[int, int], seed: int, index: int, width: int, height: int
) -> None:
    probe = Probe(size, (0.5,), (0.5,), 1, seed)
    left, top, right, bottom = box = probe.canvas_box(index, width, height, margin)
    rows, columns = probe.canvas_size(margin)
    assert (rows, columns) == (size[0] + 2 * margin[0], size[1] + 2 * margin[1])
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left) * rows == pytest.approx((bottom - top) * columns, rel=1e-6)
    assert 0.7 - 1e-6 <= max((right - left) / width, (bottom - top) / height) <= 1
    assert probe.canvas_box(index, width, height, margin) == box


@pytest.mark.parametrize("drawn", [0.0, 1 - 2**-53])
def test_rounding_never_leaves_the_photograph(
    drawn: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fixed:
        def random(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return np.full(count, drawn)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Fixed())
    for width in range(1, 120):
        for columns in range(1, 120):
            probe = Probe((1, columns), (0.5,), (0.5,), 1, scale=(1, 1))
            for box in (probe.box(0, width, 999), probe.canvas_box(0, width, 999, (1, 0))):
                assert 0 <= box[0] < box[2] <= width
                assert 0 <= box[1] < box[3] <= 999


def test_canvas_boxes_are_uniform_and_independent_of_the_crops() -> None:
    boxes = np.array([RGB.canvas_box(index, 400, 300, MARGIN) for index in range(2000)])
    extent = (boxes[:, 2] - boxes[:, 0]) / 400
    assert extent.min() == pytest.approx(0.7, abs=0.01)
    assert extent.max() == pytest.approx(1, abs=0.01)
    assert extent.mean() == pytest.approx(0.85, abs=0.01)
    left, right = boxes[:, 0], 400 - boxes[:, 2]
    assert np.mean(left < right) == pytest.approx(0.5, abs=0.05)
    crops = np.array([RGB.box(index, 400, 300) for index in range(2000)])
    crop_extent = crops[:, 2] - crops[:, 0]
    assert abs(np.corrcoef(extent, crop_extent)[0, 1]) < 0.07


# What canvases of photographs hold


def test_a_canvas_agrees_with_the_plain_formula(tmp_path: Path) -> None:
    images = folder(tmp_path, (70, 90), (60, 120))
    canvases = Canvases(images, RGB.size, MARGIN)
    for index in range(2):
        photo = images.photo(index)
        box = RGB.canvas_box(index, photo.width, photo.height, MARGIN)
        resized = photo.resize((54, 36), Image.Resampling.BICUBIC, box=box)
        plain = torch.tensor((np.asarray(resized) / 255 - RGB.mean) / RGB.std).float()
        canvas = canvases.tensor(index)
        assert canvas.dtype == torch.float32
        assert canvas.shape == (3, *canvases.canvas_size)
        assert canvas.movedim(0, -1).is_contiguous()
        torch.testing.assert_close(canvas, plain.permute(2, 0, 1))


def test_the_crop_is_the_centre(tmp_path: Path) -> None:
    images = folder(tmp_path, (170, 190))
    canvas = Canvases(images, RGB.size, MARGIN).tensor(0)
    crop = canvas[:, 8:-8, 12:-12]
    assert torch.equal(central(canvas, RGB.size, "canvas"), crop)
    # The same part of the photograph, cropped without its surroundings.
    left, top, right, _ = RGB.canvas_box(0, 190, 170, MARGIN)
    zoom = (right - left) / 54
    inner = (left + 12 * zoom, top + 8 * zoom, left + 42 * zoom, top + 28 * zoom)
    alone = images.photo(0).resize((30, 20), Image.Resampling.BICUBIC, box=inner)
    plain = torch.tensor((np.asarray(alone) / 255 - RGB.mean) / RGB.std).float()
    assert (crop - plain.permute(2, 0, 1)).abs().max() < 1.5 * GREY_LEVEL


def test_a_canvas_depends_on_its_index_and_the_seed_alone(tmp_path: Path) -> None:
    images = folder(tmp_path, (70, 90), (70, 90), (60, 80))
    canvases = Canvases(images, RGB.size, MARGIN)
    forwards = [canvases.tensor(index) for index in range(3)]
    backwards = [Canvases(images, RGB.size, MARGIN).tensor(index) for index in (2, 1, 0)]
    assert all(map(torch.equal, forwards, reversed(backwards)))
    first = replace(images, photos=images.photos[:1])
    assert torch.equal(Canvases(first, RGB.size, MARGIN).tensor(0), forwards[0])
    photo = images.photo(0)
    assert not torch.equal(RGB.canvas(photo, 0, MARGIN), RGB.canvas(photo, 1, MARGIN))
    reseeded = replace(RGB, seed=1)
    assert not torch.equal(RGB.canvas(photo, 0, MARGIN), reseeded.canvas(photo, 0, MARGIN))


def test_a_canvas_leaves_the_crop_as_it_was() -> None:
    # Results of earlier runs rest on these numbers.
    before = (7.938378619, 5.190466193, 88.712151955, 59.039648417)
    assert RGB.box(3, 90, 70) == pytest.approx(before)


def test_the_size_of_the_crop_may_differ_from_the_probe(tmp_path: Path) -> None:
    images = folder(tmp_path, (70, 90))
    wide = Canvases(images, (10, 40), (3, 0)).tensor(0)
    assert wide.shape == (3, 16, 40)
    probe = replace(RGB, size=(10, 40))
    assert torch.equal(wide, probe.canvas(images.photo(0), 0, (3, 0)))


def test_grey_and_built_in_photographs() -> None:
    grey = Probe((16, 24), (0.0,), (1.0,), channels=1)
    images = BuiltinPhotos(grey, crops=10)
    canvases = Canvases(images, grey.size, (4, 6))
    assert len(canvases) == 10
    canvas = canvases.tensor(9)
    assert canvas.shape == (1, 24, 36)
    assert torch.equal(canvas, grey.canvas(images.photo(9), 9, (4, 6)))
    assert not torch.equal(canvas, canvases.tensor(1))  # another canvas of the same photograph
    assert (canvases.name(9), canvases.group(9)) == ("coffee, crop 1", 1)


# Photographs which are too small


def test_too_small_a_photograph(tmp_path: Path) -> None:
    canvases = Canvases(folder(tmp_path, (36, 40)), (100, 120), (30, 25))
    with pytest.raises(TooSmall) as caught:
        canvases.tensor(0)
    assert (caught.value.name, caught.value.reason) == (
        "0.png",
        "too small: 40×36 for a canvas of 170×160",
    )
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, TooSmall)
    assert isinstance(again, UnreadableImage)
    assert (again.name, again.reason) == (caught.value.name, caught.value.reason)


@pytest.mark.parametrize("side", range(40, 80, 3))
def test_enlargement_is_at_most_threefold(side: int, tmp_path: Path) -> None:
    canvases = Canvases(folder(tmp_path, (side, side + 20)), (100, 100), (30, 30))
    left, _, right, _ = replace(RGB, size=(100, 100)).canvas_box(0, side + 20, side, (30, 30))
    try:
        canvases.tensor(0)
    except TooSmall:
        assert 160 / (right - left) > 3
    else:
        assert 160 / (right - left) <= 3


@pytest.mark.parametrize("workers", [1, 3])
def test_streaming_skips_what_is_too_small(workers: int, tmp_path: Path) -> None:
    canvases = Canvases(folder(tmp_path, (60, 80), (7, 9), (70, 90), (80, 60)), RGB.size, MARGIN)
    first, second = stream(canvases, range(2), batch_size=2, workers=workers)
    assert (first.indices, second.indices) == ((0,), (2, 3))
    assert [(skip.index, skip.name, skip.reason) for skip in first.skipped] == [
        (1, "1.png", "too small: 9×7 for a canvas of 54×36")
    ]
    assert second.pixels.shape == (2, 3, 36, 54)
    assert second.pixels.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(second.pixels[1], canvases.tensor(3))


# Other images


@pytest.mark.parametrize(
    ("there", "size", "margin", "starts"),
    [
        ((11,), (4,), (1,), (2,)),  # 5 pixels too many: 2 before and 3 behind
        ((9, 12), (3, 4), (3, 1), (0, 3)),
        ((8, 7, 10), (2, 3, 4), (1, 2, 0), (2, 0, 3)),
    ],
)
def test_tensors(
    there: tuple[int, ...], size: tuple[int, ...], margin: tuple[int, ...], starts: tuple[int, ...]
) -> None:
    items = ramp(3, 2, *there)
    canvases = Canvases(TensorImages(items, len(there)), size, margin)
    canvas = canvases.tensor(1)
    assert canvas.shape == (2, *canvases.canvas_size)
    window = tuple(
        slice(start, start + length)
        for start, length in zip(starts, canvases.canvas_size, strict=True)
    )
    assert torch.equal(canvas, items[1][:, *window])
    # The centre of the canvas is the centre of the item.
    assert torch.equal(central(canvas, size, "canvas"), central(items[1], size, "item"))
    (batch,) = stream(canvases, [0], batch_size=3)
    assert torch.equal(batch.pixels, items[:, :, *window])


def test_tensors_keep_their_memory_layout() -> None:
    items = ramp(2, 3, 9, 12)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        images = TensorImages(items.contiguous(memory_format=memory_format), 2)
        (batch,) = stream(Canvases(images, (3, 4), (2, 3)), [0], batch_size=2)
        assert batch.pixels.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize(
    ("there", "size", "reason"),
    [
        ((9,), (8,), "too small: 9 for a canvas of 10"),
        ((20, 9), (8, 8), "too small: 20×9 for a canvas of 10×10"),
        ((20, 9, 20), (8, 8, 9), "too small: 20×9×20 for a canvas of 10×10×11"),
    ],
)
def test_too_small_a_tensor(there: tuple[int, ...], size: tuple[int, ...], reason: str) -> None:
    images = TensorImages(ramp(3, 1, *there), len(there))
    with pytest.raises(TooSmall) as caught:
        Canvases(images, size, (1,) * len(size)).tensor(2)
    assert (caught.value.name, caught.value.reason) == ("image 2", reason)


def test_a_sample_of_tensors() -> None:
    items = ramp(6, 1, 9, 9)
    sample = Sample.of(TensorImages(items, 2), 3, seed=0)
    canvases = Canvases(sample, (3, 3), (2, 2))
    assert len(canvases) == 3
    for index, chosen in enumerate(sample.chosen):
        assert torch.equal(canvases.tensor(index), items[chosen, :, 1:8, 1:8])
        assert canvases.name(index) == f"image {chosen}"
        assert canvases.group(index) == chosen
    assert canvases.describe() == (
        "3 of 6 images from a Tensor (seed 0) with 2 pixels of surroundings on every side"
    )


@pytest.mark.parametrize("lead", [(), (2,), (4, 2)])
def test_central_takes_images_and_batches(lead: tuple[int, ...]) -> None:
    pixels = ramp(*lead, 6, 9)
    assert torch.equal(central(pixels, (3, 4), "batch 0"), pixels[..., 1:4, 2:6])
    assert torch.equal(central(pixels, (6, 9), "batch 0"), pixels)
    with pytest.raises(TooSmall, match="batch 0: too small: 6×9 for a canvas of 6×10"):
        central(pixels, (6, 10), "batch 0")


# Identity and mistakes


def test_fingerprints(tmp_path: Path) -> None:
    images = folder(tmp_path, (60, 80))
    base = Canvases(images, (20, 30), (8, 12))
    others = [
        Canvases(images, (30, 20), (8, 12)),
        Canvases(images, (20, 30), (12, 8)),
        Canvases(images, (20, 30), (8, 16)),
        Canvases(replace(images, probe=replace(RGB, seed=1)), (20, 30), (8, 12)),
        Canvases(TensorImages(ramp(2, 3, 60, 80), 2), (20, 30), (8, 12)),
    ]
    prints = {canvases.fingerprint() for canvases in (base, *others)}
    assert len(prints - {images.fingerprint()}) == 6
    assert len(base.fingerprint()) == 32
    same = Canvases(replace(images), torch.Size((20, 30)), (8, 12))
    assert same.fingerprint() == base.fingerprint()


def test_describe(tmp_path: Path) -> None:
    images = folder(tmp_path, (60, 80))
    assert Canvases(images, (20, 30), (128, 128)).describe() == (
        "photos with 128 pixels of surroundings on every side"
    )
    assert Canvases(images, (20, 30), (8, 12)).describe() == (
        "photos with 8×12 pixels of surroundings at the ends of the axes"
    )


@pytest.mark.parametrize(
    ("size", "margin", "said"),
    [
        ((8, 8), (2,), "one number per spatial axis each"),
        ((), (), "must be positive"),
        ((8, 0), (2, 2), "must be positive"),
        ((8, 8), (2, -1), r"margin \(2, -1\) must not be negative"),
        ((8,), (2,), "photographs have two spatial axes"),
    ],
)
def test_contradictory_settings(
    size: Sequence[int], margin: Sequence[int], said: str, tmp_path: Path
) -> None:
    with pytest.raises(PadscopeError, match=said):
        Canvases(folder(tmp_path, (60, 80)), tuple(size), tuple(margin))


def test_sources_without_canvases() -> None:
    streamed: Any = StreamedImages([ramp(2, 1, 9, 9)], 2)
    with pytest.raises(PadscopeError, match="a stream of images has no canvases"):
        Canvases(streamed, (3, 3), (1, 1))
    flat = Canvases(TensorImages(ramp(2, 1, 9, 9), 2), (3,), (1,))
    with pytest.raises(PadscopeError, match=r"image 0 has shape .* wants 2 axes"):
        flat.tensor(0)
