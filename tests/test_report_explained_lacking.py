"""The report of explanations that lack something: context, baselines, flat maps, any signal."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from tests.test_report import HOSTILE, Page, network, noise
from tests.test_report_explained import (
    MARGIN,
    SETTINGS,
    explained,
    explanation_of,
    rows_of,
    two_layers,
)
from torch import nn

from padscope.findings.checks import describe_doubling
from padscope.findings.kinds import kinds
from padscope.findings.recognition import NO_BASELINE
from padscope.findings.rungs import rungs
from padscope.images import Skipped
from padscope.report import render_report
from padscope.settings import ExplainSettings
from padscope.study import Study, explain, scan


@pytest.fixture(scope="module")
def fallback_html(fallback: Study) -> str:
    return render_report(fallback)


@pytest.fixture(scope="module")
def fallback() -> Study:
    """Explained by images without surroundings, and without baselines."""
    net, images = two_layers(), noise(24, 3, 32, 24)
    study = scan(net, images, SETTINGS)
    return explain(study, net, images, ExplainSettings(calibrate=8, baselines=0, resamples=5))


def test_what_doubling_the_margin_says() -> None:
    def said(**agreement: float | None) -> str:
        sizes = {"large": [28, 28], "small": [7, 7]}
        return describe_doubling(
            pl.DataFrame(
                {
                    "map_size": [sizes[name] for name in agreement],
                    "margin_agreement": pl.Series(list(agreement.values()), dtype=pl.Float64),
                }
            )
        )

    assert said(large=0.999, small=0.74).endswith("under 14 it is 0.74 or better, so those are "
                                                   "less settled")  # fmt: skip
    assert "0.99 or better" in said(large=0.999, small=1.0)
    assert "settled" not in said(large=0.9, small=1.0)
    assert said(large=None) == ""


def test_without_baselines_learned_is_only_denied(fallback_html: str) -> None:
    text = Page(fallback_html).text
    assert text.count("learned") == text.count("nothing here can be called learned") > 0


def test_without_real_context_every_label_is_marked(fallback: Study, fallback_html: str) -> None:
    html, page = fallback_html, Page(fallback_html)
    assert not fallback.filters["real_context"].any()
    assert "could not be compared with real surroundings" in rungs(fallback)[1].sentence
    for table in ("cause-rows", "check-rows"):
        assert all("‡" in " ".join(row) for row in rows_of(html, table)[1:])
    for note in explanation_of(fallback).notes:
        assert note in page.text
    assert "real surroundings at each end" not in page.text


def test_without_baselines_the_page_says_so(fallback_html: str) -> None:
    text = Page(fallback_html).text
    assert text.count(NO_BASELINE) == 1
    assert "There is no baseline to compare with" in text
    assert "fresh weights" not in text


def test_baselines_that_failed_are_told(fallback: Study) -> None:
    explanation = explanation_of(fallback)
    notes = (*explanation.notes, "No baseline 'fresh 1': <b>no weights</b>.")
    html = render_report(replace(fallback, explanation=replace(explanation, notes=notes)))
    assert "No baseline 'fresh 1': <b>no weights</b>." in Page(html).text
    assert NO_BASELINE in Page(html).text


@pytest.mark.parametrize("name", HOSTILE)
def test_texts_are_shown_as_text(name: str) -> None:
    layers = {name.replace(".", ""): nn.Conv2d(1, 2, 3, padding=1), "1" + name.replace(".", ""):
              nn.Conv2d(2, 2, 1)}  # fmt: skip
    net = nn.Sequential(OrderedDict(layers)).eval()
    study = explained(net, noise(8, 1, 48, 48))
    explanation = explanation_of(study)
    counts = replace(explanation.counts, skipped=(Skipped(3, f"image {name}", f"reason {name}"),))
    explanation = replace(
        explanation, images=f"images {name}", notes=(f"note {name}",), counts=counts
    )
    html = render_report(replace(study, explanation=explanation))
    page = Page(html)
    assert page.count("script") == 2  # the page's own, and what it draws
    shown = name.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")
    for where in ("images ", "note ", "image ", "reason "):
        assert where + shown in page.text
    assert "\u202e" not in html and "\u2066" not in html


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions_are_listed(dims: int) -> None:
    layer: Any = nn.Conv1d if dims == 1 else nn.Conv3d
    size = (200,) if dims == 1 else (28, 28, 28)
    net = network(layer(2, 6, 3, padding=1))
    study = explained(net, noise(8, 2, *size), margin=8 if dims == 3 else MARGIN)
    html = render_report(study)
    page = Page(html)
    found = kinds(study)
    counted = (pl.col("label") == "confirmed") | (pl.col("kind") == "corner")
    of_kind = study.filters.filter(pl.col("kind").is_not_null() & counted)
    assert sum(kind.count for kind in found) == len(of_kind)
    for kind in found:
        assert kind.sentence in page.text
    assert found or "No filter has a kind" in page.text


def test_nothing_measured() -> None:
    net = network(nn.Conv2d(1, 3, 3, padding=1))
    for parameter in net.parameters():
        parameter.data.zero_()
    page = Page(render_report(explained(net, noise(8, 1, 48, 48))))
    assert "0 0 % of 0 measured filters" in page.text
    assert "No filter has a kind" in page.text and "no origin to tell" in page.text
