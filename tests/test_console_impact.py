"""What the command line shows of the third rung is what the tables say."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import polars as pl
import pytest
from rich.console import Console
from tests.synthetic_impact import classes, with_impact
from tests.test_report import HOSTILE
from tests.test_report_explained import explain_2d

from padscope.console.sentences import impact_lines
from padscope.console.terminal import draw_listing
from padscope.findings.effects import effect_listing, measure_listing
from padscope.findings.listing import Listing
from padscope.study import Impact, Study

MEASURES = {"flip": 100, "confidence": 100, "ece": 100, "accuracy": 100, "nll": 1}


@pytest.fixture(scope="module")
def explained() -> Study:
    return explain_2d()


@pytest.fixture(scope="module")
def study(explained: Study) -> Study:
    return with_impact(explained)


def impact_of(study: Study) -> Impact:
    assert study.impact is not None
    return study.impact


def shown(table: Listing) -> list[str]:
    """Print a table as the command line does, one string a line."""
    console = Console(file=io.StringIO(), width=200, highlight=False)
    with console.capture() as capture:
        console.print(draw_listing(table))
    return capture.get().splitlines()


def test_one_line_per_change_and_set(study: Study) -> None:
    header, *lines = shown(effect_listing(impact_of(study)))
    assert "effect (kl, nats)" in header
    assert " ".join(header.split()).endswith("beyond the controls core disturbed")
    rows = impact_of(study).effects.filter(pl.col("measure") == "kl").to_dicts()
    assert len(lines) == len(rows) + 3
    changes = [line.strip() for line in lines if not line.startswith("  ")]
    assert changes == ["refill reflect:", "refill replicate:", "silence:"]
    sets = [line.strip() for line in lines if line.startswith("  ")]
    for line, row in zip(sets, rows, strict=True):
        assert line.startswith(row["set"])
        cells = [f"{row['filters']:,} ", f"{row['effect']:.3g} ", f"[{row['low']:.3g} to"]
        if row["draws"]:
            cells += [f"{row['matched']:,} ", f"{row['control']:.3g} ", f" {row['p']:.2g} "]
            cells.append(f"{row['excess']:.3g} [".replace("-", "−"))
        assert all(cell in line for cell in cells), line


def test_one_line_per_set_for_all_other_measures(study: Study) -> None:
    header, *lines = shown(measure_listing(impact_of(study)))
    assert re.split(r"  +", header.strip()) == [
        "set", "flips, %", "confidence, points", "calibration error, points", "accuracy, points",
        "log loss, nats",
    ]  # fmt: skip
    for line in lines:
        chosen, *cells = re.split(r"  +", line.strip())
        for cell, (name, times) in zip(cells, MEASURES.items(), strict=True):
            wanted = impact_of(study).effect(chosen, name, "refill reflect")
            assert wanted is not None
            value, _, p = cell.partition(" (p ")
            found = float(value.replace("−", "-"))
            assert found == pytest.approx(times * wanted["effect"], rel=6e-3)
            assert p == (f"{wanted['p']:.2g})" if wanted["draws"] else "")
    assert len(lines) == impact_of(study).effects["set"].n_unique()


def test_no_effects_give_an_empty_table(study: Study) -> None:
    nothing = replace(impact_of(study), effects=pl.DataFrame())
    assert effect_listing(nothing).rows == measure_listing(nothing).rows == ()
    assert not [x for x in impact_lines(replace(study, impact=nothing)) if "Brackets" in x]


def test_dense_answers_have_their_own_measure(explained: Study) -> None:
    impact = impact_of(with_impact(explained, "dense"))
    assert "effect (change)" in shown(effect_listing(impact))[0]
    assert "your metric" in shown(measure_listing(impact))[0]


def test_markup_in_names_is_text(explained: Study) -> None:
    study = with_impact(explained)
    named = impact_of(study).effects.with_columns(pl.lit("[bold]x[/bold]").alias("set"))
    lines = shown(effect_listing(replace(impact_of(study), effects=named)))
    assert lines[2].startswith("  [bold]x[/bold]")


def test_sentences(study: Study) -> None:
    lines = impact_lines(study)
    assert lines[0] == (
        "The answers to 48 images were compared (48 of 600 photographs in images/ (seed 0), "
        "48 classes by labels.csv); padding was refilled by reflection."
    )
    text = "\n".join(lines)
    assert "greatest of 20 draws" in text and "p cannot be less than 0.048" in text
    assert "rank correlation with exact effects 0.93 [0.88 to 0.96], of 60 filters." in text
    assert "unreliable" not in text
    assert impact_of(study).notes[0] in lines
    assert lines[-1].endswith("(torn.jpg: it ends too early).")
    decided = impact_of(study).classes.filter(
        (pl.col("set") == "recognising") & (pl.col("q") < 0.05)
    )
    for name, change in decided.select("name", "change").iter_rows():
        assert f"{name} {100 * change:+.2g} points".replace(" -", " −") in text


def test_no_class_decided_and_no_labels(explained: Study) -> None:
    names = [f"bird {number}" for number in range(40)]
    study = with_impact(explained, labels="", classes=classes(names, decided=False))
    text = "\n".join(impact_lines(study))
    assert "without labels" in text
    assert "no class of 40 gains or loses probability beyond the controls at q < 0.05" in text
    assert "it would take about 1,300 images" in text


def test_unreliable_estimates_and_no_controls(study: Study) -> None:
    impact = impact_of(study)
    alone = impact.effects.with_columns(draws=pl.lit(0, pl.Int64))
    weak = {**impact.agreement, "reliable": 0.0}
    lines = impact_lines(replace(study, impact=replace(impact, effects=alone, agreement=weak)))
    assert "No set has controls, so nothing here can be called use." in lines
    assert any(line.endswith("unreliable for this model.") for line in lines)


def test_a_study_without_estimates(explained: Study, study: Study) -> None:
    bare = replace(explained, impact=replace(impact_of(study), agreement={}))
    assert not any("estimated" in line for line in impact_lines(bare))


def test_hostile_class_names_stay_on_their_line(explained: Study) -> None:
    study = with_impact(explained, names=[*HOSTILE, "line\nbreak", "a", "b", "c"])
    for line in impact_lines(study):
        assert "\n" not in line and "\u202e" not in line
