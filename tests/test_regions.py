"""Regions of maps, and the positions drawn from them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padscope.regions import SLOTS, Layout, Region, SampleSize, Side, draw_positions, sides_of
from padscope.regions.sample_size import CORE_LEAST, ENOUGH, FEW, LEAST, ROOM, SPACING

Position = tuple[int, ...]

repeated = settings(deadline=None, max_examples=150)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    dims = draw(st.integers(1, 3))
    longest = (40, 24, 11)[dims - 1]
    size = tuple(draw(st.integers(1, longest)) for _ in range(dims))
    lines = st.integers(0, 6)
    return Layout(size, tuple((draw(lines), draw(lines)) for _ in size))


def squares(*size: int, contact: int = 1) -> Layout:
    return Layout(size, ((contact, contact),) * len(size))


def positions(layout: Layout, region: Region) -> list[Position]:
    """A region's positions as coordinates."""
    coordinates = np.unravel_index(layout.positions(region), layout.size)
    return list(zip(*(axis.tolist() for axis in coordinates), strict=True))


def region(layout: Layout, name: str) -> Region:
    (found,) = (region for region in layout.regions if region.name == name)
    return found


def distance(layout: Layout, position: Position, side: Side) -> int:
    """How many positions lie between a position and a side."""
    from_start = position[side.axis]
    return layout.size[side.axis] - 1 - from_start if side.far else from_start


def lines(layout: Layout) -> list[Region]:
    return [region for region in layout.regions if len(region.sides) == 1]


def corners(layout: Layout) -> list[Region]:
    return [region for region in layout.regions if len(region.sides) == 2]


# Names


@pytest.mark.parametrize(
    ("dims", "names"),
    [
        (1, ["start", "end"]),
        (2, ["top", "bottom", "left", "right"]),
        (3, ["front", "back", "top", "bottom", "left", "right"]),
    ],
)
def test_names_of_sides(dims: int, names: list[str]) -> None:
    assert [side.name for side in sides_of(dims)] == names
    assert [side.axis for side in sides_of(dims)] == [i // 2 for i in range(2 * dims)]
    assert [side.far for side in sides_of(dims)] == [False, True] * dims


def test_regions_of_a_map_by_name() -> None:
    names = [region.name for region in squares(8, 8).regions]
    assert names == [
        "top", "bottom", "left", "right", "core",
        "top+1", "bottom+1", "left+1", "right+1",
        "top-left", "top-right", "bottom-left", "bottom-right",
    ]  # fmt: skip


def test_a_map_by_hand() -> None:
    drawing = [[" "] * 9 for _ in range(8)]
    letters = {"top": "T", "bottom": "B", "left": "L", "right": "R", "core": "c", "top+1": "t"}
    layout = Layout((8, 9), ((1, 2), (1, 0)))
    corner_names = {"top-left": "1", "top-right": "2", "bottom-left": "3", "bottom-right": "4"}
    for name, letter in (letters | corner_names).items():
        for row, column in positions(layout, region(layout, name)):
            assert drawing[row][column] == " "
            drawing[row][column] = letter
    assert ["".join(row) for row in drawing] == [
        "1 TTTTT 2",
        "  ttttt  ",
        "L  ccc  R",
        "L  ccc  R",
        "L  ccc  R",
        "L  ccc  R",
        "3       4",
        "3 BBBBB 4",
    ]


# Where regions lie


@repeated
@given(layouts())
def test_every_region_has_positions_all_on_the_map(layout: Layout) -> None:
    for each in layout.regions:
        flat = layout.positions(each)
        assert len(flat) > 0
        assert flat.tolist() == sorted(set(flat.tolist()))
        assert flat[0] >= 0
        assert flat[-1] < np.prod(layout.size)


@repeated
@given(layouts())
def test_no_position_is_in_two_regions(layout: Layout) -> None:
    # Corners of a 3D map run along its edges; lines, core and corners still stay apart.
    seen: Counter[Position] = Counter()
    for each in layout.regions:
        seen.update(positions(layout, each))
    assert set(seen.values()) == {1}


@repeated
@given(layouts())
def test_a_line_keeps_its_distance_and_is_nearer_to_no_other_side(layout: Layout) -> None:
    for line in lines(layout):
        (own,) = line.sides
        for position in positions(layout, line):
            assert distance(layout, position, own) == line.distance
            others = [side for side in layout.sides if side != own]
            assert all(distance(layout, position, side) > line.distance for side in others)


@repeated
@given(layouts())
def test_a_line_has_every_position_clear_of_all_lines_of_other_axes(layout: Layout) -> None:
    for line in lines(layout):
        (own,) = line.sides
        across = [side for side in layout.sides if side.axis != own.axis]
        expected = [
            position
            for position in product(*map(range, layout.size))
            if distance(layout, position, own) == line.distance
            and all(distance(layout, position, s) >= layout.depth(s.axis) for s in across)
        ]
        assert positions(layout, line) == expected


@repeated
@given(layouts())
def test_the_core_is_the_central_half_of_every_axis(layout: Layout) -> None:
    core = set(positions(layout, region(layout, "core")))
    for position in product(*map(range, layout.size)):
        central = all(
            # Position i covers i … i + 1 of an axis; 4·i ≥ n and 4·(i + 1) ≤ 3n: within its middle.
            n < 3 or (4 * i >= n and 4 * (i + 1) <= 3 * n)
            for i, n in zip(position, layout.size, strict=True)
        )
        assert (position in core) == central


@repeated
@given(layouts())
def test_an_axis_shorter_than_three_has_no_sides(layout: Layout) -> None:
    with_sides = {side.axis for side in layout.sides}
    assert with_sides == {axis for axis, n in enumerate(layout.size) if n >= 3}
    assert all(layout.depth(axis) == 0 for axis, n in enumerate(layout.size) if n < 3)


@repeated
@given(layouts())
def test_at_most_four_lines_and_none_within_the_core(layout: Layout) -> None:
    core = set(positions(layout, region(layout, "core")))
    for side in layout.sides:
        own = [line for line in lines(layout) if line.sides == (side,)]
        assert 1 <= len(own) <= 4
        assert [line.distance for line in own] == list(range(len(own)))
        nearest_in_core = min(distance(layout, position, side) for position in core)
        assert len(own) <= nearest_in_core


@repeated
@given(layouts())
def test_a_corner_reaches_as_far_as_contact_does(layout: Layout) -> None:
    for corner in corners(layout):
        first, second = corner.sides
        for side in corner.sides:
            reach = {distance(layout, position, side) for position in positions(layout, corner)}
            contact = layout.contact[side.axis][side.far]
            # At least the outermost line, and never further than lines are kept.
            extent = min(max(contact, 1), layout.depth(side.axis))
            assert reach == set(range(extent))
        assert first.axis != second.axis


@repeated
@given(layouts())
def test_every_two_sides_of_different_axes_share_a_corner(layout: Layout) -> None:
    expected = {frozenset((a, b)) for a, b in combinations(layout.sides, 2) if a.axis != b.axis}
    assert {frozenset(corner.sides) for corner in corners(layout)} == expected


@repeated
@given(layouts())
def test_compared_regions_come_first(layout: Layout) -> None:
    names = [side.name for side in layout.sides]
    assert [each.name for each in layout.compared] == [*names, "core"]
    assert layout.regions[: len(layout.compared)] == layout.compared


@pytest.mark.parametrize(
    ("size", "depth"),
    [((3,), 1), ((4,), 1), ((5,), 2), ((8,), 2), ((9,), 3), ((12,), 3), ((13,), 4), ((99,), 4)],
)
def test_how_many_lines_fit(size: tuple[int, ...], depth: int) -> None:
    assert squares(*size).depth(0) == depth


def test_a_long_narrow_map_has_as_many_lines_as_its_short_axis_allows() -> None:
    layout = squares(64, 5)
    assert (layout.depth(0), layout.depth(1)) == (2, 2)
    assert positions(layout, region(layout, "top+1")) == [(1, 2)]


def test_a_map_too_small_for_sides_is_all_core() -> None:
    layout = squares(2, 1)
    assert layout.sides == ()
    assert positions(layout, region(layout, "core")) == [(0, 0), (1, 0)]


# Positions drawn


PER_LINE, PER_CORE = 3, 5


def drawn(layout: Layout, seed: int = 0) -> dict[str, list[list[int]]]:
    """Region → its positions of every row of the table, flat."""
    found = draw_positions(layout, seed, PER_LINE, PER_CORE)
    spans = [(draw.table[:, span].tolist()) for draw in found.draws for span in draw.spans]
    return {each.name: rows for each, rows in zip(layout.regions, spans, strict=True)}


@repeated
@given(layouts(), st.integers(0, 5))
def test_what_is_drawn_belongs_to_its_region_without_repeats(layout: Layout, seed: int) -> None:
    for name, rows in drawn(layout, seed).items():
        candidates = set(layout.positions(region(layout, name)).tolist())
        for row in rows:
            assert set(row) <= candidates
            assert len(set(row)) == len(row)


@repeated
@given(layouts())
def test_small_regions_give_all_they_have(layout: Layout) -> None:
    wanted = {side.name: PER_LINE for side in layout.sides} | {"core": PER_CORE}
    for name, rows in drawn(layout).items():
        candidates = len(layout.positions(region(layout, name)))
        assert {len(row) for row in rows} == {min(wanted.get(name, PER_LINE), candidates)}


@repeated
@given(layouts())
def test_compared_regions_are_drawn_for_every_slot(layout: Layout) -> None:
    compared, *deeper = draw_positions(layout, 0, PER_LINE, PER_CORE).draws
    assert (compared.fold_interval, len(compared.table)) == (1, SLOTS)
    assert len(compared.spans) == len(layout.compared)
    assert len(deeper) == (len(layout.regions) > len(layout.compared))
    for draw in deeper:
        assert len(draw.table) == SLOTS and draw.fold_interval > 1
        assert len(draw.spans) == len(layout.regions) - len(layout.compared)


@repeated
@given(layouts())
def test_spans_cover_every_column_once(layout: Layout) -> None:
    for draw in draw_positions(layout, 0, PER_LINE, PER_CORE).draws:
        columns = [column for span in draw.spans for column in range(span.start, span.stop)]
        assert columns == list(range(draw.table.shape[1]))


def test_a_seed_fixes_the_draw() -> None:
    assert drawn(squares(20, 24), seed=3) == drawn(squares(20, 24), seed=3)


def test_seeds_and_sizes_draw_differently() -> None:
    reference = drawn(squares(20, 24), seed=3)["core"]
    assert drawn(squares(20, 24), seed=4)["core"] != reference
    assert drawn(squares(20, 25), seed=3)["core"] != reference


def test_slots_draw_differently() -> None:
    rows = drawn(squares(20, 24))["core"]
    # 5 of 120 positions, 256 times: 190 million possible sets, so a repeat would be no chance.
    assert len({frozenset(row) for row in rows}) == len(rows) == SLOTS


@pytest.mark.parametrize("name", ["top", "right", "core", "left+2", "bottom-right"])
def test_every_candidate_is_drawn_about_equally_often(name: str) -> None:
    layout = squares(12, 16, contact=2)
    candidates = layout.positions(region(layout, name)).tolist()
    seeds = 40
    tables = [drawn(layout, seed)[name] for seed in range(seeds)]
    counts = Counter(position for table in tables for row in table for position in row)
    total = sum(counts.values())
    expected = total / len(candidates)
    # Drawing without replacement varies less than Poisson: 6 standard deviations are generous.
    assert set(counts) == set(candidates)
    assert all(abs(count - expected) < 6 * expected**0.5 for count in counts.values())


# How many are looked at


@repeated
@given(layouts(), st.one_of(st.none(), st.integers(1, 5000)))
def test_lines_bring_the_values_that_are_asked_for(layout: Layout, images: int | None) -> None:
    sample = SampleSize(0, images)
    longest = max((len(layout.positions(each)) for each in layout.compared[:-1]), default=1)
    per_line = sample.on_line(layout)
    if images is None:
        assert per_line == 1
        return
    assert per_line * images >= LEAST
    assert per_line == 1 or (per_line - 1) * images < max(LEAST, ENOUGH)
    if per_line * images >= LEAST + images:  # more than the least: by the length of the line
        assert per_line <= longest / SPACING
    fewer = SampleSize(0, images + 1).on_line(layout)
    assert fewer <= per_line


@repeated
@given(layouts(), st.integers(1, 5000), st.integers(1, 5000))
def test_few_filters_are_looked_at_everywhere(layout: Layout, images: int, filters: int) -> None:
    sample = SampleSize(0, images)
    longest = max((len(layout.positions(each)) for each in layout.compared[:-1]), default=1)
    per_line = sample.on_line(layout, filters)
    assert per_line >= sample.on_line(layout)
    if per_line > sample.on_line(layout):
        assert per_line == min(longest, ROOM // filters)
        near = sample.draw(layout, filters).draws[0]
        lines = near.spans[: len(layout.sides)]
        assert all(span.stop - span.start <= per_line for span in lines)
    elif sample.on_line(layout) < longest:
        assert (per_line + 1) * filters > ROOM
    assert SampleSize(0, images, per_line=3).on_line(layout, filters) == 3


@repeated
@given(layouts(), st.integers(1, 2000))
def test_every_region_gets_its_share(layout: Layout, images: int) -> None:
    sample = SampleSize(0, images)
    near, *deeper = sample.draw(layout).draws
    per_line = sample.on_line(layout)
    wanted = [per_line] * len(layout.sides) + [max(2 * per_line, CORE_LEAST)]
    for each, span, count in zip(layout.compared, near.spans, wanted, strict=True):
        assert span.stop - span.start == min(count, len(layout.positions(each)))
    for draw in deeper:
        looked_at = sum(draw.slot(image) is not None for image in range(images))
        assert looked_at >= min(images, FEW) or (
            draw.fold_interval > 1 and looked_at * draw.fold_interval >= FEW
        )
        assert all(span.stop - span.start == 1 for span in draw.spans)
    if layout.sides:
        (lines,) = sample.draw_lines(layout).draws
        assert len(lines.spans) == len(layout.sides)
        assert lines.table.shape[1] <= -(-FEW // images) * len(layout.sides)
        shortest = min(span.stop - span.start for span in lines.spans)
        looked_at = sum(lines.slot(image) is not None for image in range(images))
        assert looked_at * lines.fold_interval * shortest >= FEW or shortest < -(-FEW // images)


def test_what_is_asked_for_is_looked_at_in_every_image() -> None:
    layout = squares(40, 40)
    sample = SampleSize(0, 5000, per_line=5, per_core=7, per_deeper=2)
    near, deeper = sample.draw(layout).draws
    assert [span.stop - span.start for span in near.spans] == [5, 5, 5, 5, 7]
    assert deeper.fold_interval == 1
    assert {span.stop - span.start for span in deeper.spans} == {1, 2}  # corners are one position
    assert sample.draw_lines(layout).draws[0].table.shape == (SLOTS, 20)


def test_lines_alone_are_drawn_as_with_all_other_regions() -> None:
    layout = squares(20, 24)
    sample = SampleSize(3, None, per_line=4)
    alone, whole = sample.draw_lines(layout).draws[0], sample.draw(layout).draws[0]
    assert alone.spans == whole.spans[:4]
    assert np.array_equal(alone.table, whole.table[:, :16])
