"""A little of `python -m benchmarks kills` and `interrupts`, without the pages."""

from __future__ import annotations

import signal
from pathlib import Path

from benchmarks.kills import sweep


def test_audits_killed_at_random_moments_end_in_the_same_bytes(tmp_path: Path) -> None:
    swept = sweep(tmp_path, times=10, seed=0, page=False)
    assert swept.kills.total() == 10
    assert {"scan", "explain", "impact"} <= swept.kills.keys()
    assert not swept.different, str(swept)


def test_audits_stopped_by_ctrl_c_end_at_once_and_then_in_the_same_bytes(tmp_path: Path) -> None:
    swept = sweep(tmp_path, times=2, seed=1, page=False, by=signal.SIGINT)
    assert swept.kills.total() == 2
    assert max(swept.seconds) < 5
    assert not swept.different, str(swept)
