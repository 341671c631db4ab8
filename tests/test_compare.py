"""Runs side by side: rows are what the studies' own tables say, in whichever form."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.conftest import Command
from tests.synthetic_impact import with_impact
from tests.test_findings import impact_of, with_effect
from tests.test_report import HOSTILE, Page, noise
from tests.test_report_explained import SETTINGS, cut, two_layers

from padscope import PadscopeError, RunDirectory, Study, explain, load_study, scan
from padscope.console.terminal import draw_listing
from padscope.evidence import KINDS
from padscope.figures.comparison import TOGETHER, profiles
from padscope.findings.comparison import (
    Comparison,
    compare,
    comparison_lines,
    comparison_listing,
    kind_listing,
    read_comparison,
    take,
)
from padscope.findings.effects import use_sentence
from padscope.findings.words import visible
from padscope.report.comparison import comparison_markdown, plain, render_comparison
from padscope.settings import ExplainSettings
from padscope.tables.comparison import cause_columns, comparison_table, response_columns
from padscope.tables.schema import COMPARISON

NAMES = st.sampled_from([*HOSTILE, "[bold]red[/bold]", "a|b`c`*d*_e_", ":cat:", "line\nbreak"])
ANY_NAME = NAMES | st.text(min_size=1, max_size=60)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of one network: with all stages, explained with baselines, and scanned only."""
    folder = tmp_path_factory.mktemp("runs")
    net, canvases = two_layers(), noise(24, 3, 64, 56)
    for name, baselines in (("whole", 0), ("explained", 2), ("scanned", None)):
        run = RunDirectory(folder / name)
        study = scan(net, cut(canvases, 16), SETTINGS, journal=run)
        run.save(study)
        if baselines is not None:
            chosen = ExplainSettings(
                margin=16, calibrate=8, baselines=baselines, check=0, resamples=5
            )
            study = explain(study, net, canvases, chosen, journal=run)
        run.save(with_impact(study) if name == "whole" else study)
    return folder


@pytest.fixture(scope="module")
def studies(runs: Path) -> dict[str, Study]:
    return {name: load_study(runs / name) for name in ("whole", "explained", "scanned")}


@pytest.fixture(scope="module")
def comparison(studies: dict[str, Study]) -> Comparison:
    return compare([take(*study) for study in studies.items()], {"torn": "torn is damaged"})


@pytest.fixture(scope="module")
def html(comparison: Comparison) -> str:
    return render_comparison(comparison)


def row_of(comparison: Comparison, run: str) -> dict[str, Any]:
    return comparison.table.row(by_predicate=pl.col("run") == run, named=True)


def renamed(studies: dict[str, Study], name: str) -> Comparison:
    """Compare with a run whose model, site and directory have a name."""
    study = studies["whole"]
    site = study.filters["site"][0]
    tables = {
        table: getattr(study, table).with_columns(pl.col("site").replace(site, name))
        for table in ("sites", "filters")
    }
    study = replace(
        study, identity=study.identity | {"model": name}, model=name, images=name, **tables
    )
    return compare([take("one", studies["explained"]), take(name, study)], {name: name})


# The rows


def test_a_row_is_what_the_tables_say(comparison: Comparison, studies: dict[str, Study]) -> None:
    assert comparison.table.schema == pl.Schema(COMPARISON.dtypes)
    for name, study in studies.items():
        row, filters = row_of(comparison, name), study.filters.to_dicts()
        measured = [one for one in filters if one["label"] != "unmeasured"]
        assert row["filters"] == len(filters) and row["measured"] == len(measured)
        assert row["responds"] == sum(one["ks"] >= 0.5 for one in measured)
        assert row["strong"] == sum(one["ks"] >= 0.8 for one in measured)
        assert row["responds_share"] == row["responds"] / len(measured)
        assert row["scanned"] == study.counted.images == 24
        assert row["sites"] == 2
        if study.explanation is None:
            assert row["caused"] is row["single"] is row["recognises"] is row["explained"] is None
            continue
        confirmed = [one for one in filters if one["label"] == "confirmed"]
        assert row["caused"] == len(confirmed) > 0
        assert row["caused_share"] == len(confirmed) / row["measured"]
        assert row["recognises"] == sum(one["recognises"] for one in filters) <= row["caused"]
        assert row["recognises_share"] == row["recognises"] / row["measured"]
        for kind in KINDS:
            whose = filters if kind == "corner" else confirmed
            assert row[kind] == sum(one["kind"] == kind for one in whose)


def test_baselines_are_those_of_the_explanation(
    comparison: Comparison, studies: dict[str, Study]
) -> None:
    explanation = studies["explained"].explanation
    assert explanation is not None
    recalled = dict(explanation.networks.group_by("network").agg(pl.col("recalled").sum()).rows())
    row = row_of(comparison, "explained")
    for kind in ("fresh", "matched"):
        counts = [recalled[f"{kind} 1"], recalled[f"{kind} 2"]]
        assert (row[f"{kind}_low"], row[f"{kind}_high"]) == (min(counts), max(counts))
    assert row["recalled"] == recalled["given"]
    assert row["training"] is row["kernels"] is None  # too few filters for an answer
    without = row_of(comparison, "whole")
    assert without["recalled"] is without["fresh_low"] is without["matched_high"] is None


@pytest.mark.parametrize(("answer", "measure"), [("classes", "kl"), ("dense", "change")])
def test_used_is_the_effect_of_the_recognising_set(
    studies: dict[str, Study], answer: Any, measure: str
) -> None:
    study = with_impact(studies["explained"], answer)
    assert study.impact is not None
    (wanted,) = study.impact.effects.filter(
        (pl.col("set") == "recognising")
        & (pl.col("change") == "refill reflect")
        & (pl.col("measure") == measure)
    ).to_dicts()
    row = row_of(compare([take("run", study)]), "run")
    assert (row["measure"], row["change"]) == (measure, "refill reflect")
    assert (row["used"], row["used_low"]) == (wanted["effect"], wanted["low"])
    assert (row["control"], row["control_high"]) == (wanted["control"], wanted["control_high"])
    assert (row["p"], row["draws"], row["tested"]) == (wanted["p"], 20, 48)
    assert (row["matched"], row["matched_used"]) == (wanted["matched"], wanted["matched_effect"])


@pytest.mark.parametrize(
    ("columns", "beyond", "told"),
    [
        ({"p": 1 / 21, "excess_low": 0.01}, True, "in 1 of 1 run tested."),
        ({"p": 1 / 21, "excess_low": -0.01}, False, "in 0 of 1 run tested."),
        ({"p": 0.1, "excess_low": 0.01}, False, "in 0 of 1 run tested."),
        ({"p": 1 / 11, "draws": 10}, None, "In 1 run controls are lacking or too few to show it."),
        ({"p": None, "draws": 0}, None, "In 1 run controls are lacking or too few to show it."),
    ],
)
def test_a_comparison_decides_as_the_run_does(
    studies: dict[str, Study], columns: dict[str, Any], beyond: bool | None, told: str
) -> None:
    study = with_effect(with_impact(studies["explained"]), **columns)
    found = compare([take("run", study)])
    assert row_of(found, "run")["beyond_controls"] is beyond
    assert read_comparison(found.table)[-1].endswith(told)
    assert use_sentence(impact_of(study)).startswith("The model uses them:") == bool(beyond)


LABELS = ("confirmed", "grey", "rejected", "quiet", "unmeasured", None)
FILTERS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.none() | st.floats(0, 1), st.sampled_from(LABELS),
        st.sampled_from((*KINDS, None)),
    )
)  # fmt: skip


@given(FILTERS)
def test_counts_of_any_filters(rows: list[tuple[str, float | None, str, str]]) -> None:
    rows.sort(key=lambda row: row[0])
    schema = {"site": pl.String, "ks": pl.Float64, "label": pl.String, "kind": pl.String}
    filters = pl.DataFrame(rows, schema, orient="row")
    found = response_columns(filters) | cause_columns(filters)
    known = [ks for _, ks, label, _ in rows if label not in ("unmeasured", None)]
    assert found["responds"] == sum(ks is not None and ks >= 0.5 for ks in known)
    labels = [label for _, _, label, _ in rows if label]
    assert found["caused"] == labels.count("confirmed")
    assert found["measured"] == len(labels) - labels.count("unmeasured")


def test_runs_of_one_model_are_told_apart_by_directory(
    comparison: Comparison, studies: dict[str, Study]
) -> None:
    model = studies["whole"].identity["model"]
    assert comparison.table["name"].to_list() == [f"{model} ({name})" for name in studies]
    alone = compare([take("whole", studies["whole"])])
    assert alone.table["name"].to_list() == [model]


def test_what_differs_beside_the_model_is_said(
    comparison: Comparison, studies: dict[str, Study]
) -> None:
    assert comparison.cautions == ()
    assert comparison.settings == ("Settings of the explanation differ: baselines (0, 2).",)
    other = studies["whole"]
    other = replace(other, identity=other.identity | {"images": "others"})
    other = replace(other, filters=other.filters.with_columns(real_context=pl.lit(False)))
    both = [with_impact(studies["explained"], "dense"), other]
    found = compare([take(str(place), study) for place, study in enumerate(both)])
    assert [sentence.split(":")[0] for sentence in found.cautions] == [
        "The runs were not scanned on the same images and crops",
        "The answers are of different types, so that their changes have different units.",
        f"{found.runs[1].name} was explained without real context at 18 filters",
    ]


def test_runs_are_read_beside_their_baselines() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "a", "recognises_share": 0.2, "training": "more", "kernels": "as many"},
        {"name": "b", "recognises_share": 0.02, "training": "more", "kernels": "fewer"},
        {"name": "c", "recognises_share": 0.1, "training": "as many", "kernels": None},
        {"name": "d"},
    ]
    assert read_comparison(comparison_table(rows)) == [
        "Between 2 % (b) and 20 % (a) of the measured filters recognise the border.",
        "Beside untrained networks they are more in 2 of 3 runs, about as many in 1.",
        "Beside random kernels on the same channels they are about as many in 1 of 2 runs, fewer "
        "in 1.",
    ]
    alone = read_comparison(comparison_table(rows[2:3]))
    assert alone[0] == "10 % of the measured filters recognise the border."
    nothing = read_comparison(comparison_table([{"name": "e", "recognises_share": 0.0}]))
    assert nothing[1].startswith("There are no baselines to compare with:")


def test_nothing_to_compare() -> None:
    with pytest.raises(PadscopeError, match="nothing to compare: a is damaged; b is missing"):
        compare([], {"a": "a is damaged", "b": "b is missing"})


# The page


def test_the_page_is_whole_and_asks_nothing_of_the_network(html: str) -> None:
    page = Page(html)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in html
    outside = re.sub(r'xmlns(:xlink)?="[^"]+"', "", html)
    assert not re.search(r"https?:|@import|<script|<link| style=", outside)
    assert re.findall(r"url\((.)", html) == ["#"] * html.count("url(")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(set(ids)) == len(ids)
    assert page.count("div", "chart") == 3  # shares, effects, profiles
    assert all(a.get("aria-label") for _, a in page.tags if a.get("role") == "img")


def test_the_same_runs_give_the_same_bytes(html: str, studies: dict[str, Study]) -> None:
    again = compare([take(*study) for study in studies.items()], {"torn": "torn is damaged"})
    assert render_comparison(again) == html


def test_the_page_says_what_the_rows_say(html: str, comparison: Comparison) -> None:
    text = Page(html).text
    for row in comparison.table.iter_rows(named=True):
        assert f"{row['responds']} ({100 * row['responds_share']:.1f} %)" in text
        if row["caused"] is not None:
            assert f"{row['caused']} ({100 * row['caused_share']:.1f} %)" in text
            share = f" ({100 * row['recognises_share']:.1f} %)" if row["recognises"] else " (0 %)"
            assert f"{row['recognises']}{share}" in text
        assert row["name"] in text
    whole = row_of(comparison, "whole")
    assert f"{whole['used']:.3g} nats [{whole['used_low']:.3g} to" in text
    assert "None is corrected for the number of runs." in text


def test_what_is_lacking_is_named(html: str, comparison: Comparison) -> None:
    text = Page(html).text
    assert "what the model uses; run padscope impact explained" in text
    assert "run padscope explain scanned, then padscope impact scanned" in text
    assert "torn is damaged." in text
    lines = "\n".join(comparison_lines(comparison))
    for told in (lines, comparison_markdown(comparison)):
        assert "Left out: torn is damaged." in told
        assert "impact explained." in told
    assert "lacks baselines." in lines


def test_runs_that_are_only_scanned(studies: dict[str, Study]) -> None:
    found = compare([take("scanned", studies["scanned"])])
    text = Page(render_comparison(found)).text
    assert "nothing is known of what padding causes" in text
    assert "Along the depth" not in text and "By kind" not in text and "Used:" not in text


def test_profiles_are_drawn_where_they_lie() -> None:
    profile = pl.DataFrame(
        {"depth": [0.0, 1 / 3, 2 / 3, 1.0], "share": [0.1, 0.0, None, 0.4]}
    )  # fmt: skip
    ((spec, told),) = profiles([("net", profile)])
    assert spec["data"]["values"] == profile.with_columns(run=pl.lit("net")).to_dicts()
    assert spec["mark"]["invalid"] == "break-paths-show-domains"  # nothing is measured there
    assert told == "Along the depth: net: at most 40 %, at 100 % of the depth."


@pytest.mark.parametrize("count", [1, TOGETHER, TOGETHER + 1, 3 * TOGETHER])
def test_many_profiles_share_charts_and_no_two_in_one_look_alike(
    comparison: Comparison, count: int
) -> None:
    profile = comparison.runs[0].profile
    assert profile is not None
    charts = list(profiles([("x" * 60, profile)] * count))
    assert len(charts) == -(-count // TOGETHER)
    drawn = [chart for chart, _ in charts]
    for spec in drawn:
        for channel in ("color", "strokeDash", "shape"):
            scale = spec["encoding"][channel]["scale"]
            assert len({str(look) for look in scale["range"]}) == len(scale["domain"]) <= TOGETHER
    assert len({tuple(spec["encoding"]["y"]["scale"]["domain"]) for spec in drawn}) == 1


# Names are shown as text


@settings(max_examples=8, deadline=None)
@given(name=ANY_NAME)
def test_a_name_is_text_on_the_page(studies: dict[str, Study], name: str) -> None:
    tame, found = (Page(render_comparison(renamed(studies, n))) for n in ("tame", name))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in tame.tags]
    assert " ".join(visible(name).split()) in found.text


@settings(max_examples=25, deadline=None)
@given(name=ANY_NAME)
def test_a_name_is_text_in_markdown(studies: dict[str, Study], name: str) -> None:
    tame, found = (comparison_markdown(renamed(studies, n)).splitlines() for n in ("tame", name))
    assert len(found) == len(tame)
    for line, other in zip(found, tame, strict=True):
        bare = re.sub(r"\\.", "", line)
        assert bare.count("|") == other.count("|")
        assert not re.search(r"[<>`*_]", bare)
    assert html_of(plain(name)) == visible(name)


def html_of(markdown: str) -> str:
    """Undo escapes as Markdown does."""
    text = re.sub(r"\\(.)", r"\1", markdown.replace("\\\\", "\0")).replace("\0", "\\")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@settings(max_examples=25, deadline=None)
@given(name=ANY_NAME)
def test_a_name_is_text_in_the_terminal(studies: dict[str, Study], name: str) -> None:
    found = renamed(studies, name)
    console = Console(file=io.StringIO(), width=4000, highlight=False, emoji=False)
    with console.capture() as capture:
        for listing in (comparison_listing(found.table), kind_listing(found.table)):
            console.print(draw_listing(listing))
        for line in comparison_lines(found):
            console.print(line, markup=False)
    shown = "".join(capture.get().split())
    assert shown.count("".join(visible(name).split())) >= 3


# The command


def test_the_command_writes_page_and_tables(
    runs: Path, tmp_path: Path, padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs)
    answer = padscope("compare", "whole", "explained", "scanned", "whole/", "-o", tmp_path / "out")
    assert answer.status == 0, answer.err
    files = {file.suffix: file for file in (tmp_path / "out").iterdir()}
    assert files.keys() == {".html", ".csv", ".md", ".parquet"}
    studies = {name: load_study(Path(name)) for name in ("whole", "explained", "scanned")}
    wanted = compare([take(*study) for study in studies.items()])
    assert pl.read_parquet(files[".parquet"]).equals(wanted.table)
    assert pl.read_csv(files[".csv"], schema=wanted.table.schema).equals(wanted.table)
    assert files[".html"].read_text(encoding="utf-8") == render_comparison(wanted)
    assert files[".md"].read_text(encoding="utf-8") == comparison_markdown(wanted)
    before = {file: file.read_bytes() for file in files.values()}
    padscope("compare", "whole", "explained", "scanned", "-o", tmp_path / "out")
    assert {file: file.read_bytes() for file in files.values()} == before
    for share in wanted.table["recognises_share"].drop_nulls():
        assert f"({100 * share:.1f} %)" in answer.words
    assert str(tmp_path / "out" / "compare.html") in answer.out


def test_runs_that_cannot_be_read_are_named_and_the_rest_shown(
    runs: Path, tmp_path: Path, padscope: Command
) -> None:
    torn = Path(shutil.copytree(runs / "whole", tmp_path / "torn"))
    (torn / "filters.parquet").write_bytes(b"no table")
    lost = Path(shutil.copytree(runs / "whole", tmp_path / "lost"))
    (lost / "impact.parquet").unlink()
    out = tmp_path / "out"
    answer = padscope("compare", torn, runs / "whole", lost, tmp_path / "nowhere", "-o", out)
    assert answer.status == 0
    page = (out / "compare.html").read_text(encoding="utf-8")
    for told in (answer.words, page):
        assert f"{torn / 'filters.parquet'} is damaged" in told
        assert (
            f"is damaged. Not shown: the impact, for {lost / 'impact.parquet'} is missing" in told
        )
        assert f"{tmp_path / 'nowhere'} is not a padscope run" in told
    table = pl.read_parquet(out / "compare.parquet")
    assert table["run"].to_list() == [str(runs / "whole"), str(lost)]
    assert table["caused"].n_unique() == 1
    whole, without = (table[name].is_null().to_list() for name in ("used", "caused"))
    assert whole == [False, True] and without == [False, False]


def test_a_directory_that_is_no_utf8(runs: Path, tmp_path: Path, padscope: Command) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/run \xff"))
    answer = padscope("compare", runs / "scanned", odd, "-o", tmp_path / "out")
    assert answer.status == 0, answer.err
    for ending in ("html", "md"):
        text = (tmp_path / "out" / f"compare.{ending}").read_text(encoding="utf-8")
        assert "udcff is not a padscope run" in text


def test_no_run_can_be_read(tmp_path: Path, padscope: Command) -> None:
    answer = padscope("compare", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    assert answer.status == 2
    assert answer.err.startswith("padscope: there is nothing to compare: ")
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file(runs: Path, tmp_path: Path, padscope: Command) -> None:
    (tmp_path / "out").write_text("mine")
    answer = padscope("compare", runs / "whole", "-o", tmp_path / "out")
    assert answer.status == 2 and "choose another directory" in answer.err
