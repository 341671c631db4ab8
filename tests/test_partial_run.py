"""Damaged runs: what is missing is named, and the rest is shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.synthetic_impact import with_impact
from tests.test_report import noise
from tests.test_report_explained import SETTINGS, cut, two_layers

from padscope import explain, scan
from padscope.cli import main
from padscope.errors import PadscopeError
from padscope.settings import ExplainSettings
from padscope.store import RunDirectory, load_study

NEEDED = ("manifest.json", "sites.parquet", "filters.parquet", "sides.parquet",
          "tallies.safetensors")  # fmt: skip
CAUSES = ("contrasts.safetensors", "networks.parquet", "inherited.parquet", "usual.parquet")
IMPACTS = ("impact.parquet", "classes.parquet", "views.parquet")
Harm = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "whole")
    net, canvases = two_layers(), noise(24, 3, 64, 56)
    chosen = ExplainSettings(margin=16, calibrate=8, baselines=0, check=0, resamples=5)
    study = scan(net, cut(canvases, 16), SETTINGS, journal=run)
    run.save(study)
    run.save(with_impact(explain(study, net, canvases, chosen, journal=run)))
    return run.path


def halve(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.fixture(params=[Path.unlink, halve], ids=["missing", "damaged"])
def harm(request: pytest.FixtureRequest) -> Harm:
    found: Harm = request.param
    return found


def report(run: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["padscope", "report", str(run)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", [*CAUSES, *IMPACTS, "maps.safetensors"])
def test_the_rest_is_shown(
    whole: Path, tmp_path: Path, name: str, harm: Harm, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    harm(run / name)
    assert report(run, monkeypatch) == 0
    told = capsys.readouterr().err
    page = (run / "report.html").read_text(encoding="utf-8")
    assert name in told
    assert name in page.split('id="missing"')[1].split("</section>")[0]
    assert 'id="gallery-cards"' in page
    assert ('id="ladder"' in page) == (name not in CAUSES)
    assert ('id="effects"' in page) == (name == "maps.safetensors")
    study = load_study(run, partial=True)
    assert (study.explanation is None) == (name in CAUSES)
    assert ("causal_ks" in study.filters.columns) == (name not in CAUSES)
    with pytest.raises(PadscopeError):  # stages that go on refuse it
        load_study(run)


@pytest.mark.parametrize("name", NEEDED)
def test_what_all_rests_on_is_named(
    whole: Path, tmp_path: Path, name: str, harm: Harm, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    harm(run / name)
    assert report(run, monkeypatch) == 2
    told = capsys.readouterr().err
    assert name in told
    assert told.count("\n") == 1


def test_a_whole_run_misses_nothing(whole: Path) -> None:
    study = load_study(whole, partial=True)
    assert study.missing == ()
    assert study.filters.equals(load_study(whole).filters)
    assert study.impact is not None


@pytest.mark.parametrize(("name", "status"), [("maps.safetensors", 0), ("impact.parquet", 2)])
def test_a_verdict_of_what_is_left(
    whole: Path, tmp_path: Path, name: str, status: int, harm: Harm,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    harm(run / name)
    monkeypatch.setattr("sys.argv", ["padscope", "verdict", str(run)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert int(ended.value.code or 0) == status
    out, error = capsys.readouterr()
    assert name in error
    assert ("The model uses them" in out or "no verdict" in out) == (status == 0)
