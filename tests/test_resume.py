"""However a run is stopped, the same call or command ends in the same bytes."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import Command, contents, start, wait_until
from torch import Tensor, nn

from padscope import PadscopeError, RunDirectory, ScanSettings, Study, scan
from padscope.errors import Interrupted
from padscope.store import write_atomically
from padscope.study import Kept

UNITS = 7
SETTINGS = ScanSettings(batch_size=4, calibrate=8)  # the bins are final after two units
KEPT_UNITS = 2
FILES = {
    "manifest.json", "tallies.safetensors", "sites.parquet", "filters.parquet", "sides.parquet",
    "maps.safetensors",
}  # fmt: skip
SCAN = ("scan", "mynets:slow", "--images", "photos", "--batch-size", 2, "--checkpoint", 0)


class Killed(BaseException):
    """Stands for the end of the process."""


class Net(nn.Sequential):
    """Counts its forward passes."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))
        self.counter: Counter[str] = Counter()  # an attribute as such is put back after a run

    def forward(self, x: Tensor) -> Tensor:
        self.counter["passes"] += 1
        out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch has no type for it
        return out

    @property
    def passes(self) -> int:
        return self.counter["passes"]


def net(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net()


def images(count: int = 4 * UNITS - 1) -> Tensor:
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def after(calls: int) -> Callable[[], bool]:
    """Say yes when asked for that time."""
    left = iter(range(calls - 1))
    return lambda: next(left, None) is None


def run(
    path: Path, stop: Callable[[], bool] | None = None, journal: RunDirectory | None = None
) -> Study:
    journal = journal or RunDirectory(path, every=0)
    study = scan(net(), images(), SETTINGS, journal=journal, stop=stop)
    journal.save(study)
    return study


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("undisturbed")
    run(path)
    files = contents(path)
    assert files.keys() == FILES
    return files


def test_two_undisturbed_runs_write_the_same_bytes(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    run(tmp_path / "again")
    assert contents(tmp_path / "again") == undisturbed


@pytest.mark.parametrize(
    "form", [lambda images: images, list, lambda images: (images[:9], images[9:])]
)
def test_other_images_in_the_middle_are_another_run(
    tmp_path: Path, form: Callable[[Tensor], object]
) -> None:
    other = images()
    other[13] = 1 - other[13]
    scan(net(), form(images()), SETTINGS, journal=RunDirectory(tmp_path / "run"))
    with pytest.raises(PadscopeError, match="is a run with other images"):
        scan(net(), form(other), SETTINGS, journal=RunDirectory(tmp_path / "run"))


@pytest.mark.parametrize("units", range(1, UNITS + 1))
def test_stopped_after_any_unit(tmp_path: Path, undisturbed: dict[str, bytes], units: int) -> None:
    with pytest.raises(Interrupted, match=f"stopped after {min(4 * units, 27)} of 27 images"):
        run(tmp_path / "run", stop=after(units))
    assert (tmp_path / "run" / "tallies.safetensors").exists() == (units >= KEPT_UNITS)
    run(tmp_path / "run")
    assert contents(tmp_path / "run") == undisturbed


def test_stopped_again_and_again(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    stops = 0
    with pytest.raises(Interrupted):
        run(tmp_path / "run", stop=after(KEPT_UNITS))
    while True:
        try:
            run(tmp_path / "run", stop=after(1))
        except Interrupted:
            stops += 1
        else:
            break
    assert stops == UNITS - KEPT_UNITS
    assert contents(tmp_path / "run") == undisturbed


def test_a_resumed_run_does_not_repeat_units(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path / "run", stop=after(UNITS - 1))
    model = net()
    scan(model, images(), SETTINGS, journal=RunDirectory(tmp_path / "run"))
    assert model.passes == 2  # one to find the sites, and the last unit


def test_a_finished_run_does_not_run_the_images_again(tmp_path: Path) -> None:
    first, model = run(tmp_path / "run"), net()
    again = scan(model, images(), SETTINGS, journal=RunDirectory(tmp_path / "run"))
    assert model.passes == 1  # to find the sites
    assert again.filters.equals(first.filters)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("name", sorted(FILES))
def test_killed_at_any_file(
    tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str,
    moment: str,
) -> None:  # fmt: skip
    def dying(path: Path, content: bytes) -> None:
        if path.name != name:
            write_atomically(path, content)
            return
        if moment == "during":
            path.with_name(path.name + ".part").write_bytes(content[: len(content) // 2])
        if moment == "after":
            write_atomically(path, content)
        raise Killed

    with monkeypatch.context() as patch:
        for module in ("files", "directory"):
            patch.setattr(f"padscope.store.{module}.write_atomically", dying)
        with pytest.raises(Killed):
            run(tmp_path / "run")
    run(tmp_path / "run")
    assert contents(tmp_path / "run") == undisturbed


def test_left_over_parts_are_harmless(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    path = tmp_path / "run"
    with pytest.raises(Interrupted):
        run(path, stop=after(3))
    for name in FILES:
        (path / f"{name}.part").write_bytes(b"half")
    run(path)
    assert contents(path) == undisturbed


# ------------------------------------------------------------------------------ until stable


STABLE = ScanSettings(batch_size=16, calibrate=32, until_stable=True)


PIXELS = torch.rand(600, 1, 14, 14, generator=torch.Generator().manual_seed(1))


def plain_net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())


@pytest.fixture(scope="module")
def seed() -> int:
    """Seed of a network whose run ends neither at the first look nor at the last image."""
    ends = ((seed, scan(plain_net(seed), PIXELS, STABLE).counted.images) for seed in range(50))
    return next(seed for seed, end in ends if 128 < end < 600)


def same(one: Study, other: Study) -> bool:
    return (
        one.counted.images == other.counted.images
        and one.filters.equals(other.filters)
        and one.sides.equals(other.sides)
    )


def test_until_stable_resumed_at_any_unit_ends_where_the_undisturbed_run_does(
    tmp_path: Path, seed: int
) -> None:
    whole = scan(plain_net(seed), PIXELS, STABLE)
    units = whole.counted.images // 16
    for stopped in range(1, units):
        journal = RunDirectory(tmp_path / str(stopped), every=0)
        with pytest.raises(Interrupted):
            scan(plain_net(seed), PIXELS, STABLE, journal=journal, stop=after(stopped))
        assert same(scan(plain_net(seed), PIXELS, STABLE, journal=journal), whole)
    # Asked to stop at the unit at which it ends anyway, it ends.
    assert same(scan(plain_net(seed), PIXELS, STABLE, stop=after(units)), whole)


def test_until_stable_killed_at_any_checkpoint(tmp_path: Path, seed: int) -> None:
    whole = scan(plain_net(seed), PIXELS, STABLE)

    class Dying(RunDirectory):
        def keep(self, kept: Kept) -> None:
            super().keep(kept)
            raise Killed

    for _ in range(len(whole.counted.done) - 1):  # the first checkpoint comes after two units
        with pytest.raises(Killed):
            scan(plain_net(seed), PIXELS, STABLE, journal=Dying(tmp_path / "run", every=0))
    assert same(
        scan(plain_net(seed), PIXELS, STABLE, journal=RunDirectory(tmp_path / "run")), whole
    )


def test_a_finished_until_stable_run_does_not_go_on(tmp_path: Path, seed: int) -> None:
    journal = RunDirectory(tmp_path / "run")
    first = scan(plain_net(seed), PIXELS, STABLE, journal=journal)
    again = scan(plain_net(seed), PIXELS, STABLE, journal=journal)
    assert same(first, again)
    assert first.counted.images < 600


# ------------------------------------------------------------------------------ Ctrl-C


def replaced(run: Path, times: int) -> Callable[[], bool]:
    """Say whether the counts have been written so many times, as far as one can see."""
    seen: set[tuple[int, int]] = set()

    def look() -> bool:
        if (run / "tallies.safetensors").exists():
            state = (run / "tallies.safetensors").stat()
            seen.add((state.st_ino, state.st_mtime_ns))
        return len(seen) >= times

    return look


def test_ctrl_c_ends_in_one_sentence_and_can_be_resumed(
    workdir: Path, padscope: Command, no_page: None
) -> None:
    run = workdir / "run"
    process = start(*SCAN, "-o", run, cwd=workdir)
    wait_until(replaced(run, 2), process)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(30)
    assert process.exitcode == 130
    *_, heard, line = (workdir / "stderr").read_text().splitlines()
    assert heard == "stopping …"
    assert line.startswith("padscope: stopped after ")
    assert line.endswith(" of 40 images (scan); the same command goes on from there")
    assert padscope(*SCAN, "-o", run).status == 0


def test_ctrl_c_in_the_last_moment_of_a_stage_is_not_forgotten(
    workdir: Path, padscope: Command, no_page: None
) -> None:
    audit = ("audit", "mynets:tiny", "--images", "photos", "--quick", "--baselines", 0)

    def scanned(*arguments: Any, **options: Any) -> Study:
        study = scan(*arguments, **options)
        signal.raise_signal(signal.SIGINT)
        return study

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("padscope.cli.stages.scan", scanned)
        answer = padscope(*audit)
    assert answer.status == 130
    assert answer.err.endswith(
        "padscope: stopped at the end of the scan; the same command goes on from there\n"
    )
    assert padscope(*audit).status == 0


@pytest.mark.parametrize("where", ["given.load_model", "stages.scan"])
def test_ctrl_c_where_nobody_asks_for_it_ends_in_one_sentence_too(
    workdir: Path, padscope: Command, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(f"padscope.cli.{where}", interrupted)
    answer = padscope(*SCAN)
    assert answer.status == 130
    assert answer.err.removeprefix("stopping …\n") == (
        "padscope: stopped at once; the same command goes on from the last checkpoint\n"
    )
    assert signal.getsignal(signal.SIGINT) is before


def test_a_stage_that_is_not_asked_whether_to_stop_is_stopped_all_the_same(
    workdir: Path, padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scoring(*arguments: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(30)

    monkeypatch.setattr("padscope.cli.stages.scan", scoring)
    monkeypatch.setattr("padscope.cli.interrupts.PATIENCE", 0.1)
    before, begun = signal.getsignal(signal.SIGALRM), time.monotonic()
    answer = padscope(*SCAN)
    assert answer.status == 130
    assert answer.err.startswith("stopping …\npadscope: stopped at once; the same command goes on")
    assert time.monotonic() - begun < 10
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
