"""Surveys: many models, one run each, one table; what cannot be measured is listed, not lost."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import polars as pl
import pytest
import timm
from tests.conftest import Command, contents, prepare, start, wait_until
from tests.test_report import HOSTILE, Page
from torchvision import models as torchvision_models

from padscope import PadscopeError, load_study
from padscope.cli import main
from padscope.figures.survey import AGAINST, against
from padscope.findings.survey import (
    PROPERTIES,
    Survey,
    failures,
    property_listing,
    read_survey,
    row_of,
    side_listing,
    survey_listing,
)
from padscope.models.listed import POPULAR, Listed, check_names, parse_models, read_list
from padscope.report.comparison import plain
from padscope.report.survey import render_survey, survey_markdown
from padscope.store.attempts import Attempt, Attempts
from padscope.tables.schema import SURVEY, SURVEY_SITES

SIDES = ("top", "bottom", "left", "right")
LIST = """
# Two that can be measured, one twice, and two that cannot.
mynets:tiny --year 2019 --accuracy 71.5
mynets:other --year 2021
mynets:tiny --weights random  # beside it
mynets:no_module
torchvision:resnet18
"""
ARGUMENTS = ("--images", "photos", "--limit", "20", "--baselines", "1", "--models", "list.txt")


def offline(*_: object, **__: object) -> None:
    raise URLError("Name or service not known")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a survey of the list has been made, in ``survey``."""
    folder = tmp_path_factory.mktemp("surveyed")
    prepare(folder)
    (folder / "list.txt").write_text(LIST, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(torchvision_models, "get_model", offline)
        patch.setattr(sys, "argv", ["padscope", "survey", *ARGUMENTS])
        with pytest.raises(SystemExit) as ended:
            main()
        yield folder
    assert not ended.value.code  # failures are no reason to fail
    sys.modules.pop("mynets", None)


@pytest.fixture(scope="module")
def table(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "survey" / "survey.parquet")


@pytest.fixture(scope="module")
def survey(folder: Path, table: pl.DataFrame) -> Survey:
    return Survey(table, pl.read_parquet(folder / "survey" / "survey_sites.parquet"))


def timeless(out: Path) -> dict[str, Any]:
    """Everything of a survey but the time that a pass takes."""
    tables = {name: pl.read_parquet(out / f"{name}.parquet") for name in ("survey", "survey_sites")}
    found: dict[str, Any] = {
        name: table.drop("seconds", strict=False).to_dicts() for name, table in tables.items()
    }
    for run in sorted((out / "runs").iterdir()):
        found[run.name] = contents(run)
    return found


# The rows


def test_every_model_has_a_row_and_what_became_of_it(table: pl.DataFrame) -> None:
    assert table.schema == pl.Schema(SURVEY.dtypes)
    assert table.select("name", "state", "weights").rows() == [
        ("mynets:tiny", "done", "unknown"), ("mynets:other", "done", "unknown"),
        ("mynets:tiny, random", "done", "random"), ("mynets:no_module", "failed", ""),
        ("torchvision:resnet18", "not fetched", ""),
    ]  # fmt: skip
    assert table["year"].to_list() == [2019, 2021, None, None, None]
    assert table["reason"][3].startswith("mynets:no_module returned int")
    assert "must be fetched from download.pytorch.org and could not be" in table["reason"][4]


def test_counts_are_those_of_the_runs(folder: Path, table: pl.DataFrame) -> None:
    for row in table.head(3).iter_rows(named=True):
        study = load_study(folder / "survey" / row["run"])
        filters, sides = study.filters.to_dicts(), study.sides.to_dicts()
        assert row["filters"] == len(filters)
        assert row["caused"] == sum(one["label"] == "confirmed" for one in filters)
        own = [one for one in filters if one["recognises"]]
        assert row["recognises"] == len(own) > 0
        for side in SIDES:
            assert row[side] == sum(one["recognises"] and one["side"] == side for one in sides)
        assert row["front"] is row["start"] is None
        for origin in ("nascent", "inherited", "both", "neither"):
            assert row[origin] == sum(one["origin"] == origin for one in own)
        sure = {
            (one["site"], one["filter"])
            for one in sides
            if one["recognises"]
            and min(one["ks_low"], one["causal_low"], one["border_recall_low"]) >= 0.5
        }
        assert row["recognises_low"] == len(sure) <= row["recognises"] <= row["recognises_high"]
        assert row["parameters"] > 0 and row["seconds"] > 0


def test_random_weights_have_no_baselines_of_their_own(table: pl.DataFrame) -> None:
    assert table["fresh_high"].is_not_null().to_list() == [True, True, False, False, False]


def test_sites_say_where_filters_recognise(survey: Survey) -> None:
    assert survey.sites.schema == pl.Schema(SURVEY_SITES.dtypes)
    rows = survey.sites.filter(pl.col("name") == "mynets:tiny").to_dicts()
    assert [(row["depth"], row["map"], row["strided"], row["uneven"]) for row in rows] == [
        (0, 24, False, False), (1, 12, True, True),  # 24 pixels, kernel 3, stride 2
    ]  # fmt: skip
    first, second = rows
    assert first["fuller"] == first["barer"] == 0
    assert second["fuller"] == second["top"] + second["left"]
    assert second["barer"] == second["bottom"] + second["right"]
    by_name = survey.sites.group_by("name").agg(pl.col("recognises").sum())
    own = survey.table.drop_nulls("recognises").select("name", "recognises")
    assert by_name.sort("name").rows() == own.sort("name").rows()
    assert survey.table["uneven"].to_list()[:3] == [1, 0, 1]


def test_the_table_is_the_same_in_every_format(folder: Path, table: pl.DataFrame) -> None:
    out = folder / "survey"
    read = pl.read_csv(out / "survey.csv", schema=table.schema)
    texts = pl.col(pl.String).fill_null("")
    assert read.with_columns(texts).equals(table.with_columns(texts))
    markdown = (out / "survey.md").read_text()
    assert all(f"| {plain(name)} |" in markdown for name in table["name"])
    assert "| model |" in markdown


# Going on


def test_the_same_command_measures_nothing_again(
    folder: Path, padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = timeless(folder / "survey")
    monkeypatch.setattr(torchvision_models, "get_model", offline)
    monkeypatch.setattr("padscope.cli.stages.scan", None)  # would fail if it were called
    answer = padscope("survey", *ARGUMENTS, "--strict")
    assert answer.status == 1  # two were not measured
    assert "5 models, 3 of them done already" in answer.err
    assert timeless(folder / "survey") == before


def test_a_survey_that_was_killed_goes_on(folder: Path, padscope: Command) -> None:
    arguments = ("--images", "photos", "--limit", "20", "--baselines", "0", "--out")
    models = ("mynets:other", "mynets:slow", "mynets:tiny")
    process = start("survey", *models, *arguments, "killed", "--checkpoint", "0", cwd=folder)
    wait_until((folder / "killed/runs/mynets-slow/contrasts.safetensors").exists, process)
    process.kill()
    process.join()
    assert not (folder / "killed" / "survey.parquet").exists()
    assert padscope("survey", *models, *arguments, "killed").status == 0
    assert padscope("survey", *models, *arguments, "whole").status == 0
    assert timeless(folder / "killed") == timeless(folder / "whole")


def test_a_later_stage_is_added(folder: Path, padscope: Command) -> None:
    arguments = ("survey", "mynets:other", "--images", "photos", "--limit", "20", "--out", "more")
    assert padscope(*arguments, "--baselines", "0", "--until", "scan").status == 0
    assert pl.read_parquet("more/survey.parquet")["recognises"].to_list() == [None]
    answer = padscope(*arguments, "--baselines", "0")
    assert answer.status == 0 and "done already" not in answer.err
    (recognising,) = pl.read_parquet("more/survey.parquet")["recognises"]
    assert recognising is not None


def test_tables_are_written_of_what_there_is(folder: Path, padscope: Command) -> None:
    arguments = ("survey", "mynets:other", "mynets:tiny", "--images", "photos", "--limit", "20")
    assert padscope(*arguments, "--baselines", "0", "-o", "part", "--tables-only").status == 0
    table = pl.read_parquet("part/survey.parquet")
    assert table["state"].to_list() == ["not tried"] * 2 and not Path("part/runs").exists()


def test_two_commands_keep_what_both_have_done(tmp_path: Path) -> None:
    both = Attempts(tmp_path), Attempts(tmp_path)
    for attempts in both:
        attempts.begin({})
    for attempts, name in zip(both, "ab", strict=True):
        attempts.note(name, Attempt({"model": name}, name))
    read = Attempts(tmp_path)
    read.begin({})
    assert set(read.known) == {"a", "b"}


def test_other_settings_are_refused(folder: Path, padscope: Command) -> None:
    answer = padscope(
        "survey", "mynets:other", "--images", "photos", "--limit", "8", "-o", "survey"
    )
    assert answer.status == 2
    assert "survey is a survey with other" in answer.err and "limit (20, now 8)" in answer.err


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}', '{"schema": 9}'])
def test_a_damaged_record_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "survey.json").write_text(text)
    with pytest.raises(PadscopeError, match=r"survey\.json (is damaged|has schema 9)"):
        Attempts(tmp_path).begin({})


def test_attempts_are_read_back(tmp_path: Path) -> None:
    given, stages = {"model": "a", "weights": None}, ("scan", "explain")
    done = Attempt(given, "runs/a", "done", stages, weights_are="given", seconds=0.5)
    first = Attempts(tmp_path)
    first.begin({"limit": 3})
    first.note("a", done)
    second = Attempts(tmp_path)
    second.begin({"limit": 3})
    assert second.known == {"a": done}
    assert done.answers(given, stages) and done.answers(given, ("scan",))
    assert not done.answers(given, (*stages, "impact"))
    assert not done.answers(given | {"weights": "b"}, stages)
    assert not replace(done, state="failed").answers(given, stages)


# What is said and drawn


def synthetic(counts: dict[str, int], **columns: Any) -> Survey:
    rows = [
        {"name": name, "state": "done", "weights": "given", "filters": 900, "measured": 900,
         "recognises": count, "recognises_share": count / 900, "reason": "", "run": name,
         "sites": 10 + count, "parameters": 1000 * (1 + count), "year": 2020, "norms": "batch",
         "recognises_low": count, "recognises_high": count + 3, "verdict": "", **columns}
        for name, count in counts.items()
    ]  # fmt: skip
    return Survey(SURVEY.frame(rows), SURVEY_SITES.empty())


def test_dozens_and_hundreds_are_counted() -> None:
    said = read_survey(synthetic({"a": 0, "b": 12, "c": 99, "d": 100, "e": 477}))
    assert said[0] == "5 of 5 models measured."
    assert said[1].startswith("4 of 5 networks, random weights aside, have filters that recognise")
    assert said[1].endswith("from 0 (a) to 477 (e), median 99.")
    assert said[2] == "2 have dozens (12 to 99), 2 have hundreds (100 or more)."


def test_failures_are_named(survey: Survey) -> None:
    assert read_survey(survey)[0] == ("3 of 5 models measured; 1 could not be fetched; 1 failed.")
    (failed, unfetched) = failures(survey)
    assert failed.startswith("mynets:no_module (failed): mynets:no_module returned int")
    assert unfetched.startswith("torchvision:resnet18 (not fetched): the weights of")


def test_a_survey_without_any_run_says_so() -> None:
    row = {"name": "a", "state": "failed", "reason": "why", "run": "runs/a", "weights": ""}
    survey = Survey.of([(row_of(row, None), SURVEY_SITES.empty())])
    assert read_survey(survey) == ["0 of 1 model measured; 1 failed."]
    assert "a (failed): why" in render_survey(survey)
    assert side_listing(survey).rows == ()


def test_places_are_counted_network_by_network(survey: Survey) -> None:
    trained = [row for row in survey.sites.to_dicts() if "random" not in row["name"]]
    listed = {row[0]: row[1:] for row in property_listing(survey).rows}
    assert set(listed) == {told for told, _ in PROPERTIES}
    strided = [row for row in trained if row["strided"]]
    count, filters, recognise, *_ = listed["stride above 1"]
    assert int(count) == len(strided) == 1
    assert int(filters) == strided[0]["measured"]
    assert int(recognise) == strided[0]["recognises"]
    first, second = (row for row in trained if row["name"] == "mynets:tiny")
    greater = first["recognises"] / first["measured"] < second["recognises"] / second["measured"]
    assert listed["stride above 1"][-1] == f"{int(greater)} of 1"


def test_every_row_is_listed_with_its_interval_and_its_run(survey: Survey) -> None:
    listing = survey_listing(survey)
    assert [row[0] for row in listing.rows] == survey.table["name"].to_list()
    assert {len(row) for row in listing.rows} == {len(listing.headings)}
    place = next(i for i, name in enumerate(listing.headings) if name.startswith("recognises"))
    row = survey.table.row(0, named=True)
    between = f"[{row['recognises_low']} to {row['recognises_high']}]"
    assert listing.rows[0][place].startswith(f"{row['recognises']} (")
    assert listing.rows[0][place].endswith(between)
    assert listing.links["mynets:tiny"] == "runs/mynets-tiny/report.html"
    assert set(listing.links) == {"mynets:tiny", "mynets:other", "mynets:tiny, random"}


def test_a_figure_shows_every_network_that_has_the_property() -> None:
    survey = synthetic({"a": 5, "b": 40})
    drawn = dict(zip(AGAINST, against(survey.table), strict=False))
    assert list(drawn) == ["sites", "parameters"]  # of one year, and accuracies are not known
    for chart, told in drawn.values():
        rows = chart["data"]["values"]
        assert {(row["name"], row["recognises"], row["high"]) for row in rows} == {
            ("a", 5, 8), ("b", 40, 43),
        }  # fmt: skip
        assert "2 networks: a has 5" in told


def test_the_page_links_runs_and_loads_nothing(folder: Path) -> None:
    html = (folder / "survey" / "survey.html").read_text(encoding="utf-8")
    found = [attributes.get(name) for _, attributes in Page(html).tags for name in ("href", "src")]
    links = [link for link in found if link]
    assert len(links) == 3 and all((folder / "survey" / link).exists() for link in links)
    assert "torchvision:resnet18 (not fetched)" in html


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name: str) -> None:
    survey = synthetic({name: 7, "b": 40})
    html = render_survey(survey)
    page = Page(html)
    assert page.count("script") == 1 and page.count("img") == 0
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert html == render_survey(survey)
    assert len([row for row in survey_markdown(survey).splitlines() if row.startswith("|")]) == 4


def test_json_stands_alone(folder: Path, padscope: Command) -> None:
    answer = padscope("survey", *ARGUMENTS, "--json", "--runner", "local")
    found = json.loads(answer.out)
    assert [row["name"] for row in found["models"]] == [
        "mynets:tiny", "mynets:other", "mynets:tiny, random", "mynets:no_module",
        "torchvision:resnet18",
    ]  # fmt: skip
    assert set(found["failures"]) == {"mynets:no_module", "torchvision:resnet18"}
    assert found["sentences"] and found["sites"]


# Lists


def test_a_line_is_understood() -> None:
    line = (
        "my.nets:small --weights 'a b.pt' --size 96 --mean .5,.5,.5 --year 2020 --name 'It is' # x"
    )
    (model,) = parse_models(line, "here")
    assert model == Listed(
        "It is", "my.nets:small", weights="a b.pt", size="96", mean=".5,.5,.5", year=2020
    )
    assert model.untrained().name == "It is, random" and model.untrained().weights == "random"
    assert [*parse_models("  # nothing", "here")] == []


def test_patterns_stand_for_models_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [each.model for each in parse_models("timm:resnet?8", "here")]
    assert found == ["timm:resnet18"]
    tagged = [each.model for each in parse_models("timm:resnet18.*", "here")]
    assert len(tagged) > 1 and all(each.startswith("timm:resnet18.") for each in tagged)
    shallow = [each.model for each in parse_models("torchvision:vgg1?", "here")]
    assert shallow == [f"torchvision:vgg{depth}" for depth in (11, 13, 16, 19)]
    monkeypatch.chdir(tmp_path)
    for name in ("b.onnx", "a.onnx", "a.pt", "b.pt"):
        (tmp_path / name).touch()
    assert [each.model for each in parse_models("*.onnx", "here")] == ["a.onnx", "b.onnx"]
    absolute = [each.model for each in parse_models(f"{tmp_path}/*.onnx", "here")]
    assert absolute == [f"{tmp_path}/a.onnx", f"{tmp_path}/b.onnx"]
    weights = [(each.name, each.weights) for each in parse_models("n:f --weights ?.pt", "here")]
    assert weights == [("n:f, a", "a.pt"), ("n:f, b", "b.pt")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("timm:no_such_*", "here: no model with trained weights matches timm:no_such_*"),
        ("hf:microsoft/*", "here: the models of hf: cannot be listed"),
        ("nowhere/*.onnx", "here: no file matches nowhere/*.onnx"),
        ("lite0 --wieghts x", "here: unrecognized arguments: --wieghts x; write a model and its"),
        ("lite0 --year soon", "here: argument --year: invalid int value: 'soon'"),
        ("lite0 'torn", "here: no closing quotation; close the quotation"),
        ("--size 3", "here: the following arguments are required: model"),
    ],
)
def test_a_line_that_cannot_be_understood_is_one_sentence(line: str, said: str) -> None:
    with pytest.raises(PadscopeError, match=re.escape(said)):
        list(parse_models(line, "here"))


def test_lists_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# none\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "wrong.txt").write_text("lite0\nlite0 --no\n")
    for name, said in (
        ("empty.txt", "names no models"), ("bytes.txt", "is not readable"), ("gone.txt", "exist"),
        ("wrong.txt", "line 2: unrecognized arguments: --no"),
    ):  # fmt: skip
        with pytest.raises(PadscopeError, match=said):
            read_list(tmp_path / name)


def test_two_models_of_one_name_are_refused(padscope: Command, workdir: Path) -> None:
    answer = padscope("survey", "mynets:tiny", "mynets:tiny", "--images", "photos")
    assert answer.status == 2 and len(answer.err.splitlines()) == 1
    assert "two models of the list are called 'mynets:tiny'" in answer.err
    with pytest.raises(PadscopeError, match="are too similar for folders"):
        check_names([Listed("a:b", "a:b"), Listed("a-b", "a:b")])
    check_names([Listed("a:b", "a:b"), Listed("a:c", "a:b")])


def test_popular_networks_are_known_and_their_accuracies_as_stated() -> None:
    popular = read_list(POPULAR)
    check_names(popular)
    assert 60 <= len(popular) <= 80
    architectures = {name.partition(".")[0] for name in timm.list_pretrained()}
    for model in popular:
        library, _, name = model.model.partition(":")
        assert model.year is not None and 2012 <= model.year <= 2026
        if library == "timm":
            assert name in architectures and model.accuracy is None
            continue
        meta = torchvision_models.get_model_weights(name)["DEFAULT"].meta
        assert model.accuracy == meta["_metrics"]["ImageNet-1K"]["acc@1"]


# Ray


def test_ray_gives_the_same_table(folder: Path, padscope: Command) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    os.environ.pop("RAY_ADDRESS", None)
    models = ("mynets:tiny", "mynets:no_module", "mynets:other")
    shared = ("--images", "photos", "--limit", "20", "--baselines", "0", "--out")
    answer = padscope("survey", *models, *shared, "spread", "--runner", "ray")
    assert answer.status == 0, answer.err
    assert padscope("survey", *models, *shared, "here").status == 0
    assert timeless(folder / "spread") == timeless(folder / "here")
