"""The crop: inside the photograph, of the right aspect, and a function of its index alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from padscope.errors import PadscopeError
from padscope.images import Probe

RGB = Probe((20, 30), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), channels=3)
sides = st.integers(1, 10_000)


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


@given(
    size=st.tuples(st.integers(1, 1024), st.integers(1, 1024)),
    scale=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted),
    seed=st.integers(0, 2**40),
    index=st.integers(0, 2**40),
    width=sides,
    height=sides,
)
def test_box(
    size: tuple[int, int], scale: list[float], seed: int, index: int, width: int, height: int
) -> None:
    probe = Probe(size, (0.5,), (0.5,), 1, seed, (scale[0], scale[1]))
    left, top, right, bottom = probe.box(index, width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left) * size[0] == pytest.approx((bottom - top) * size[1], rel=1e-6)
    extent = max((right - left) / width, (bottom - top) / height)
    assert scale[0] - 1e-6 <= extent <= scale[1] + 1e-6
    assert probe.box(index, width, height) == (left, top, right, bottom)


def test_boxes_are_uniform() -> None:
    boxes = np.array([RGB.box(index, 400, 300) for index in range(2000)])
    extent = (boxes[:, 3] - boxes[:, 1]) / (400 * 20 / 30)
    assert extent.min() == pytest.approx(0.45, abs=0.01)
    assert extent.max() == pytest.approx(0.95, abs=0.01)
    assert extent.mean() == pytest.approx(0.7, abs=0.02)
    left, right = boxes[:, 0], 400 - boxes[:, 2]
    assert np.mean(left < right) == pytest.approx(0.5, abs=0.05)


def test_the_crop_depends_on_index_and_seed() -> None:
    photo = noise(90, 80, 3)
    assert torch.equal(RGB.apply(photo, 5), RGB.apply(photo, 5))
    assert not torch.equal(RGB.apply(photo, 5), RGB.apply(photo, 6))
    other = Probe(RGB.size, RGB.mean, RGB.std, 3, seed=1)
    assert not torch.equal(RGB.apply(photo, 5), other.apply(photo, 5))


def test_normalisation() -> None:
    crop = RGB.apply(Image.new("RGB", (64, 64), (255, 51, 0)), 0)
    assert crop.shape == (3, 20, 30)
    assert crop.dtype == torch.float32
    assert crop.movedim(0, -1).is_contiguous()
    expected = torch.tensor([(1 - 0.5) / 0.2, (0.2 - 0.4) / 0.25, (0 - 0.3) / 0.3])
    torch.testing.assert_close(crop[:, 7, 9], expected)


def test_apply_agrees_with_the_plain_formula() -> None:
    photo = noise(70, 90, 3)
    crop = photo.resize((30, 20), Image.Resampling.BICUBIC, box=RGB.box(3, 90, 70))
    plain = (np.asarray(crop) / 255 - RGB.mean) / RGB.std
    torch.testing.assert_close(
        RGB.apply(photo, 3), torch.tensor(plain, dtype=torch.float32).permute(2, 0, 1)
    )


def test_grey_and_colour_meet() -> None:
    grey = Probe((8, 8), (0.0,), (1.0,), channels=1)
    assert grey.apply(Image.new("RGB", (40, 40), (0, 255, 0)), 0).shape == (1, 8, 8)
    # Luma by ITU-R 601-2, as in Pillow's "L".
    green = grey.apply(Image.new("RGB", (40, 40), (0, 255, 0)), 0)[0, 0, 0].item()
    assert green == pytest.approx(0.587, abs=0.004)
    colour = Probe((8, 8), (0.0,) * 3, (1.0,) * 3, channels=3).apply(noise(40, 40), 0)
    assert torch.equal(colour[0], colour[1])
    assert torch.equal(colour[0], colour[2])


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (2000, 1500)])
def test_extreme_photographs(shape: tuple[int, int]) -> None:
    assert RGB.apply(noise(*shape, 3), 0).isfinite().all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"channels": 4}, "the model takes 4"),
        ({"mean": (0.5,)}, "3 numbers each"),
        ({"std": (0.5, 0.0, 0.5)}, "must be positive"),
        ({"size": (0, 5)}, "must be positive"),
        ({"seed": -1}, "seed -1 must not be negative"),
        ({"scale": (0.9, 0.2)}, "must ascend"),
        ({"scale": (0.5, 1.5)}, "must ascend"),
    ],
)
def test_contradictory_settings(settings: dict[str, object], said: str) -> None:
    usual: dict[str, object] = {
        "size": (8, 8),
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "channels": 3,
    }
    with pytest.raises(PadscopeError, match=said):
        Probe(**(usual | settings))  # type: ignore[arg-type]
