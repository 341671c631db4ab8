"""What a notebook shows: a study's summary, and the card of a filter, drawn from the tables."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.synthetic_impact import with_impact
from tests.test_report import HOSTILE, Page, network, noise, scan_2d
from tests.test_report_explained import MARGIN, cut, explained, two_layers
from torch import Tensor, nn

from padscope import PadscopeError, Study
from padscope.figures.rendering import figure_svg
from padscope.findings.recognition import recognition
from padscope.findings.words import interval, number, visible
from padscope.notebook import FilterCard

CANVASES = noise(24, 3, 64, 56)


@pytest.fixture(scope="module")
def study() -> Study:
    return with_impact(explained(two_layers(), CANVASES, baselines=1))


@pytest.fixture(scope="module")
def plain() -> Study:
    return scan_2d()


def html_of(shown: Study | FilterCard) -> str:
    return shown._repr_html_()


def site_names(study: Study) -> list[str]:
    return study.filters["site"].unique(maintain_order=True).to_list()


# What a card holds


def test_kernel_and_map_are_those_of_a_plain_forward(study: Study) -> None:
    net = two_layers()
    convs = [layer for layer in net if isinstance(layer, nn.Conv2d) and layer.padding != (0, 0)]
    seen: list[Tensor] = []
    assert study.explanation is not None and study.explanation.counts.first is not None
    first = study.explanation.counts.first  # the images that are looked at
    for conv in convs:
        conv.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        net(cut(CANVASES, MARGIN)[: len(first.borders[site_names(study)[0]])])
    for site, conv, maps in zip(site_names(study), convs, seen, strict=True):
        for index in range(conv.out_channels):
            card = study.card(site, index)
            assert card.kernel is not None
            torch.testing.assert_close(
                torch.from_numpy(card.kernel).float(), conv.weight[index].detach().sum(dim=0)
            )
            mean = maps[:, index].mean(dim=0)
            found = torch.from_numpy(card.mean_map).float()
            torch.testing.assert_close(found, mean, rtol=2**-8, atol=1e-6)


def test_rows_are_those_of_the_tables(study: Study) -> None:
    for row in study.filters.iter_rows(named=True):
        card = study.card(row["site"], row["filter"])
        assert card.row == row
        own = study.sides.filter(
            (pl.col("site") == row["site"]) & (pl.col("filter") == row["filter"])
        )
        assert list(card.sides) == own.to_dicts()
        facts = dict(card.facts)
        assert facts["label"] == row["label"]
        assert facts["origin"].startswith(row["origin"] or "–")
        answer = "yes" if row["recognises"] else "no"
        assert facts["recognises"] == (
            f"{answer}, recall {row['recall']:.2f} [{row['recall_low']:.2f} to "
            f"{row['recall_high']:.2f}] at the {row['recall_side']}"
        )
        if row["kind"] and row["kind"] != "corner":
            assert facts["kind"] == f"{row['kind']}, {row['sign']}: {', '.join(row['active'])}"
        assert facts["impact"] == (
            f"{number(row['impact'])} nats {interval(row['impact_low'], row['impact_high'])}, "
            f"rank {row['impact_rank']} of {study.filters.height}"
        )


def test_recall_is_told_by_the_share_of_content(study: Study, plain: Study) -> None:
    """At 1 % it is what the tables hold; the more content passes, the more of the border does."""
    for row in study.filters.iter_rows(named=True):
        card = study.card(row["site"], row["filter"])
        curve = card.recall
        assert curve is not None and curve.side == row["recall_side"]
        known = dict(zip(curve.contents, curve.recall, strict=True))
        assert known[0.01] == pytest.approx(row["recall"])
        values = [value for value in curve.recall if value is not None]
        assert values == sorted(values) and len(values) >= 3
        assert curve.words in Page(html_of(card)).text
    row = plain.filters.row(0, named=True)
    curve = plain.card(row["site"], 0).recall
    assert curve is not None and curve.side == row["side"]
    known = dict(zip(curve.contents, curve.recall, strict=True))
    assert known[curve.content] == pytest.approx(row["border_recall"])


def test_a_study_that_is_not_explained_says_nothing_of_causes(plain: Study) -> None:
    row = plain.filters.row(0, named=True)
    card = plain.card(row["site"], 0)
    assert [name for name, _ in card.facts] == ["label", "polarity"]
    assert "caus" not in html_of(card) and "because" not in html_of(plain)


def test_estimates_that_are_not_to_be_trusted_say_so(study: Study) -> None:
    assert study.impact is not None
    weak = replace(study, impact=replace(study.impact, agreement={"reliable": 0.0}))
    card = weak.card(site_names(study)[0], 0)
    assert dict(card.facts)["impact"].endswith("; estimates are unreliable for this model")


def test_a_filter_without_context_says_so(study: Study) -> None:
    apart = replace(study, filters=study.filters.with_columns(real_context=pl.lit(False)))
    card = apart.card(site_names(study)[0], 0)
    assert dict(card.facts)["label"].endswith(", without real context")


def test_a_run_without_kernels_shows_the_rest(study: Study) -> None:
    bare = replace(study, kernels={}, portraits=())
    card = bare.card(site_names(study)[0], 1)
    assert card.kernel is None and dict(card.facts)["kernel"] == "not kept by this run"
    assert html_of(card).count("<img") == 1
    kept = replace(study, kernels={})  # as runs of earlier versions
    portrait = kept.portraits[0]
    card = kept.card(portrait.site, portrait.filter)
    assert card.kernel is not None
    np.testing.assert_allclose(card.kernel, portrait.kernel.sum(axis=0))


def test_unknown_sites_and_filters(study: Study, plain: Study) -> None:
    first = site_names(study)[0]
    with pytest.raises(PadscopeError, match=f"there is no site 'nowhere'; there are .*{first}"):
        study.card("nowhere", 0)
    for index in (8, -1):
        with pytest.raises(PadscopeError, match=f"no filter {index}; its filters are 0 to 7"):
            study.card(first, index)
    (pooling,) = plain.sites.filter(~pl.col("scored"))["site"]
    with pytest.raises(PadscopeError, match=f"site '{pooling}' was not scored: "):
        plain.card(pooling, 0)


# What is drawn of it


def image_of(html: str) -> str:
    """The one figure of a piece, as SVG."""
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    return base64.b64decode(data).decode()


def test_figures_are_those_of_the_command(study: Study) -> None:
    card = study.card(site_names(study)[0], 2)
    assert image_of(html_of(card)) == figure_svg(study, card.name)
    assert image_of(html_of(study)) == figure_svg(study, "depth")


def test_distances_of_every_side_are_told(study: Study) -> None:
    for row in study.filters.head(2).iter_rows(named=True):
        card = study.card(row["site"], row["filter"])
        html = html_of(card)
        for side in card.sides:
            told = ", ".join(
                f"{title} {side[value]:.2f} [{side[low]:.2f} to {side[high]:.2f}]"
                for title, value, low, high in (
                    ("KS", "ks", "ks_low", "ks_high"),
                    ("causal KS", "causal_ks", "causal_low", "causal_high"),
                )
            )
            assert re.search(f">{side['side']}<[^K]*>{re.escape(told)}<", html)


def test_a_dead_filter_is_told_and_not_drawn(study: Study) -> None:
    nowhere = pl.lit(None, pl.String)
    filters = study.filters.with_columns(side=nowhere, causal_side=nowhere, origin=nowhere)
    card = replace(study, filters=filters).card(site_names(study)[0], 0)
    nothing = {name: None for name in card.sides[0] if name != "side"}
    dead = replace(card, sides=tuple(nothing | {"side": side["side"]} for side in card.sides))
    assert "<img" not in html_of(dead) and "KS –, causal KS –" in html_of(dead)


@pytest.mark.parametrize(("layer", "sides"), [(nn.Conv1d, 2), (nn.Conv3d, 6)])
def test_other_dimensions(layer: type[nn.Conv1d] | type[nn.Conv3d], sides: int) -> None:
    dims = sides // 2
    net = network(layer(2, 3, 3, padding=1))
    study = explained(net, noise(16, 2, *[32] * dims), margin=8)
    page = Page(html_of(study.card(site_names(study)[0], 1)))
    assert page.count("img") == 1 and page.text.count("causal KS") == sides


# A notebook's page


def test_pieces_are_whole_and_stand_alone(study: Study, plain: Study) -> None:
    for one in (study, plain):
        for html in (html_of(one), html_of(one.card(site_names(one)[0], 0))):
            page = Page(html)
            assert not {tag for tag, _ in page.tags} & {"script", "style", "link", "iframe"}
            assert not re.search(r"https?:|url\(|\bon\w+=", html)
            for tag, attrs in page.tags:
                assert tag != "img" or attrs["alt"]
            assert html == html_of(one) or html == html_of(one.card(site_names(one)[0], 0))


def test_the_summary_says_what_the_tables_say(study: Study) -> None:
    text = Page(html_of(study)).text
    filters = study.filters
    confirmed = filters.filter(pl.col("label") == "confirmed")
    assert (
        f"{int((filters['ks'] >= 0.5).sum())} of {filters.height} measured filters at 2 padded "
        "sites" in text
    )
    assert f"{confirmed.height} of {filters.height} measured filters (" in text
    assert study.explanation is not None
    found = recognition(filters, study.explanation)
    assert found.recognising == filters["recognises"].sum()
    for told in (found.sentence, *found.origin_sentences):
        assert told in text
    assert study.impact is not None
    effect = study.impact.use
    assert effect is not None
    assert f"by {number(effect['effect'])} [{number(effect['low'])} to" in text
    assert f"; p = {effect['p']:.2g})" in text


def test_a_summary_without_baselines_or_effects(study: Study) -> None:
    assert study.explanation is not None and study.impact is not None
    networks = study.explanation.networks.filter(pl.col("network") == "given")
    alone = replace(
        study, explanation=replace(study.explanation, networks=networks),
        impact=replace(study.impact, effects=pl.DataFrame()),
    )  # fmt: skip
    text = Page(html_of(alone)).text
    assert "nothing here can be called learned" in text
    assert "What undoing these filters changes was not measured." in text


@settings(max_examples=12, deadline=None)
@given(name=st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=40))
def test_names_are_shown_as_text(study: Study, name: str) -> None:
    site = site_names(study)[0]
    assume(name not in site_names(study))
    renamed = replace(
        study,
        model=name,
        images=name,
        **{
            table: getattr(study, table).with_columns(pl.col("site").replace(site, name))
            for table in ("sites", "filters")
        },
    )
    card = study.card(site, 0)
    tame, hostile = (replace(card, row=card.row | {"site": n, "origin": n}) for n in ("a", name))
    for known, found in ((study, renamed), (tame, hostile)):
        before, after = Page(html_of(known)), Page(html_of(found))
        assert [tag for tag, _ in after.tags] == [tag for tag, _ in before.tags]
        assert after.text.count(" ".join(visible(name).split())) >= 2
