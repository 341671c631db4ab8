"""The sweep over untrained networks."""

from __future__ import annotations

from pathlib import Path

import benchmarks.nulls
import pytest
from benchmarks.nulls import Answer, Null, Untrained, summary, sweep, unet_batch, unet_instance
from torch import nn

from padscope.settings import ExplainSettings

SETTINGS = ExplainSettings(limit=32, baselines=2)
NETS = ("tests.test_nulls:small_instance", "tests.test_nulls:small_batch")


def small_instance() -> nn.Module:
    return unet_instance(width=4)


def small_batch() -> nn.Module:
    return unet_batch(width=4)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "results" / "nulls.jsonl"
    monkeypatch.setattr(benchmarks.nulls, "KEPT", file)
    monkeypatch.setattr(benchmarks.nulls, "SIZES", (12, 16))
    return file


def test_untrained_networks_are_said_to_be_nothing_else_and_run_once(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = list(sweep(NETS, 1, settings=SETTINGS))
    assert [null.statistics for null in runs] == ["none", "as they start", "of the images"]
    assert {(null.size, null.filters) for null in runs} == {(16, 83)}
    assert all(null.warned for null in runs)
    assert {null.kernels.answer for null in runs} == {"as many"}
    assert [null.training.answer for null in runs] == ["as many", None, "as many"]
    assert "do not fit" in runs[1].training.reason
    assert runs[1].training.baselines == runs[2].training.baselines  # the same networks
    assert len(kept.read_text().splitlines()) == 3
    monkeypatch.setattr(Untrained, "run", None)
    assert list(sweep(NETS, 1, settings=SETTINGS)) == runs
    with pytest.raises(TypeError):  # on other images nothing is kept
        list(sweep(NETS[:1], 1, settings=ExplainSettings(limit=16)))


def test_answers_are_counted() -> None:
    def null(training: str | None, kernels: str, *warned: str) -> Null:
        first = Answer(training, "" if training else "too few", (1, 2), 0.5)
        second = Answer(kernels, "", (1, 2), 0.01)
        return Null("a", 16, 0, "none", warned, 50, 3, first, second, (), 1.0)

    lines = list(summary([null("as many", "more", "untrained"), null(None, "fewer")]))
    assert [" ".join(line.split()) for line in lines] == [
        "warned of: 1 of 2",
        "training: more 0 (0.0%)", "training: as many 1 (50.0%)", "training: fewer 0 (0.0%)",
        "training: none 1 (too few)",
        "kernels: more 1 (50.0%)", "kernels: as many 0 (0.0%)", "kernels: fewer 1 (50.0%)",
    ]  # fmt: skip
