"""A little of `python -m benchmarks fuzz`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzz import KINDS, sweep


def test_damaged_input_is_refused_in_one_sentence_and_does_no_harm(tmp_path: Path) -> None:
    fuzzed = sweep(tmp_path, times=2 * len(KINDS), seed=3)
    assert not fuzzed.failures, str(fuzzed)
    assert fuzzed.cases == dict.fromkeys(KINDS, 2)
    assert fuzzed.refused.total() > len(KINDS)
