"""The page opens with three sentences and a funnel, whatever has been tested."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
from tests.synthetic_impact import with_impact
from tests.test_report import Page, scan_2d
from tests.test_report_explained import explain_2d

from padscope import PadscopeError, RunDirectory, load_study
from padscope.console import cause_lines, summary_lines
from padscope.report import render_report
from padscope.report.answer import answer
from padscope.report.caused import count_caused
from padscope.report.charts import side_shares
from padscope.report.compare.cells import read_comparison
from padscope.report.compare.comparison import take
from padscope.report.story import Sentence, make_funnel, tell
from padscope.report.words import percent, percent_range
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study import Study, verdict
from padscope.study.impact_result import ANSWER_MEASURE, Impact
from padscope.study.opening import opening, read_baselines, used_sentence
from padscope.tables.comparison import comparison_table


@pytest.fixture(scope="module")
def explained() -> Study:
    return explain_2d()


def story(study: Study) -> tuple[Sentence, ...]:
    caused = count_caused(study, study.explanation) if study.explanation else None
    return tell(study, answer(study), caused)


def impact_of(study: Study) -> Impact:
    assert study.impact is not None
    return study.impact


def with_effect(study: Study, **columns: object) -> Study:
    """Change the row that tells whether the confirmed filters are used."""
    impact = impact_of(study)
    chosen = (
        (pl.col("set") == "confirmed")
        & (pl.col("measure") == ANSWER_MEASURE[impact.answer])
        & (pl.col("change") == f"refill {impact.fill}")
    )
    table = impact.effects
    changed = table.with_columns(
        pl.when(chosen).then(pl.lit(value, table.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in columns.items()
    )
    return replace(study, impact=replace(impact, effects=changed))


def test_a_scan_says_what_it_has_not_tested() -> None:
    study = scan_2d()
    respond, caused, used = story(study)
    ks = study.filters["ks"]
    share = 100 * (ks >= 0.5).sum() / 12
    lead = f"{(ks >= 0.5).sum()} of 12 measured filters ({share:.1f} %)"
    assert respond.lead.replace("\N{NO-BREAK SPACE}", " ").startswith(lead)
    assert f"{(ks >= 0.8).sum()} of them strongly" in respond.rest and respond.tested
    assert "padscope explain" in caused.rest and not caused.tested
    assert "padscope impact" in used.rest and not used.tested
    rungs = make_funnel(answer(study), None, None)
    assert [rung.count for rung in rungs] == [12, 12, (ks >= 0.5).sum(), None, None]
    assert [rung.words for rung in rungs[3:]] == ["not tested here"] * 2
    text = Page(render_report(study)).text.replace("\N{NO-BREAK SPACE}", " ")
    for sentence in story(study):
        assert (sentence.lead + sentence.rest).replace("\N{NO-BREAK SPACE}", " ") in text


def test_each_rung_stands_beside_its_baselines(explained: Study) -> None:
    assert explained.explanation is not None
    study = with_impact(explained)
    respond, caused, used = story(study)
    totals = explained.explanation.baselines
    counts = {
        name: (candidates, measured)
        for name, candidates, measured in totals.select(
            "network", "candidates", "filters"
        ).iter_rows()
    }
    fresh = [counts[name] for name in counts if name.startswith("fresh")]
    assert len(fresh) == 2
    assert respond.rest.endswith(
        f"; on the images explained {percent(*counts['given'])}, beside {percent_range(fresh)} "
        f"with fresh weights and {percent(*counts['shuffled'])} with its own weights shuffled."
    )
    confirmed = (explained.filters["label"] == "confirmed").sum()
    assert caused.lead.startswith(f"{confirmed} (")
    assert caused.rest.endswith(count_caused(study, explained.explanation).reading)
    row = impact_of(study).effect("confirmed", "kl", "refill reflect")
    assert row is not None
    assert f"{row['effect']:.3g}" in used.rest and f"{row['control']:.3g}" in used.rest
    ks = explained.filters["ks"]
    rungs = make_funnel(answer(study), count_caused(study, explained.explanation), impact_of(study))
    assert [rung.count for rung in rungs] == [18, 18, (ks >= 0.5).sum(), confirmed, None]
    assert f"{row['effect']:.3g}" in rungs[-1].words and rungs[-1].link == "effects"


@pytest.mark.parametrize(
    ("columns", "verdict"),
    [
        ({"p": 0.04, "excess_low": 0.1, "excess_high": 0.3}, "The model uses them:"),
        ({"p": 0.06, "excess_low": 0.1, "excess_high": 0.3}, "No sign that the model uses them:"),
        ({"p": 0.04, "excess_low": -0.1, "excess_high": 0.3}, "No sign that the model uses them:"),
        (
            {"p": 0.04, "excess_low": None, "excess_high": None},
            "Whether the model uses them is open",
        ),
        ({"p": 1 / 11, "draws": 10, "excess_low": 0.1}, "Whether the model uses them is open"),
        ({"p": 1.0, "shared": 1.0, "excess_low": 0.1}, "Whether the model uses them is open"),
        ({"draws": 0, "p": None}, "Whether the model uses them is open"),
    ],
)
def test_use_is_said_only_beyond_controls(
    explained: Study, columns: dict[str, object], verdict: str
) -> None:
    study = with_effect(with_impact(explained), **columns)
    lead, evidence = used_sentence(impact_of(study))
    assert lead.startswith(verdict) and "undoing them changes the answer by" in evidence
    assert ("matched filters" in evidence) == (columns.get("draws") != 0)


def test_without_effects_the_funnel_says_so(explained: Study) -> None:
    study = with_impact(explained)
    bare = replace(impact_of(study), effects=pl.DataFrame())
    rung = make_funnel(answer(study), None, bare)[-1]
    assert "not measured" in rung.words
    page = Page(render_report(replace(study, impact=bare)))
    ids = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    assert rung.link in ids
    assert "What undoing the confirmed filters changes was not measured." in page.text


def test_baselines_are_read_alike_everywhere(explained: Study) -> None:
    """Of lite0: more confirmed filters in one fresh network, of more measured ones."""
    networks = pl.DataFrame(
        {
            "network": ["given", "fresh 1", "fresh 2", "fresh 3", "shuffled"],
            "site": "a", "filters": 8992, "unmeasured": [69, 14, 5, 0, 40],
            "candidates": 0, "strong": 0, "confirmed": [1362, 1185, 1250, 1369, 2560],
            "causal_deciles": [[0.0] * 11] * 5,
        }
    )  # fmt: skip
    assert explained.explanation is not None
    explanation = replace(explained.explanation, networks=networks)
    study = replace(explained, explanation=explanation)
    reading = read_baselines(explanation.baselines)
    assert reading == (
        "Beside it: with fresh weights 13.2% to 15.2% (3 networks), with its own weights shuffled "
        "28.6%. The share is about as large as with fresh weights, and smaller than with its own "
        "weights shuffled. The share alone is no evidence of learning."
    )
    assert reading in cause_lines(study) and reading in opening(study.filters, explanation, None)
    caused = count_caused(study, explanation).reading
    assert caused.replace("\N{NO-BREAK SPACE}", "") == reading
    row = take("net", study).row | {"caused_share": 1362 / 8923}
    assert "in 0 of 1 run" in read_comparison(comparison_table([row]))[0]


def test_commands_stand_on_lines_of_their_own(explained: Study) -> None:
    assert explained.explanation is not None
    images = "256 random crops of 8 built-in photographs"
    identity = {"model": "lite0", "settings": asdict(ScanSettings())}
    explanation = replace(
        explained.explanation, images=images,
        identity=explained.explanation.identity | {"settings": asdict(ExplainSettings())},
    )  # fmt: skip
    page = render_report(
        replace(
            explained, identity=explained.identity | identity, images=images,
            explanation=explanation,
        )
    )  # fmt: skip
    assert "padscope scan lite0 -o RUN --limit 1000 --seed 0\npadscope explain RUN\n" in page
    assert "\\u000a" not in page


def test_what_stands_beside_controls_is_the_effect_of_those_that_have_them(
    explained: Study,
) -> None:
    study = with_effect(with_impact(explained), filters=20, matched=19, matched_effect=0.0123)
    told = used_sentence(impact_of(study))[1]
    assert "; undoing the 19 of them that have controls, by 0.0123, the same done to" in told
    used = make_funnel(answer(study), None, study.impact)[-1]
    assert ", 19 of them: 0.0123, matched" in used.words
    whole = with_effect(with_impact(explained), filters=20, matched=20)
    assert "that have controls" not in used_sentence(impact_of(whole))[1]


def test_every_share_is_of_the_measured_filters(explained: Study) -> None:
    """Two filters respond in the scan and are dead on the images explained."""
    lost = explained.filters.sort("ks", "filter", descending=[True, False]).head(2)
    marked = lost.select("site", "filter", lost=True)
    marked = explained.filters.join(marked, on=["site", "filter"], how="left")
    filters = marked.with_columns(
        label=pl.when("lost").then(pl.lit("unmeasured")).otherwise("label"),
        causal_ks=pl.when(pl.col("lost").is_null()).then("causal_ks"),
    ).drop("lost")
    study = replace(explained, filters=filters)
    measured = filters.filter(pl.col("label") != "unmeasured")
    responding = measured.filter(pl.col("ks") >= 0.5).height
    share = responding / 16
    assert measured.height == 16 and responding == (explained.filters["ks"] >= 0.5).sum() - 2
    told = f"{responding} of 16 measured filters at 2 padded sites ({share:.1%}) respond"
    assert told in summary_lines(study)[1] and "2 more are unmeasured" in summary_lines(study)[1]
    assert told in opening(filters, study.explanation, None)[0]
    assert any("of 16 measured filters" in line for line in cause_lines(study))
    lead = f"{responding} of 16 measured filters ({percent(responding, 16)}) respond"
    assert story(study)[0].lead.startswith(lead)
    assert [rung.count for rung in make_funnel(answer(study), None, None)[:3]] == [
        18,
        16,
        responding,
    ]
    row = take("net", study).row
    assert (row["measured"], row["responds_share"]) == (16, share)
    summary = study.summary()
    assert (summary["unmeasured"].sum(), summary["candidates"].sum()) == (2, responding)
    by_side = side_shares(study).filter(pl.col("site") == lost["site"][0])
    site = filters.filter(pl.col("site") == lost["site"][0])
    dead = site.filter(pl.col("label") == "unmeasured").height
    counts = by_side["candidate"] * (site.height - dead)
    assert counts.round(9).to_list() == counts.round(0).to_list()


def test_printed_it_is_a_few_lines(explained: Study) -> None:
    study = with_impact(explained)
    lines = repr(study).splitlines()
    assert lines[0] == f"Study of {study.model!r} on {study.images!r}"
    assert lines[1:] == opening(study.filters, study.explanation, study.impact)
    assert "tensor(" not in f"{study}{study.explanation}{study.impact}"
    assert len(repr(study.explanation)) + len(repr(study.impact)) < 1000


def test_a_new_directory_is_made_for_a_study(explained: Study, tmp_path: Path) -> None:
    RunDirectory(tmp_path / "runs" / "new").save(explained)
    found = load_study(tmp_path / "runs" / "new")
    assert found.filters.equals(explained.filters) and found.missing == ()
    assert found.explanation is not None and explained.explanation is not None
    assert found.explanation.networks.equals(explained.explanation.networks)
    assert render_report(found) == render_report(explained)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(PadscopeError, match="holds files that are no padscope run"):
        RunDirectory(tmp_path / "mine").save(explained)


def test_what_comes_first_is_said_first(explained: Study) -> None:
    with pytest.raises(PadscopeError, match="run padscope explain first"):
        verdict(replace(explained, explanation=None))
    with pytest.raises(PadscopeError, match="run padscope impact first"):
        verdict(explained)
