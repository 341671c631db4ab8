"""The law of states: any split of the units, merged in any order, is the whole, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from padscope.images import Batch, Skipped
from padscope.measurements import Counts, contrast_units, contrasting, plan_contrast, plan_scan
from padscope.regions import Layout, SampleSize
from padscope.running import (
    Findings,
    Packed,
    PairwiseSums,
    Recorded,
    Recording,
    Spans,
    State,
    from_bytes,
    to_bytes,
)
from padscope.running.model import observe_first
from padscope.scores import STATISTICS, score_site
from padscope.sites import observe

UNITS = 9
Measure = Callable[[Sequence[int]], State]


def packed(state: State) -> bytes:
    return to_bytes(state.pack())


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1, stride=2)
    ).eval()


def batch(unit: int, size: int) -> Batch:
    """Two images; of unit 4 none can be read, of unit 6 one."""
    chosen = {4: (), 6: (13,)}.get(unit, (2 * unit, 2 * unit + 1))
    pixels = torch.stack(
        [torch.rand(1, size, size, generator=torch.Generator().manual_seed(i)) for i in chosen]
    ) if chosen else torch.empty(0)  # fmt: skip
    missing = sorted({2 * unit, 2 * unit + 1} - set(chosen))
    return Batch(unit, chosen, pixels, tuple(Skipped(i, str(i), "torn") for i in missing))


@cache
def scanning() -> Measure:
    model = net()
    plan = plan_scan(observe_first(model, torch.rand(1, 1, 12, 12)), (12, 12), SampleSize(0, 18))
    return counting(model, plan, 12)


@cache
def explaining() -> Measure:
    model, image = net(), torch.rand(1, 1, 28, 28)
    crop = observe_first(model, image[..., 8:20, 8:20])
    canvas = observe(model, image.repeat(2, 1, 1, 1))
    plan = plan_contrast(crop, canvas, (12, 12), (8, 8), SampleSize(0, 18), {})
    return counting(model, plan, 28)


def counting(model: nn.Module, plan: Any, size: int) -> Measure:
    head = contrast_units(model, [batch(0, size)], plan, 1)

    def measure(units: Sequence[int]) -> State:
        if list(units) == [0]:
            return head
        with contrasting(model, plan, 1) as contrast:
            contrast.load(head.blank())
            for unit in units:
                contrast.update(batch(unit, size))
            return contrast.state()

    return measure


@cache
def recording() -> Measure:
    def look(seen: Batch) -> Findings:
        rows = seen.pixels.flatten(1)
        # Sums whose rounding tells in which order they were added.
        scale = torch.tensor(10.0).pow(torch.arange(-8.0, 8.0))
        sums = {"sums": rows.sum(dim=0)[:16] * scale, "n": torch.ones(2)}
        odd = [image for image in seen.indices if image % 2]
        of_odd = rows[[seen.indices.index(image) for image in odd]]
        return Findings({"rows": rows, "of odd": of_odd}, sums, {"of odd": odd})

    def measure(units: Sequence[int]) -> State:
        recorded = Recording(look)
        for unit in units:
            recorded.update(batch(unit, 6))
        return recorded.state()

    return measure


KINDS: dict[str, tuple[Callable[[], Measure], State]] = {
    "scan": (scanning, Counts()),
    "explain": (explaining, Counts()),
    "rows and sums": (recording, Recorded()),
}


SHARDS = st.lists(st.integers(0, 3), min_size=UNITS - 1, max_size=UNITS - 1)


def merged(kind: str, shards: list[int], seed: int) -> State:
    """Measure in parts, and join them in any order, in any tree."""
    make, empty = KINDS[kind]
    # What calibrates is one part; the others are any.
    parts = [[0], *([u + 1 for u, s in enumerate(shards) if s == shard] for shard in range(4))]
    states = [make()(part) if part else empty for part in parts]
    random.Random(seed).shuffle(states)
    while len(states) > 1:
        first, second = states.pop(), states.pop()
        states.insert(random.Random(seed).randrange(len(states) + 1), first.merge(second))
    return states[0]


def whole(kind: str) -> State:
    measure = KINDS[kind][0]()
    return measure([0]).merge(measure(range(1, UNITS)))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(shards=SHARDS, seed=st.integers(0, 10**6))
def test_any_split_in_any_order_with_empty_parts_is_the_whole(
    kind: str, shards: list[int], seed: int
) -> None:
    state = merged(kind, shards, seed)
    assert packed(state) == packed(whole(kind))
    assert state.images == 15 and [skip.index for skip in state.skipped] == [8, 9, 12]


def test_rows_of_some_images_are_theirs() -> None:
    state = whole("rows and sums")
    assert isinstance(state, Recorded)
    odd = state.images_of("of odd")
    assert odd == tuple(image for image in state.indices if image % 2) and len(odd) > 3
    places = [state.indices.index(image) for image in odd]
    assert torch.equal(state.rows["of odd"], state.rows["rows"][places])


@pytest.mark.parametrize("kind", ["scan", "explain"])
@settings(max_examples=10, deadline=None)
@given(shards=SHARDS, seed=st.integers(0, 10**6))
def test_what_is_told_of_merged_counts_is_what_is_told_of_the_whole(
    kind: str, shards: list[int], seed: int
) -> None:
    def told(state: State) -> dict[str, NDArray[np.float64]]:
        assert isinstance(state, Counts)
        found: dict[str, NDArray[np.float64]] = {}
        for site, size in (("0", 12), ("2", 6)):
            layout = Layout((size, size), ((1, 1), (1, 1)))
            scores = score_site(layout, state.of_site(site), STATISTICS, content=0.05)
            found |= {f"{site} {name}": values for name, values in scores.line.items()}
            for name, interval in scores.intervals.items():
                found |= {f"{site} {name} low": interval.low, f"{site} {name} high": interval.high}
        return found

    expected = told(whole(kind))
    assert (expected["0 border_recall"] > 0).any() and (expected["2 border_recall"] > 0).any()
    for name, values in told(merged(kind, shards, seed)).items():
        np.testing.assert_array_equal(values, expected[name], strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_survives_being_packed_and_nothing_is_counted_twice(kind: str) -> None:
    make, empty = KINDS[kind]
    state = make()([0]).merge(make()([1, 2]))
    content = packed(state)
    read = from_bytes(content)
    again = type(empty).unpack(read.tensors, read.facts)
    assert packed(again) == content
    assert packed(empty.merge(again)) == packed(again.merge(empty)) == content
    with pytest.raises(ValueError, match="unit 2 is done twice"):
        again.merge(make()([2]))
    assert not len(state.blank().done) and not state.blank().images


def test_counts_in_other_bins_are_not_added_up() -> None:
    one, other = scanning()([1]), explaining()([2])
    with pytest.raises(ValueError, match="in other bins"):
        one.merge(other)


def test_rows_of_another_measurement_are_not_joined() -> None:
    def other(_: Batch) -> Findings:
        return Findings({"others": torch.zeros(2, 1)})

    recorded = Recording(other)
    recorded.update(batch(2, 6))
    with pytest.raises(ValueError, match="in different ways"):
        recorded.state().merge(recording()([1]))  # type: ignore[arg-type]  # another kind of state, on purpose


@given(st.lists(st.integers(0, 200), unique=True), st.integers(0, 210))
def test_spans_are_sets(units: list[int], total: int) -> None:
    spans = Spans.of(units)
    assert len(spans) == len(units)
    assert list(spans.missing(total)) == sorted(set(range(total)) - set(units))
    assert Spans.of(reversed(units)) == spans


def test_pairwise_sums_keep_few_sums_and_round_little() -> None:
    values = torch.rand(1000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sums = PairwiseSums()
    for unit, value in enumerate(values):
        sums = sums.merge(PairwiseSums.of(unit, {"x": value}))
        assert len(sums.nodes) <= 10
    torch.testing.assert_close(sums.total()["x"], values.sum(dim=0), rtol=1e-14, atol=0)


def payload(content: bytes) -> int:
    """Count the bytes of a packed state, without what says where its tensors are."""
    found, at = 0, 0
    while at < len(content):
        length, header = (
            int.from_bytes(content[first : first + 8], "little") for first in (at, at + 8)
        )
        found += length - 8 - header
        at += 8 + length
    return found


def test_packed_bytes_hold_any_name_and_no_code() -> None:
    tensors = {"a/ü\n": torch.arange(3), "facts": torch.zeros(0), "x": torch.ones(2, 2).t()}
    read = from_bytes(to_bytes(Packed(tensors, {"facts": [1, "ü"]})))
    assert read.facts == {"facts": [1, "ü"]}
    assert all(torch.equal(read.tensors[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.int64])
@pytest.mark.parametrize(("large", "bytes_each"), [(0, 1), (5, 1), (500, None)])
def test_small_integers_travel_as_bytes_and_arrive_as_they_were(
    dtype: torch.dtype, large: int, bytes_each: int | None
) -> None:
    tensor = torch.arange(1000).remainder(256).to(dtype)
    ends = torch.tensor([torch.iinfo(dtype).min, -1, 256, torch.iinfo(dtype).max]).to(dtype)
    tensor[1000 - large :] = ends[torch.arange(large) % 4]
    tensors = {"a": tensor, "b": tensor.reshape(2, 5, 100).movedim(0, -1), "0": tensor[:0]}
    tensors |= {"one": tensor[-1], "uint8": tensor.to(torch.uint8), "bool": tensor > 5}
    content = to_bytes(Packed(tensors, {}))
    assert (
        payload(content) - 2000
        < 2 * 1000 * (bytes_each or dtype.itemsize) + 16 * dtype.itemsize + 40 * large
    )
    read = from_bytes(content).tensors
    assert read.keys() == tensors.keys()
    for name, each in tensors.items():
        assert read[name].dtype == each.dtype and torch.equal(read[name], each)


@pytest.mark.parametrize("kind", ["scan", "explain"])
def test_a_shard_of_counts_is_a_byte_a_bin(kind: str) -> None:
    state = KINDS[kind][0]()([1, 2])
    assert isinstance(state, Counts)
    bins = sum(tally.fine.numel() + tally.folds.numel() for tally in state.tallies.values())
    assert payload(packed(state)) < 1.05 * bins
