"""Python objects as images: which inputs give random access, which a stream, and which nothing."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from padscope.errors import PadscopeError
from padscope.images import StreamedImages, TensorImages, from_python

IMAGES = torch.arange(7 * 3 * 4 * 5, dtype=torch.float32).reshape(7, 3, 4, 5)
LABELS = torch.arange(7)


class Labelled(Dataset[list[object]]):
    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> list[object]:
        return [IMAGES[index], index, "seven"]


class Endless(IterableDataset[Tensor]):
    def __len__(self) -> int:
        return 7

    def __iter__(self) -> Iterator[Tensor]:
        return iter(IMAGES)


@pytest.mark.parametrize("data", [IMAGES, TensorDataset(IMAGES, LABELS), Labelled()])
def test_random_access(data: object) -> None:
    images = from_python(data, dims=2)
    assert isinstance(images, TensorImages)
    assert len(images) == 7
    assert torch.equal(images.tensor(3), IMAGES[3])
    assert (images.name(3), images.group(3)) == ("image 3", 3)
    assert images.describe() == f"7 images from a {type(data).__name__}"


@pytest.mark.parametrize(
    "make",
    [
        lambda: list(IMAGES),
        lambda: list(torch.split(IMAGES, 3)),
        lambda: tuple(zip(torch.split(IMAGES, 3), torch.split(LABELS, 3), strict=True)),
        lambda: [IMAGES[:2], IMAGES[2], (IMAGES[3:], LABELS)],
        lambda: (batch for batch in torch.split(IMAGES, 2)),
        lambda: DataLoader(TensorDataset(IMAGES, LABELS), batch_size=3),
        lambda: DataLoader(Endless(), batch_size=3),
        lambda: Endless(),
    ],
)
def test_streams(make: object) -> None:
    data = make()  # type: ignore[operator]
    images = from_python(data, dims=2)
    assert isinstance(images, StreamedImages)
    assert torch.equal(torch.stack(list(images)), IMAGES)
    assert (images.name(3), images.group(3)) == ("image 3", 3)
    if isinstance(data, list | tuple):
        assert len(images) == 7
        assert images.describe() == f"7 images streamed from a {type(data).__name__}"
    else:
        assert images.length is None
        assert images.describe() == f"images streamed from a {type(data).__name__}"
        with pytest.raises(TypeError, match="unknown"):
            len(images)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_rank_tells_a_batch_from_an_image(dims: int) -> None:
    image = torch.rand(2, *range(3, 3 + dims))
    assert len(list(StreamedImages([image], dims))) == 1
    assert len(list(StreamedImages([image.expand(5, *image.shape)], dims))) == 5
    assert len(from_python(image.expand(5, *image.shape), dims)) == 5


def test_a_generator_is_given_once_and_a_list_often() -> None:
    once = StreamedImages((image for image in IMAGES), 2)
    assert len(list(once)) == 7
    with pytest.raises(PadscopeError, match="gives them only once"):
        list(once)
    often = StreamedImages(list(IMAGES), 2)
    assert len(list(often)) == len(list(often)) == 7


def test_other_float_types_become_float32() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert TensorImages(IMAGES.to(dtype).requires_grad_(), 2).tensor(0).dtype == torch.float32
    assert not TensorImages(IMAGES.clone().requires_grad_(), 2).tensor(0).requires_grad


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (IMAGES[0], r"shape \(3, 4, 5\); the model wants 4 axes"),
        (torch.tensor(1.0), r"shape \(\)"),
        (IMAGES[:0], "Tensor given as images is empty"),
        ([], "list given as images is empty"),
        ([IMAGES[0, 0]], r"item 0 of the images has shape \(4, 5\)"),
        ((IMAGES, LABELS.float()), r"item 1 of the images has shape \(7,\)"),
        ([IMAGES, "text"], "item 1 of the images is a str"),
        ([{"image": IMAGES}], "item 0 of the images is a dict"),
        ([()], "item 0 of the images is a tuple"),
        ([np.zeros((3, 4, 5))], "is a ndarray, not a tensor"),
        ([IMAGES.byte()], "item 0 of the images holds torch.uint8; give floating-point"),
        ("photos/", "cannot come from a str"),
        ({"a": IMAGES}, "cannot come from a dict"),
        (7, "cannot come from a int"),
    ],
)
def test_wrong_inputs(data: object, said: str) -> None:
    with pytest.raises(PadscopeError, match=said):
        from_python(data, dims=2)


def test_wrong_items_of_a_dataset() -> None:
    with pytest.raises(PadscopeError, match=r"image 2 has shape \(4, 5\).*items of 3 axes"):
        from_python(TensorDataset(IMAGES[:, 0]), dims=2).tensor(2)  # type: ignore[union-attr]
    with pytest.raises(PadscopeError, match=r"image 0 holds torch\.uint8"):
        from_python(IMAGES.byte(), dims=2).tensor(0)  # type: ignore[union-attr]


def test_fingerprint() -> None:
    changed = IMAGES.clone()
    changed[-1, 0, 0, 0] += 1
    inner = IMAGES.clone()
    inner[3, 1, 2, 2] += 1
    prints = {
        from_python(data, dims=2).fingerprint()
        for data in (IMAGES, changed, inner, IMAGES[:6], Labelled(), IMAGES.movedim(-1, -2))
    }
    assert len(prints) == 6
    assert from_python(IMAGES.clone(), 2).fingerprint() in prints
    from_python(IMAGES.bfloat16(), 2).fingerprint()


def test_fingerprint_of_a_stream() -> None:
    inner = IMAGES.clone()
    inner[3, 1, 2, 2] += 1

    def prints(images: Tensor) -> list[str]:
        loader = DataLoader(TensorDataset(images, LABELS), batch_size=3)
        given = list(images), tuple(torch.split(images, 3)), loader
        return [from_python(data, dims=2).fingerprint() for data in given]

    assert prints(IMAGES) == prints(IMAGES.clone())
    assert not set(prints(IMAGES)) & set(prints(inner))
    whole, first = (StreamedImages(list(images), 2) for images in (IMAGES, IMAGES[:4]))
    assert whole.fingerprint(limit=4) == first.fingerprint() != whole.fingerprint()


def test_images_of_a_generator_are_taken_for_no_others() -> None:
    generators = [StreamedImages(iter(IMAGES), 2) for _ in range(2)]
    assert generators[0].fingerprint() != generators[1].fingerprint()
    assert len(list(generators[0])) == 7
