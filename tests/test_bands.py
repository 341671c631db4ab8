"""False borders: where they are drawn, what they change, and what fires at them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import record
from torch import Tensor, nn
from torch.nn import functional as F

from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.measurements.band_measurement import BandMeasurement
from padscope.measurements.bands import WIDTHS, Band, choose_bands, mean_colour, padding_value
from padscope.measurements.firing import Lines, Watched
from padscope.regions import sides_of
from padscope.running import Recorded
from padscope.running.model import Asking
from padscope.sites import observe
from padscope.tables.bands import band_table, firing_table

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)
TOP, BOTTOM, LEFT, RIGHT = sides_of(2)
CONTENTS = ("fill", "mean colour", "mean colour elsewhere", "elsewhere")


def photos(count: int = 4, size: tuple[int, ...] = (32, 40), channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(count, channels, *size, generator=generator) + 0.5


def batches(pixels: Tensor, counts: Sequence[int]) -> list[Batch]:
    starts = np.cumsum([0, *counts])
    return [
        Batch(unit, tuple(range(first, first + count)), pixels[first : first + count])
        for unit, (first, count) in enumerate(zip(starts[:-1].tolist(), counts, strict=True))
    ]


def measure(
    model: nn.Module,
    pixels: Tensor,
    watched: Watched | None = None,
    counts: Sequence[int] = (),
    bands: Sequence[Band] | None = None,
    asking: Asking | None = None,
) -> tuple[BandMeasurement, Recorded]:
    size = tuple(pixels.shape[2:])
    with torch.no_grad():
        observed = observe(model, pixels[:4])
    value = padding_value(observed)
    assert isinstance(value, float)
    measurement = BandMeasurement(
        model, bands if bands is not None else choose_bands(size, 2), value, size, observed,
        watched or {}, asking or Asking(),
    )  # fmt: skip
    return measurement, record(measurement, batches(pixels, counts or (len(pixels),)))


def firing(watched: Watched, found: Recorded) -> pl.DataFrame:
    sums = {name: part.numpy() for name, part in found.sums.items()}
    groups = [index // 2 for index in found.indices]  # two crops of every photograph
    table = firing_table(watched, WIDTHS, sums, groups)
    assert set(table["images"]) <= {len(groups)}
    assert set(table["photographs"]) <= {len(set(groups))}
    return table


# Where bands are drawn


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("side", [TOP, LEFT, BOTTOM])
def test_a_band_is_where_it_should_be_and_nowhere_else(side: Any, content: Any) -> None:
    x, start, width = photos(), 9, 4
    n = x.shape[2 + side.axis]
    before = x.clone()
    drawn = Band(side, start, width, content).drawn_on(x, -1.5)
    assert torch.equal(x, before)
    place = n - start - width if content == "mean colour elsewhere" else start
    for line in range(n):
        found, was = drawn.select(2 + side.axis, line), x.select(2 + side.axis, line)
        if not place <= line < place + width:
            assert torch.equal(found, was)
        elif content == "fill":
            assert (found == -1.5).all()
        elif content == "elsewhere":
            assert torch.equal(found, x.select(2 + side.axis, n - start - width + line - start))
        else:
            colour = x.double().mean(dim=(2, 3))[:, :, None].expand_as(found)
            torch.testing.assert_close(found.double(), colour)


def test_memory_format_is_kept() -> None:
    x = photos().contiguous(memory_format=torch.channels_last)
    drawn = Band(TOP, 4, 2, "mean colour").drawn_on(x, 0.0)
    assert drawn.is_contiguous(memory_format=torch.channels_last)
    assert mean_colour(x).shape == (4, 3, 1, 1)


@EXAMPLES
@given(st.lists(st.integers(1, 300), min_size=1, max_size=3), st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_bands_lie_inside_and_mirrored_places_are_apart(size: list[int], step: int) -> None:
    bands = choose_bands(size, step)
    for band in bands:
        n, stop = size[band.side.axis], band.start + band.width
        assert band.start >= 1
        assert stop <= n - 1
        assert band.width * 4 <= n
        behind = n - band.edge if band.side.far else band.edge
        assert n / 4 <= behind
        assert behind > band.width
        apart = n - stop >= stop if not band.side.far else band.start >= n - band.start
        assert apart or n < 36
    for axis, n in enumerate(size):
        here = [band for band in bands if band.side.axis == axis]
        widths = [width for width in WIDTHS if width * 4 <= n]
        assert len(here) == 6 * len(widths)
        for far in (False, True):  # one place for all widths of a side
            assert len({band.edge for band in here if band.side.far is far}) <= 1
    assert len(set(bands)) == len(bands)


def test_bands_are_in_step_with_the_network() -> None:
    for size, step in ((224, 32), (32, 4), (64, 16), (299, 32)):
        edges = {band.edge % step for band in choose_bands((size,), step) if not band.side.far}
        assert edges == {0}
    assert {band.edge for band in choose_bands((40,), 32) if not band.side.far} == {10}  # no room


@pytest.mark.parametrize(
    ("first", "value"),
    [
        (nn.Conv2d(3, 4, 3, padding=1), 0.0),
        (nn.Sequential(nn.ConstantPad2d(1, 0.25), nn.Conv2d(3, 4, 3)), 0.25),
        (nn.Sequential(nn.MaxPool2d(3, padding=1), nn.Conv2d(3, 4, 3, padding=1)), 0.0),
        (nn.Sequential(nn.ConstantPad2d(1, 1.23456789), nn.Conv2d(3, 4, 3)), 1.23456789),
        (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), "reflect"),
        (nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3, padding=1)),
         "padded with constant 0.5 + zeros, which"),
        (nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3, padding=1)), "reflect + zeros"),
        (nn.Sequential(nn.ConstantPad2d(1, math.inf), nn.Conv2d(3, 4, 3)), "constant inf"),
        (nn.Sequential(nn.ConstantPad2d(1, -math.inf), nn.Conv2d(3, 4, 3)), "-inf"),
        (nn.Sequential(nn.ConstantPad2d(1, math.nan), nn.Conv2d(3, 4, 3)), "constant nan"),
        (nn.Conv2d(3, 4, 3), "no padded convolution"),
    ],
)  # fmt: skip
def test_the_value_is_that_of_the_first_padded_convolution(
    first: nn.Module, value: float | str
) -> None:
    found = padding_value(observe(first.eval(), photos(2)))
    if isinstance(value, str):
        assert isinstance(found, str)
        assert value in found
    else:
        assert found == value


# What they change


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    ).eval()  # fmt: skip


def test_answers_are_compared_with_those_without_a_band() -> None:
    model, x = net(), photos()
    measurement, found = measure(model, x)
    assert set(found.rows) == {"kl", "flip"}
    assert not any(band.side.far for band in measurement.compared)
    with torch.no_grad():
        base = model(x).double().log_softmax(1)
        for place, band in enumerate(measurement.compared):
            drawn = x.clone()
            lines = torch.arange(band.start, band.start + band.width)
            if band.content == "fill":
                drawn.index_fill_(2 + band.side.axis, lines, 0.0)
            else:
                drawn = band.drawn_on(x, 0.0)
            changed = model(drawn).double().log_softmax(1)
            expected = F.kl_div(changed, base, reduction="none", log_target=True).sum(dim=1)
            torch.testing.assert_close(found.rows["kl"][:, place], expected, atol=1e-6, rtol=1e-4)
            flip = (base.argmax(1) != changed.argmax(1)).double()
            torch.testing.assert_close(found.rows["flip"][:, place], flip)


def test_a_dense_answer_is_compared_beside_the_band() -> None:
    model, x = nn.Conv2d(3, 2, 1, padding=0).eval(), photos()
    bands = choose_bands((32, 40), 4)
    observed = observe(nn.Conv2d(3, 2, 3, padding=1), x)
    measurement = BandMeasurement(model, bands, 0.0, (32, 40), observed, {}, Asking())
    found = measurement(batches(x, (4,))[0]).rows["change"]
    assert found.shape == (4, len(measurement.compared))
    assert found.max() == 0  # a pointwise network changes at the band alone


@EXAMPLES
@given(st.integers(8, 64), st.integers(1, 70), st.sampled_from(CONTENTS))
def test_lines_over_a_band_are_left_out(pixels: int, positions: int, content: Any) -> None:
    band = Band(TOP, pixels // 4, 2, content)
    answer = torch.arange(float(positions)).reshape(1, 1, positions, 1)
    place = pixels - band.start - 2 if content == "mean colour elsewhere" else band.start
    size = pixels / positions
    kept = [i for i in range(positions) if (i + 1) * size <= place or i * size >= place + 2]
    expected = kept or list(range(positions))
    assert band.outside(answer, pixels).flatten().tolist() == expected


def test_what_is_found_does_not_depend_on_the_batches() -> None:
    x, watched = photos(7), {"0": {"top": [1, 2], "right": [0]}, "2": {"left": [5]}}
    model = net()
    _, whole = measure(model, x, watched)
    _, pieces = measure(model, x, watched, counts=(3, 1, 3))
    _, filled = measure(model, x, watched, counts=(4, 3), asking=Asking(static_batch=4))
    assert len(whole.sums) == 1 + 3 * (5 + 2 * 2 * len(WIDTHS))
    for other in (pieces, filled):
        assert whole.sums.keys() == other.sums.keys()
        for name in whole.rows:
            torch.testing.assert_close(other.rows[name], whole.rows[name], atol=1e-6, rtol=1e-4)
        for name in whole.sums:
            torch.testing.assert_close(other.sums[name], whole.sums[name], atol=1e-5, rtol=1e-5)


def test_canvases_are_cut_to_their_centre() -> None:
    x, model = photos(4, (20, 20)), net()
    canvas = F.pad(x, (8, 8, 8, 8), value=9.0)
    _, expected = measure(model, x)
    measurement, _ = measure(model, x)
    found = measurement(batches(canvas, (4,))[0])
    torch.testing.assert_close(found.rows["kl"], expected.rows["kl"])


def test_the_model_is_left_as_it_was() -> None:
    model = net()
    measure(model, photos(), {"0": {"top": [1]}})
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())


@pytest.mark.parametrize("shape", [(48,), (16, 18, 20)])
def test_signals_and_volumes_have_bands_too(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    kind: Any = {1: nn.Conv1d, 3: nn.Conv3d}[len(shape)]
    model = nn.Sequential(kind(1, 5, 3, padding=1), nn.ReLU()).eval()
    side = sides_of(len(shape))[-1].name
    watched = {"0": {side: [0, 3]}}
    measurement, found = measure(model, photos(4, shape, channels=1), watched)
    assert set(found.rows) == {"change"}
    assert found.rows["change"].shape == (4, len(measurement.compared))
    table = firing(watched, found)
    assert table["side"].to_list() == [side] * table.height
    assert table["width"].to_list() == [width for width in WIDTHS if width * 4 <= shape[-1]]


def test_answers_that_are_not_finite_are_refused() -> None:
    model = net()
    with torch.no_grad():
        next(reversed(list(model.parameters())))[0] = torch.nan
    with pytest.raises(PadscopeError, match="answers with NaN or infinity to 4 of 4 images"):
        measure(model, photos())


# What fires


class Edges(nn.Module):
    """Four filters, one per side, that fire where all within their window is zero beyond that side.

    On positive input, that is only where the window looks out of the image.
    """

    def __init__(self, reach: int) -> None:
        super().__init__()
        size = 2 * reach + 1
        self.conv = nn.Conv2d(1, 4, size, padding=reach)
        weight = torch.zeros(4, 1, size, size)
        weight[0, 0, :reach, reach] = weight[1, 0, reach + 1 :, reach] = -100
        weight[2, 0, reach, :reach] = weight[3, 0, reach, reach + 1 :] = -100
        self.conv.weight.data = weight
        nn.init.ones_(torch.as_tensor(self.conv.bias))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Read(nn.Module):
    """The detector's ReLU written into a site: 1×1 convolution that is watched behind it."""

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.edges, self.site = Edges(reach), nn.Conv2d(4, 4, 1, bias=False)
        self.site.weight.data = torch.eye(4)[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.site(self.edges(x)))


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_a_planted_filter_fires_at_a_band_as_wide_as_its_window(reach: int) -> None:
    model, x = Read(reach).eval(), photos(3, (48, 40), channels=1)
    names = ("top", "bottom", "left", "right")
    watched = {"site": {name: [number] for number, name in enumerate(names)}}
    _, found = measure(model, x, watched)
    table = firing(watched, found)
    assert table.height == 4 * len(WIDTHS)
    for row in table.iter_rows(named=True):
        assert row["filters"] == 1
        assert row["firing"] == pytest.approx(float(row["width"] >= reach), abs=1e-6)
        assert row["control"] == row["mean_colour"] == 0


def test_a_filter_that_answers_to_the_other_side_does_not_fire() -> None:
    model, x = Read(1).eval(), photos(3, (48, 40), channels=1)
    watched = {"site": {"top": [0, 1, 2]}}  # the second sees the bottom, the third the left
    _, found = measure(model, x, watched)
    table = firing(watched, found)
    assert table["filters"].to_list() == [1] * len(WIDTHS)  # the others do not answer to the top
    assert table["firing"].to_list() == pytest.approx([1] * len(WIDTHS))


def test_firing_is_that_of_plain_maps() -> None:
    model, x = net(), photos(4, (32, 40))
    watched = {"2": {"bottom": [0, 3, 5]}}
    bands = [band for band in choose_bands((32, 40), 2) if band.width == 2]
    _, found = measure(model, x, watched, bands=bands)
    band, colour = (one for one in bands if one.side == BOTTOM)
    assert (band.content, colour.content) == ("fill", "mean colour")
    with torch.no_grad():
        maps = model[:3](x)[:, [0, 3, 5]].double()
        drawn, coloured = (
            model[:3](one.drawn_on(x, 0.0))[:, [0, 3, 5]].double() for one in (band, colour)
        )
    lines = Lines.of(BOTTOM, band.edge, 32, 16)
    assert lines.border == 15
    assert lines.behind == tuple(range(band.start // 2 - 3, band.start // 2 + 2))
    across = slice(5, 15)  # the central half of 20
    change, other = (
        (seen - maps)[..., across].mean(dim=(0, 3)) for seen in (drawn, coloured)
    )  # (filters, rows)
    core = maps[:, :, 4:12, across]
    answer = maps[:, :, 15, across].mean(dim=(0, 2)) - core.mean(dim=(0, 2, 3))
    spread = core.transpose(0, 1).flatten(1).std(dim=1, correction=0)
    measured = answer.abs() >= 0.25 * spread
    expected = [
        (by[:, list(at)] / answer[:, None]).amax(dim=1)[measured].median()
        for by, at in ((change, lines.behind), (change, lines.elsewhere), (other, lines.behind))
    ]
    assert measured.sum() in (1, 3)  # an odd number, whose median is one of them
    sums = {name: part.numpy() for name, part in found.sums.items()}
    (row,) = firing_table(watched, [2], sums, found.indices).to_dicts()
    assert row["filters"] == measured.sum()
    assert row["firing"] == pytest.approx(expected[0].item(), abs=1e-5)
    assert row["control"] == pytest.approx(expected[1].item(), abs=1e-5)
    assert row["mean_colour"] == pytest.approx(expected[2].item(), abs=1e-5)


def test_lines_stay_on_the_map() -> None:
    assert Lines.of(TOP, 64, 224, 7) == Lines(0, (1, 2, 3), (4, 5, 6))
    assert Lines.of(BOTTOM, 160, 224, 7) == Lines(6, (3, 4, 5), (0, 1, 2))
    assert Lines.of(TOP, 1, 4, 2) == Lines(0, (0, 0, 1), (1, 1, 1))


class Rows(nn.Module):
    """A convolution over the image's rows laid end to end: its map has one axis."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 3, padding=1)
        self.rows = nn.Conv1d(2, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.rows(self.first(x).flatten(2)).mean(dim=2))


def test_sites_of_other_axes_than_the_image_do_not_fire() -> None:
    watched = {"first": {"left": [0]}, "rows": {"left": [0]}}
    _, found = measure(Rows().eval(), photos(), watched)
    assert firing(watched, found)["site"].unique().to_list() == ["first"]


def test_nothing_is_read_where_nothing_is_watched() -> None:
    _, found = measure(net(), photos())
    assert set(found.sums) == {"images"}
    assert firing({}, found).height == 0
    assert firing({"0": {"top": []}}, found).height == 0


# Tables


def band_rows(rows: Mapping[str, Any], bands: list[tuple[int, str]]) -> pl.DataFrame:
    return band_table(bands, rows, resamples=200)


def test_the_table_averages_axes_and_pairs_images() -> None:
    rng = np.random.default_rng(0)
    bands = [(width, content) for _ in range(2) for width in (1, 8) for content in CONTENTS]
    rows = {"kl": rng.random((10, len(bands))), "flip": rng.integers(0, 2, (10, len(bands)))}
    table = band_rows(rows, bands)
    assert table.height == 2 * 8
    for row in table.filter(pl.col("measure") == "kl").iter_rows(named=True):
        at = bands.index((row["width"], row["band"]))
        mean = (rows["kl"][:, at] + rows["kl"][:, at + 8]) / 2
        assert row["value"] == pytest.approx(mean.mean())
        assert row["low"] < row["value"] < row["high"]
        if row["band"] == "fill":
            other = (rows["kl"][:, at + 1] + rows["kl"][:, at + 9]) / 2
            assert row["excess"] == pytest.approx((mean - other).mean())
            assert row["excess_low"] < row["excess"] < row["excess_high"]
        else:
            assert row["excess"] is row["excess_low"] is row["excess_high"] is None
    assert band_rows({}, bands).columns == table.columns


def test_an_image_whose_change_is_not_defined_is_left_out_of_its_width_alone() -> None:
    rng = np.random.default_rng(0)
    bands = [(width, content) for width in (1, 8) for content in CONTENTS]
    values = rng.random((10, len(bands)))
    values[3, 4:] = np.nan
    table = band_rows({"change": values}, bands)
    assert not table.filter(pl.col("band") == "fill").null_count().sum_horizontal().item()
    images = dict(table.select("width", "images").unique().iter_rows())
    assert images == {1: 10, 8: 9}
    values[:, 4:] = np.nan
    assert band_rows({"change": values}, bands)["width"].unique().to_list() == [1]
