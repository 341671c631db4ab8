"""The page opens with a sentence a rung and a funnel, whatever has been tested."""

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
from padscope.findings.words import percent
from padscope.report import render_report
from padscope.report.answer import answer
from padscope.report.caused import count_caused
from padscope.report.charts import side_shares
from padscope.report.compare.cells import read_comparison
from padscope.report.compare.comparison import take
from padscope.report.story import Sentence, make_funnel, tell
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study import Study, verdict
from padscope.study.impact_result import ANSWER_MEASURE, Impact
from padscope.study.opening import opening, used_sentence
from padscope.study.recognition import NO_BASELINE, recognition
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
    """Change the row that tells whether the recognising filters are used."""
    impact = impact_of(study)
    chosen = (
        (pl.col("set") == "recognising")
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


def test_each_rung_is_the_table(explained: Study) -> None:
    assert explained.explanation is not None
    study = with_impact(explained)
    recognised, fresh, matched, respond, caused, used = story(study)
    filters = explained.filters
    counts = [
        int(filters["recognises"].sum()),
        int((filters["ks"] >= 0.5).sum()),
        int((filters["label"] == "confirmed").sum()),
    ]
    assert counts[0] <= counts[2] <= counts[1]
    assert recognised.lead.startswith(f"{counts[0]} of 18 measured filters (")
    strongly = filters.filter(pl.col("recognises") & (pl.col("recall") >= 0.8)).height
    assert f"; {strongly} reach 0.8)" in recognised.rest
    assert not fresh.tested and not matched.tested  # too few filters
    assert respond.lead.startswith(f"{counts[1]} of 18 measured filters")
    assert caused.lead.startswith(f"{counts[2]} (")
    row = impact_of(study).effect("recognising", "kl", "refill reflect")
    assert row is not None
    assert f"{row['effect']:.3g}" in used.rest and f"{row['control']:.3g}" in used.rest
    rungs = make_funnel(answer(study), count_caused(study, explained.explanation), impact_of(study))
    assert [rung.count for rung in rungs] == [18, 18, counts[1], counts[2], counts[0], None]
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
    assert lead.startswith(verdict) and "filters changes the answer by" in evidence
    assert ("matched filters" in evidence) == (columns.get("draws") != 0)


def test_without_effects_the_funnel_says_so(explained: Study) -> None:
    study = with_impact(explained)
    bare = replace(impact_of(study), effects=pl.DataFrame())
    rung = make_funnel(answer(study), None, bare)[-1]
    assert "not measured" in rung.words
    page = Page(render_report(replace(study, impact=bare)))
    ids = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    assert rung.link in ids
    assert "What undoing these filters changes was not measured." in page.text


def with_counts(study: Study, **counts: tuple[int, ...]) -> Study:
    """Put made-up counts in place of those of the networks: of 1,000 filters, on 96 images."""
    assert study.explanation is not None
    names = {
        kind if kind == "given" else f"{kind} {seed}": count
        for kind, found in counts.items()
        for seed, count in enumerate(found, start=1)
    }
    networks = pl.DataFrame(
        {
            "network": list(names), "site": "0", "images": 96, "core": 16, "filters": 1000,
            "unmeasured": 0, "candidates": 0, "strong": 0, "recalled": list(names.values()),
            "response_deciles": [[0.0] * 11] * len(names), "recall": [[0.0]] * len(names),
            "recalled_without": [[count] * 16 for count in names.values()],
            "note": "",
        }
    )  # fmt: skip
    filters = study.filters.with_columns(
        pl.lit(0.5).alias(f"q_{kind}") for kind in counts if kind != "given"
    )
    explanation = replace(study.explanation, networks=networks)
    return replace(study, filters=filters, explanation=explanation)


@pytest.mark.parametrize(
    ("fresh", "matched", "training", "kernels"),
    [
        ((0, 0, 1), (2, 4, 3), "More than", "More than"),
        ((0, 0, 1), (90, 100, 110), "More than", "About as many as"),
        ((90, 110, 100), (280, 300, 320), "About as many as", "Fewer than"),
    ],
)
def test_where_it_comes_from_is_said_alike_everywhere(
    explained: Study, fresh: tuple[int, ...], matched: tuple[int, ...], training: str, kernels: str
) -> None:
    study = with_counts(explained, given=(100,), fresh=fresh, matched=matched)
    assert study.explanation is not None
    found = recognition(study.filters, study.explanation)
    told = list(found.sentences)
    assert told[0].startswith(f"{training} untrained networks have (on the same crops 100, beside ")
    assert told[1].startswith(f"{kernels} random kernels on the same channels have")
    assert f"{sorted(fresh)[0]}, {sorted(fresh)[1]} and {sorted(fresh)[2]})" in told[0]
    assert "none can be told from theirs one by one (q ≤ 0.05)." in told[0]
    page = Page(render_report(study)).text
    for sentence in told:
        assert sentence in cause_lines(study)
        assert sentence in opening(study.filters, study.explanation, None)
        assert sentence in page
    assert [rung.lead for rung in story(study)[1:3]] == [
        f"{training} untrained networks have",
        f"{kernels} random kernels on the same channels have",
    ]
    answers = {"More than": "more", "About as many as": "about as many", "Fewer than": "fewer"}
    read = read_comparison(comparison_table([take("net", study).row | {"name": "net"}]))
    assert f"Beside untrained networks they are {answers[training]} in 1 of 1 run." in read
    assert (
        f"Beside random kernels on the same channels they are {answers[kernels]} in 1 of 1 run."
        in read
    )


def test_where_nobody_recognises_nothing_is_said_to_bring_it_about(explained: Study) -> None:
    study = with_counts(explained, given=(0,), fresh=(0, 0, 0), matched=(0, 0, 1))
    assert study.explanation is not None
    training, kernels, *_ = recognition(study.filters, study.explanation).sentences
    assert training == "About as many as untrained networks have: on the same crops, none."
    assert "nothing shows that the kernels do more than any would" in kernels


def test_too_few_images_or_filters_are_no_answer(explained: Study) -> None:
    study = with_counts(explained, given=(100,), fresh=(0, 1), matched=(9, 9))
    assert study.explanation is not None
    networks = study.explanation.networks
    few = replace(study.explanation, networks=networks.with_columns(images=pl.lit(8)))
    first, second, _ = recognition(study.filters, few).sentences
    assert first == (
        "How that compares with untrained networks is open: comparing counts takes 16 images, not "
        "8."
    )
    assert second.startswith("How that compares with random kernels on the same channels is open")
    rows = story(replace(study, explanation=few))
    assert [row.tested for row in rows[:3]] == [True, False, False]
    assert "training" not in recognition(study.filters, few).columns or (
        recognition(study.filters, few).columns["training"] is None
    )
    assert explained.explanation is not None  # 18 filters
    sentences = recognition(explained.filters, explained.explanation).sentences
    assert all("takes 50 measured filters, not 18" in told for told in list(sentences)[:2])


def test_without_baselines_nothing_is_called_learned(explained: Study) -> None:
    study = with_counts(explained, given=(100,))
    assert study.explanation is not None
    assert next(recognition(study.filters, study.explanation).sentences) == NO_BASELINE
    assert NO_BASELINE in cause_lines(study)
    assert f"{story(study)[1].lead}{story(study)[1].rest}" == NO_BASELINE
    read = read_comparison(comparison_table([take("net", study).row | {"name": "net"}]))
    assert "No answer of baselines stands beside them: nothing here can be called learned." in read


def test_one_filter_and_unknown_recall_are_said(explained: Study) -> None:
    study = with_counts(explained, given=(1,))
    assert study.explanation is not None
    first = study.filters.sort("causal_ks", descending=True).head(1)
    one = first.with_columns(recognises=pl.lit(value=True), recall=pl.lit(0.9))
    found = recognition(one, study.explanation)
    assert found.lead == "1 of 1 measured filter (100.0%) recognises the border"
    assert "; 1 reach 0.8)" in found.rule and "not known" not in found.rule
    unknown = first.with_columns(
        recognises=pl.lit(value=False), recall=pl.lit(None, dtype=pl.Float64)
    )
    rule = recognition(unknown, study.explanation).rule
    assert "Of 1 it is not known: their core has fewer than the 100 values" in rule


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
    assert any(told in line for line in opening(filters, study.explanation, None))
    assert any("of 16 measured filters" in line for line in cause_lines(study))
    lead = f"{responding} of 16 measured filters ({percent(responding, 16)}) respond"
    assert any(rung.lead.startswith(lead) for rung in story(study))
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
