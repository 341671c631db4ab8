"""Tallies: integers that merge exactly, and the visitors that fill them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from padscope.errors import PadscopeError
from padscope.images import Batch
from padscope.measurements import contrast_units, contrasting, plan_scan
from padscope.regions import FOLDS, SLOTS, Layout, Positions, SampleSize
from padscope.regions.sampling import DEEPER_EVERY
from padscope.running import to_bytes
from padscope.running.model import observe_first
from padscope.tallies import BINS, HOLE, Bins, Tally, bin_middles
from padscope.tallies.calibration import fit_bins
from padscope.tallies.contrast import ValueBuffer
from padscope.tallies.lines import kept_lines
from padscope.tallies.maps import sum_maps
from padscope.tallies.names import CENTRE, COARSE_SHIFT, CODES, DEAD_BINS
from padscope.tallies.tally import WIDTHS, count_values

LAYOUT = Layout((9, 8), ((1, 1), (1, 0)))
FILTERS = 5


def random_codes(images: int, positions: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (images, positions, FILTERS)
    return torch.randint(0, BINS + 1, shape, generator=generator, dtype=torch.int32)


def empty(filters: int = FILTERS) -> Tally:
    return Tally.zeros(filters, len(LAYOUT.compared), len(LAYOUT.regions))


def counted(codes: Tensor, images: Sequence[int]) -> Tally:
    tally = empty()
    folds = torch.tensor([i % FOLDS for i in images], dtype=torch.int32)
    for region in range(len(LAYOUT.regions)):
        tally.count(codes[list(images)], folds, [codes.shape[1]], region)
    return tally


def same(a: Tally, b: Tally) -> bool:
    return torch.equal(a.fine, b.fine) and torch.equal(a.folds, b.folds)


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(st.integers(0, 3), min_size=0, max_size=20),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 1000),
)
def test_any_split_in_any_order_with_empty_parts_merges_to_the_whole(
    parts: list[int], order: object, seed: int
) -> None:
    codes = random_codes(len(parts), 2, seed)
    whole = counted(codes, range(len(parts)))
    pieces = [counted(codes, [i for i, part in enumerate(parts) if part == p]) for p in range(4)]
    order.shuffle(pieces)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random
    merged = empty()
    for piece in pieces:
        merged = merged.merge(piece)
    assert same(merged, whole)
    assert same(whole.merge(empty()), whole)


def test_merging_is_associative() -> None:
    a, b, c = (counted(random_codes(3, 1, seed), range(3)) for seed in range(3))
    assert same(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert same(a.merge(b), b.merge(a))


def test_tallies_of_different_things_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different things"):
        empty(3).merge(empty(4))


@given(
    values=st.lists(
        st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False), min_size=2, max_size=50
    ),
    centre=st.floats(-100, 100, width=32),
    spread=st.floats(2**-10, 1000, width=32),
)
def test_codes_keep_the_order_of_values(values: list[float], centre: float, spread: float) -> None:
    bins = Bins(torch.tensor([centre]), torch.tensor([spread]))
    ordered = torch.tensor(sorted([*values, centre]), dtype=torch.float32)[:, None]
    codes = bins.codes(ordered)[:, 0]
    assert (codes.diff() >= 0).all()
    assert codes.min() >= 0 and codes.max() < BINS
    assert (codes[(ordered == centre)[:, 0]] == CENTRE).all()


def test_the_middle_of_a_bin_falls_into_it() -> None:
    middles = bin_middles()
    bins = Bins(torch.tensor([2.0]), torch.tensor([0.5]))
    codes = bins.codes(torch.from_numpy(2 + 0.5 * middles)[:, None])[:, 0]
    assert codes.tolist() == [*range(BINS - 1), BINS - 2]  # only rounding reaches the last
    assert middles[CENTRE] == 0 and (np.diff(middles)[:-1] > 0).all()
    assert middles[0] == -middles[-1] == pytest.approx(-245)


def test_edges_enclose_the_values_of_a_bin() -> None:
    bins = Bins(torch.tensor([2.0]), torch.tensor([0.5]))
    edges = bins.edges()[0]
    assert (np.diff(edges) >= 0).all() and edges[-1] == np.inf
    assert edges[CENTRE - 1] == edges[CENTRE] == 2.0
    inside = [code for code in range(1, BINS - 2) if code != CENTRE]
    middles = torch.tensor([(edges[code - 1] + edges[code]) / 2 for code in inside])
    assert bins.codes(middles[:, None].float())[:, 0].tolist() == inside


def test_what_is_not_a_number_is_counted_apart() -> None:
    bins = Bins(torch.zeros(2), torch.ones(2))
    values = torch.tensor([[float("nan"), 0.0], [float("inf"), 1.0], [-float("inf"), -1.0]])
    codes = bins.codes(values)
    assert codes[:, 0].tolist() == [HOLE] * 3
    assert (codes[:, 1] < BINS).all()


@pytest.mark.parametrize("centre", [0.0, -3e38])
@pytest.mark.parametrize("spread", [1e-6, 1.0, 1e30, 3e38])
@pytest.mark.parametrize("snap", [False, True])
def test_what_overflows_once_scaled_is_counted_apart(
    centre: float, spread: float, snap: bool
) -> None:
    bins = Bins(torch.tensor([centre]), torch.tensor([spread]))
    powers = [sign * 10.0**power for sign in (-1, 1) for power in range(-10, 39)]
    values = torch.tensor([*powers, 3.4e38])[:, None]
    codes = bins.codes(values, snap_to_centre=snap)[:, 0]
    assert set(codes.tolist()) <= {*range(BINS), HOLE}
    assert (codes[(values[:, 0] - centre).abs() <= 1e36 * min(spread, 1)] != HOLE).all()
    tally = Tally.zeros(1, 1, 1)
    count_values(tally, bins, values[:, None], torch.zeros(len(values), dtype=torch.int32), [1])
    assert int(tally.fine.sum()) == len(values)


@pytest.mark.parametrize("share", [1, 50, 98])
def test_bins_of_values_of_any_size_are_bins(share: int) -> None:
    values = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    values[:share, 0], values[:share:2, 1], values[1:share:2, 1] = 3.4e38, 3.4e38, -3.4e38
    bins = fit_bins(values)
    assert bins.centre.isfinite().all() and bins.spread.isfinite().all()
    assert (bins.codes(values) < CODES).all() and (bins.codes(values) >= 0).all()


def test_maps_of_any_size_sum_up() -> None:
    maps = torch.full((3, 2, 4, 4), 2e38)
    for each in (maps, maps.movedim(1, -1).contiguous().movedim(-1, 1), maps.clamp(max=6e4).half()):
        assert torch.equal(sum_maps(each), each[0].double() * 3)


def test_bins_are_centred_on_a_value_that_recurs() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(1000, 3, generator=generator)
    values[:200, 1] = 0.25
    values[:, 2] = 7.0
    bins = fit_bins(values)
    assert bins.centre[1] == 0.25
    assert bins.centre[2] == 7.0
    # Half of the values apart from the centre within one spread.
    within = (values[:, 0] - bins.centre[0]).abs() <= bins.spread[0]
    assert 0.45 < within.double().mean() < 0.55


@pytest.mark.parametrize("scale", [2.0**-80, 2.0**-30, 1.0, 2.0**40])
def test_dead_is_what_is_constant_at_the_scale_of_its_site(scale: float) -> None:
    values = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    values[:, 1] *= 1e-9  # beside the others nothing but noise
    values[:, 2], values[:, 3], values[:, 4] = 7.0, 0.0, values[:, 4].relu()
    bins, codes = fit_bins(values * scale), fit_bins(values).codes(values)
    assert torch.equal(bins.codes(values * scale), codes)
    dead = ((codes >= DEAD_BINS.start) & (codes < DEAD_BINS.stop)).all(dim=0)
    assert dead.tolist() == [False, True, True, True, False, False, False, False]


def test_a_site_of_zeros_has_bins_for_what_may_come() -> None:
    bins = fit_bins(torch.zeros(100, 2))
    assert (bins.codes(torch.tensor([[0.0, 1e-20], [1e-3, 1e20]])) < BINS).all()


def test_bins_ignore_what_is_not_finite_and_survive_its_being_all() -> None:
    values = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    values[::5, 0] = float("nan")
    values[1::5, 0] = float("inf")
    values[:, 1] = float("nan")
    bins = fit_bins(values)
    assert bins.centre.isfinite().all() and (bins.spread > 0).all()
    assert abs(float(bins.centre[0])) < 0.2


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, FILTERS, 3, padding=1)
        self.b = nn.Conv2d(FILTERS, 3, 3, padding=1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.b(torch.relu(self.a(x)))
        return result


def brute_force(
    outputs: dict[int, Tensor], positions: Positions, bins: Bins
) -> tuple[Tensor, Tensor]:
    """Count value by value, with loops, what is counted with tables."""
    layout = positions.layout
    filters = len(bins.centre)
    fine = torch.zeros(len(layout.compared), filters, CODES, dtype=torch.int32)
    folds = torch.zeros(len(layout.regions), FOLDS, filters, CODES >> COARSE_SHIFT).int()
    for image, output in outputs.items():
        region = 0
        for draw in positions.draws:
            for span in draw.spans:
                run, fold = image // 8, image % 8
                if run % draw.fold_interval == 0:
                    for place in draw.table[(run // draw.fold_interval * 8 + fold) % SLOTS, span]:
                        row, column = divmod(int(place), layout.size[1])
                        codes = bins.codes(output[:, row, column][None])[0]
                        for channel, code in enumerate(codes.tolist()):
                            if region < len(fine):
                                fine[region, channel, code] += 1
                            folds[region, image % FOLDS, channel, code >> COARSE_SHIFT] += 1
                region += 1
    return fine, folds


@pytest.mark.parametrize("layout", ["channels last", "contiguous"])
def test_counts_equal_brute_force(layout: str) -> None:
    torch.manual_seed(0)
    net = Net().eval()
    kind = torch.channels_last if layout == "channels last" else torch.contiguous_format
    net = net.to(memory_format=kind)
    indices = [*range(0, 40), *range(45, 50), 254, 255, 256, 257, 300, 1024, 1025]
    images = {i: torch.randn(2, 9, 8) for i in indices}
    sample = SampleSize(0, None, 2, 3, 2, DEEPER_EVERY)
    plan = plan_scan(observe_first(net, images[0][None]), (9, 8), sample)
    chunks = [indices[:7], *(indices[start : start + 6] for start in range(7, len(indices), 6))]
    batches = [
        Batch(unit, tuple(chunk), torch.stack([images[i] for i in chunk]))
        for unit, chunk in enumerate(chunks)
    ]
    found = contrast_units(net, batches, plan, calibrate=1)
    outputs: dict[str, dict[int, Tensor]] = {"a": {}, "b": {}}
    with torch.no_grad():
        for batch in batches:
            first = net.a(batch.pixels.contiguous(memory_format=kind))
            for name, output in (("a", first), ("b", net.b(torch.relu(first)))):
                outputs[name] |= dict(zip(batch.indices, output, strict=True))
    for name, site in plan.sites.items():
        fine, folds = brute_force(outputs[name], site.positions, found.bins[name])
        tallies = found.of_site(name)
        assert torch.equal(tallies["padded/near"].fine, fine)
        near, deep, corners = (
            tallies[f"padded/{part}"].folds for part in ("near", "deep", "corners")
        )
        lines = len(near) + len(deep)
        assert torch.equal(near, folds[: len(near)])
        assert torch.equal(deep, folds[len(near) : lines].sum(dim=1, keepdim=True))
        assert torch.equal(corners, folds[lines:])
        mean = torch.stack([outputs[name][i] for i in indices[:7]]).mean(dim=0)
        torch.testing.assert_close(found.mean_map(name), mean, rtol=2**-8, atol=1e-6)


@pytest.mark.parametrize("size", [16, 256, 600])
def test_all_images_of_a_batch_are_counted_however_many(size: int) -> None:
    net = Net().eval()
    pixels = torch.randn(600, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    plan = plan_scan(observe_first(net, pixels[:1]), (9, 8), SampleSize(0, None, 1, 2, 1, 1))
    batches = [
        Batch(unit, tuple(range(first, min(first + size, 600))), pixels[first : first + size])
        for unit, first in enumerate(range(0, 600, size))
    ]
    near = contrast_units(net, batches, plan, calibrate=1).near("a").fine
    assert near[0].sum(dim=1).tolist() == [600] * FILTERS


def test_the_memory_of_counts_and_waiting_values_is_taken_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: dict[str, int] = {"counts": 0, "values": 0}

    def counted(what: str, take: Callable[..., Any]) -> Callable[..., Any]:
        def taking(*args: Any) -> Any:
            taken[what] += 1
            return take(*args)

        return taking

    monkeypatch.setattr(Tally, "zeros", counted("counts", Tally.zeros))
    monkeypatch.setattr(ValueBuffer, "_room_for", counted("values", ValueBuffer._room_for))
    net = Net().eval()
    pixels = torch.randn(64, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    plan = plan_scan(observe_first(net, pixels[:1]), (9, 8), SampleSize(0, None, 1, 2, 1, 1))
    # Room for fewer images than the bins are fitted to.
    monkeypatch.setattr("padscope.measurements.contrast.WAITING", 1)
    batches = [Batch(u, tuple(range(4 * u, 4 * u + 4)), pixels[4 * u :][:4]) for u in range(16)]
    found = contrast_units(net, batches, plan, calibrate=12)
    buffers = sum(len(site.columns) for site in plan.sites.values())
    assert taken == {"counts": len(found.tallies), "values": buffers}


def test_a_pass_that_failed_leaves_no_trace() -> None:
    net = Net().eval()
    pixels = torch.randn(8, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    plan = plan_scan(observe_first(net, pixels[:1]), (9, 8), SampleSize(0, None, 1, 2, 1, 1))
    batches = [Batch(unit, (2 * unit, 2 * unit + 1), pixels[2 * unit :][:2]) for unit in range(4)]
    whole = to_bytes(contrast_units(net, batches, plan, calibrate=2).pack())
    for failing in range(4):
        with contrasting(net, plan, calibrate=2) as contrast:
            for batch in batches:
                if batch.unit == failing:
                    with pytest.raises(PadscopeError, match="the model failed on images"):
                        contrast.update(replace(batch, pixels=batch.pixels[:, :1]))
                contrast.update(batch)
            assert to_bytes(contrast.state().pack()) == whole


@given(most=st.integers(0, 10**12), parts=st.integers(1, 20))
def test_no_count_overflows(most: int, parts: int) -> None:
    one = Tally.zeros(1, 1, 1, 1).of_width(torch.int32)
    for table in (one.fine, one.folds):
        table.view(-1)[0] = min(most, 2**31 - 1)
    total, expected = one, min(most, 2**31 - 1)
    for _ in range(parts):
        total, expected = total.merge(one), expected + min(most, 2**31 - 1)
    while expected < most:
        total, expected = total.merge(total), 2 * expected
    assert total.fine.view(-1)[0] == total.folds.view(-1)[0] == expected


@pytest.mark.parametrize(("narrow", "wide"), [*pairwise(WIDTHS)])
def test_counting_goes_on_in_more_bits_where_some_are_too_few(
    narrow: torch.dtype, wide: torch.dtype
) -> None:
    most = torch.iinfo(narrow).max
    tally = Tally.zeros(1, 1, 1, 1).of_width(narrow)
    bins, values = Bins(torch.zeros(1), torch.ones(1)), torch.zeros(3, 2, 1)
    for table in (tally.fine, tally.folds):
        table.fill_(most - 3)
    merged = tally.merge(Tally.zeros(1, 1, 1, 1))
    assert merged.with_room(3).fine.dtype == narrow
    found = merged.with_room(6)
    assert found.fine.dtype == wide
    count_values(found, bins, values, torch.zeros(3, dtype=torch.int32), [2])
    assert int(found.fine[0, 0, CENTRE]) == int(found.folds.max()) == most + 3
    assert found.narrowest().fine.dtype == wide and same(found.narrowest(), found)
    assert same(merged.at_least(torch.int64).narrowest(), merged.at_least(narrow))


def test_tables_of_unequal_width_are_both_widened() -> None:
    tally = Tally.zeros(1, 1, 1, 1)  # as read from a file, where each table has its own type
    uneven = Tally(tally.fine.long() + 2**31, tally.folds.int() + (2**31 - 4))
    wide = uneven.with_room(6)
    assert wide.fine.dtype == wide.folds.dtype == torch.int64


@pytest.mark.parametrize("filters", [1, 5, 70])
@pytest.mark.parametrize("folds", [1, FOLDS])
def test_values_counted_part_by_part_are_all_counted(
    filters: int, folds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padscope.tallies.tally.CHUNK", 64)
    monkeypatch.setattr("padscope.tallies.tally.NARROWEST", 3)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(20, 6, filters, generator=generator)
    bins = Bins(torch.zeros(filters), torch.ones(filters))
    of_images = torch.arange(20, dtype=torch.int32)
    found = Tally.zeros(filters, 2, 4, folds)
    count_values(found, bins, values, of_images, [1, 3, 2], region=1)  # regions 1 (fine), 2, 3
    fine, coarse = torch.zeros_like(found.fine), torch.zeros_like(found.folds)
    for image, position, channel in np.ndindex(*values.shape):
        region = 1 if position < 1 else 2 if position < 4 else 3
        code = int(bins.codes(values[image, position])[channel])
        coarse[region, image % folds, channel, code >> COARSE_SHIFT] += 1
        if region < 2:
            fine[region, channel, code] += 1
    assert torch.equal(found.fine, fine) and torch.equal(found.folds, coarse)
    assert int(fine.sum()) == 20 * filters and int(coarse.sum()) == values.numel()


def test_values_that_are_the_centre_but_for_rounding_are_counted_there() -> None:
    bins = Bins(torch.tensor([2.0]), torch.tensor([0.5]))
    unusual = [float("nan"), float("inf")]
    values = torch.tensor([2.0, 2.00001, 1.99999, 2.01, 1.99, *unusual])[:, None, None]
    folds = torch.zeros(7, dtype=torch.int32)
    at_centre = {}
    for snap in (False, True):
        tally = Tally.zeros(1, 1, 0)
        count_values(tally, bins, values, folds, [1], snap_to_centre=snap)
        at_centre[snap] = int(tally.fine[0, 0, CENTRE])
        assert tally.fine[0, 0, HOLE] == 2
    assert at_centre == {False: 1, True: 3}


def test_a_buffer_grows_and_forgets_what_was_not_committed() -> None:
    waiting = ValueBuffer(2, 3, 4, torch.device("cpu"))
    placed = []
    for images in (2, 3, 5):
        folds = np.arange(images, dtype=np.int32)
        waiting.place(folds).fill_(-1)  # of a pass that failed
        waiting.drop()
        values = torch.randn(images, 3, 4)
        waiting.place(folds).copy_(values)
        waiting.commit()
        placed.append(values)
    assert torch.equal(waiting.values, torch.cat(placed))
    assert waiting.folds.tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 3, 4]
    waiting.clear()
    assert not len(waiting.values) and waiting.has_room(10)


def test_long_maps_keep_their_ends() -> None:
    lines = kept_lines(1000, dims=2)
    assert lines[:32] == list(range(32)) and lines[-32:] == list(range(968, 1000))
    assert len(lines) == 128 and lines == sorted(set(lines))
    output = torch.arange(2.0 * 3 * 300).view(2, 3, 300, 1).expand(2, 3, 300, 5)
    assert np.allclose(sum_maps(output), output.sum(0)[:, kept_lines(300, 2)])


@pytest.mark.parametrize("shape", [(3, 5, 300, 4), (3, 5, 6, 300), (3, 2, 7), (3, 2, 30, 4, 5)])
def test_maps_sum_up_however_they_lie_in_memory(shape: tuple[int, ...]) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    last = maps.movedim(1, -1).contiguous().movedim(-1, 1)
    cut = torch.cat([last, last], dim=2)[:, :, : shape[2]]
    index = np.ix_(range(shape[1]), *(kept_lines(n, len(shape) - 2) for n in shape[2:]))
    expected = maps.double().sum(0).numpy()[index]
    for each in (maps, last, cut):
        assert np.allclose(sum_maps(each), expected, atol=1e-6)
