"""Photographs of the cards, against a plain forward pass and numpy."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.synthetic_gallery import IMAGES, small_network, small_study
from tests.test_report_explained import MARGIN, cut, explained
from torch import nn

from padscope.findings.choice import choose_filters
from padscope.measurements.first_images import PHOTO, mean_of_lines, small_photos
from padscope.report.gallery.making import make_gallery
from padscope.report.page import render_report
from padscope.report.photos import ends_of_firing, first_images
from padscope.study import Study


@pytest.fixture(scope="module")
def study() -> Study:
    return small_study()


@pytest.fixture(scope="module")
def block(study: Study) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(make_gallery(study).block)
    return found


def test_borders_are_the_means_of_a_plain_forward_pass(study: Study) -> None:
    """Every drawn position is looked at here: a line of few positions is drawn as a whole."""
    first = first_images(study)
    assert first is not None
    images = cut(IMAGES, MARGIN)[: len(first.borders["0"])]
    with torch.no_grad():
        maps = small_network()[0](images)
    lines = [maps[:, :, 0], maps[:, :, -1], maps[..., 0], maps[..., -1]]
    for place, line in enumerate(lines):
        found = first.borders["0"][:, place]
        # Drawn positions leave out those near another side; all lie within the line's range.
        assert (found <= line.amax(dim=2) + 1e-5).all()
        assert (found >= line.amin(dim=2) - 1e-5).all()
        inner = line[..., 1:-1].mean(dim=2)
        together = np.corrcoef(found.flatten().numpy(), inner.flatten().numpy())[0, 1]
        assert together > 0.8


def test_means_of_lines_are_exact() -> None:
    values = torch.arange(24.0).reshape(2, 6, 2)
    found = mean_of_lines(torch.cat([values, values + 1]), [slice(0, 2), slice(2, 5)])
    assert found.shape == (4, 2, 2)
    np.testing.assert_allclose(found[0, 0], values[0, :2].mean(dim=0))
    np.testing.assert_allclose(found[3, 1], values[1, 2:5].mean(dim=0) + 1)


def test_cards_name_the_images_at_both_ends(study: Study, block: dict[str, Any]) -> None:
    first = first_images(study)
    assert first is not None
    chosen = choose_filters(study)
    for place, row in enumerate(chosen.iter_rows(named=True)):
        site = block["sites"][block["columns"]["site"][place]]
        fired = first.borders[row["site"]][:, site["sides"].index(row["side"]), row["filter"]]
        order = fired.argsort(descending=True).tolist()
        assert block["columns"]["most"][place] == order[:3]
        assert block["columns"]["least"][place] == order[::-1][:3]


def test_photographs_are_the_crops(study: Study, block: dict[str, Any]) -> None:
    first = first_images(study)
    assert first is not None and first.photos is not None
    crops = cut(IMAGES, MARGIN)[: len(first.photos)]
    low, high = crops.amin(dim=(0, 2, 3)), crops.amax(dim=(0, 2, 3))
    expected = (crops - low[:, None, None]) / (high - low)[:, None, None] * 255
    np.testing.assert_allclose(first.photos.float(), expected, atol=0.51)
    assert len(block["photos"]) == len(crops)
    decoded = Image.open(io.BytesIO(base64.b64decode(block["photos"][0])))
    assert decoded.size == (crops.shape[3], crops.shape[2])


def test_what_is_no_number_is_at_neither_end() -> None:
    fired = np.array([[np.nan], [1.0], [3.0], [2.0], [np.inf]], dtype=np.float32)
    most, least = ends_of_firing(fired)
    assert (most[:, 0].tolist(), least[:, 0].tolist()) == ([2, 3], [1, 3])


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
def test_photographs_of_any_number_of_channels(channels: int) -> None:
    photos = small_photos([torch.rand(2, channels, 200, 100), torch.rand(1, channels, 200, 100)])
    assert photos is not None
    assert photos.shape == (3, 3 if channels >= 3 else 1, PHOTO, PHOTO // 2)


def test_signals_have_no_photographs() -> None:
    net = nn.Sequential(nn.Conv1d(2, 6, 3, padding=1)).eval()
    study = explained(net, torch.rand(16, 2, 96))
    assert first_images(study) is None
    assert json.loads(make_gallery(study).block)["photos"] == []
    assert "fires most" not in render_report(study).split("<script")[0]
