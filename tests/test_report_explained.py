"""The report of an explained study: what it says of causes is what the tables say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.test_report import Page, attributes, network, noise
from torch import Tensor, nn

from padscope.findings.checks import limits
from padscope.findings.distributions import distributions
from padscope.findings.kinds import kinds
from padscope.findings.recall_curve import recall_curve
from padscope.findings.recognition import recognition
from padscope.findings.sites import origin_sentence
from padscope.report import render_report
from padscope.scores.distance import ks_distance
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study import Explanation, Study, explain, scan
from padscope.tallies import BINS

SETTINGS = ScanSettings(batch_size=8, calibrate=8)
MARGIN = 16


def cut(images: Tensor, margin: int) -> Tensor:
    for axis in range(2, images.ndim):
        images = images.narrow(axis, margin, images.shape[axis] - 2 * margin)
    return images


def explained(net: nn.Module, canvases: Tensor, *, margin: int = MARGIN, **more: int) -> Study:
    """Scan the middles of some images, and explain them by their surroundings."""
    chosen: dict[str, Any] = {"calibrate": 8, "baselines": 0, "check": 0, "resamples": 5} | more
    study = scan(net, cut(canvases, margin), SETTINGS)
    return explain(study, net, canvases, ExplainSettings(margin=margin, **chosen))


def two_layers() -> nn.Sequential:
    return network(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 6, 1),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 10, 3, padding=1),
    )


def explain_2d() -> Study:
    return explained(two_layers(), noise(24, 3, 64, 56), baselines=2, check=4)


@pytest.fixture(scope="module")
def study() -> Study:
    return explain_2d()


@pytest.fixture(scope="module")
def html(study: Study) -> str:
    return render_report(study)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def explanation_of(study: Study) -> Explanation:
    assert study.explanation is not None
    return study.explanation


def rows_of(html: str, label: str) -> list[list[str]]:
    """Rows of the table whose caption has an id, as texts of their cells."""
    table = re.search(rf'<table[^>]*>\s*<caption id="{label}".*?</table>', html, re.DOTALL)
    assert table, label
    rows = re.findall(r"<tr.*?>(.*?)</tr>", table[0], re.DOTALL)
    return [
        [
            " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", cell, flags=re.DOTALL).split())
            for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_the_same_study_gives_the_same_bytes(study: Study, html: str) -> None:
    assert render_report(study) == html
    assert render_report(explain_2d()) == html


def test_a_study_that_is_not_explained_says_nothing_of_causes(study: Study) -> None:
    page = Page(render_report(replace(study, explanation=None)))
    assert "learned" not in page.text.lower()
    assert "respond because of padding" not in page.text


def test_the_answer_says_what_padding_causes(study: Study, page: Page) -> None:
    labels = study.filters["label"]
    confirmed = int((labels == "confirmed").sum())
    measured = int((labels != "unmeasured").sum())
    assert 0 < confirmed <= measured == 18
    percent = 100 * confirmed / measured
    assert f"{confirmed} {percent:.1f} % of 18 measured filters" in page.text
    found = recognition(study.filters, explanation_of(study))
    assert found.recognising == study.filters["recognises"].sum() <= confirmed
    assert f"{found.recognising} {100 * found.recognising / 18:.1f} % of 18" in page.text
    for sentence in found.origin_sentences:
        assert sentence in page.text


def test_rungs_and_baselines_are_the_tables(study: Study, html: str) -> None:
    explanation = explanation_of(study)
    rows = rows_of(html, "baselines")[1:]
    assert [row[:2] for row in rows] == [
        [name, "18"]
        for name in ("given", "fresh weights 1", "fresh weights 2", "matched kernels 1",
                     "matched kernels 2")
    ]  # fmt: skip
    for row, totals in zip(rows, explanation.baselines.iter_rows(named=True), strict=True):
        for cell, name in zip(row[2:], ("candidates", "strong", "recalled"), strict=True):
            count, _, share = cell.partition(" (")
            assert int(count) == totals[name]
            assert float(share.split()[0]) == pytest.approx(
                100 * totals[f"{name}_share"], abs=0.051
            )


def test_sites_are_the_tables(study: Study, html: str) -> None:
    filters = study.filters
    rows = {row[0]: row for row in rows_of(html, "cause-rows")[1:]}
    for site, own in filters.group_by("site", maintain_order=True):
        row = rows[str(site[0])]
        assert int(row[2]) == own["recognises"].sum()
        labels = ("confirmed", "grey", "rejected")
        assert [int(cell) for cell in row[3:6]] == [(own["label"] == s).sum() for s in labels]
        confirmed = own.filter(pl.col("label") == "confirmed")
        origins = ("nascent", "inherited", "both")
        assert [int(cell) for cell in row[6:9]] == [
            (confirmed["origin"] == origin).sum() for origin in origins
        ]


def test_with_baselines_nothing_is_called_learned(page: Page) -> None:
    assert "learned" not in page.text


def test_kinds_and_origins_are_said(study: Study, page: Page) -> None:
    found = kinds(study)
    confirmed = study.filters.filter(pl.col("label") == "confirmed")
    of_kind = confirmed.drop_nulls("kind")
    assert sum(kind.count for kind in found if kind.name != "corner") == of_kind.height > 0
    for kind in found:
        assert kind.sentence in page.text and kind.kernels in page.text
    for origin, count in confirmed["origin"].drop_nulls().value_counts().iter_rows():
        assert f"{count} {origin} (" in origin_sentence(study)
    assert origin_sentence(study) in page.text
    for sentence in limits(study):
        assert " ".join(sentence.split()) in page.text


def test_curves_are_what_was_counted_and_scored(study: Study) -> None:
    """All of the images explained, as the scores are."""
    contrasted = explanation_of(study).counts
    sides = ["top", "bottom", "left", "right"]
    for row in study.filters.iter_rows(named=True):
        place = sides.index(row["side"])
        curves = distributions(
            study, row["site"], np.array([row["filter"]]), np.array([place])
        )  # fmt: skip
        assert curves.real
        gap = np.abs(curves.border.values - curves.core.values)[0, curves.gap[0]]
        assert gap == pytest.approx(row["ks"])
        tallies = contrasted.of_site(row["site"])
        padded, real = (
            tallies[f"{name}/near"].fine[place, row["filter"], :BINS].numpy()
            for name in ("padded", "real")
        )
        assert real.sum() > 0
        for found, counted in ((curves.border, padded), (curves.real, real)):
            shares = (counted.cumsum() / counted.sum())[: found.values.shape[1]]
            np.testing.assert_array_equal(found.values[0], shares)
        side = study.sides.filter(
            (pl.col("site") == row["site"]) & (pl.col("filter") == row["filter"])
            & (pl.col("side") == row["side"])
        )  # fmt: skip
        assert side["causal_ks"].item() == pytest.approx(ks_distance(padded, real).item())


def test_recall_that_is_not_known_says_so(study: Study) -> None:
    curve = recall_curve(study, *study.filters.select("site", "filter").row(0))
    assert curve is not None
    unknown = replace(curve, recall=(None,) * len(curve.contents))
    assert unknown.words.endswith("by share of the content that passes: unknown")


def test_checks_are_the_tables(study: Study, html: str, page: Page) -> None:
    assert "16 pixels of real surroundings at each end" in page.text
    q = study.sides["q"].drop_nulls()
    assert f"{(q <= 0.05).sum()} of {len(q)} filter-sides respond more than lines" in page.text
    rows = rows_of(html, "check-rows")[1:]
    explained_sites = study.sites.filter(pl.col("no_context").is_not_null())
    for row, site in zip(rows, explained_sites.iter_rows(named=True), strict=True):
        assert row[3] == f"{site['out_of_reach']:,}"
        agreement = site["margin_agreement"]
        assert row[8] == ("–" if agreement is None else f"{agreement:.2f}")


def test_nothing_is_loaded_from_elsewhere(html: str, page: Page) -> None:
    for _, name, value in attributes(page):
        assert name != "style" and not name.startswith("on")
        if name == "href" and not value.startswith("#"):
            assert value == "https://arxiv.org/abs/2309.08048"
    css = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert css and "url(" not in css[1] and "@import" not in css[1]
    digest = base64.b64encode(hashlib.sha256(css[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in html.replace("&#39;", "'")
    for tag, attrs in page.tags:
        if attrs.get("role") in ("img", "region"):
            assert attrs.get("aria-label") or attrs.get("aria-labelledby")
        if tag == "svg":
            assert (
                attrs.get("aria-hidden") == "true"
                or attrs.get("aria-label")
                or attrs.get("class") == "marks"
            )
    labels = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(labels) == len(set(labels))
    named = [a["aria-labelledby"] for _, a in page.tags if a.get("aria-labelledby")]
    assert set(named) <= set(labels)
