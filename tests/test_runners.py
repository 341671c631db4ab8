"""One process, two of torchrun, two workers of Ray: the same bytes, whatever happens to them."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.conftest import contents, processes
from tests.nets_to_share import (
    ESTIMATING,
    EXPLAINING,
    SIZE,
    Disturbed,
    Elsewhere,
    Numbers,
    compare_all,
    net,
    retrofit_all,
    run_all,
    scan_all,
)

from padscope import PadscopeError, RunDirectory, ScanSettings, Study, explain, impact, scan
from padscope.running import RayRunner, TorchrunRunner, find_runner, to_bytes
from padscope.study import Retrofit, Sizes, Swaps

SECONDS = 120
KILLED = ("scan", "contrasted", "fresh 1", "estimates", "depth")  # jobs of all stages, in order


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_all() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, dict[str, bytes]]:
    path = tmp_path_factory.mktemp("alone") / "run"
    study = run_all("local", journal=RunDirectory(path))
    return study, contents(path)


def same(one: Study, other: Study) -> bool:
    assert one.explanation and other.explanation and one.impact and other.impact
    tables = [(getattr(one, name), getattr(other, name)) for name in ("sites", "filters", "sides")]
    tables += [(one.impact.tables[name], other.impact.tables[name]) for name in one.impact.tables]
    tables += [(one.explanation.networks, other.explanation.networks)]
    assert one.depth and other.depth
    tables += [(one.depth.tables[name], other.depth.tables[name]) for name in one.depth.tables]
    states = [(one.counted, other.counted), (one.explanation.counts, other.explanation.counts)]
    return all(mine.equals(theirs) for mine, theirs in tables) and all(
        to_bytes(mine.pack()) == to_bytes(theirs.pack()) for mine, theirs in states
    )


# -------------------------------------------------------------------------------------- torchrun

Member = Callable[[int, Path], Any]


def live(rank: int, count: int, member: Member, folder: Path) -> None:
    """Live as one process of a group, and leave what comes of it in a file."""
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=count,
            timeout=timedelta(seconds=SECONDS),
        )  # fmt: skip
        torch.save(member(rank, folder), folder / f"{rank}.pt")
    except BaseException:
        (folder / f"{rank}.txt").write_text(traceback.format_exc())
        raise


def among(count: int, member: Member, folder: Path, *, lost: int = 0) -> list[Any]:
    """What every process of a group of real ones returns; None of those that are lost."""
    folder.mkdir(exist_ok=True)
    for file in (folder / "store", *folder.glob("*.pt")):
        file.unlink(missing_ok=True)
    group = [
        processes.Process(target=live, args=(rank, count, member, folder)) for rank in range(count)
    ]
    for process in group:
        process.start()
    for process in group:
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
    files = [folder / f"{rank}.pt" for rank in range(count)]
    results = [torch.load(file, weights_only=False) if file.exists() else None for file in files]
    if results.count(None) != lost:
        pytest.fail("\n".join(file.read_text() for file in folder.glob("*.txt")))
    return results


def everything(rank: int, folder: Path) -> Study:
    return run_all("torchrun", journal=RunDirectory(folder / "run"))


def test_ranks_end_in_the_same_bytes_as_one_process(
    alone: tuple[Study, dict[str, bytes]], tmp_path: Path
) -> None:
    studies = among(2, everything, tmp_path / "group")
    assert all(same(study, alone[0]) for study in studies)
    assert contents(tmp_path / "group" / "run") == alone[1]


def tuned(rank: int, folder: Path) -> Retrofit:
    return retrofit_all("torchrun")


def test_a_retrofit_is_the_same_on_every_runner(cluster: RayRunner, tmp_path: Path) -> None:
    alone = retrofit_all("local")
    for found in (retrofit_all(cluster), *among(2, tuned, tmp_path / "group")):
        assert found.table.equals(alone.table)
        assert all(torch.equal(found.weights[name], alone.weights[name]) for name in alone.weights)


def compared(rank: int, folder: Path) -> tuple[Swaps, Sizes]:
    return compare_all("torchrun")


def test_swaps_and_sizes_are_the_same_on_every_runner(cluster: RayRunner, tmp_path: Path) -> None:
    alone = compare_all("local")
    swapped, sized = (each.tables for each in alone)
    assert "border_error" in set(swapped["swaps"]["measure"])
    assert set(sized["sizes"]["change"]) == {"even", "other end"}
    for found in (compare_all(cluster), *among(2, compared, tmp_path / "group")):
        for mine, theirs in zip(alone, found, strict=True):
            assert mine.facts() | {"identity": 0} == theirs.facts() | {"identity": 0}
            assert all(theirs.tables[name].equals(table) for name, table in mine.tables.items())


def uneven(rank: int, folder: Path) -> list[bytes]:
    """Shares of one unit and none, and images that cannot be shared."""
    counted = [
        scan(
            net(), Numbers(count, SIZE), ScanSettings(batch_size=2, calibrate=4), runner="torchrun"
        )
        for count in (9, 4, 3)
    ]
    return [to_bytes(study.counted.pack()) for study in counted]


def test_more_ranks_than_units(tmp_path: Path) -> None:
    expected = [
        to_bytes(scan(net(), Numbers(count, SIZE), ScanSettings(batch_size=2, calibrate=4))
                 .counted.pack())
        for count in (9, 4, 3)
    ]  # fmt: skip
    assert among(3, uneven, tmp_path / "group") == [expected] * 3


def sentence(work: Callable[[], object]) -> str:
    try:
        work()
    except (PadscopeError, OSError) as error:
        return str(error)
    return "no error"


def full() -> None:
    raise OSError("no space left")


def refusals(rank: int, folder: Path) -> list[str]:
    """What is wrong with one process reaches the other, which goes on to the next."""
    torn = Numbers(size=SIZE, fail_at=17)
    other = Numbers(size=SIZE, shift=rank)
    odd = Numbers(size=SIZE + 2 * rank)
    failing = Disturbed(TorchrunRunner(), ("fresh 1",), folder, spared(rank), full)
    works: list[Callable[[], object]] = [
        lambda: scan_all("torchrun", torn),
        lambda: scan_all("torchrun", other),
        lambda: scan_all("torchrun", odd),
        lambda: scan(net(), [torch.rand(4, 1, SIZE, SIZE)], runner="torchrun"),
        lambda: scan(net(), Numbers(), ScanSettings(until_stable=True), runner="torchrun"),
        lambda: explain(scan_all("torchrun"), net(), Numbers(), EXPLAINING, runner=failing),
        lambda: scan_all("torchrun"),
    ]
    return [sentence(work) for work in works]


def test_an_error_of_one_rank_reaches_all_and_ends_all(tmp_path: Path) -> None:
    told = among(2, refusals, tmp_path / "group")
    for said in told:
        assert said[0] == "process 1 of 2 failed: image 17 cannot be had"
        assert "other images" in said[1] and "on the same files" in said[1]
        assert "other images" in said[2]
        assert "need images with random access" in said[3]
        assert "until_stable needs the local runner" in said[4]
        assert said[6] == "no error"
    # Nor is it a reason to go on without the baseline that it happened in.
    assert [said[5] for said in told] == [
        "process 1 of 2 failed: OSError('no space left')", "no space left"
    ]  # fmt: skip


def spared(rank: int) -> int:
    return os.getpid() if rank == 0 else 0


def with_deaths(rank: int, folder: Path) -> Study | str:
    runner = Disturbed(TorchrunRunner(), KILLED, folder, spared(rank))
    try:
        return run_all(runner, journal=RunDirectory(folder / "run", every=0))
    except PadscopeError as error:
        return str(error)


def test_a_rank_that_is_killed_ends_the_run_which_the_same_command_ends_well(
    alone: tuple[Study, dict[str, bytes]], tmp_path: Path
) -> None:
    folder = tmp_path / "group"
    for job in KILLED:
        told, _ = among(2, with_deaths, folder, lost=1)
        assert (folder / job).exists()
        assert "a process of the group has ended" in told
    assert all(same(study, alone[0]) for study in among(2, with_deaths, folder))
    assert contents(folder / "run") == alone[1]


# ------------------------------------------------------------------------------------------- Ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayRunner]:
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    ray.shutdown()  # of another test
    root = str(Path(__file__).parents[1])
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error",
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([root, *sys.path])}},
    )  # fmt: skip
    yield RayRunner(workers=2)
    ray.shutdown()


@pytest.fixture
def worker(cluster: RayRunner, monkeypatch: pytest.MonkeyPatch) -> RayRunner:
    """One worker at a time: an error is the end of all, and to start one takes seconds."""
    monkeypatch.setattr(cluster, "workers", 1)
    return cluster


def test_ray_workers_end_in_the_same_bytes_as_one_process_and_are_replaced_when_killed(
    alone: tuple[Study, dict[str, bytes]], cluster: RayRunner, tmp_path: Path
) -> None:
    killed = KILLED[::2]  # one in each stage
    study = run_all(
        Disturbed(cluster, killed, tmp_path, os.getpid()), journal=RunDirectory(tmp_path / "run")
    )
    assert all((tmp_path / job).exists() for job in killed)
    assert same(study, alone[0])
    assert contents(tmp_path / "run") == alone[1]


def test_a_shard_that_kills_every_worker_ends_the_run(
    alone: tuple[Study, dict[str, bytes]], worker: RayRunner
) -> None:
    runner = Disturbed(worker, ("fresh 1",), None, os.getpid())
    with pytest.raises(PadscopeError, match=r"3 workers died on units .* with fewer workers"):
        explain(alone[0], net(), Numbers(), EXPLAINING, runner=runner)


def test_an_error_of_a_ray_worker_is_told(worker: RayRunner) -> None:
    with pytest.raises(PadscopeError, match=r"a worker failed: image 17 cannot be had"):
        scan_all(worker, Numbers(size=SIZE, fail_at=17))


def test_a_ray_worker_that_sees_other_images_is_refused(worker: RayRunner) -> None:
    with pytest.raises(PadscopeError, match="a worker failed: it sees other images than the"):
        scan_all(worker, Elsewhere(size=SIZE))


def test_a_ray_worker_that_comes_later_and_sees_other_images_is_refused(
    alone: tuple[Study, dict[str, bytes]], worker: RayRunner, tmp_path: Path
) -> None:
    runner = Disturbed(worker, ("check",), tmp_path, os.getpid())
    images = Elsewhere(since=tmp_path / "check")
    with pytest.raises(PadscopeError, match="a worker failed: it sees other images than the"):
        impact(alone[0], net(), images, settings=ESTIMATING, runner=runner)


def test_a_ray_run_that_is_stopped_goes_on(cluster: RayRunner, tmp_path: Path) -> None:
    asked = iter([False] * 6)
    with pytest.raises(PadscopeError, match="stopped after"):
        scan(
            net(), Numbers(size=SIZE, wait=0.03), ScanSettings(batch_size=2, calibrate=4),
            runner=cluster, journal=RunDirectory(tmp_path / "run"),
            stop=lambda: next(asked, None) is None,
        )  # fmt: skip
    study = scan_all(cluster, Numbers(size=SIZE, wait=0.03), RunDirectory(tmp_path / "run"))
    assert to_bytes(study.counted.pack()) == to_bytes(scan_all("local").counted.pack())


def test_more_ray_workers_than_units() -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    assert RayRunner(workers=64).crew(3) == 3


# -------------------------------------------------------------------------------------- bad input


def test_runners_that_there_are_not() -> None:
    for spec, said in (
        ("spark", "runner 'spark' is not known; choose from local, torchrun, ray"),
        ("local:4", "runner local takes nothing after a colon"),
        ("torchrun", "start the command with torchrun --nproc-per-node N -m padscope"),
    ):
        with pytest.raises(PadscopeError, match=said):
            find_runner(spec)


def test_a_runner_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PadscopeError, match=r'run pip install "padscope\[ray\]"'):
        find_runner("ray")


def test_an_address_that_does_not_answer_is_one_sentence() -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    code = (
        "from padscope.running import find_runner\n"
        "from padscope import PadscopeError\n"
        "try: find_runner('ray:127.0.0.1:1')\n"
        "except PadscopeError as error: print(error)\n"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "no Ray cluster answers at 127.0.0.1:1" in said.stdout
    assert len(said.stdout.splitlines()) == 1
