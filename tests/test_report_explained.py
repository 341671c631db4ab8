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

from padscope.evidence import CONFIRMED, RECOGNISED
from padscope.findings.distributions import Curves, distributions
from padscope.findings.recall_curve import recall_curve
from padscope.findings.recognition import recognition
from padscope.report import render_report
from padscope.report.kinds import make_kinds
from padscope.report.ladder import make_ladder
from padscope.report.origins import ORIGINS, make_origins
from padscope.report.scatter import CELLS, count_cells, make_panels
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
    assert [row[0].split("  ")[0] for row in rows] == [
        "given 18 measured", "fresh weights 1 18 measured", "fresh weights 2 18 measured",
        "matched kernels 1 18 measured", "matched kernels 2 18 measured",
    ]  # fmt: skip
    for row, totals in zip(rows, explanation.baselines.iter_rows(named=True), strict=True):
        for cell, name in zip(row[1:], ("candidates", "strong", "recalled"), strict=True):
            share, _, count = cell.partition(" % ")
            assert int(count) == totals[name]
            assert float(share) == pytest.approx(100 * totals[f"{name}_share"], abs=0.051)


def test_sites_are_the_tables(study: Study, html: str) -> None:
    explanation = explanation_of(study)
    ladder = make_ladder(study, explanation)
    given = explanation.networks.filter(pl.col("network") == "given")
    assert [site.recalled for site in ladder.sites] == given["recalled"].to_list()
    assert [site.recalled for site in ladder.sites] == [
        sum(value is not None and value >= RECOGNISED for value in recall)
        for recall in given["recall"].to_list()
    ]
    assert [site.median for site in ladder.sites] == [d[5] for d in given["response_deciles"]]
    for row, site in zip(rows_of(html, "by-site")[1:], ladder.sites, strict=True):
        assert row[2:5] == [" ".join(site.share.split()), str(site.recalled), str(site.measured)]
    for site in ladder.sites:
        width = re.search(r'class="full" x="0" y="1" width="([\d.]+)"', site.bar)
        drawn = float(width[1]) * ladder.site_end / 100 if width else 0
        assert drawn == pytest.approx(site.recalled / site.measured, abs=1e-4)
        assert site.bar.count("tick fresh") == 2 and site.bar.count("tick matched") == 2
        assert "given" in site.deciles and "untrained" in site.deciles


def test_with_baselines_nothing_is_called_learned(page: Page) -> None:
    assert "learned" not in page.text


def test_kinds_are_the_tables(study: Study, html: str) -> None:
    kinds = make_kinds(study)
    counted = (pl.col("label") == "confirmed") | (pl.col("kind") == "corner")
    of_kind = study.filters.filter(pl.col("kind").is_not_null() & counted)
    counts = dict(of_kind.group_by("kind").len().iter_rows())
    keys = ["single", "adjacent", "opposite-same", "opposite-opposed", "three", "frame", "corner"]
    assert [block.count for block in kinds.blocks] == [counts.get(key, 0) for key in keys]
    for block in kinds.blocks:
        assert sum(cell.count for _, cells in block.rows for cell in cells) == block.count
    for sign, cells in kinds.blocks[0].rows:
        for side, cell in zip(("top", "bottom", "left", "right"), cells, strict=True):
            found = of_kind.filter(
                (pl.col("kind") == "single") & (pl.col("sign") == sign)
                & (pl.col("active").list.first() == side)
            )  # fmt: skip
            assert (cell.count, cell.stability) == (len(found), pytest.approx(
                found["stability"].mean()) if len(found) else None)  # fmt: skip
            assert f'class="side {sign}"' in cell.glyph
    assert html.count('<table class="kind">') == 7


def test_origins_and_inherited_are_the_tables(study: Study, html: str) -> None:
    explanation = explanation_of(study)
    origins = make_origins(study, explanation)
    confirmed = study.filters.filter(pl.col("label") == "confirmed")
    for origin in ORIGINS:
        assert origins.totals[origin] == (confirmed["origin"] == origin).sum()
    shown = rows_of(html, "origin-rows")[1:]
    for row, site in zip(shown, study.sites.filter("scored")["site"], strict=True):
        here = confirmed.filter(pl.col("site") == site)
        counts = [(here["origin"] == origin).sum() for origin in ORIGINS]
        assert [int(cell) for cell in row[2:]] == [len(here), *counts]
    best = explanation.inherited.group_by("site", "filter").agg(pl.col("causal_ks").max())
    assert origins.measured == best["causal_ks"].count() == 6
    assert origins.inheriting == (best["causal_ks"] >= CONFIRMED).sum()
    assert [row.site for row in origins.inherited] == ["3"]


def test_observation_against_cause_is_the_table(study: Study, html: str) -> None:
    panels = make_panels(study)
    sides = study.sides.drop_nulls(["ks", "causal_ks"]).join(
        study.sites.select("site", small=pl.col("map_size").list.min() < 14), on="site"
    )
    assert [panel.small for panel in panels] == [False, True]
    for panel, row in zip(panels, rows_of(html, "observed-rows")[1:], strict=True):
        here = sides.filter(pl.col("small") == panel.small)
        responding = here.filter(pl.col("ks") >= 0.5)
        labels = [(responding["label"] == s).sum() for s in ("confirmed", "grey", "rejected")]
        unasked = ((here["label"] == "confirmed") & (here["ks"] < 0.5)).sum()
        numbers = [int(cell.split()[0]) for cell in row[1:]]
        assert numbers == [len(here), len(responding), *labels, unasked]
        squares = sum(
            path.count("M") for path in re.findall(r'class="d\d" d="([^"]+)"', panel.plot)
        )
        counted = count_cells(here["ks"].to_numpy(), here["causal_ks"].to_numpy())
        assert squares == (counted > 0).sum() and counted.sum() == len(here)


def test_many_points_stay_a_small_drawing() -> None:
    rng = np.random.default_rng(0)
    counts = count_cells(rng.random(200_000), rng.random(200_000))
    assert counts.sum() == 200_000 and counts.shape == (CELLS, CELLS)
    edges = count_cells(np.array([0.0, 1.0, 0.3, 0.5]), np.array([1.0, 0.0, 0.5, 0.3]))
    assert np.argwhere(edges).tolist() == [[0, 49], [15, 25], [25, 15], [49, 0]]


def test_curves_are_what_was_counted_and_scored(study: Study) -> None:
    """All of the images explained, as the scores are."""
    contrasted = explanation_of(study).counts
    sides = ["top", "bottom", "left", "right"]
    for row in study.filters.iter_rows(named=True):
        curves = distributions(study, row["site"], row["filter"], row["side"])
        assert isinstance(curves, Curves) and curves.real
        assert curves.ks == pytest.approx(row["ks"])
        tallies = contrasted.of_site(row["site"])
        place = sides.index(row["side"])
        padded, real = (
            tallies[f"{name}/near"].fine[place, row["filter"], :BINS].numpy()
            for name in ("padded", "real")
        )
        assert curves.counts[0] == padded.sum()
        assert curves.real.count == real.sum() > 0
        cumulated = (real.cumsum() / real.sum())[: len(curves.real.share)]
        np.testing.assert_array_equal(curves.real.share, cumulated)
        side = study.sides.filter(
            (pl.col("site") == row["site"]) & (pl.col("filter") == row["filter"])
            & (pl.col("side") == row["side"])
        )  # fmt: skip
        assert side["causal_ks"].item() == pytest.approx(ks_distance(padded, real).item())


def test_recall_that_is_not_known_says_so(study: Study) -> None:
    curve = recall_curve(study, *study.filters.select("site", "filter").row(0))
    assert curve is not None
    unknown = replace(curve, recall=(None,) * len(curve.contents))
    assert unknown.value == "–" and "unknown" in unknown.words


def test_checks_are_the_tables(study: Study, html: str, page: Page) -> None:
    assert "16 pixels of real surroundings at each end" in page.text
    q = study.sides["q"].drop_nulls()
    assert f"{(q <= 0.05).sum()} of {len(q)} filter-sides respond more than chance" in page.text
    rows = rows_of(html, "check-rows")[1:]
    explained_sites = study.sites.filter(pl.col("no_context").is_not_null())
    for row, site in zip(rows, explained_sites.iter_rows(named=True), strict=True):
        assert row[2] == f"{site['out_of_reach']:,}"
        agreement = site["margin_agreement"]
        assert row[7] == ("–" if agreement is None else f"{agreement:.2f}")
    assert "None: all that was asked for could be done." in page.text


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
                or (attrs.get("version") or attrs.get("class") == "marks")
            )
    labels = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(labels) == len(set(labels))
    named = [a["aria-labelledby"] for _, a in page.tags if a.get("aria-labelledby")]
    assert set(named) <= set(labels)
