"""Tallies: integers that merge exactly, and the visitors that fill them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from padscope.regions import FOLDS, SLOTS, Layout, Positions, draw_positions
from padscope.sites import Interception
from padscope.tallies import BINS, HOLE, Bins, Calibrator, Collector, Tally
from padscope.tallies.bins import CENTRE, COARSE_SHIFT, CODES
from padscope.tallies.calibration import fit_bins
from padscope.tallies.maps import kept_lines, sum_maps
from padscope.tallies.tally import count_values
from padscope.tallies.waiting import Waiting

LAYOUT = Layout((9, 8), ((1, 1), (1, 0)))
FILTERS = 5


def random_codes(images: int, positions: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (images, positions, FILTERS)
    return torch.randint(0, BINS + 1, shape, generator=generator, dtype=torch.int32)


def counted(codes: Tensor, images: Sequence[int]) -> Tally:
    tally = Tally.empty(LAYOUT, FILTERS)
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
    merged = Tally.empty(LAYOUT, FILTERS)
    for piece in pieces:
        merged = merged.merge(piece)
    assert same(merged, whole)
    assert same(whole.merge(Tally.empty(LAYOUT, FILTERS)), whole)


def test_merging_is_associative() -> None:
    a, b, c = (counted(random_codes(3, 1, seed), range(3)) for seed in range(3))
    assert same(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert same(a.merge(b), b.merge(a))


def test_tallies_of_different_things_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different things"):
        Tally.empty(LAYOUT, 3).merge(Tally.empty(LAYOUT, 4))


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
    """Count value by value, with loops, what `Collector` counts with tables."""
    layout = positions.layout
    filters = len(bins.centre)
    fine = torch.zeros(len(layout.compared), filters, CODES, dtype=torch.int32)
    folds = torch.zeros(len(layout.regions), FOLDS, filters, CODES >> COARSE_SHIFT).int()
    for image, output in outputs.items():
        region = 0
        for draw in positions.draws:
            for span in draw.spans:
                run, fold = image // 8, image % 8
                if run % draw.every == 0:
                    for place in draw.table[(run // draw.every * 8 + fold) % SLOTS, span]:
                        row, column = divmod(int(place), layout.size[1])
                        codes = bins.codes(output[:, row, column][None])[0]
                        for channel, code in enumerate(codes.tolist()):
                            if region < len(fine):
                                fine[region, channel, code] += 1
                            folds[region, image % FOLDS, channel, code >> COARSE_SHIFT] += 1
                region += 1
    return fine, folds


@pytest.mark.parametrize("layout", ["channels last", "contiguous"])
def test_counts_equal_brute_force_over_a_wrapping_ring(layout: str) -> None:
    torch.manual_seed(0)
    net = Net().eval()
    kind = torch.channels_last if layout == "channels last" else torch.contiguous_format
    net = net.to(memory_format=kind)
    indices = [*range(0, 40), *range(45, 50), 254, 255, 256, 257, 300, 1024, 1025]
    images = {i: torch.randn(2, 9, 8) for i in indices}
    contact = ((1, 1), (1, 1))
    positions = {
        "a": draw_positions(Layout((9, 8), contact), 0, 2, 3),
        "b": draw_positions(Layout((5, 4), contact), 0, 2, 3),
    }
    calibrator = Calibrator(positions)
    outputs: dict[str, dict[int, Tensor]] = {"a": {}, "b": {}}

    def run(visitor: Calibrator | Collector, chunk: list[int]) -> None:
        visitor.begin(chunk)
        batch = torch.stack([images[i] for i in chunk]).contiguous(memory_format=kind)
        with torch.no_grad(), Interception(net, visitor):
            net(batch)
        with torch.no_grad():
            first = net.a(batch)
            for name, output in (("a", first), ("b", net.b(torch.relu(first)))):
                outputs[name] |= dict(zip(chunk, output, strict=True))

    run(calibrator, indices[:7])
    calibration = calibrator.fit()
    bins = {name: site.bins for name, site in calibration.items()}
    tallies = {
        name: Tally.empty(drawn.layout, len(bins[name].centre)) for name, drawn in positions.items()
    }
    collector = Collector(positions, bins, tallies)
    calibrator.count_into(collector)
    for start in range(7, len(indices), 6):
        run(collector, indices[start : start + 6])
        collector.commit()
    collector.flush()
    for name in positions:
        fine, folds = brute_force(outputs[name], positions[name], bins[name])
        assert torch.equal(tallies[name].fine, fine)
        assert torch.equal(tallies[name].folds, folds)
        mean = torch.stack([outputs[name][i] for i in indices[:7]]).mean(dim=0)
        torch.testing.assert_close(calibration[name].mean_map, mean)


def test_a_pass_that_is_not_committed_leaves_no_trace() -> None:
    positions = {"a": draw_positions(LAYOUT, 0, 1, 2)}
    bins = {"a": Bins(torch.zeros(FILTERS), torch.ones(FILTERS))}
    tallies = {"a": Tally.empty(LAYOUT, FILTERS)}
    collector = Collector(positions, bins, tallies)
    collector.begin([0, 1])
    collector.keep("a", 0, torch.randn(2, positions["a"].draws[0].table.shape[1], FILTERS))
    collector.flush()
    assert not tallies["a"].fine.any() and not tallies["a"].folds.any()


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
    for settle in (False, True):
        tally = Tally.zeros(1, 1, 0)
        count_values(tally, bins, values, folds, [1], settle=settle)
        at_centre[settle] = int(tally.fine[0, 0, CENTRE])
        assert tally.fine[0, 0, HOLE] == 2
    assert at_centre == {False: 1, True: 3}


def test_what_waits_grows_and_forgets_what_was_not_committed() -> None:
    waiting = Waiting(2, 3, 4)
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
