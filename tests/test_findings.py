"""What is said of a study: counted from the tables, and the same wherever it is shown."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.synthetic_impact import with_impact
from tests.test_report import Page, scan_2d
from tests.test_report_explained import explain_2d

from padscope import PadscopeError, RunDirectory, load_study
from padscope.console.sentences import cause_lines, summary_lines
from padscope.findings.checks import count
from padscope.findings.comparison import read_comparison, take
from padscope.findings.depth import depth_profile
from padscope.findings.effects import NOT_MEASURED, use_sentence
from padscope.findings.headline import headline, opening
from padscope.findings.kinds import Kind, kind_sentence, kinds
from padscope.findings.once import once
from padscope.findings.recognition import NO_BASELINE, recognition
from padscope.findings.rungs import NAMES, rungs
from padscope.findings.verdict import verdict
from padscope.findings.words import number, percent
from padscope.report import render_report
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study import Study
from padscope.study.impact_result import ANSWER_MEASURE, Impact
from padscope.tables.comparison import comparison_table


@pytest.fixture(scope="module")
def explained() -> Study:
    return explain_2d()


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


def page_of(study: Study) -> str:
    return Page(render_report(study)).text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_scan_says_what_it_has_not_tested() -> None:
    study = scan_2d()
    respond, caused, recognises, used = rungs(study)
    count = int((study.filters["ks"] >= 0.5).sum())
    assert (respond.count, respond.share, respond.beside) == (count, count / 12, ())
    strong = (study.filters["ks"] >= 0.8).sum()
    assert f"{count} of 12 measured filters" in respond.sentence and not respond.open
    assert f"{strong} of them strongly" in respond.sentence
    for rung in (caused, recognises, used):
        assert rung.count is None and rung.share is None and not rung.sentence
        assert "padscope explain RUN" in rung.open and rung.open in page_of(study)
    assert headline(study).title == (
        f"{count} filters respond to the border; whether padding causes it is not tested."
    )


def test_each_rung_is_the_table(explained: Study) -> None:
    study = with_impact(explained)
    found = rungs(study)
    assert tuple(rung.name for rung in found) == NAMES
    respond, caused, recognises, used = found
    filters = explained.filters
    counts = [
        int((filters["ks"] >= 0.5).sum()),
        int((filters["label"] == "confirmed").sum()),
        int(filters["recognises"].sum()),
    ]
    assert counts[2] <= counts[1] <= counts[0]
    assert [rung.count for rung in found] == [*counts, None]
    assert [rung.share for rung in found[:3]] == [count / 18 for count in counts]
    assert all("of 18 measured filters" in rung.unit for rung in found[:3])
    strongly = filters.filter(pl.col("recognises") & (pl.col("recall") >= 0.8)).height
    assert f", {strongly} of them strongly" in recognises.sentence
    row = impact_of(study).effect("recognising", "kl", "refill reflect")
    assert row is not None and used.figure == number(row["effect"])
    values = {beside.label: (beside.value, beside.low, beside.high) for beside in used.beside}
    assert values["these filters"] == (row["effect"], row["low"], row["high"])
    assert values["controls"] == (row["control"], row["control_low"], row["control_high"])
    page = page_of(study)
    for rung in found:
        assert rung.sentence
        for part in (rung.figure, rung.unit, rung.rule):
            assert part in page
    assert not (respond.open or caused.open or recognises.open or used.open)


def test_another_number_than_the_scan_had_is_explained(explained: Study) -> None:
    found = explained.explanation
    assert found is not None
    reason = "Counted again on crops with real surroundings, so the scan's number may differ."
    respond = rungs(explained)[0]
    assert respond.sentence.endswith(reason) and respond.rule.endswith(reason)
    assert reason in page_of(explained) and respond.sentence in cause_lines(explained)
    bare = replace(explained, explanation=replace(found, margin=(0, 0)))
    assert "on the explained images, so" in rungs(bare)[0].sentence
    assert "Counted again" not in rungs(scan_2d())[0].sentence


def test_baselines_stand_beside_the_same_crops(explained: Study) -> None:
    study = with_counts(explained, given=(100,), fresh=(0, 3, 0), matched=(90, 120, 99))
    recognises = rungs(study)[2]
    assert recognises.beside_on == "on the first 96 images"
    assert "On the first 96 images:" in page_of(study)
    beside = {b.label: (b.value, b.low, b.high, b.written) for b in recognises.beside}
    assert beside == {
        "this network": (100, None, None, "100"),
        "untrained": (1, 0, 3, "0 to 3"),
        "matched kernels": (103, 90, 120, "90 to 120"),
    }
    assert rungs(with_counts(explained, given=(100,)))[2].beside == ()


@pytest.mark.parametrize(
    ("columns", "verdict", "end"),
    [
        (
            {"p": 0.04, "excess_low": 0.1, "excess_high": 0.3},
            "The model uses them:",
            ", and the answers depend on them.",
        ),
        (
            {"p": 0.06, "excess_low": 0.1, "excess_high": 0.3},
            "No sign that the model uses them:",
            "; no sign that the answers depend on them.",
        ),
        (
            {"p": 0.04, "excess_low": -0.1, "excess_high": 0.3},
            "No sign that the model uses them:",
            "; no sign that the answers depend on them.",
        ),
        (
            {"p": 0.04, "excess_low": None, "excess_high": None},
            "Whether the model uses them is open",
            "; whether the answers depend on them is open.",
        ),
        (
            {"p": 1 / 11, "draws": 10, "excess_low": 0.1},
            "Whether the model uses them is open",
            "; whether the answers depend on them is open.",
        ),
        (
            {"p": 1.0, "shared": 1.0, "excess_low": 0.1},
            "Whether the model uses them is open",
            "; whether the answers depend on them is open.",
        ),
        (
            {"draws": 0, "p": None},
            "Whether the model uses them is open",
            "; whether the answers depend on them is open.",
        ),
    ],
)
def test_use_is_said_only_beyond_controls(
    explained: Study, columns: dict[str, object], verdict: str, end: str
) -> None:
    study = with_effect(with_impact(explained), **columns)
    told = use_sentence(impact_of(study))
    assert told.startswith(verdict) and "filters changes the answer by" in told
    assert ("matched filters" in told) == (columns.get("draws") != 0)
    found, used = headline(study), rungs(study)[3]
    count = study.filters["recognises"].sum()
    assert found.title == f"{count} filters recognise where the image ends{end}"
    assert told in found.sentences and used.sentence == told
    assert bool(used.open) == ("open" in verdict)


def test_a_title_claims_no_more_than_there_is(explained: Study) -> None:
    filters = explained.filters
    nobody = filters.with_columns(recognises=pl.lit(value=False))
    none = replace(with_impact(explained), filters=nobody)
    assert headline(none).title == "No filter recognises the border."
    unknown = nobody.with_columns(recall=pl.lit(None, pl.Float64))
    assert "is open" in headline(replace(explained, filters=unknown)).title
    assert headline(explained).title.endswith("whether the answers depend on them is not tested.")
    one = filters.with_columns(recognises=pl.int_range(pl.len()) == 0)
    assert headline(replace(explained, filters=one)).title.startswith("1 filter recognises")
    other = with_effect(with_impact(explained), p=0.01, excess_low=0.1)
    impact = impact_of(other)
    confirmed = impact.effects.filter(pl.col("set") != "recognising")
    judged = replace(other, impact=replace(impact, effects=confirmed))
    assert headline(judged).title.endswith("whether the answers depend on them is open.")


@pytest.mark.parametrize(
    ("low", "high", "start"),
    [
        (-0.03, -0.01, "Keep the padding as it is: undoing these filters costs accuracy (−2"),
        (0.01, 0.03, "Try another padding: undoing these filters improves accuracy (2"),
        (-0.01, 0.03, "Nothing here calls for other padding"),
        (None, None, ""),
    ],
)
def test_advice_is_what_the_accuracy_says(
    explained: Study, low: float | None, high: float | None, start: str
) -> None:
    impact = impact_of(with_impact(explained))
    accuracy = (pl.col("set") == "recognising") & (pl.col("measure") == "accuracy")
    value = 0.02 if (low or 0) > 0 else -0.02
    columns = {"excess": value, "excess_low": low, "excess_high": high}
    table = impact.effects.with_columns(
        pl.when(accuracy).then(pl.lit(new, pl.Float64)).otherwise(name).alias(name)
        for name, new in columns.items()
    )
    advice = headline(replace(explained, impact=replace(impact, effects=table))).advice
    assert len(advice) == 1 and advice[0].startswith(start or "These figures alone advise nothing")


def test_without_effects_nothing_is_said_of_use(explained: Study) -> None:
    study = with_impact(explained)
    bare = replace(study, impact=replace(impact_of(study), effects=pl.DataFrame()))
    assert rungs(bare)[3].open == NOT_MEASURED and NOT_MEASURED in page_of(bare)
    assert headline(bare).title.endswith("whether the answers depend on them is open.")


def test_the_depth_profile_is_counted_from_the_tables(explained: Study) -> None:
    study = with_counts(explained, given=(100,), fresh=(0, 100), matched=(500,))
    profile = depth_profile(study)
    sites = study.sites.filter("scored")["site"].to_list()
    assert profile["site"].to_list() == sites and profile["depth"].to_list() == [0, 1]
    for row in profile.iter_rows(named=True):
        own = study.filters.filter(pl.col("site") == row["site"])
        sides = study.sides.filter((pl.col("site") == row["site"]) & pl.col("recognises"))
        assert (row["counted"], row["measured"]) == (own["recognises"].sum(), own.height)
        assert row["share"] == row["counted"] / row["measured"]
        for side in ("top", "bottom", "left", "right"):
            assert row[side] == (sides["side"] == side).sum()
    first = profile.row(0, named=True)  # the made-up networks have this site alone
    assert (first["fresh_share"], first["matched_share"]) == (0.05, 0.5)
    plain = depth_profile(replace(study, explanation=None))
    assert plain["counted"].sum() == (study.filters["ks"] >= 0.5).sum()
    assert plain["fresh_share"].null_count() == 2


def test_kernels_are_told_by_the_side_of_the_padding(explained: Study) -> None:
    """Kernels whose first row weighs against the rest, in filters that answer at the top alone."""
    weights = np.ones((10, 3, 3), np.float32)
    weights[:4, 0] = -2.0  # in row 0 of four kernels
    site = explained.filters["site"][-1]
    kept = replace(explained.kernels[site], total=weights)
    mine = (pl.col("site") == site) & (pl.col("filter") < 5)
    filters = explained.filters.with_columns(
        label=pl.when(mine).then(pl.lit("confirmed")).otherwise(pl.lit("quiet")),
        kind=pl.when(mine).then(pl.lit("single")),
        active=pl.when(mine).then(pl.lit(["top"])),
        sign=pl.when(mine).then(pl.lit("inhibited")),
        stability=pl.when(mine).then(0.5),
        recognises=mine,
    )
    study = replace(explained, filters=filters, kernels={site: kept})
    (kind,) = kinds(study)
    assert (kind.name, kind.count, kind.recognising, kind.stability) == ("single", 5, 5, 0.5)
    assert "5 filters mark one side of the image: 5 inhibited; the same kind in 50 %" in (
        kind.sentence
    )
    assert kind.kernels.startswith("At 4 of their 5 sides")
    assert kind.kernels.endswith("for 0 % of the filters there that padding does not affect.")
    assert kinds(replace(explained, explanation=None)) == ()
    assert not kinds(replace(study, kernels={}))[0].kernels


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
            "network": list(names), "site": study.filters["site"][0], "images": 96, "core": 16,
            "filters": 1000,
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


def test_what_is_found_of_a_study_is_found_once(
    explained: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, seen = replace(explained), []

    def counting(study: Study) -> tuple[Kind, ...]:
        seen.append(study)
        return kinds(study)

    monkeypatch.setattr("padscope.findings.kinds.kinds", once(counting))
    assert kind_sentence(study) == kind_sentence(study) == kind_sentence(explained)
    assert seen == [study, explained]
    other = replace(study, filters=study.filters.with_columns(kind=pl.lit(None, pl.String)))
    assert kind_sentence(other) != kind_sentence(study)  # of another study nothing is kept


@pytest.mark.parametrize(
    ("fresh", "matched", "training", "kernels"),
    [
        ((0, 0, 1), (2, 4, 3), "more", "more"),
        ((0, 0, 1), (90, 100, 110), "more", "as many"),
        ((90, 110, 100), (280, 300, 320), "as many", "fewer"),
    ],
)
def test_where_it_comes_from_is_said_alike_everywhere(
    explained: Study, fresh: tuple[int, ...], matched: tuple[int, ...], training: str, kernels: str
) -> None:
    study = with_counts(explained, given=(100,), fresh=fresh, matched=matched)
    assert study.explanation is not None
    found = recognition(study.filters, study.explanation)
    assert [origin.comparison.answer for origin in found.origins] == [training, kernels]
    told = found.origin_sentences
    assert told[0].startswith(
        f"Untrained networks have {sorted(fresh)[0]}, {sorted(fresh)[1]} and {sorted(fresh)[2]} on "
        "the first 96 images, this network 100 there: "
    )
    assert told[1].startswith("Random kernels on the same channels have ")
    assert "none of its filters can be told apart from theirs one by one (q ≤ 0.05)." in told[0]
    page = page_of(study)
    for sentence in told:
        assert sentence in cause_lines(study)
        assert sentence in opening(study)
        assert sentence in headline(study).sentences
        assert sentence in page
    answers = {"more": "more", "as many": "about as many", "fewer": "fewer"}
    read = read_comparison(comparison_table([take("net", study).row | {"name": "net"}]))
    assert f"Beside untrained networks they are {answers[training]} in 1 of 1 run." in read
    assert (
        f"Beside random kernels on the same channels they are {answers[kernels]} in 1 of 1 run."
        in read
    )


def test_where_nobody_recognises_nothing_is_said_to_bring_it_about(explained: Study) -> None:
    study = with_counts(explained, given=(0,), fresh=(0, 0, 0), matched=(0, 0, 1))
    assert study.explanation is not None
    training, kernels, *_ = recognition(study.filters, study.explanation).origin_sentences
    assert training == "Untrained networks have none either on the first 96 images."
    assert "nothing shows that the kernels do more than any would" in kernels


def test_too_few_images_or_filters_are_no_answer(explained: Study) -> None:
    study = with_counts(explained, given=(100,), fresh=(0, 1), matched=(9, 9))
    assert study.explanation is not None
    networks = study.explanation.networks
    few = replace(study.explanation, networks=networks.with_columns(images=pl.lit(8)))
    first, second, _ = recognition(study.filters, few).origin_sentences
    assert first == (
        "How that compares with untrained networks is open: comparing counts takes 16 images, not "
        "8."
    )
    assert second.startswith("How that compares with random kernels on the same channels is open")
    assert "training" not in recognition(study.filters, few).columns or (
        recognition(study.filters, few).columns["training"] is None
    )
    assert explained.explanation is not None  # 18 filters
    sentences = recognition(explained.filters, explained.explanation).origin_sentences
    assert all("takes 50 measured filters, not 18" in told for told in list(sentences)[:2])


def test_without_baselines_nothing_is_called_learned(explained: Study) -> None:
    study = with_counts(explained, given=(100,))
    assert study.explanation is not None
    assert recognition(study.filters, study.explanation).origin_sentences[0] == NO_BASELINE
    assert NO_BASELINE in cause_lines(study)
    assert headline(study).sentences[0] == NO_BASELINE
    read = read_comparison(comparison_table([take("net", study).row | {"name": "net"}]))
    assert "There are no baselines to compare with: nothing here can be called learned." in read


def test_one_filter_and_unknown_recall_are_said(explained: Study) -> None:
    study = with_counts(explained, given=(1,))
    assert study.explanation is not None
    first = study.filters.sort("causal_ks", descending=True).head(1)
    one = first.with_columns(recognises=pl.lit(value=True), recall=pl.lit(0.9))
    found = recognition(one, study.explanation)
    assert found.sentence == (
        "1 of 1 measured filter (100 %) recognises the border, 1 of them strongly (recall ≥ 0.8)."
    )
    unknown = first.with_columns(
        recognises=pl.lit(value=False), recall=pl.lit(None, dtype=pl.Float64)
    )
    told = recognition(unknown, study.explanation).sentence
    assert "For 1 it is not known: their core has fewer than the 100 values" in told


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
    told = use_sentence(impact_of(study))
    assert "; undoing the 19 of them that have controls, by 0.0123; undoing matched" in told
    whole = with_effect(with_impact(explained), filters=20, matched=20)
    assert "that have controls" not in use_sentence(impact_of(whole))


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
    told = f"{responding} of 16 measured filters at 2 padded sites ({percent(responding, 16)})"
    assert told in summary_lines(study)[0] and "2 more are unmeasured" in summary_lines(study)[0]
    assert any(told in line for line in opening(study))
    assert any("of 16 measured filters" in line for line in cause_lines(study))
    assert f"{percent(responding, 16)} of 16 measured filters" in page_of(study)
    assert [rung.share for rung in rungs(study)[:1]] == [share]
    counted = count(study)
    assert (counted.filters, counted.measured, counted.respond) == (18, 16, responding)
    profile = depth_profile(study)
    assert (profile["measured"].sum(), profile["counted"].sum()) == (
        16, int((measured["recognises"]).sum()),
    )  # fmt: skip
    row = take("net", study).row
    assert (row["measured"], row["responds_share"]) == (16, share)
    summary = study.summary()
    assert (summary["unmeasured"].sum(), summary["candidates"].sum()) == (2, responding)


def test_printed_it_is_a_few_lines(explained: Study) -> None:
    study = with_impact(explained)
    lines = repr(study).splitlines()
    assert lines[0] == f"Study of {study.model!r} on {study.images!r}"
    assert lines[1:] == opening(study)
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
    with pytest.raises(PadscopeError, match="contains files that are not from a padscope run"):
        RunDirectory(tmp_path / "mine").save(explained)


def test_what_comes_first_is_said_first(explained: Study) -> None:
    with pytest.raises(PadscopeError, match="run padscope explain first"):
        verdict(replace(explained, explanation=None))
    with pytest.raises(PadscopeError, match="run padscope impact first"):
        verdict(explained)
