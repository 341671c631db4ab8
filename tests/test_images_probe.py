"""The crop: inside the photograph, of the right aspect, and a function of its index alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from padscope.errors import PadscopeError
from padscope.images import CentralCrop, Probe, open_images

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
        ({"scale": (0.9, 0.2)}, "must be ascending"),
        ({"scale": (0.5, 1.5)}, "must be ascending"),
    ],
)
def test_contradictory_settings(settings: dict[str, Any], said: str) -> None:
    usual: dict[str, Any] = {
        "size": (8, 8),
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "channels": 3,
    }
    with pytest.raises(PadscopeError, match=said):
        Probe(**(usual | settings))


CENTRE = CentralCrop((20, 30), RGB.mean, RGB.std, 3)


def test_the_centre() -> None:
    assert CentralCrop((224, 224), (0.5,), (0.5,), 1).box(9, 600, 400) == (125, 25, 475, 375)
    left, top, right, bottom = CENTRE.box(0, 400, 300)
    assert (left + right, top + bottom) == pytest.approx((400, 300))
    assert (right - left, bottom - top) == pytest.approx((0.875 * 400, 0.875 * 400 * 20 / 30))
    photo = noise(90, 80, 3)
    assert torch.equal(CENTRE.apply(photo, 5), CENTRE.apply(photo, 6))


@given(
    size=st.tuples(st.integers(1, 1024), st.integers(1, 1024)),
    extent=st.floats(0.01, 1),
    width=sides,
    height=sides,
)
def test_the_centre_lies_inside(
    size: tuple[int, int], extent: float, width: int, height: int
) -> None:
    left, top, right, bottom = CentralCrop.like(Probe(size, (0.5,), (0.5,), 1), extent).box(
        0, width, height
    )
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert max((right - left) / width, (bottom - top) / height) == pytest.approx(extent)


def test_the_centre_is_what_torchvision_evaluates_on() -> None:
    # Of a size at which torchvision need not round, and smooth, since it resizes before it crops.
    photo = noise(8, 12, 3).resize((525, 350), Image.Resampling.BICUBIC)
    evaluated = transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(RGB.mean, RGB.std),
        ]
    )(photo)
    ours = CentralCrop.like(Probe((224, 224), RGB.mean, RGB.std, 3)).apply(photo, 0)
    level = 1 / (255 * min(RGB.std))
    assert (ours - evaluated).abs().max() < 2.5 * level


def test_a_random_crop_is_identified_as_before_and_the_centre_is_another() -> None:
    """Run directories written earlier name their images by this text."""
    assert repr(RGB) == (
        "Probe(size=(20, 30), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), channels=3, seed=0, "
        "scale=(0.45, 0.95))"
    )
    assert repr(CENTRE) != repr(replace(RGB, scale=CENTRE.scale))
    assert isinstance(replace(CENTRE, size=(8, 8)), CentralCrop)


def test_canvases_of_central_crops_stay_random() -> None:
    margin = (4, 4)
    assert CENTRE.canvas_box(3, 90, 80, margin) == RGB.canvas_box(3, 90, 80, margin)


def test_one_central_crop_of_each_built_in_photograph() -> None:
    images = open_images(None, CENTRE, crops=256)
    assert len(images) == 8
    assert len({images.tensor(index).numpy().tobytes() for index in range(8)}) == 8
    assert images.fingerprint() != open_images(None, RGB, crops=8).fingerprint()
    assert len(open_images(None, RGB, crops=256)) == 256


def test_a_central_crop_has_one_extent() -> None:
    with pytest.raises(PadscopeError, match="a central crop has one extent"):
        CentralCrop((8, 8), (0.5,), (0.5,), 1, scale=(0.5, 0.9))
