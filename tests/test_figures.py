"""Figures that stand alone."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.synthetic_impact import with_impact
from tests.test_report import network, noise
from tests.test_report_explained import SETTINGS, explain_2d
from torch import nn

from padscope import scan
from padscope.cli import main
from padscope.errors import PadscopeError
from padscope.report.charts import side_shares
from padscope.report.figures import SCALE, figure_spec, render_figure, render_figures
from padscope.store import RunDirectory
from padscope.study import Study

SECOND = ("depth", "ladder", "kinds", "origins", "scatter")


@pytest.fixture(scope="module")
def study() -> Study:
    return explain_2d()


@pytest.fixture(scope="module")
def files(study: Study) -> dict[str, bytes]:
    return render_figures(study)


def rows_of(study: Study, name: str) -> pl.DataFrame:
    spec = figure_spec(study, name)
    (values,) = [spec["data"]["values"]] if "values" in spec["data"] else spec["datasets"].values()
    return pl.DataFrame(values)


def test_an_explained_study_has_those_of_two_rungs(files: dict[str, bytes]) -> None:
    assert list(files) == [f"{n}.{end}" for n in SECOND for end in ("svg", "png")]


def test_pictures_can_be_opened_and_agree_in_size(files: dict[str, bytes]) -> None:
    for name in SECOND:
        root = ET.fromstring(files[f"{name}.svg"])
        width, height = (float(root.attrib[side]) for side in ("width", "height"))
        size = Image.open(io.BytesIO(files[f"{name}.png"])).size
        np.testing.assert_allclose(size, (SCALE * width, SCALE * height), atol=SCALE)
        assert 500 < width < 1000


def test_the_same_study_gives_the_same_bytes(study: Study, files: dict[str, bytes]) -> None:
    assert render_figures(study) == files


def test_numbers_are_the_studys(study: Study) -> None:
    assert study.explanation is not None
    confirmed = study.filters.filter(pl.col("label") == "confirmed")
    ladder = rows_of(study, "ladder")
    networks = study.explanation.baselines
    for row in networks.iter_rows(named=True):
        found = ladder.filter(pl.col("network") == row["network"])["share"].to_list()
        assert found == [row["candidates_share"], row["strong_share"], row["confirmed_share"]]
    kinds = dict(rows_of(study, "kinds").select("kind", "filters").iter_rows())
    assert kinds == dict(confirmed.drop_nulls("kind").group_by("kind").len().iter_rows())
    assert rows_of(study, "origins")["filters"].sum() == confirmed["origin"].count()
    shares = rows_of(study, "depth").filter(pl.col("cut") == "candidate")["share"]
    assert shares.to_list() == side_shares(study)["candidate"].to_list()
    points = rows_of(study, "scatter").sort("ks", "causal_ks")
    known = study.filters.drop_nulls(["ks", "causal_ks"]).sort("ks", "causal_ks")
    assert points["ks"].to_list() == known["ks"].to_list()


def test_effects_stand_beside_their_controls(study: Study) -> None:
    tested = with_impact(study)
    assert tested.impact is not None
    row = tested.impact.effect("confirmed", "kl", f"refill {tested.impact.fill}")
    assert row is not None
    drawn = rows_of(tested, "effects").filter(pl.col("set") == "confirmed").row(0, named=True)
    assert drawn == {name: row[name] for name in drawn}
    assert set(render_figure(tested, "effects")) == {"effects.svg", "effects.png"}
    empty = replace(tested, impact=replace(tested.impact, effects=pl.DataFrame()))
    with pytest.raises(PadscopeError, match="no effect was measured"):
        render_figure(empty, "effects")


def test_what_is_lacking_is_said(study: Study) -> None:
    with pytest.raises(PadscopeError, match="padscope impact"):
        render_figure(study, "effects")
    with pytest.raises(PadscopeError, match="choose from depth"):
        render_figure(study, "pie")


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net = network(nn.Conv2d(3, 8, 3, padding=1))
    run = RunDirectory(tmp_path / "run")
    run.save(scan(net, noise(16, 3, 32, 32), SETTINGS, journal=run))

    def padscope(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["padscope", "figure", str(run.path), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    assert padscope() == 0
    assert sorted(f.name for f in (run.path / "figures").iterdir()) == ["depth.png", "depth.svg"]
    assert padscope("depth", "--out", str(tmp_path / "else")) == 0
    again = (tmp_path / "else" / "depth.svg").read_bytes()
    assert again == (run.path / "figures" / "depth.svg").read_bytes()
    capsys.readouterr()
    for name, told in (("kinds", "run padscope explain first"), ("pie", "choose from depth")):
        assert padscope(name) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
