"""A tenth of `python -m benchmarks kills`, without the pages."""

from __future__ import annotations

from pathlib import Path

from benchmarks.kills import sweep


def test_audits_killed_at_random_moments_end_in_the_same_bytes(tmp_path: Path) -> None:
    swept = sweep(tmp_path, times=10, seed=0, page=False)
    assert swept.kills.total() == 10
    assert {"scan", "explain", "impact"} <= swept.kills.keys()
    assert not swept.different, str(swept)
