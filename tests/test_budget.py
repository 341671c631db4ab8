"""What the work will take, said before it is done."""

from __future__ import annotations

import pytest
import torch
from tests.test_impact import CLASSES, COUNT
from torch import nn

from padscope.console.budget import Budget
from padscope.models import LoadedModel, wrap_module
from padscope.settings import ExplainSettings, ImpactSettings, ScanSettings
from padscope.study.budget import IMPACT_DEAR, expect_audit, time_pass
from padscope.study.stages import COST, Effort, StageWork

AUDIT = {
    "scan": StageWork(96, Effort.of(96)),
    "explain": StageWork(96, Effort.of(1152)),
    "impact": StageWork(48, Effort.of(2400)),
}


def small(size: int = 32) -> LoadedModel:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.append(nn.Linear(4, CLASSES))
    net.pretrained_cfg = {"input_size": (3, size, size)}  # type: ignore[assignment]  # as models of timm have it
    return wrap_module(net)


def test_all_stages_are_told_of_before_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("padscope.console.budget.COST", dict.fromkeys(COST, 1.0))
    budget = Budget(lambda: 0.05, AUDIT)
    assert budget.lines("scan", 0, 96, 96) == [
        "About 3 min for 96 images: scan 5 s, explanation 58 s (12 passes an image), "
        "impact 2 min (25 passes an image).",
        "Now the scan (which filters respond to the border): 96 images, about 5 s.",
    ]
    assert budget.lines("impact", 1000, 2400, 1400) == [
        "Now the impact (whether the model uses them): 1,400 more forward passes, about 70 s.",
    ]


def test_nothing_is_told_of_what_is_done_and_no_time_where_it_is_not_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never() -> float:
        pytest.fail("a pass was timed, and nothing is to do")

    seen: list[tuple[int, int | None, float | None]] = []
    report = Budget(never).announcing("scan", lambda *told: seen.append(told))
    report(40, 40, 0)
    assert seen == [(40, 40, 0)] and capsys.readouterr().err == ""
    report = Budget(lambda: None).announcing("scan", lambda *told: None)
    report(0, 40, 40)
    report(20, 40, 20)
    told = "Now the scan (which filters respond to the border): 40 images.\n"
    assert capsys.readouterr().err == told


def test_a_pass_is_timed_and_the_model_is_left_as_it_was() -> None:
    loaded, state = small(), torch.get_rng_state()
    seconds = time_pass(loaded, 4)
    assert seconds is not None and 0 < seconds < 1
    assert torch.equal(torch.get_rng_state(), state)
    assert loaded.module.training
    assert time_pass(wrap_module(nn.Conv2d(3, 4, 3)), 4) is None  # of an input that is not known


def test_an_audit_is_estimated_from_what_is_given() -> None:
    given = ScanSettings(limit=COUNT), ExplainSettings(limit=COUNT, baselines=0, check=0)
    found = expect_audit(small(), None, *given, ImpactSettings(limit=20), (40, 8))
    canvas = ((32 + 2 * 64) / 32) ** 2
    assert found["scan"] == StageWork(COUNT, Effort.of(COUNT))
    assert found["explain"].images == COUNT
    assert found["explain"].effort.passes >= COUNT * (1 + canvas)
    assert found["impact"] == StageWork(20, Effort.of(200, IMPACT_DEAR))
    assert "impact" not in expect_audit(small(), None, *given, None)
