"""Python objects as images: which inputs give random access, which a stream, and which nothing."""

from collections.abc import Callable, Iterator
from typing import Any

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
    data = make()
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
        ([{"pixels": IMAGES, "label": 1}], "is a dict with the keys pixels, label, and none of"),
        ([[IMAGES[0], IMAGES[1]]], "is a list of 2, which may be images, or images and their"),
        ([[IMAGES[:2].unbind(), IMAGES[2:4].unbind()]], "is a list of 2, which may be images, or"),
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
        from_python(TensorDataset(IMAGES[:, 0]), dims=2).tensor(2)
    with pytest.raises(PadscopeError, match=r"image 0 holds torch\.uint8"):
        from_python(IMAGES.byte(), dims=2).tensor(0)


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


PAIRS: Any = list(zip(IMAGES, LABELS, strict=True))
EACH: Any = list(IMAGES)
SINGLES: Any = [{"img": image, "y": 1} for image in IMAGES]


def opened(data: object, take: Callable[[Any], object] | None = None) -> Any:
    return from_python(data, 2, take)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [{"pixel_values": IMAGES[:4], "labels": LABELS[:4]}, {"img": IMAGES[4:]}],
        lambda: [({"image": image}, label) for image, label in PAIRS],
        lambda: DataLoader(SINGLES, batch_size=3),
        lambda: DataLoader(TensorDataset(IMAGES), batch_size=3, collate_fn=lambda batch: batch),
        lambda: DataLoader(
            PAIRS, batch_size=4, collate_fn=lambda batch: tuple(zip(*batch, strict=True))
        ),
        lambda: DataLoader(EACH, batch_size=5, collate_fn=lambda batch: batch),
        lambda: DataLoader(EACH, batch_size=6, collate_fn=tuple),
        lambda: [[{"image": image} for image in IMAGES[:2]], [{"image": i} for i in IMAGES[2:]]],
        lambda: [(image, image[:1]) for image in IMAGES],
        lambda: [[IMAGES, IMAGES]],
    ],
)
def test_whatever_images_come_wrapped_in_every_one_is_taken(make: Callable[[], object]) -> None:
    assert torch.equal(torch.stack(list(opened(make()))), IMAGES)


def test_a_function_takes_the_images_out_of_items() -> None:
    items: Any = [{"frame": image, "other": 1} for image in IMAGES]

    def take(item: Any) -> Any:
        return item["frame"]

    loader = DataLoader(items, batch_size=3)
    assert torch.equal(torch.stack(list(opened(loader, take))), IMAGES)
    second = opened(TensorDataset(IMAGES, IMAGES.flip(0)), lambda item: item[1])
    assert torch.equal(second.tensor(2), IMAGES[4])
    halves = [IMAGES[:2], IMAGES[2:4]]
    assert len(opened(halves, lambda item: list(item))) == 4
    with pytest.raises(PadscopeError, match=r"takes images failed on item 0 .*: KeyError: 'frame'"):
        opened([{"image": IMAGES}], take)


def test_dictionaries_of_a_dataset() -> None:
    class Named(Labelled):
        def __getitem__(self, index: int) -> Any:
            return {"label": index, "pixel_values": IMAGES[index]}

    assert torch.equal(opened(Named()).tensor(3), IMAGES[3])


class Shrinking(Labelled):
    """Loses its last images, or never had them."""

    def __init__(self, said: int) -> None:
        self.said = said

    def __len__(self) -> int:
        return self.said

    def __getitem__(self, index: int) -> Any:
        return list(IMAGES)[index]


def test_a_dataset_that_changes_its_size_while_it_is_read() -> None:
    dataset = Shrinking(7)
    images = opened(dataset)
    dataset.said = 5
    with pytest.raises(PadscopeError, match="Shrinking had 7 images at first and has 5 now"):
        images.tensor(2)
    assert len(images) == 7
    with pytest.raises(PadscopeError, match=r"Shrinking failed on image 8: IndexError.*length, 9"):
        opened(Shrinking(9)).tensor(8)
    given = list(IMAGES)
    images = opened(given)
    given.pop()
    with pytest.raises(PadscopeError, match="list had 7 images at first and gave 6 now"):
        list(images)


class Failing(Labelled):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getitem__(self, index: int) -> list[object]:
        if index == 4:
            raise self.error
        return super().__getitem__(index)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("broken\nin two"), "RuntimeError: broken; make"),
        (IndexError(), "IndexError; make"),
        (KeyError("file"), "KeyError: 'file'; make"),
        (OSError(24, "Too many open files"), "OSError: "),
    ],
)
def test_what_a_dataset_fails_on_is_named(error: Exception, told: str) -> None:
    images = opened(Failing(error))
    for read in (images.fingerprint, lambda: images.tensor(4)):
        with pytest.raises(PadscopeError, match=f"the Failing failed on image 4: {told}"):
            read()


def test_what_a_loader_or_generator_fails_on_is_named() -> None:
    def two() -> Iterator[Tensor]:
        yield IMAGES[:2]
        yield IMAGES[2:4]
        raise ValueError("no more")

    with pytest.raises(PadscopeError, match=r"generator failed on item 2 .*ValueError: no more"):
        list(opened(two()))
    loader: DataLoader[object] = DataLoader(Failing(RuntimeError("broken")), batch_size=2)
    with pytest.raises(PadscopeError, match=r"DataLoader failed on item 2 .*RuntimeError: broken"):
        opened(loader).fingerprint()
