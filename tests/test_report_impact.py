"""The report of the third rung: what its sections say is what the tables say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

import polars as pl
import pytest
from tests.synthetic_impact import IMAGES, SETS, classes, distances, effects, with_impact
from tests.test_report import HOSTILE, Page
from tests.test_report_explained import explain_2d, rows_of

from padscope.findings.classes import extremes, read_classes
from padscope.findings.effects import use_sentence
from padscope.findings.estimates import estimate_lines
from padscope.findings.measures import MEASURES
from padscope.findings.verdict import verdict
from padscope.findings.words import number
from padscope.images import Skipped
from padscope.report import render_report
from padscope.study import Impact, Study

SECTIONS = {
    "desirable": "Are these filters desirable", "effects": "effects beside controls",
    "doses": "Dose and response", "estimates": "Estimated impact", "classes": "gain and lose",
    "position": "Position", "bands": "False borders",
    "impact-checks": "How the impact was measured",
}  # fmt: skip


@pytest.fixture(scope="module")
def explained() -> Study:
    """An explained study with a single card, so that its page is made quickly."""
    study = explain_2d()
    return replace(study, portraits=study.portraits[:1])


@pytest.fixture(scope="module")
def study(explained: Study) -> Study:
    return with_impact(explained)


@pytest.fixture(scope="module")
def html(study: Study) -> str:
    return render_report(study)


@pytest.fixture(scope="module")
def dense_html(explained: Study) -> str:
    return render_report(with_impact(explained, "dense"))


def impact_of(study: Study) -> Impact:
    assert study.impact is not None
    return study.impact


def without(impact: Impact, table: str) -> Impact:
    """Leave a table out, as a part that was not measured does."""
    left = {name: pl.DataFrame() if name == table else t for name, t in impact.tables.items()}
    return replace(impact, **left)  # type: ignore[arg-type]  # mypy checks against every field


def headings(html: str) -> list[str]:
    return re.findall(r'<h2 id="([\w-]+)"', html)


def numbers(text: str) -> list[float]:
    """Read the numbers of a cell; signs are typographic."""
    plain = text.replace("−", "-").replace(",", "").replace("10⁻", "1e-")
    return [float(found) for found in re.findall(r"[+-]?\d+(?:\.\d+)?(?:e-?\d+)?", plain)]


def near(found: Iterable[float], wanted: Iterable[float]) -> bool:
    """Whether numbers are those of a table, written to three digits."""
    pairs = list(zip(found, wanted, strict=True))
    return all(math.isclose(a, b, rel_tol=6e-3, abs_tol=1e-9) for a, b in pairs)


def test_the_same_study_gives_the_same_bytes(explained: Study, html: str) -> None:
    assert render_report(with_impact(explained)) == html


def test_without_an_impact_nothing_is_said_of_it(explained: Study, html: str) -> None:
    plain = render_report(explained)
    assert not set(headings(plain)) & {*SECTIONS, "distances"}
    assert "padscope impact RUN undoes them" in plain
    assert "padscope impact RUN undoes them" not in html


def test_the_answer_says_whether_they_are_used(explained: Study, html: str) -> None:
    impact = with_impact(explained).impact
    assert impact is not None
    told = use_sentence(impact)
    row = impact.use
    assert row is not None and number(row["effect"]) in told and number(row["control"]) in told
    answer = html.split('id="answer"')[1].split("</section>")[0]
    assert told in re.sub(r"<[^>]*>", "", answer).replace("\N{NO-BREAK SPACE}", " ")


def test_sections(html: str, dense_html: str) -> None:
    found = headings(html)
    assert [name for name in found if name in SECTIONS] == list(SECTIONS)
    expected = ["filters", "kinds", "desirable", "effects", "limits", "ladder", "identity"]
    assert [name for name in found if name in expected] == expected
    assert len(set(re.findall(r'\bid="([^"]+)"', html))) == len(re.findall(r'\bid="', html))
    for name, title in SECTIONS.items():
        heading = re.search(rf'<h2 id="{name}">(.*?)</h2>', html)
        assert heading and title in heading[1]
    dense = headings(dense_html)
    assert "distances" in dense and "classes" not in dense


@pytest.mark.parametrize("section", ["effects", "doses", "classes", "bands", "position"])
def test_a_part_that_was_not_measured_has_no_section(study: Study, section: str) -> None:
    impact = impact_of(study)
    parts = {"position": ("views", "readout"), "bands": ("bands", "firing")}
    for name in parts.get(section, (section,)):
        impact = without(impact, name)
    page = render_report(replace(study, impact=impact))
    assert set(SECTIONS) - set(headings(page)) == {section}
    Page(page)


def test_nothing_measured_at_all(explained: Study, study: Study) -> None:
    impact = impact_of(study)
    for name in impact.tables:
        impact = without(impact, name)
    bare = replace(impact, agreement={})
    page = Page(render_report(replace(explained, impact=bare)))
    assert "Not measured" in page.text
    assert impact.notes[0] in page.text


def test_empty_tables_with_columns_are_empty_too(study: Study) -> None:
    impact = impact_of(study)
    cleared = replace(
        impact, effects=impact.effects.clear(), doses=impact.doses.clear(),
        classes=impact.classes.clear(), views=impact.views.clear(), readout=impact.readout.clear(),
        bands=impact.bands.clear(), firing=impact.firing.clear(), checks=impact.checks.clear(),
        costs=impact.costs.clear(), distances=distances().clear(),
    )  # fmt: skip
    page = render_report(replace(study, impact=cleared))
    assert {"effects", "doses", "classes", "position", "bands"}.isdisjoint(headings(page))


def test_the_verdict_is_the_verdict(study: Study, html: str) -> None:
    page = Page(html)
    assert page.count("div", "heading") - page.count("div", "headings") == 4
    for heading in verdict(study):
        assert f"{heading.name.capitalize()} {'decided' if heading.decided else 'no verdict'}" in (
            page.text
        )
        for sentence in heading.sentences:
            assert " ".join(sentence.split()) in page.text


def test_effects_are_the_table(study: Study, html: str) -> None:
    rows = [row for row in rows_of(html, "effects-rows")[1:] if len(row) > 1]
    table = impact_of(study).effects.filter(pl.col("measure") == "kl")
    assert len(rows) == table.height == 10
    for row, wanted in zip(rows, table.iter_rows(named=True), strict=True):
        name, filters, effect, matched, their, control, p, excess, disturbance = row
        assert name == wanted["set"]
        assert numbers(filters) == [wanted["filters"]] == [SETS[name]]
        assert near(numbers(effect), [wanted[n] for n in ("effect", "low", "high")])
        if name == "all padding":
            assert [matched, their, control, p, excess] == ["–"] * 5
            continue
        assert numbers(matched) == [wanted["matched"]]
        assert near(numbers(their), [wanted["matched_effect"]])
        low_high = ("control", "control_low", "control_high")
        assert near(numbers(control), [wanted[n] for n in low_high])
        assert float(p) == pytest.approx(wanted["p"], abs=5e-3)
        beyond = ("excess", "excess_low", "excess_high")
        assert near(numbers(excess), [wanted[n] for n in beyond])
        if wanted["disturbance"] is not None:
            assert near(numbers(disturbance), [wanted["disturbance"]])
    assert "cannot be less than 0.048" in Page(html).text


def test_other_measures_are_the_table(study: Study, html: str) -> None:
    header, *rows = rows_of(html, "effects-others")
    assert header == ["set", "flips, %", "confidence, points", "calibration error, points",
                      "accuracy, points", "log loss, nats"]  # fmt: skip
    for row in rows:
        for cell, measure in zip(row[1:], ("flip", "confidence", "ece", "accuracy", "nll"),
                                 strict=True):  # fmt: skip
            wanted = impact_of(study).effect(row[0], measure, "refill reflect")
            assert wanted is not None
            found = numbers(cell)
            assert near(found[:1], [(1 if measure == "nll" else 100) * wanted["effect"]])
            assert found[1:] == ([float(f"{wanted['p']:.2g}")] if wanted["draws"] else [])


def test_doses_are_the_table_by_the_answers_own_measure(study: Study, html: str) -> None:
    rows = rows_of(html, "doses-rows")[1:]
    table = impact_of(study).doses.filter(pl.col("measure") == "kl")
    assert len(rows) == table.height < impact_of(study).doses.height
    for row, wanted in zip(rows, table.iter_rows(named=True), strict=True):
        assert numbers(row[0]) == [wanted["filters"]]
        assert near(numbers(row[1]), [wanted[n] for n in ("effect", "low", "high")])
        assert numbers(row[2]) == [wanted["matched"]]
        named = ("control", "control_low", "control_high")
        assert near(numbers(row[3]), [wanted[n] for n in named])
    assert numbers(rows[-1][2]) < numbers(rows[-1][0])  # not all of the last dose have controls


def test_classes_are_the_table(study: Study, html: str) -> None:
    table = impact_of(study).classes.filter(pl.col("set") == "recognising")
    wanted = extremes(table)
    rows = rows_of(html, "classes-rows")[1:]
    assert [row[0] for row in rows] == wanted["name"].to_list()
    assert wanted["change"].max() == table["change"].max()
    assert wanted["change"].min() == table["change"].min()
    for row, found in zip(rows, wanted.iter_rows(named=True), strict=True):
        assert near(numbers(row[1]), [100 * found[name] for name in ("change", "low", "high")])
        assert near(numbers(row[2]), [100 * found["control"]])
        assert float(row[3]) == found["q"]


def test_no_class_is_decided_and_how_many_images_it_would_take() -> None:
    names = [f"bird {number}" for number in range(30)]
    table = classes(names, decided=False).filter(pl.col("set") == "confirmed")
    assert read_classes(table) == (
        "On 48 images no class of 30 gains or loses probability beyond the controls at q < 0.05. "
        "If the clearest change and its spread stayed as they are, it would take about 1,300 "
        "images."
    )
    unknown = table.with_columns(images_needed=pl.lit(None, pl.Int64))
    assert read_classes(unknown).endswith("at q < 0.05.")
    decided = classes(names).filter(pl.col("set") == "confirmed")
    gain = decided.filter((pl.col("q") < 0.05) & (pl.col("change") > 0)).height
    assert 0 < gain < 3
    assert read_classes(decided) == (
        f"{gain} {'class gains' if gain == 1 else 'classes gain'} and {3 - gain} "
        f"{'loses' if gain == 2 else 'lose'} probability beyond the controls at q < 0.05 "
        "(of 30, on 48 images)."
    )


def test_confidence_lost_is_no_gain_of_the_other_classes() -> None:
    table = classes([f"bird {number}" for number in range(30)]).filter(pl.col("set") == "confirmed")
    every = table.with_columns(excess=pl.lit(0.001), q=pl.lit(0.01))
    assert "This is lost confidence" in read_classes(every)
    mixed = every.with_columns(excess=pl.when(pl.col("class") < 10).then(-0.001).otherwise(0.001))
    assert "20 classes gain and 10 lose probability beyond the controls" in read_classes(mixed)
    assert "confidence" not in read_classes(mixed)
    bare = table.with_columns(q=pl.lit(None, pl.Float64))
    assert "no class can be told from chance" in read_classes(bare)


def test_hostile_names_are_text(explained: Study) -> None:
    names = [*HOSTILE, "", *(f"bird {number}" for number in range(5))]
    table = classes(names).with_columns(pl.col("name").replace("", None))
    study = with_impact(
        explained, images=HOSTILE[0], labels=HOSTILE[1], notes=(HOSTILE[1], HOSTILE[2]),
        skipped=(Skipped(0, HOSTILE[0], HOSTILE[2]),), classes=table,
        effects=effects("classes").with_columns(pl.lit(HOSTILE[0]).alias("set")),
    )  # fmt: skip
    html = render_report(study)
    page = Page(html)
    assert page.count("script") == 2 and "49" not in page.text.split("twice' & ")[1][:40]
    assert HOSTILE[0] not in html and "\u202e" not in html and "\u2066" not in html
    assert HOSTILE[0] in page.text and "right\\u202eto left\\u2066mark" in page.text
    assert "x" * 61 not in page.text and "x" * 25 + "…" in page.text
    assert "class 4" in page.text


def test_views_and_readout_are_the_tables(study: Study, html: str) -> None:
    header, *rows = rows_of(html, "views-rows")
    assert header[1:] == ["as is", "PANs undone", "controls undone", "all padding refilled"]
    views = impact_of(study).views
    titles = {"Moved": "shift", "Another input size": "size", "Cropped otherwise": "crop"}
    seen = 0
    for row in rows:
        title, _, words = row[0].partition(", ")
        amount = None if words == "all" else numbers(words)[-1]
        for treatment, cell in zip(header[1:], row[1:], strict=True):
            wanted = views.filter(
                (pl.col("view") == titles[title])
                & pl.col("amount").eq_missing(pl.lit(amount, pl.Float64))
                & (pl.col("treatment") == treatment)
            ).row(0, named=True)
            assert near(numbers(cell), [wanted[name] for name in ("value", "low", "high")])
            seen += 1
    assert seen == views.height
    for row, wanted in zip(
        rows_of(html, "readout-rows")[1:], impact_of(study).readout.iter_rows(named=True),
        strict=True,
    ):  # fmt: skip
        assert row[:2] == [wanted["treatment"], wanted["axis"]]
        found = [*numbers(row[2]), *numbers(row[3])]
        assert found == pytest.approx(
            [wanted[name] for name in ("r2", "low", "high", "chance")], abs=6e-3
        )


def test_bands_are_the_table(study: Study, html: str) -> None:
    header, *rows = rows_of(html, "bands-rows")
    table = impact_of(study).bands
    for row in rows:
        for kind, cell in zip(header[1:], row[1:], strict=True):
            wanted = table.filter((pl.col("width") == int(row[0])) & (pl.col("band") == kind)).row(
                0, named=True
            )
            assert near(numbers(cell), [wanted[name] for name in ("value", "low", "high")])


def test_estimates_are_said(study: Study, html: str) -> None:
    for sentence in estimate_lines(study):
        assert " ".join(sentence.split()) in Page(html).text
    assert "0.93 [0.88 to 0.96]" in Page(html).text and "unreliable" not in html


def test_unreliable_estimates_say_so(study: Study) -> None:
    impact = impact_of(study)
    weak = replace(impact, agreement={**impact.agreement, "spearman": 0.41, "reliable": 0.0})
    page = Page(render_report(replace(study, impact=weak)))
    assert "they are unreliable for this model" in page.text


def test_pictures_have_words_and_nothing_comes_from_elsewhere(html: str, dense_html: str) -> None:
    for text in (html, dense_html):
        page = Page(text)
        labelled = [a for _, a in page.tags if a.get("role") == "img"]
        assert all(a.get("aria-label") for a in labelled)
        assert page.count("div", "chart") >= 5
        assert not [a for t, a in page.tags if "style" in a]
        links = {a.get("href", "") for t, a in page.tags if t == "a"}
        outside = {link for link in links if link and not link.startswith("#")}
        assert outside == {"https://arxiv.org/abs/2309.08048"}


def test_limits_are_stated(html: str) -> None:
    text = Page(html).text
    for words in ("trained on these images", "95 % over images", "to first order", "not corrected",
                  f"{IMAGES} images"):  # fmt: skip
        assert words in text


def test_values_that_are_missing() -> None:
    measure = MEASURES["kl"]
    assert measure.figure(None) == measure.figure(float("nan")) == "–"
    assert measure.between({"low": None, "high": 1.0}, "low", "high") == ""
