"""The table of all models that padscope has been tried on; `make sweep` runs all of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import timm
from benchmarks import sweep
from benchmarks.sweep import NOT_TRIED, PASSED, counted, describe_sweep, measure, read_table
from benchmarks.sweep_models import CONFIGURATIONS
from torchvision import models

TABLE = {row.model: row for row in read_table()}
LIBRARIES = Counter(model.partition(":")[0] for model in TABLE)
# Quick ones, each of another kind.
SAMPLE = (
    "hf:BitForImageClassification", "hf:ConvNextV2ForImageClassification",
    "hf:CvtForImageClassification", "hf:DPTForDepthEstimation", "hf:LevitForImageClassification",
    "hf:PoolFormerForImageClassification", "hf:RegNetForImageClassification",
    "hf:ResNetForImageClassification", "hf:SegformerForSemanticSegmentation",
    "hf:SuperPointForKeypointDetection", "hf:TextNetForImageClassification",
    "timm:lcnet_035", "timm:test_byobnet", "timm:test_coatnet", "timm:test_convnext",
    "timm:test_efficientnet", "timm:test_mambaout", "timm:test_nfnet", "timm:test_resnet",
    "torchvision:squeezenet1_1",
)  # fmt: skip


@pytest.mark.parametrize("model", SAMPLE)
@pytest.mark.filterwarnings("ignore")
def test_a_model_comes_as_far_as_before(model: str) -> None:
    row = TABLE[model]
    assert row.outcome == PASSED
    assert measure(row.model, row.size) == row


def test_every_model_of_torchvision_is_listed() -> None:
    assert {f"torchvision:{name}" for name in models.list_models()} <= TABLE.keys()


@pytest.mark.parametrize("family", timm.list_modules())
def test_every_family_of_timm_is_listed(family: str) -> None:
    assert any(f"timm:{name}" in TABLE for name in timm.list_models(module=family))


def test_as_many_are_listed_as_said() -> None:
    assert LIBRARIES["timm"] >= 150
    assert {f"hf:{name}" for name in CONFIGURATIONS} <= TABLE.keys()
    assert LIBRARIES["hf"] == len(CONFIGURATIONS) >= 40


def test_every_model_passes_or_has_a_reason() -> None:
    """A reason is a sentence that padscope says: neither an error of Python, nor silence."""
    for row in TABLE.values():
        if row.outcome == PASSED:
            assert 0 < row.scored <= row.sites and row.filters >= row.scored, row
        elif row.outcome != NOT_TRIED:
            assert len(row.outcome.split()) > 3, row
            assert not re.match(r"\w+(Error|Exception|Exit)\b", row.outcome), row


TINY = "torchvision:squeezenet1_1"


@pytest.fixture
def small_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One row, which has been measured already."""
    monkeypatch.setattr(sweep, "TABLE", tmp_path / "sweep.csv")
    monkeypatch.setattr(sweep, "KEPT", tmp_path / "results" / "sweep.jsonl")
    sweep.KEPT.parent.mkdir()
    sweep.KEPT.write_text(json.dumps(asdict(TABLE[TINY])) + "\n")
    sweep.write_table([TABLE[TINY]])
    return tmp_path


def test_a_sweep_goes_on_where_it_was_ended(
    small_table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert describe_sweep()
    assert "1 model, 0 to measure" in capsys.readouterr().out


def test_a_lost_model_is_told(small_table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = replace(TABLE[TINY], outcome="It is gone.")
    sweep.KEPT.write_text(json.dumps(asdict(lost)) + "\n")
    assert not describe_sweep()
    out = capsys.readouterr().out
    assert "0 of 1 passed; 1 are not as in the table" in out and "It is gone." in out
    assert not describe_sweep(write=True)
    assert sweep.read_table() == [lost]


def test_the_documentation_counts_as_the_table_does() -> None:
    text = (Path(__file__).parents[1] / "docs" / "models.md").read_text()
    assert counted(list(TABLE.values())) in text
