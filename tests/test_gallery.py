"""The gallery's data: what its cards are drawn from is what the model and the counts say."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import load_file, save_file
from tests.synthetic_gallery import (
    IMAGES,
    many_filters,
    small_network,
    small_study,
)
from tests.test_report import HOSTILE, Page, network, noise
from tests.test_report_explained import MARGIN, cut
from torch import nn

from padscope import RunDirectory, load_study
from padscope.findings.choice import STATIC, choose_filters
from padscope.findings.distributions import Distributions, cumulate
from padscope.findings.neuron import told_reach
from padscope.findings.recall_curve import recall_curve
from padscope.measurements import FirstImages
from padscope.report import render_report
from padscope.report.gallery.arrays import (
    LEVELS,
    NO_VALUE,
    NO_WEIGHT,
    WEIGHTS,
    quantise_levels,
    quantise_weights,
)
from padscope.report.gallery.curves import FULL, choose_points
from padscope.report.gallery.data import to_thousandths, write_block
from padscope.report.gallery.making import make_gallery
from padscope.report.gallery.sites import LONGEST, MAP_BYTES, longest_axis
from padscope.settings import ExplainSettings, ScanSettings
from padscope.study import SCAN, Kept, Kernels, Study, scan
from padscope.tallies import BINS, Bins
from padscope.tallies.lines import thinned_lines

SIDES = ["top", "bottom", "left", "right"]


@pytest.fixture(scope="module")
def study() -> Study:
    return small_study()


@pytest.fixture(scope="module")
def chosen(study: Study) -> pl.DataFrame:
    return choose_filters(study)


@pytest.fixture(scope="module")
def block(study: Study) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(make_gallery(study).block)
    return found


def decoded(text: str, kind: type[np.generic] = np.uint8) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


# ------------------------------------------------------------------------------ kernels kept


@pytest.mark.parametrize(
    ("layer", "image", "filters"),
    [
        (nn.Conv1d(4, 6, 3, padding=1), (4, 12), 6),
        (nn.Conv2d(12, 8, (3, 5), padding=(1, 2), groups=2), (12, 12, 12), 8),
        (nn.Conv2d(5, 5, 3, padding=1, groups=5), (5, 12, 12), 5),
        (nn.ConvTranspose2d(6, 8, 4, stride=2, padding=1, groups=2), (6, 12, 12), 8),
        (nn.Conv3d(2, 3, 3, padding=1), (2, 12, 12, 12), 3),
    ],
)
def test_kernels_of_all_filters_are_kept(
    layer: nn.Module, image: tuple[int, ...], filters: int
) -> None:
    net = network(layer)
    study = scan(net, noise(8, *image), ScanSettings(batch_size=8))
    kernels = study.kernels["0"]
    weight = net.get_parameter("0.weight").detach().numpy().astype(np.float64)
    if isinstance(layer, nn.ConvTranspose2d):  # (C_in, C_out / groups, …), written from its docs
        of_filter = [weight[3 * (c // 4) : 3 * (c // 4) + 3, c % 4] for c in range(filters)]
    else:
        of_filter = list(weight)
    assert len(kernels.total) == filters
    assert kernels.inputs == len(of_filter[0])
    for index, kernel in enumerate(of_filter):
        np.testing.assert_allclose(kernels.total[index], kernel.sum(axis=0), rtol=1e-6, atol=1e-7)
        strength = (kernel**2).reshape(len(kernel), -1).sum(axis=1)
        order = np.argsort(-strength, kind="stable")[: 8 if len(kernel) > 1 else 0]
        assert kernels.channels[index].tolist() == order.tolist()
        np.testing.assert_array_equal(kernels.slices[index], kernel[order].astype(np.float32))


def test_slices_that_are_not_finite_do_not_hide_the_others() -> None:
    weight = torch.ones(1, 12, 3, 3)
    weight[0, :3] = torch.tensor([float("nan"), float("inf"), 5.0])[:, None, None]
    kernels = Kernels.of(weight)
    assert kernels.channels[0, 0] == 2 and set(kernels.channels[0].tolist()) == {2, *range(3, 10)}
    assert np.isnan(kernels.total).all()


def test_kernels_are_stored_and_read(study: Study, tmp_path: Path) -> None:
    journal = RunDirectory(tmp_path / "run")
    journal.begin(SCAN, study.identity)
    journal.keep(Kept({SCAN: study.counted}))
    plain = scan(small_network(), cut(IMAGES, MARGIN), ScanSettings(batch_size=8, calibrate=8))
    bare = replace(study, explanation=None, impact=None, filters=plain.filters, sides=plain.sides,
                   sites=plain.sites)  # fmt: skip
    journal.save(bare)
    loaded = load_study(tmp_path / "run")
    assert loaded.kernels.keys() == study.kernels.keys() == {"0", "3"}
    for site, kernels in study.kernels.items():
        found = loaded.kernels[site]
        assert found.inputs == kernels.inputs
        for name in ("total", "channels", "slices"):
            assert np.array_equal(getattr(found, name), getattr(kernels, name))
    pictures = tmp_path / "run" / "maps.safetensors"
    kept = {key: t for key, t in load_file(pictures).items() if key.endswith(("/kernel", "/map"))}
    save_file(kept, pictures)
    assert load_study(tmp_path / "run").kernels == {}  # as of earlier versions


def test_a_run_without_kernels_says_so(study: Study) -> None:
    bare = replace(study, kernels={})
    page = Page(render_report(bare))
    assert "has kept the kernels of few filters" in page.text
    found = json.loads(make_gallery(bare).block)
    assert set(found["arrays"]["kernel"]) == {""} and set(found["columns"]["limit"]) == {None}


# ------------------------------------------------------------------------------ what a card shows


def test_kernels_are_the_weights(chosen: pl.DataFrame, block: dict[str, Any]) -> None:
    net = small_network()
    for place, (site, index) in enumerate(chosen.select("site", "filter").iter_rows()):
        kernel = net.get_parameter(f"{site}.weight")[index].detach().numpy()
        channels = block["columns"]["channels"][place]
        strength = (kernel**2).sum(axis=(1, 2))
        assert channels == np.argsort(-strength, kind="stable")[:4].tolist()
        shown = np.concatenate([kernel.sum(axis=0).ravel(), kernel[channels].ravel()])
        limit = block["columns"]["limit"][place]
        assert limit == pytest.approx(np.abs(shown).max(), rel=5e-3)
        found = decoded(block["arrays"]["kernel"][place], np.int8) / WEIGHTS * np.abs(shown).max()
        np.testing.assert_allclose(found, shown, atol=np.abs(shown).max() / WEIGHTS / 1.99)


def test_maps_are_those_of_a_plain_forward_pass(
    study: Study, chosen: pl.DataFrame, block: dict[str, Any]
) -> None:
    net = small_network()
    assert study.explanation is not None
    settings = ExplainSettings(**study.explanation.identity["settings"])
    area = IMAGES[0, 0].numel() / cut(IMAGES, MARGIN)[0, 0].numel()
    batch = round(2 * settings.batch_size / area)  # canvases are calibrated on in whole batches
    canvases = IMAGES[: -(-settings.calibrate // batch) * batch]
    images = cut(canvases, MARGIN)
    with torch.no_grad():
        padded = {"0": net[0](images), "3": net(images)}
        real = {
            "0": cut(net[0](canvases), MARGIN),
            "3": cut(net(canvases), MARGIN // 2),  # behind a pooling of stride 2
        }
    for place, (site, index) in enumerate(chosen.select("site", "filter").iter_rows()):
        pair = [maps[site][:, index].double().mean(dim=0).numpy() for maps in (padded, real)]
        described = block["sites"][block["columns"]["site"][place]]
        assert described["maps"] == [["", *pair[0].shape]] and described["thinned"] == ""
        mean = np.stack(pair)
        np.testing.assert_allclose(pair[0][3:-3, 3:-3], pair[1][3:-3, 3:-3], atol=1e-5)
        low, high = block["columns"]["mapLow"][place], block["columns"]["mapHigh"][place]
        assert (low, high) == pytest.approx((mean.min(), mean.max()), rel=1e-2)
        found = decoded(block["arrays"]["map"][place]).reshape(mean.shape) / LEVELS
        step = np.ptp(mean) / LEVELS
        kept = np.abs(mean).max() * 2**-7  # as_pictured, of the ends and of what lies between
        np.testing.assert_allclose(mean.min() + found * np.ptp(mean), mean, atol=0.51 * step + kept)


def test_distributions_are_the_counts(
    study: Study, chosen: pl.DataFrame, block: dict[str, Any]
) -> None:
    explanation = study.explanation
    assert explanation is not None
    for place, row in enumerate(chosen.iter_rows(named=True)):
        site, index, side = row["site"], row["filter"], SIDES.index(row["side"])
        fine = explanation.counts.near(site).fine[:, index, :BINS].numpy()
        real = explanation.counts.of_site(site)["real/near"].fine[side, index, :BINS].numpy()
        bins = (explanation.counts.bins or {})[site]
        edges = bins.edges()[index]
        low, high = (block["columns"][name][place] for name in ("low", "high"))
        points = decoded(block["arrays"]["pair"][place]).reshape(-1, 3) / FULL
        for column, counts in ((1, fine[side]), (2, fine[4])):
            assert on_curve(points[:, [0, column]], counts, edges, low, high)
        third = decoded(block["arrays"]["real"][place]).reshape(-1, 2) / FULL
        assert on_curve(third, real, edges, low, high)
        gap = np.abs(points[:, 1] - points[:, 2]).max()
        assert gap == pytest.approx(row["ks"], abs=1.01 / FULL)
        recall = decoded(block["arrays"]["recall"][place])
        assert recall[block["contents"].index(0.01)] == hundredths(row["recall"])
        curve = recall_curve(study, site, index)
        assert curve is not None and recall.tolist() == [
            hundredths(value) for value in curve.recall
        ]


def hundredths(value: float | None) -> int:
    """As it is printed."""
    return NO_VALUE if value is None else round(100 * float(f"{value:.2f}"))


def on_curve(
    points: np.ndarray, counts: np.ndarray, edges: np.ndarray, low: float, high: float
) -> bool:
    """Whether points lie on a cumulative distribution, give or take their rounding."""
    share = counts.cumsum()[:-1] / counts.sum()
    across = ((edges - low) / (high - low)).clip(0, 1)
    # A three-digit end of the plot moves a point by half a hundredth at most.
    near = np.abs(across[:, None] - points[:, 0]) <= 0.006 + 0.5 / FULL
    level = np.abs(share[:, None] - points[:, 1]) <= 0.501 / FULL
    return bool((near & level).any(axis=0).all())


def test_scores_are_the_tables(study: Study, chosen: pl.DataFrame, block: dict[str, Any]) -> None:
    columns, words = block["columns"], block["words"]
    for place, row in enumerate(chosen.iter_rows(named=True)):
        mine = study.sides.filter(
            (pl.col("site") == row["site"]) & (pl.col("filter") == row["filter"])
        )
        for name, column in (("ks", "ks"), ("causal", "causal_ks"), ("polarity", "polarity"),
                             ("ksLow", "ks_low"), ("causalHigh", "causal_high"),
                             ("recall", "recall"), ("recallHigh", "recall_high")):  # fmt: skip
            assert f"{columns[name][place]:.2f}" == f"{row[column]:.2f}"
        assert columns["recognises"][place] == row["recognises"]
        same = ((name, name) for name in ("label", "side", "kind", "origin", "sign"))
        for name, column in (*same, ("recallSide", "recall_side")):
            code = columns[name][place]
            assert (words[name][code] if code >= 0 else None) == (row[column] or None)
        scores = decoded(block["arrays"]["sides"][place]).reshape(4, 8)
        for shown, side in zip(scores.tolist(), mine.iter_rows(named=True), strict=True):
            lines = [side["ks"], side["ks_1"], side["ks_2"], side["ks_3"], side["causal_ks"],
                     side["causal_1"], side["causal_2"], side["causal_3"]]  # fmt: skip
            assert shown == [hundredths(value) for value in lines]
        active = words["active"][columns["active"][place]] if row["active"] else ""
        assert active == ", ".join(row["active"] or [])
        told = told_reach(row, list(mine.iter_rows(named=True)))
        assert told.endswith("deepest measured") == bool(columns["beyond"][place])
        assert columns["rank"][place] == row["impact_rank"]


# ------------------------------------------------------------------------------ which, and how many


def test_the_gallery_holds_what_responds_or_is_confirmed(
    study: Study, chosen: pl.DataFrame
) -> None:
    names = set(chosen.select("site", "filter").rows())
    for row in study.filters.iter_rows(named=True):
        held = row["ks"] >= 0.5 or row["label"] == "confirmed" or row["kind"] is not None
        assert held == ((row["site"], row["filter"]) in names)
    recognises, confirmed = chosen["recognises"], chosen["label"] == "confirmed"
    first, second = int(recognises.sum()), int(confirmed.sum())
    assert recognises[:first].all() and confirmed[:second].all()
    assert 0 < first < second and 50 < second < chosen.height
    causal = chosen["causal_ks"].to_numpy()
    for part in (causal[:first], causal[first:second], causal[second:]):
        assert (np.diff(part) <= 0).all()


def test_a_study_that_is_not_explained_is_ranked_by_its_responses(study: Study) -> None:
    plain = scan(small_network(), cut(IMAGES, MARGIN), ScanSettings(batch_size=8, calibrate=8))
    chosen = choose_filters(plain)
    assert (np.diff(chosen["ks"].to_numpy()) <= 0).all()
    found = json.loads(make_gallery(plain).block)
    assert not found["explained"] and not found["impact"]
    assert set(found["arrays"]["real"]) == {""} and set(found["columns"]["causal"]) == {None}


def test_where_nothing_responds_the_strongest_are_shown() -> None:
    layer = nn.Conv2d(1, 60, 1, padding=0)
    net = network(layer, nn.Conv2d(60, 70, 3, padding=1))
    with torch.no_grad():  # only the centre counts: padding never does
        net.get_parameter("1.weight").mul_(torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    study = scan(net, noise(64, 1, 16, 16))
    gallery = make_gallery(study)
    assert gallery.filters == len(gallery.strongest.rows) == STATIC and gallery.filled
    assert [choice.value for choice in gallery.evidence] == [""]
    strongest = study.filters.sort("ks", descending=True).head(STATIC)
    assert choose_filters(study)["ks"].to_list() == strongest["ks"].to_list()
    assert "then the strongest of the others" in Page(render_report(study)).text


def test_menus_count_the_gallery(study: Study, chosen: pl.DataFrame) -> None:
    gallery = make_gallery(study)
    for choices, column in ((gallery.sides, "causal_side"), (gallery.kinds, "kind"),
                            (gallery.origins, "origin")):  # fmt: skip
        expected = chosen[column].drop_nulls().value_counts().rows()
        assert {choice.value: choice.count for choice in choices} == dict(expected)
    counts = {choice.value: choice.count for choice in gallery.evidence}
    assert counts["recognises"] == chosen["recognises"].sum()
    assert counts["confirmed"] == (chosen["label"] == "confirmed").sum()
    assert counts["candidate"] == (study.filters["ks"] >= 0.5).sum()
    assert next(iter(counts)) == "recognises" and counts[""] == chosen.height


# ------------------------------------------------------------------------------ bytes

FLOATS = st.floats(-1e6, 1e6) | st.sampled_from([float("nan"), float("inf"), -float("inf")])


@given(hnp.arrays(np.float64, (3, 5), elements=FLOATS))
def test_weights_survive_their_bytes(weights: np.ndarray) -> None:
    quantised, limits = quantise_weights(weights)
    finite = np.isfinite(weights)
    np.testing.assert_array_equal(quantised == NO_WEIGHT, ~finite)
    back = quantised.view(np.int8) / WEIGHTS * limits[:, None]
    error = np.abs(back - weights)[finite]
    assert (error <= (0.5001 / WEIGHTS * limits)[:, None].repeat(5, axis=1)[finite]).all()


@given(hnp.arrays(np.float64, (3, 5), elements=FLOATS))
def test_maps_survive_their_bytes(values: np.ndarray) -> None:
    quantised, low, high = quantise_levels(values)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(quantised == NO_VALUE, ~finite)
    back = low[:, None] + quantised / LEVELS * (high - low)[:, None]
    steps = ((high - low) / LEVELS)[:, None].repeat(5, axis=1)
    assert (np.abs(back - values)[finite] <= 0.5001 * steps[finite] + 1e-9).all()


@given(
    hnp.arrays(np.int64, (3, BINS), elements=st.integers(0, 3)),
    hnp.arrays(np.int64, (3, BINS), elements=st.sampled_from([0, 0, 0, 0, 5, 900])),
)
def test_points_lie_on_the_curves(border: np.ndarray, core: np.ndarray) -> None:
    bins = Bins(torch.tensor([0.0, -2.0, 1e3]), torch.tensor([1.0, 0.1, 50.0]))
    edges = bins.edges()
    found = Distributions(cumulate(border, edges), cumulate(core, edges))
    points = choose_points(found)
    for row in range(3):
        if not (border[row].any() and core[row].any()):
            assert np.isnan([points.low[row], points.high[row], found.threshold[row]]).all()
            continue
        shares = [counts.cumsum()[:-1] / counts.sum() for counts in (border[row], core[row])]
        at = points.pair[row].astype(int)
        assert (np.diff(at, axis=0) >= 0).all()
        for column, counts in ((1, border), (2, core)):
            drawn = at[:, [0, column]] / FULL
            assert on_curve(drawn, counts[row], edges[row], points.low[row], points.high[row])
        gap = np.abs(shares[0] - shares[1])[:-1].max()
        assert np.abs(at[:, 1] - at[:, 2]).max() / FULL == pytest.approx(gap, abs=1.01 / FULL)


@given(st.floats(0, 1))
def test_thousandths_print_as_the_score_does(score: float) -> None:
    assert f"{to_thousandths(score):.2f}" == f"{score:.2f}"
    assert abs(to_thousandths(score) - score) <= 0.0016


# ------------------------------------------------------------------------------ the page


@given(st.text() | st.sampled_from([*HOSTILE, "\u2028\u2029", "<!--<script>", "]]>&amp;"]))
def test_a_block_ends_where_it_ends(text: str) -> None:
    written = write_block({"name": text})
    assert written.isascii() and not set(written) & set("<>&")
    assert json.loads(written) == {"name": text}


def test_the_same_study_gives_the_same_bytes(study: Study) -> None:
    assert make_gallery(study).block == make_gallery(small_study()).block


def test_links_lead_to_filters(study: Study) -> None:
    page = Page(render_report(study))
    held = {
        f"#{site}/{index}" for site, index in choose_filters(study).select("site", "filter").rows()
    }
    links = [a["href"] for t, a in page.tags if t == "a" and "/" in (a.get("href") or "")[:3]]
    assert links and set(links) <= held


def test_many_large_maps_are_thinned_to_fit(study: Study, chosen: pl.DataFrame) -> None:
    site = chosen.filter(pl.col("site") == "0").head(1)
    for size, count in ((100, 100), (100, 4000), (100, 300_000)):
        large = FirstImages({("0", "padded"): torch.zeros(48, size, size)})
        counted = replace(study.counted, first=large)
        many = pl.concat([site] * count) if count < 5000 else site.select("site").sample(
            count, with_replacement=True)  # fmt: skip
        longest = longest_axis(replace(study, counted=counted, explanation=None), many)
        fitting = [n for n in LONGEST if count * len(thinned_lines(size, n)) ** 2 <= MAP_BYTES]
        assert longest == (fitting[0] if fitting else LONGEST[-1])


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions(dims: int) -> None:
    layer: Any = nn.Conv1d if dims == 1 else nn.Conv3d
    size = (300,) if dims == 1 else (12, 14, 16)
    study = scan(network(layer(2, 4, 3, padding=1)), noise(16, 2, *size))
    found = json.loads(make_gallery(study).block)
    (site,) = found["sites"]
    cells = sum(rows * columns for _, rows, columns in site["maps"])
    assert {len(decoded(text)) for text in found["arrays"]["map"]} == {cells}
    if dims == 1:
        assert cells == 102 and site["thinned"] == "first and last positions of 300"
        assert (decoded(found["arrays"]["map"][0]) == NO_VALUE).sum() == 6  # the gap between them
    else:
        assert site["maps"] == [["depth 6 of 0–11", 14, 16], ["height 7 of 0–13", 12, 16]]
        assert [name for name, *_ in site["kernel"]] == ["depth 1 of 0–2", "height 1 of 0–2"]
        assert {len(decoded(t)) for t in found["arrays"]["kernel"]} == {9 + 9 + 2 * 9}


def test_twenty_thousand_filters_are_a_page_of_fifteen_megabytes() -> None:
    study = many_filters()
    assert study.filters.height == 20_000
    html = render_report(study)
    assert len(html.encode()) <= 15_000_000
    assert len(json.loads(make_gallery(study).block)["columns"]["ks"]) > 10_000
