"""Freed memory is kept while a stage runs, and given back afterwards."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from tests.conftest import Command, write_photo
from torch import nn

from padscope import PadscopeError, ScanSettings, scan
from padscope.running import memory
from padscope.running.memory import available_memory, keep_freed_memory, keeping_freed_memory
from padscope.running.model import as_input

LARGE = 12 * 2**20  # floats: above any threshold that glibc finds by itself

needs_glibc = pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")


@pytest.fixture(autouse=True)
def nobody_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line, in other tests, keeps it for good."""
    monkeypatch.setattr(memory._Keeping, "holders", 0)


@pytest.fixture
def thresholds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Mapping thresholds that are set, one after the other."""
    found: list[int] = []

    def note(mmap: int, trim: int) -> bool:
        found.append(mmap)
        return True

    monkeypatch.setattr(memory, "_set_thresholds", note)
    return found


def faults(floats: int = LARGE) -> int:
    """Pages that a large block faults in."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(floats).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@needs_glibc
def test_a_large_block_is_faulted_in_once_within_the_block_and_anew_behind_it() -> None:
    with keeping_freed_memory():
        faults()
        # Something small may have taken up the first of what was freed.
        within = faults(LARGE - 2**20)
    assert within < faults() / 2


def test_memory_is_given_back_when_the_last_block_ends(thresholds: list[int]) -> None:
    with keeping_freed_memory():
        with pytest.raises(KeyError), keeping_freed_memory():
            raise KeyError
        assert set(thresholds) == {memory._NEVER}
    assert thresholds[-1] == memory._MMAP_USUAL


def test_what_is_kept_for_good_stays_kept(thresholds: list[int]) -> None:
    keep_freed_memory()
    with keeping_freed_memory():
        pass
    assert set(thresholds) == {memory._NEVER}


def test_a_stage_keeps_it_from_python_too(thresholds: list[int]) -> None:
    holders: list[int] = []

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            holders.append(memory._Keeping.holders)
            maps: torch.Tensor = self.conv(x)
            return maps.mean((2, 3))

    scan(Net().eval(), torch.randn(24, 3, 16, 16), ScanSettings(limit=24, calibrate=8))
    assert 1 in holders
    assert thresholds[-1] == memory._MMAP_USUAL


ATTENDING = """
from torch import nn

class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        maps = self.conv(x).flatten(2)
        return (maps.transpose(1, 2) @ maps).softmax(-1) @ maps.transpose(1, 2)
"""


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    monkeypatch.setattr(memory, "available_memory", lambda: 2**30)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, limits)


@pytest.mark.skipif(available_memory() is None, reason="the system does not say what is free")
@pytest.mark.parametrize("command", ["depth", "audit"])
@pytest.mark.usefixtures("little_memory")
def test_attention_over_more_positions_than_memory_has_room_for_is_refused(
    command: str, padscope: Command, workdir: Path
) -> None:
    Path("attending.py").write_text(ATTENDING)
    for place in range(4):
        write_photo(Path("photos") / f"{place}.png", place)
    given = ("attending:Attending", "--size", "32", "--weights", "random", "--images", "photos")
    answer = padscope(command, *given)
    assert answer.status == 2
    (told,) = (line for line in answer.err.splitlines() if line.startswith("padscope: "))
    # 32 pixels with 64 of surroundings, for which 160⁴ products of two images take 5 GB.
    assert "memory ran out on images of shape 2×3×160×160" in told
    assert "a smaller margin" in told
    if command == "depth":  # an audit takes longer
        narrower = padscope(command, *given, "--margin", "2")
        assert narrower.status == 0, narrower


def test_a_container_may_have_less_memory_than_its_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "status").write_text("VmData:\t900 kB\nVmRSS:\t 500 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "_CONTAINER", (tmp_path / "memory.max", tmp_path / "none"))
    machine = available_memory()
    if machine is None:
        pytest.skip("the system does not say what is free")
    (tmp_path / "memory.max").write_text(f"{2**20}\n")
    assert available_memory() == 2**20 - 500 * 2**10 < machine


def fail(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


def test_images_that_cannot_be_copied_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("padscope.running.model.placed", fail)
    with pytest.raises(PadscopeError, match="memory ran out on images of shape 2×3×8×8"):
        as_input(nn.Identity(), torch.zeros(2, 3, 8, 8))


@pytest.mark.usefixtures("workdir")
def test_memory_that_runs_out_anywhere_is_told(
    padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padscope.cli.given.load_model", fail)
    answer = padscope("sites", "mynets:tiny")
    assert answer.status == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("padscope: memory ran out on this machine: DefaultCPUAllocator")
