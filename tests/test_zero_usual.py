"""On which side of zero the content of every input channel lies, and what the shifts do to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from padscope.images import Batch
from padscope.measurements import ContentAroundFill, plan_scan
from padscope.measurements.content_around_fill import count_around
from padscope.models import reestimate_batchnorm, without_shifts, wrap_module
from padscope.regions import SampleSize
from padscope.running import Job, Recorded, Recording, Unwatched, find_runner, run_units, to_bytes
from padscope.running.model import observe_first
from padscope.tables import zero_usual, zero_usual_by_site

SIZE = (9, 8)
IMAGES, PER_UNIT = 12, 2


class Net(nn.Module):
    """Zeros, a constant, what several pads hold, reflection, and a pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.zeros = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.constant = nn.Sequential(nn.ConstantPad2d((1, 2, 0, 1), -0.25), nn.Conv2d(6, 3, 3))
        self.mirrored = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.last = nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = self.constant(self.zeros(x))
        x = self.pool(self.mirrored(x))
        return torch.as_tensor(self.last(x))


def net() -> Net:
    torch.manual_seed(0)
    module = Net().eval()
    with torch.no_grad():
        module.norm.bias.copy_(torch.tensor([-9.0, -1, 0, 1, 9, 99]))
        module.norm.weight.fill_(2)
    reestimate_batchnorm(module, [pixels().flatten(0, 1)])
    return module


def pixels() -> Tensor:
    shape = (IMAGES // PER_UNIT, PER_UNIT, 2, *SIZE)
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def batches(units: Iterable[int] = range(IMAGES // PER_UNIT)) -> Iterator[Batch]:
    for unit in units:
        first = PER_UNIT * unit
        yield Batch(unit, tuple(range(first, first + PER_UNIT)), pixels()[unit])


def look(module: nn.Module, static_batch: int | None = None) -> ContentAroundFill:
    observed = observe_first(module, pixels()[0, :1], static_batch)
    return ContentAroundFill(module, plan_scan(observed, SIZE, SampleSize(0, IMAGES), static_batch))


def job(module: nn.Module) -> Job[Recorded]:
    measure = look(module)
    return Job(
        "content", lambda _: nullcontext(Recording(measure)), batches, units=IMAGES // PER_UNIT
    )


def counted(module: nn.Module) -> dict[str, Tensor]:
    return find_runner("local").run(job(module), Recorded(), Unwatched()).sums


def slow(values: Tensor, level: float) -> list[list[int]]:
    """Value by value."""
    channels = [column.tolist() for column in values.movedim(1, 0).flatten(1)]
    return [
        [sum(value < level for value in channel) for channel in channels],
        [sum(value == level for value in channel) for channel in channels],
        [sum(value > level for value in channel) for channel in channels],
    ]


def test_counts_are_those_of_the_inputs_of_the_modules() -> None:
    module, inputs = net(), dict[str, list[Tensor]]()
    found = counted(module)
    for name in ("stem", "zeros", "constant", "last"):
        part = module.get_submodule(name)
        part.register_forward_pre_hook(
            lambda _, given, n=name: inputs.setdefault(n, []).append(given[0])
        )
    with torch.no_grad():
        for batch in batches():  # the same, so that rounding is
            module(batch.pixels)
    # Of several pads, and of poolings, there is no one value that content could be unlike.
    levels = {"stem": 0.0, "zeros": 0.0, "constant.1": -0.25, "last": 0.0}
    assert found.keys() == levels.keys()
    for site, level in levels.items():
        expected = slow(torch.cat(inputs[site.removesuffix(".1")]), level)
        assert found[site].tolist() == expected, site
        assert found[site].dtype == torch.int64
    assert found["zeros"][0].tolist() == [0] * 6  # behind a ReLU
    assert found["zeros"][1][0] == IMAGES * SIZE[0] * SIZE[1]
    assert found["zeros"][1][5] == 0


def test_any_split_is_the_whole() -> None:
    work = job(net())
    whole = run_units(work, range(6), Recorded(), Unwatched())
    one = run_units(work, [4, 0, 5], Recorded(), Unwatched())
    other = run_units(work, [1, 3, 2], Recorded(), Unwatched())
    for merged in (one.merge(other), other.merge(one), whole.merge(Recorded())):
        assert to_bytes(merged.pack()) == to_bytes(whole.pack())


def test_surplus_images_and_surroundings_are_not_counted() -> None:
    module, (batch, *_) = net(), batches()
    expected = look(module)(batch).sums
    wide = torch.nn.functional.pad(batch.pixels, (3, 3, 3, 3), value=50.0)
    for measure, seen in (
        (look(module, static_batch=5), batch.pixels),
        (look(module), wide),
    ):
        found = measure(Batch(0, batch.indices, seen)).sums
        assert all(torch.equal(found[site], counts) for site, counts in expected.items())


def test_what_is_no_number_is_on_no_side() -> None:
    values = torch.tensor([[[torch.nan, torch.inf, -torch.inf, 0.0, -0.0]]])
    assert count_around(values, 0.0).tolist() == [[1], [2], [1]]


def test_the_table_says_how_usual_zero_is_and_what_the_shifts_make_of_it() -> None:
    module = net()
    sites = observe_first(module, pixels()[0, :1]).sites
    plain = without_shifts(wrap_module(module))
    reestimate_batchnorm(plain, [pixels().flatten(0, 1)])
    given, without = counted(module), counted(plain)
    table = zero_usual(sites, given, without)
    assert table["site"].unique(maintain_order=True).to_list() == list(given)
    assert table.height == 2 + 6 + 6 + 3
    for row in table.iter_rows(named=True):
        for of, counts in (("", given), ("_without", without)):
            below, equal, above = counts[row["site"]][:, row["channel"]].tolist()
            assert [row[f"{side}{of}"] for side in ("below", "equal", "above")] == [
                below, equal, above,
            ]  # fmt: skip
            assert row[f"usual{of}"] == (min(below, above) + equal) / (below + equal + above)
    zeros = table.filter(pl.col("site") == "zeros")
    usual = zeros["usual"].to_list()
    assert usual == sorted(usual, reverse=True)  # the greater the shift, the less usual is zero
    assert usual[0] == 1
    assert usual[4:] == [0, 0]
    assert all(0.4 < share < 0.6 for share in zeros["usual_without"])
    stem = table.filter(pl.col("site") == "stem")  # no norm before it
    assert stem["usual"].to_list() == stem["usual_without"].to_list()
    by_site = zero_usual_by_site(table)
    assert by_site["site"].to_list() == list(given)
    (row,) = by_site.filter(pl.col("site") == "zeros").to_dicts()
    assert row["fill"] == "zeros"
    assert (row["channels"], row["unusual"], row["unusual_without"]) == (6, 2, 0)
    assert row["usual"] == np.median(usual)
    assert by_site["fill"].to_list() == ["zeros", "zeros", "constant -0.25", "zeros"]


def test_what_is_not_known_is_null() -> None:
    module = net()
    sites = observe_first(module, pixels()[0, :1]).sites
    table = zero_usual(sites, counted(module))
    assert table["usual"].null_count() == 0
    assert table["usual_without"].null_count() == table.height
    assert zero_usual_by_site(table)["unusual_without"].null_count() == 4
    dead = zero_usual(sites, {"stem": torch.zeros(3, 2, dtype=torch.int64)})
    assert dead["usual"].to_list() == [None, None]
    empty = zero_usual(sites, {})
    assert (empty.height, empty.schema) == (0, table.schema)
    assert zero_usual_by_site(empty).height == 0


@pytest.mark.parametrize("content", [0.0, 0.5, 1.1])
def test_the_cut_can_be_chosen(content: float) -> None:
    module = net()
    table = zero_usual(observe_first(module, pixels()[0, :1]).sites, counted(module))
    expected = table.group_by("site", maintain_order=True).agg((pl.col("usual") < content).sum())
    assert zero_usual_by_site(table, content)["unusual"].to_list() == expected["usual"].to_list()


def test_sites_of_one_channel_stand_beside_others() -> None:
    """As attention over channels has, by a convolution along one axis of them."""
    torch.manual_seed(0)
    module = nn.Sequential(*(nn.Conv2d(c, 1, 3, padding=1) for c in (2, 1, 1))).eval()
    observed = observe_first(module, pixels()[0, :1], None)
    table = zero_usual(observed.sites, counted(module))
    assert table["site"].to_list() == ["0", "0", "1", "2"]
    assert table["usual"].null_count() == 0 and table["usual_without"].null_count() == 4
