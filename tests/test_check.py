"""`padscope check`, for pipelines, and figures as charts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.test_light import run  # noqa: F401 - a fixture

from padscope.cli import main
from padscope.errors import PadscopeError
from padscope.findings.bound import check_recognising
from padscope.store import load_study


def status(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["padscope", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_check_ends_with_a_status_and_one_line(
    run: Path,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = load_study(run, partial=True)
    count = int(study.filters["recognises"].sum())
    assert count > 0
    assert status(monkeypatch, "check", str(run), "--max-recognising", str(count)) == 0
    assert capsys.readouterr().out.endswith("within the bounds.\n")
    assert status(monkeypatch, "check", str(run), "--max-recognising", str(count - 1)) == 1
    told = capsys.readouterr().out
    assert told.startswith(f"{count} of ")
    assert told.endswith(f"at most {count - 1} may.\n")
    assert told.count("\n") == 1
    assert status(monkeypatch, "check", str(run), "--max-share", "0", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["recognising"]) == (False, count)
    assert status(monkeypatch, "check", str(run)) == 2
    assert "--max-recognising" in capsys.readouterr().err


@pytest.mark.parametrize(("most", "share"), [(-1, None), (None, 1.5), (None, float("nan"))])
def test_bounds_that_are_none_are_refused(run: Path, most: int | None, share: float | None) -> None:  # noqa: F811 - the fixture
    with pytest.raises(PadscopeError, match="give"):
        check_recognising(load_study(run, partial=True), most, share)


def test_a_figure_is_a_chart(run: Path) -> None:  # noqa: F811 - the fixture
    study = load_study(run, partial=True)
    assert study.plot("depth").to_dict()["$schema"].startswith("https://vega.github.io")
    with pytest.raises(PadscopeError, match="did you mean depth"):
        study.plot("dept")
