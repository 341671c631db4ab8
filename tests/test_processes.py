"""Several processes count exactly what one does."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from tests.conftest import processes, write_photo
from torch import Tensor, nn

from padscope import PadscopeError, RunDirectory, Settings, Study, scan
from padscope.images import PhotoFiles, Probe

SECONDS = 60


@dataclass(frozen=True)
class Numbers:
    """A dataset of random images."""

    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        return torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(index))


@dataclass(frozen=True)
class Photos:
    """A folder of photographs, some of which cannot be read."""

    root: Path

    def open(self) -> PhotoFiles:
        return PhotoFiles.from_folder(self.root, Probe((16, 16), (0.0,), (1.0,), 1))


@dataclass(frozen=True)
class Case:
    images: Numbers | Photos
    settings: Settings


def study(case: Case) -> Study:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))
    images = case.images.open() if isinstance(case.images, Photos) else case.images
    return scan(net, images, case.settings)


def refused(case: Case, folder: Path) -> list[str]:
    """Sentences with which several processes refuse what needs one."""
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1))
    stable = Settings(until_stable=True)
    sentences = []
    for settings, images, journal in (
        (stable, case.images, None),
        (None, case.images, RunDirectory(folder / "run")),
        (None, [torch.rand(4, 1, 16, 16)], None),
    ):
        try:
            scan(net, images, settings, journal=journal)
        except PadscopeError as error:
            sentences.append(str(error))
    return sentences


def member(rank: int, count: int, cases: list[Case], folder: Path) -> None:
    """Live as one process of a group: scan every case and leave the results in a file."""
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=count,
            timeout=timedelta(seconds=SECONDS),
        )  # fmt: skip
        results = [study(case) for case in cases]
        sentences = refused(cases[0], folder)
        dist.barrier()
        dist.destroy_process_group()
        torch.save((results, sentences), folder / f"{rank}.pt")
    except BaseException:
        (folder / f"{rank}.txt").write_text(traceback.format_exc())
        raise


def among(count: int, cases: list[Case], folder: Path) -> list[tuple[list[Study], list[str]]]:
    """What every process of a group of real ones returns."""
    folder.mkdir()
    group = [
        processes.Process(target=member, args=(rank, count, cases, folder)) for rank in range(count)
    ]
    for process in group:
        process.start()
    for process in group:
        process.join(SECONDS)
    traces = "\n".join(file.read_text() for file in folder.glob("*.txt"))
    assert [process.exitcode for process in group] == [0] * count, traces
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


def assert_same(ours: Study, alone: Study) -> None:
    assert ours.counted.tallies.keys() == alone.counted.tallies.keys()
    for name, tally in alone.counted.tallies.items():
        assert torch.equal(ours.counted.tallies[name].fine, tally.fine)
        assert torch.equal(ours.counted.tallies[name].folds, tally.folds)
        mine, theirs = ours.counted.calibration[name], alone.counted.calibration[name]
        assert torch.equal(mine.bins.centre, theirs.bins.centre)
        assert torch.equal(mine.bins.spread, theirs.bins.spread)
        assert torch.equal(mine.mean_map, theirs.mean_map)
    for table in ("sites", "filters", "sides"):
        assert getattr(ours, table).equals(getattr(alone, table))
    assert ours.counted.images == alone.counted.images
    assert ours.counted.units == alone.counted.units
    assert ours.counted.skipped == alone.counted.skipped
    assert ours.identity == alone.identity
    for one, other in zip(ours.portraits, alone.portraits, strict=True):
        assert (one.site, one.filter) == (other.site, other.filter)
        assert torch.equal(one.mean_map, other.mean_map)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    torn, late = tmp_path_factory.mktemp("torn"), tmp_path_factory.mktemp("late")
    for number in range(26):
        write_photo(torn / f"{number:02}.png", number)
        write_photo(late / f"{number:02}.png", number)
    for number in (0, 9, 17, 25):
        (torn / f"{number:02}.png").write_bytes(b"no photograph")
    # In the random order of the folder, none of the first two units can be read.
    for name in PhotoFiles.from_folder(late, Probe((16, 16), (0.0,), (1.0,), 1)).names[:8]:
        (late / name).write_bytes(b"no photograph")
    four = Settings(batch_size=4, calibrate=8)
    return {
        "even shards": Case(Numbers(48), four),
        "uneven shards": Case(Numbers(43), four),
        "fewer units than processes": Case(Numbers(3), four),
        "only what calibrates": Case(Numbers(8), four),
        "calibration longer than a share": Case(Numbers(24), Settings(batch_size=4, calibrate=20)),
        "more images than slots": Case(Numbers(301), Settings(batch_size=16)),
        "a random choice": Case(Numbers(100), Settings(batch_size=8, limit=30)),
        "unreadable images": Case(Photos(torn), four),
        "nothing readable at first": Case(Photos(late), four),
    }


@pytest.mark.parametrize("count", [2, 3])
def test_processes_count_exactly_what_one_does(
    cases: dict[str, Case], tmp_path: Path, count: int
) -> None:
    results = among(count, list(cases.values()), tmp_path / "group")
    for number, case in enumerate(cases.values()):
        alone = study(case)
        for studies, _ in results:
            assert_same(studies[number], alone)
    for _, sentences in results:
        assert sentences == [
            "a journal and until_stable need a single process; leave them out",
            "a journal and until_stable need a single process; leave them out",
            "several processes need images with random access; give a Dataset",
        ]
    assert not (tmp_path / "group" / "run").exists()


def test_the_cases_are_what_they_are_called(cases: dict[str, Case]) -> None:
    assert len(study(cases["unreadable images"]).counted.skipped) == 4
    late = study(cases["nothing readable at first"]).counted
    assert [skip.index for skip in late.skipped] == list(range(8))
    assert late.images == 18
