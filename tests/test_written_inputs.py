"""A model that writes into its input changes nothing that comes after."""

from __future__ import annotations

import pytest
import torch
from tests.conftest import record
from torch import Tensor, nn

from padscope import scan
from padscope.images import Batch
from padscope.measurements import ExactMeasurement, contrast_units, plan_contrast
from padscope.regions import SampleSize
from padscope.running import to_bytes
from padscope.running.model import observe_first
from padscope.sites import observe


class Normalising(nn.Module):
    """Normalises its input, in place or not."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 5)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        x = x.sub_(0.5).div_(0.2) if self.in_place else (x - 0.5) / 0.2
        maps = self.b(self.a(x).relu())
        scores: Tensor = self.head(maps.relu().mean(dim=(2, 3)))
        return scores


def pixels(size: int) -> Tensor:
    images = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last)  # as photographs lie


def exact(*, in_place: bool) -> Tensor:
    model, images = Normalising(in_place=in_place).eval(), pixels(12)
    look = ExactMeasurement(model, observe_first(model, images[:1]), [("a", 0), ("b", 1)])
    return record(look, [Batch(0, (0, 1, 2, 3), images)]).rows["kl"]


def contrasted(*, in_place: bool) -> bytes:
    model, canvas = Normalising(in_place=in_place).eval(), pixels(28)
    crop = observe_first(model, canvas[:1, :, 8:20, 8:20])
    seen = observe(model, canvas.clone())
    plan = plan_contrast(crop, seen, (12, 12), (8, 8), SampleSize(0, 4), {"b": "left out here"})
    return to_bytes(contrast_units(model, [Batch(0, (0, 1, 2, 3), canvas)], plan, 1).pack())


def test_effects_of_single_filters_are_those_of_a_model_that_does_not() -> None:
    torch.testing.assert_close(exact(in_place=True), exact(in_place=False), rtol=0, atol=1e-12)


def test_counts_are_those_of_a_model_that_does_not() -> None:
    assert contrasted(in_place=True) == contrasted(in_place=False)


@pytest.mark.parametrize("together", [1, 4])
def test_the_tensors_that_were_given_stay_as_they_were(together: int) -> None:
    images = pixels(12)
    before = images.clone()
    given = [images[first : first + together] for first in range(0, 4, together)]
    scan(Normalising(in_place=True), given)
    assert torch.equal(images, before)
