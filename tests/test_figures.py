"""Figures that stand alone."""

from __future__ import annotations

import base64
import io
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.synthetic_impact import with_impact
from tests.test_report import HOSTILE, network, noise
from tests.test_report_explained import SETTINGS, explain_2d
from torch import nn

from padscope import scan
from padscope.cli import main
from padscope.errors import PadscopeError
from padscope.figures import SCALE, figure_spec, render_figure, render_figures
from padscope.figures.drawings import DIVERGING, SEQUENTIAL, colour_cells
from padscope.figures.rendering import figure_chart, file_stem
from padscope.findings.choice import choose_filters
from padscope.findings.depth import depth_profile
from padscope.findings.distributions import Distributions, distributions
from padscope.findings.kinds import TITLES
from padscope.store import RunDirectory
from padscope.study import Impact, Study

SECOND = (
    "depth", "neurons", "ladder", "baselines", "recall", "scores", "kinds", "origins",
    "scatter",
)  # fmt: skip
Ints = NDArray[np.int64]
THIRD = (
    "effects", "doses", "classes", "estimates", "views", "readout", "bands", "firing",
)  # fmt: skip


@pytest.fixture(scope="module")
def study() -> Study:
    return explain_2d()


@pytest.fixture(scope="module")
def files(study: Study) -> dict[str, bytes]:
    return render_figures(study)


def tables_of(spec: dict[str, Any]) -> Iterator[pl.DataFrame]:
    """All numbers of a figure, wherever in it they stand."""
    if "values" in spec.get("data", {}):
        yield pl.DataFrame(spec["data"]["values"])
    for parts in ("layer", "hconcat", "vconcat"):
        for part in spec.get(parts, []):
            yield from tables_of(part)
    if "spec" in spec:
        yield from tables_of(spec["spec"])


def rows_of(study: Study, name: str, holding: str = "") -> pl.DataFrame:
    """Numbers of a figure; of several tables the one that holds a column."""
    return next(
        table
        for table in tables_of(figure_spec(study, name))
        if not holding or holding in table.columns
    )


def test_an_explained_study_has_those_of_two_rungs(files: dict[str, bytes]) -> None:
    assert list(files) == [f"{n}.{end}" for n in SECOND for end in ("svg", "png")]


def test_pictures_can_be_opened_and_agree_in_size(files: dict[str, bytes]) -> None:
    for name in SECOND:
        root = ET.fromstring(files[f"{name}.svg"])
        width, height = (float(root.attrib[side]) for side in ("width", "height"))
        size = Image.open(io.BytesIO(files[f"{name}.png"])).size
        np.testing.assert_allclose(size, (SCALE * width, SCALE * height), atol=SCALE)
        assert 500 < width < 1250


def test_the_same_study_gives_the_same_bytes(study: Study, files: dict[str, bytes]) -> None:
    assert render_figures(study) == files


def test_numbers_are_the_studys(study: Study) -> None:
    assert study.explanation is not None
    confirmed = study.filters.filter(pl.col("label") == "confirmed")
    ladder = rows_of(study, "ladder")
    networks = study.explanation.baselines
    for row in networks.iter_rows(named=True):
        found = ladder.filter(pl.col("network") == row["network"])["share"].to_list()
        assert found == [row["candidates_share"], row["strong_share"], row["recalled_share"]]
    kinds = rows_of(study, "kinds").select("kind", "sign", "filters").rows()
    counted = confirmed.drop_nulls("kind").group_by("kind", "sign").len()
    assert sorted(kinds) == sorted(
        (TITLES.get(kind, kind), sign, count) for kind, sign, count in counted.iter_rows()
    )
    assert rows_of(study, "origins")["filters"].sum() == confirmed["origin"].count()
    profile = depth_profile(study)
    assert rows_of(study, "depth")["share"].to_list() == profile["share"].to_list()
    sides = rows_of(study, "depth", "count").filter(pl.col("side") == "left")
    assert sides["count"].to_list() == profile["left"].to_list()


def test_squares_of_the_scatter_plot_count_all_sides(study: Study) -> None:
    squares = rows_of(study, "scatter", "filters")
    known = study.sides.drop_nulls(["ks", "causal_ks"])
    assert squares["filters"].sum() == known.height
    for row in squares.iter_rows(named=True):
        inside = [
            pl.col(name).is_between(row[name] - 1e-9, row[f"{name}_end"] + 1e-9)
            for name in ("ks", "causal_ks")
        ]
        assert 1 <= row["filters"] <= known.filter(*inside).height
    assert figure_spec(study, "scatter")["title"].startswith(f"{known.height} filter-sides")


@pytest.fixture(scope="module")
def tested(study: Study) -> Study:
    return with_impact(study)


def impact_of(study: Study) -> Impact:
    assert study.impact is not None
    return study.impact


@pytest.mark.parametrize(
    "name",
    [
        "effects",
        "doses",
        "classes",
        "estimates",
        "views",
        "readout",
        "bands",
        "firing",
        "distances",
    ],
)
def test_a_figure_of_the_impact_says_how_many_images_it_is_of(tested: Study, name: str) -> None:
    study = with_impact(tested, answer="dense") if name == "distances" else tested
    title = figure_spec(study, name)["title"]
    words = title if isinstance(title, str) else " ".join(title)
    assert f"On {16 if name == 'readout' else 48} images" in words


def test_effects_stand_beside_their_controls(tested: Study) -> None:
    row = impact_of(tested).use
    assert row is not None
    rows = rows_of(tested, "effects")
    drawn = rows.filter(pl.col("set") == "recognising").row(0, named=True)
    assert drawn == {name: row[name] for name in drawn} and row["matched"] < row["filters"]
    assert '"type": "log"' in json.dumps(figure_spec(tested, "effects"))
    title = figure_spec(tested, "effects")["title"]
    assert title[1:] == [
        "On 48 images.", "Ring: those filters of a set that have controls, where not all have.",
    ]  # fmt: skip
    partly = rows.drop_nulls("matched_effect")
    assert 0 < partly.height < rows.height  # small sets are matched as a whole
    (rings,) = [table for table in tables_of(figure_spec(tested, "effects"))
                if table["matched_effect"].null_count() == 0]  # fmt: skip
    assert rings["matched_effect"].to_list() == partly["matched_effect"].to_list()
    assert set(render_figure(tested, "effects")) == {"effects.svg", "effects.png"}
    empty = replace(tested, impact=replace(impact_of(tested), effects=pl.DataFrame()))
    with pytest.raises(PadscopeError, match="no effect was measured"):
        render_figure(empty, "effects")


def test_every_chart_of_the_page_is_a_figure(tested: Study) -> None:
    names = dict.fromkeys(name.split(".")[0] for name in render_figures(tested))
    assert list(names) == [*SECOND, *THIRD]
    dense = with_impact(replace(tested, impact=None), "dense")
    assert "distances" in {name.split(".")[0] for name in render_figures(dense)}
    bare = Impact(identity={}, images="", labels="", counted=0, answer="classes", fill="reflect")
    for name in (*THIRD, "distances"):
        with pytest.raises(PadscopeError, match=f"figure {name} cannot be drawn: no .* measured"):
            figure_spec(replace(tested, impact=bare), name)


@pytest.mark.parametrize("name", [*SECOND, *THIRD])
def test_charts_are_as_their_schema_asks(tested: Study, name: str) -> None:
    figure_chart(tested, name).to_dict()  # Altair checks it, and every part of it


def test_baselines_are_the_tables(study: Study) -> None:
    assert study.explanation is not None
    networks = study.explanation.networks
    shares = rows_of(study, "baselines")
    assert shares.height == networks.height
    for row, counted in zip(
        shares.iter_rows(named=True), networks.iter_rows(named=True), strict=True
    ):
        measured = counted["filters"] - counted["unmeasured"]
        assert row["share"] == pytest.approx(counted["recalled"] / measured)
    medians = rows_of(study, "scores").filter(pl.col("kind") == "given")["median"]
    given = networks.filter(pl.col("network") == "given")["response_deciles"]
    assert medians.to_list() == [deciles[5] for deciles in given]


def test_recall_of_all_networks_is_drawn_as_it_survives(study: Study) -> None:
    assert study.explanation is not None
    drawn = rows_of(study, "recall")
    networks = study.explanation.networks
    for name, table in networks.group_by("network"):
        reached = [v for values in table["recall"].to_list() for v in values if v is not None]
        own = drawn.filter(pl.col("network") == name[0])
        assert own.height == sum(value >= 0.05 for value in reached)
        for recall, filters in own.select("recall", "filters").iter_rows():
            assert filters <= sum(value >= recall - 1e-12 for value in reached)
        assert own.is_empty() or own["filters"].max() == own.height
    assert set(drawn["kind"]) <= {"given", "fresh weights", "matched kernels"}
    nothing = networks.with_columns(recall=pl.lit([0.0], dtype=pl.List(pl.Float64)))
    bare = replace(study, explanation=replace(study.explanation, networks=nothing))
    with pytest.raises(PadscopeError, match=r"no filter has a border recall of 0\.05 or more"):
        figure_spec(bare, "recall")


def test_the_third_rung_is_the_tables(tested: Study) -> None:
    impact = impact_of(tested)

    def rows(table: pl.DataFrame) -> pl.DataFrame:
        return table.filter(pl.col("measure") == "kl")

    doses = rows_of(tested, "doses")
    own = doses.filter(pl.col("what") == "undone")
    assert own["value"].to_list() == rows(impact.doses)["effect"].to_list()
    others = doses.filter(pl.col("what") != "undone")
    assert others["value"].to_list() == rows(impact.doses)["control"].drop_nulls().to_list()
    bands = rows_of(tested, "bands").sort("width", "band")
    assert bands["value"].to_list() == rows(impact.bands).sort("width", "band")["value"].to_list()
    readout = rows_of(tested, "readout")
    assert readout["r2"].to_list() == impact.readout["r2"].to_list()
    views = pl.concat(
        {json.dumps(t.to_dicts()): t for t in tables_of(figure_spec(tested, "views"))}.values(),
    )
    assert views.height == rows(impact.views).drop_nulls("amount").height
    known = impact.classes.filter(pl.col("set") == "recognising").drop_nulls("change")
    classes = rows_of(tested, "classes")
    assert classes["change"].max() == known["change"].max()
    assert classes["change"].min() == known["change"].min()
    firing = rows_of(tested, "firing").filter(pl.col("band") == "colour of the padding")
    for row in firing.iter_rows(named=True):
        here = impact.firing.filter(pl.col("width") == row["width"]).drop_nulls("firing")
        expected = np.average(here["firing"], weights=here["filters"])
        assert row["share"] == pytest.approx(expected)
    points = rows_of(tested, "estimates", "estimate")
    assert points.height in (2, impact.checks.height)


def test_a_neuron_is_its_weights_maps_and_counts(study: Study) -> None:
    assert study.explanation is not None and study.explanation.counts.first
    row = study.pans().row(0, named=True)
    site, index = row["site"], row["filter"]
    spec = figure_spec(study, f"{site}/{index}")
    kernel, padded, real, curves = tables_of(spec)

    def cells(table: pl.DataFrame) -> NDArray[np.uint8]:
        data = base64.b64decode(table["url"][0].partition("base64,")[2])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    weights = study.kernels[site].total[index].astype(np.float64)
    most = float(np.abs(weights).max())
    np.testing.assert_array_equal(cells(kernel), colour_cells(weights, -most, most, DIVERGING))
    kept = study.explanation.counts.first.maps
    maps = [kept[site, kind][index].double().numpy() for kind in ("padded", "real")]
    low, high = min(m.min() for m in maps), max(m.max() for m in maps)
    for table, drawn in zip((padded, real), maps, strict=True):
        np.testing.assert_array_equal(cells(table), colour_cells(drawn, low, high, SEQUENTIAL))
    sides = study.sides.filter(pl.col("site") == site)["side"].unique(maintain_order=True).to_list()
    place = np.array([sides.index(row["causal_side"])])
    counted = distributions(study, site, np.array([index]), place)
    assert counted.real is not None
    for name, shares in (
        ("border", counted.border), ("core", counted.core),
        ("border, real surroundings", counted.real),
    ):  # fmt: skip
        line = curves.filter(pl.col("where") == name)
        expected = np.interp(line["activation"].to_numpy(), shares.edges[0], shares.values[0])
        np.testing.assert_allclose(line["share"].to_numpy(), expected)
    files = render_figure(study, f"{site}/{index}")
    assert list(files) == [f"{site}_{index}.svg", f"{site}_{index}.png"]


def test_a_neuron_that_cannot_be_drawn_is_named_and_the_next_one_drawn(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = figure_spec(study, "neurons")
    first, second = choose_filters(study).select("site", "filter").rows()[:2]

    def without(study: Study, site: str, filters: Ints, places: Ints) -> Distributions:
        found = distributions(study, site, filters, places)
        nothing = replace(found.core, values=np.full_like(found.core.values, np.nan))
        return replace(found, core=nothing) if (site, filters[0]) == first else found

    monkeypatch.setattr("padscope.figures.neurons.distributions", without)
    spec = figure_spec(study, "neurons")
    assert len(spec["vconcat"]) == len(whole["vconcat"]) == 6
    assert spec["vconcat"][0]["title"]["text"] == "{}/{}".format(*second)
    assert spec["title"] == "Left out: {}/{} has no distribution to draw".format(*first)
    assert "title" not in whole


@pytest.mark.parametrize("make", [nn.Conv1d, nn.Conv3d])
def test_neurons_of_other_dimensions(make: type[nn.Module]) -> None:
    net = network(make(1, 3, 3, padding=1))
    axes = 1 if make is nn.Conv1d else 3
    study = scan(net, noise(16, 1, *[16] * axes))
    assert set(render_figures(study)) >= {"depth.svg", "neurons.png"}


@pytest.mark.parametrize("name", [*HOSTILE, "𝟙" * 60])
def test_names_are_text(name: str) -> None:
    net = nn.Sequential(OrderedDict({name.replace(".", ""): nn.Conv2d(1, 2, 3, padding=1)})).eval()
    study = scan(net, noise(16, 1, 16, 16))
    for figure in ("depth", "neurons"):
        root = ET.fromstring(render_figure(study, figure)[f"{figure}.svg"])
        assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in {"script", "b", "img"}]
    assert "\u202e" not in file_stem(name) and "/" not in file_stem(name)
    site = study.sites["site"][0]
    (svg, _) = render_figure(study, f"{site}/0")
    assert Path(svg).name == svg


def test_what_is_lacking_is_said(study: Study) -> None:
    with pytest.raises(PadscopeError, match="padscope impact"):
        render_figure(study, "effects")
    with pytest.raises(PadscopeError, match="choose from depth"):
        render_figure(study, "pie")
    with pytest.raises(PadscopeError, match="has no filter 99"):
        render_figure(study, f"{study.filters['site'][0]}/99")


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net = network(nn.Conv2d(3, 8, 3, padding=1))
    run = RunDirectory(tmp_path / "run")
    run.save(scan(net, noise(16, 3, 32, 32), SETTINGS, journal=run))

    def padscope(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["padscope", "figure", str(run.path), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    assert padscope("all") == 0
    files = [f"{name}.{end}" for name in ("depth", "neurons") for end in ("png", "svg")]
    assert sorted(f.name for f in (run.path / "figures").iterdir()) == files
    assert padscope("depth", "--out", str(tmp_path / "else")) == 0
    again = (tmp_path / "else" / "depth.svg").read_bytes()
    assert again == (run.path / "figures" / "depth.svg").read_bytes()
    capsys.readouterr()
    for name, told in (("kinds", "run padscope explain first"), ("pie", "choose from depth")):
        assert padscope(name) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
