"""What the terminal draws of a run and of one filter: the tables' numbers, colours or not."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from tests.conftest import Command
from tests.synthetic_impact import with_impact
from tests.test_report import HOSTILE, network, noise, scan_2d
from tests.test_report_explained import explain_2d
from torch import nn

from padscope import ScanSettings, Study, load_study, scan
from padscope.console.show import (
    HEIGHTS,
    bar,
    border_profile,
    draw_frame,
    draw_kernel,
    heights,
    show_filter,
    show_study,
)
from padscope.console.terminal import UNBOUNDED
from padscope.findings.words import percent, visible
from padscope.notebook import FilterCard

Colours = Literal["standard", "256", "truecolor"]
ANSI = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture(scope="module")
def study() -> Study:
    return with_impact(explain_2d())


@pytest.fixture(scope="module")
def card(study: Study) -> FilterCard:
    """A confirmed filter."""
    row = study.pans().row(0, named=True)
    found: FilterCard = study.card(row["site"], row["filter"])
    return found


def printed(drawn: RenderableType, width: int = 100, colours: Colours | None = None) -> str:
    console = Console(
        file=io.StringIO(), width=width, highlight=False, emoji=False, color_system=colours,
        force_terminal=bool(colours),
    )  # fmt: skip
    with console.capture() as capture:
        console.print(drawn)
    return capture.get()


@given(st.floats(0, 1), st.integers(1, 60))
def test_bars(share: float, width: int) -> None:
    drawn = bar(share, width)
    assert len(drawn) <= width and (drawn == "") == (share == 0)
    eighths = sum(" ▏▎▍▌▋▊▉█".index(block) for block in drawn)
    assert abs(eighths / 8 - share * width) <= (0.0626 if share * width > 0.0625 else 0.125)


@given(st.lists(st.floats(0, 1)))
def test_columns_rise_with_the_values(values: list[float]) -> None:
    drawn = [HEIGHTS.index(block) for block in heights(values)]
    assert len(drawn) == len(values)
    for level, value in zip(drawn, values, strict=True):
        assert abs(level / 7 - value) <= 1 / 14 + 1e-9


def test_the_summary_has_a_bar_for_every_site(study: Study) -> None:
    lines = printed(show_study(study)).splitlines()
    assert lines[0] == study.model[:100].rstrip() or lines[0] in study.model
    for (site,), own in study.filters.group_by(["site"], maintain_order=True):
        part = int(own["recognises"].sum())
        (line,) = [line for line in lines if line.startswith(f"{site} ")]
        assert f"{part} of {own.height}" in line and percent(part, own.height) in line
        assert ("█" in line or "▏" in line) == (part > 0)
    found = study.filters["recognises"].sum()
    assert any(line.startswith(f"{found} of {study.filters.height} measured") for line in lines)


def test_recall_is_drawn_by_the_share_of_content(study: Study) -> None:
    row = study.filters.sort("recall", descending=True, nulls_last=True).row(0, named=True)
    card = study.card(row["site"], row["filter"])
    text = printed(show_filter(card))
    assert f"border recall at the {row['recall_side']} by content that passes  " in text
    assert f", 1 %: {row['recall']:.2f}, " in text
    answer = "yes" if row["recognises"] else "no"
    assert "recognises  " in text and f"{answer}, recall {row['recall']:.2f} [" in text


def test_a_scan_alone_counts_responses() -> None:
    study = scan_2d()
    text = printed(show_study(study))
    assert "Filters that respond to the border" in text and "because" not in text
    site = study.filters["site"][0]
    own = printed(show_filter(study.card(site, 0)))
    assert "causal" not in own and "kind" not in own


def test_distances_are_those_of_the_table(study: Study) -> None:
    for row in study.filters.head(6).iter_rows(named=True):
        card = study.card(row["site"], row["filter"])
        lines = printed(show_filter(card)).splitlines()
        for side in card.sides:
            (line,) = [line for line in lines if line.startswith(f"{side['side']} ")]
            numbers = [float(found) for found in re.findall(r"\d\.\d\d", line)]
            wanted = [
                side[name]
                for name in ("ks", "ks_low", "ks_high", "causal_ks", "causal_low", "causal_high")
            ]
            assert numbers == pytest.approx(wanted, abs=0.005001)
            profile = heights([side["causal_ks"], *(side[f"causal_{d}"] for d in (1, 2, 3))])
            assert line.rstrip().endswith(profile)
        for name, value in card.facts:
            assert any(line.startswith(name) and value in line for line in lines)


def test_weights_are_written_in_their_cells(card: FilterCard) -> None:
    assert card.kernel is not None
    kernel = card.kernel
    for line, row in zip(draw_kernel(kernel), kernel, strict=True):
        found = [float(cell.replace("−", "-")) for cell in line.plain.split()]
        assert found == pytest.approx(row.tolist(), rel=0.05)


def test_large_kernels_show_signs_and_sizes() -> None:
    kernel = np.zeros((2, 11))
    kernel[0, :5] = (1.0, 0.4, -0.4, -1.0, np.nan)
    first, second = draw_kernel(kernel)
    assert first.plain == "+++ − −−? " + "· " * 6 and second.plain == "· " * 11


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_border_profile_runs_from_its_side_inwards(card: FilterCard, dims: int) -> None:
    mean_map = torch.rand(*(7, 6, 5)[:dims], generator=torch.Generator().manual_seed(dims))
    values = mean_map.double().numpy()
    found = replace(card, mean_map=values)
    names = {1: ["start", "end"], 2: ["top", "bottom", "left", "right"],
             3: ["front", "back", "top", "bottom", "left", "right"]}[dims]  # fmt: skip
    for place, side in enumerate(names):
        axis, far = divmod(place, 2)
        length = values.shape[axis]
        wanted = [
            values.take(length - 1 - d if far else d, axis=axis).mean()
            for d in range((length + 1) // 2)
        ]
        assert border_profile(found, side).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(("layer", "sides"), [(nn.Conv1d, 2), (nn.Conv3d, 6)])
def test_other_dimensions(layer: type[nn.Conv1d] | type[nn.Conv3d], sides: int) -> None:
    net = network(layer(2, 3, 3, padding=1))
    study = scan(net, noise(16, 2, *[16] * (sides // 2)), ScanSettings(batch_size=8, calibrate=8))
    card = study.card(study.filters["site"][0], 1)
    assert len(card.sides) == sides
    text = printed(show_filter(card))
    assert text.count(" [0.") + text.count(" [1.") == sides
    assert "sides it answers to" not in text and "mean activation from the" in text


def with_active(card: FilterCard, signs: dict[str, float]) -> FilterCard:
    sides = tuple(side | {"causal_polarity": signs.get(side["side"], 0.5)} for side in card.sides)
    return replace(card, row=card.row | {"active": list(signs)}, sides=sides)


def test_a_frame_marks_the_active_sides(card: FilterCard) -> None:
    drawn = [line.plain for line in draw_frame(with_active(card, {"top": 0.9, "right": 0.1}))]
    assert drawn == ["┌+++++++┐", "│       −", "│       −", "└───────┘"]
    drawn = [line.plain for line in draw_frame(with_active(card, {"bottom": 0.5, "left": 1.0}))]
    assert drawn == ["┌───────┐", "+       │", "+       │", "└·······┘"]
    assert not list(draw_frame(with_active(card, {})))


@pytest.mark.parametrize("colours", ["standard", "256", "truecolor"])
def test_colours_say_nothing_that_characters_do_not(
    study: Study, card: FilterCard, colours: Colours
) -> None:
    for drawn in (show_filter(card), show_study(study)):
        coloured = printed(drawn, colours=colours)
        assert "\x1b[" in coloured
        assert ANSI.sub("", coloured) == printed(drawn)


def test_a_narrow_terminal_shows_all_of_a_filter(card: FilterCard) -> None:
    assert "…" not in printed(show_filter(card), width=80)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from([*HOSTILE, "[bold]x[/bold]", "[/]", ":cat:", "a\nb"]) | st.text())
def test_names_are_shown_as_text(study: Study, card: FilterCard, name: str) -> None:
    found = replace(card, row=card.row | {"site": name, "origin": name or None})
    text = printed(show_filter(found), width=4000)
    assert text.splitlines()[0].rstrip() == visible(f"{name}/{card.row['filter']}").rstrip()
    assert "\u202e" not in text and "\x1b" not in text
    site = study.filters["site"][0]
    tables = {
        table: getattr(study, table).with_columns(pl.col("site").replace(site, name))
        for table in ("sites", "filters")
    }
    text = printed(show_study(replace(study, model=name, **tables)), width=4000)
    assert text.split("\n")[0].rstrip() == visible(name).rstrip()


# The command


@pytest.fixture
def run(workdir: Path, padscope: Command, no_page: None) -> Path:
    answer = padscope("scan", "mynets:tiny", "--images", "photos", "-o", "run")
    assert answer.status == 0, answer.err
    return workdir / "run"


def test_the_command(run: Path, padscope: Command) -> None:
    study = load_study(run)
    answer = padscope("show", run)
    assert answer.status == 0 and "\x1b" not in answer.out
    assert answer.out == printed(show_study(study), width=UNBOUNDED)
    answer = padscope("show", run, "3", 2)
    assert answer.out == printed(show_filter(study.card("3", 2)), width=UNBOUNDED)
    assert padscope("show", run, "3", 2).out == answer.out


def test_what_is_not_there_is_one_sentence(run: Path, padscope: Command) -> None:
    for arguments, told in (
        ((run, "4", 0), "padscope: there is no site '4'; there are 0, 3\n"),
        ((run, "3", 8), "padscope: site '3' has no filter 8; its filters are 0 to 7\n"),
        ((run, "3"), "padscope: give a filter of 3 too: padscope show RUN SITE FILTER\n"),
        ((run / "none",), f"padscope: {run}/none is not a padscope run: it has no manifest.json\n"),
    ):
        answer = padscope("show", *arguments)
        assert (answer.status, answer.out) == (2, "")
        assert answer.err == told


def test_no_color_is_heeded_on_a_terminal(
    run: Path, padscope: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:[349]\d|10\d)[;m]")
    assert colour.search(padscope("show", run, "3", 2).out)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(padscope("show", run, "3", 2).out)
