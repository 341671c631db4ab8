"""Threads beside the model do not take cores from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from padscope.threads import single_threaded_pool


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [1, 4])
def test_operations_stay_within_the_thread(threads: int, workers: int) -> None:
    with single_threaded_pool(workers, "test") as pool:
        assert torch.get_num_threads() == threads
        found = list(pool.map(lambda _: torch.get_num_threads(), range(20)))
        assert found == [1] * 20
        assert torch.get_num_threads() == threads
    with single_threaded_pool(workers, "test") as again:  # threads to come are not affected
        assert again.submit(torch.get_num_threads).result() == 1
    assert torch.get_num_threads() == threads


def test_what_is_raised_arrives(threads: int) -> None:
    with single_threaded_pool(2, "test") as pool, pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result()


def test_threads_that_cannot_start_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    started = 0
    original = __import__("threading").Thread.start

    def start(thread: object) -> None:
        nonlocal started
        started += 1
        if started > 2:
            raise RuntimeError("can't start new thread")
        original(thread)

    monkeypatch.setattr("threading.Thread.start", start)
    with pytest.raises(RuntimeError, match="can't start"):
        single_threaded_pool(4, "test")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
