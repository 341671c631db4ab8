"""Columns of tables: what runs write is in the schema, what the schema has is written by runs."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from evidence import columns
from tests.conftest import Command
from tests.test_impact import EXPLAINED, FEW, SIZE, Net, canvases, labels, score
from torch import nn

from padscope import (
    PadscopeError,
    RunDirectory,
    ScanSettings,
    Study,
    depth,
    explain,
    impact,
    load_study,
    scan,
    sizes,
    swaps,
    tiles,
)
from padscope.evidence import KINDS
from padscope.images import central
from padscope.scores import STATISTICS
from padscope.settings import DepthSettings, SizeSettings, SwapSettings, TileSettings
from padscope.study.explanation import COMPARED
from padscope.study.stages import BESIDE as BESIDE_A_RUN
from padscope.study.stages import TILES
from padscope.tables import schema
from padscope.tables.schema import (
    COMPARE,
    DISTANCES,
    EFFECTS,
    FILTERS,
    RETROFIT,
    SIDES,
    SITES,
    SURVEYING,
    TABLES,
    Table,
)

IN_A_RUN = [table for table in TABLES.values() if table.stage not in (COMPARE, RETROFIT, SURVEYING)]
BESIDE = replace(EXPLAINED, margin=4, baselines=1, check=8, explain_cause=True)
ONCE = replace(
    FEW, metric=f"{score.__module__}:{score.__name__}", draws=2, check=2, dose_images=4,
    resamples=20,
)  # fmt: skip


class Deeper(Net):
    """With a norm, a second padded convolution, and one without padding."""

    def __init__(self, *, dense: bool = False) -> None:
        super().__init__(dense=dense)
        width = self.conv.out_channels
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 2, padding=1, groups=width)
        self.last = nn.Conv2d(width, width, 1)
        nn.init.eye_(self.last.weight[:, :, 0, 0].detach())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.last(self.second(self.norm(self.conv(x))))
        return maps[:, :2] if self.dense else torch.as_tensor(self.head(3 * maps.mean(dim=(2, 3))))


def classified(folder: Path) -> Path:
    """Write a run of a classifier, with all that there is to measure."""
    net = Deeper().eval()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("padscope.study.impact_images.class_names", lambda *_: ("a", "b", "c"))
        study = impact(explained(net), net, canvases(20), labels()[:20], ONCE)
    settings = DepthSettings(limit=4, margin=8, size=(SIZE, SIZE))
    study = depth(study, net, canvases(20), settings)
    swapping = SwapSettings(
        ("reflect", "partial"), limit=20, margin=8, border_images=4, metric=ONCE.metric
    )
    study = swaps(study, net, canvases(20), labels()[:20], swapping)
    sizing = SizeSettings(limit=20, metric=ONCE.metric)
    return written(sizes(study, net, canvases(20), labels()[:20], sizing), folder / "classes")


def dense(folder: Path) -> Path:
    """Write a run of a network with a dense answer."""
    net = Deeper(dense=True).eval()
    settings = replace(ONCE, metric=None)
    study = impact(explained(net), net, canvases(20), settings=settings)
    return written(tiles(study, net, canvases(2), TileSettings((8,))), folder / "dense")


def explained(net: nn.Module) -> Study:
    torch.manual_seed(0)
    crops = central(canvases(20), (SIZE, SIZE), "canvases")
    return explain(scan(net, crops, ScanSettings(batch_size=8)), net, canvases(20), BESIDE)


def written(study: Study, path: Path) -> Path:
    RunDirectory(path).save(study)
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    return classified(folder), dense(folder)


def test_what_a_run_holds_is_in_the_schema_and_the_other_way_round(runs: tuple[Path, ...]) -> None:
    whole, part = ({file.name for file in run.glob("*.parquet")} for run in runs)
    assert whole == {table.file for table in IN_A_RUN if table.stage != TILES}
    without = {stage for stage in BESIDE_A_RUN if stage != TILES}
    assert part == {table.file for table in IN_A_RUN if table.stage not in without}
    for run in runs:
        for table in IN_A_RUN:
            if (run / table.file).exists():
                found = pl.read_parquet_schema(run / table.file)
                assert dict(found) == table.dtypes, (run.name, table.name)


@pytest.mark.parametrize("table", IN_A_RUN, ids=lambda table: table.name)
def test_every_column_has_values_in_some_run(table: Table, runs: tuple[Path, ...]) -> None:
    files = [run / table.file for run in runs if (run / table.file).exists()]
    filled = {
        column.name
        for rows in map(pl.read_parquet, files)
        for column in rows.get_columns()
        if column.count()
    }
    assert filled == set(table.dtypes)


@pytest.mark.parametrize("dims", [1, 3])
def test_one_and_three_dimensions(dims: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    conv: type[nn.Conv1d | nn.Conv3d] = nn.Conv1d if dims == 1 else nn.Conv3d
    net = nn.Sequential(conv(1, 3, 3, padding=1), nn.ReLU(), conv(3, 2, 3, padding=1))
    images = torch.rand(8, 1, *[8 + 2 * 4] * dims)
    scanned = scan(net, central(images, (8,) * dims, "x"))
    run = written(scanned, tmp_path / "run")
    for table in schema.tables_of(schema.SCAN):
        assert set(pl.read_parquet_schema(run / table.file)) == set(table.since(schema.SCAN))
    settings = replace(BESIDE, baselines=0, check=0, explain_cause=False)
    written(explain(scanned, net, images, settings), tmp_path / "explained")
    for table in (SITES, SIDES):
        found = pl.read_parquet_schema(tmp_path / "explained" / table.file)
        assert dict(found) == table.dtypes
    filters = pl.read_parquet(tmp_path / "explained" / FILTERS.file)
    assert set(FILTERS.dtypes) - set(filters.columns) == set(FILTERS.since(schema.ESTIMATES))
    assert filters["corner"].null_count() == (filters.height if dims == 1 else 0)


# --------------------------------------------------------------------------------- what is refused

Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("sites", lambda t: t.drop("op"), "table 'sites': column 'op' is missing"),
        ("sites", lambda t: t.with_columns(gap=0.5), "'sites': column 'gap' is not in the schema"),
        ("sides", lambda t: t.with_columns(gap=1), "'sides': column 'gap' is not in the schema"),
        ("sides", lambda t: t.drop("causal_ks"), "'sides': column 'causal_ks' is missing"),
        ("filters", lambda t: t.drop("impact_low"), "'filters': column 'impact_low' is missing"),
        (
            "filters",
            lambda t: t.cast({"reach": pl.Float64}),
            "'filters': column 'reach' is Float64, not Int64",
        ),
        (
            "sites",
            lambda t: t.cast({"kernel": pl.List(pl.Int32)}).drop("fill"),
            r"'kernel' is List\(Int32\), not List\(Int64\); column 'fill' is missing",
        ),
    ],
)
def test_another_table_is_not_written(
    runs: tuple[Path, ...], tmp_path: Path, name: str, change: Change, message: str
) -> None:
    study = load_study(runs[0])
    tables: dict[str, Any] = {name: change(getattr(study, name))}
    changed = replace(study, **tables)
    with pytest.raises(ValueError, match=message) as refusal:
        RunDirectory(tmp_path / "run").save(changed)
    assert not isinstance(refusal.value, PadscopeError)
    assert not (tmp_path / "run").exists()


def test_tables_of_the_impact_are_checked_too(runs: tuple[Path, ...], tmp_path: Path) -> None:
    study = load_study(runs[0])
    assert study.impact is not None
    changed = replace(study.impact, effects=study.impact.effects.drop("p"))
    with pytest.raises(ValueError, match="table 'effects': column 'p' is missing"):
        RunDirectory(tmp_path / "run").save(replace(study, impact=changed))


def test_a_statistic_of_another_package_is_written_without_the_package(
    runs: tuple[Path, ...], tmp_path: Path
) -> None:
    study = load_study(runs[0])
    sides = study.sides.with_columns(gap=pl.col("ks"), causal_gap=pl.col("causal_ks"))
    run = written(replace(study, sides=sides), tmp_path / "run")
    assert load_study(run).sides.equals(sides)


def test_rows_have_no_column_that_the_table_has_not() -> None:
    rows = [{"set": "a", "distance": 1, "change": float("nan")}]
    table = DISTANCES.frame(rows)
    assert dict(table.schema) == DISTANCES.dtypes
    assert table.row(0, named=True)["change"] is table.row(0, named=True)["images"] is None
    with pytest.raises(ValueError, match="table 'distances': column 'chnage' is not in the schema"):
        DISTANCES.frame([*rows, {"chnage": 1.0}])


# ------------------------------------------------------------------------------ what is described


def test_what_other_tables_of_the_program_list_has_its_columns() -> None:
    of_sides, of_filters = set(SIDES.dtypes), set(FILTERS.dtypes)
    for name, statistic in STATISTICS.items():
        named = {name} if statistic.of_core else {name, f"causal_{name}"}
        named |= {f"{name}_low", f"{name}_high"} if statistic.interval else set()
        assert named <= of_sides
        assert named <= of_filters
    assert {f"q_{kind}" for kind in COMPARED} <= of_filters
    assert set(KINDS) <= set(schema.COMPARISON.dtypes)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_is_told_once_in_a_sentence(table: Table) -> None:
    assert len(table.dtypes) == len(table.columns)
    for column in table.columns:
        assert re.fullmatch(r"[^|]+\.", column.meaning), column.name
        for named in re.findall("`(.*?)`", column.meaning):
            assert named in table.dtypes, (column.name, named)


def test_the_schema_imports_polars_alone() -> None:
    tree = ast.parse(Path(schema.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"polars"}


def test_the_page_is_current() -> None:
    assert columns.PAGE.read_text(encoding="utf-8") == columns.page(), (
        "run python -m evidence columns"
    )


# --------------------------------------------------------------------------------- the command


def test_the_command_tells_of_all_tables_or_one(padscope: Command) -> None:
    told = padscope("columns").out
    assert [line.split(" ")[0] for line in told.splitlines() if "parquet)" in line] == [*TABLES]
    one = padscope("columns", "effects")
    assert one.out in told
    assert one.out == padscope("columns", "impact").out == padscope("columns", "impact.parquet").out
    assert [line.split()[0] for line in one.out.splitlines()[2:]] == list(EFFECTS.dtypes)


def test_the_command_gives_data(padscope: Command) -> None:
    found = json.loads(padscope("columns", "--json").out)
    assert found["tables"] == [table.described() for table in TABLES.values()]
    (one,) = json.loads(padscope("columns", "sites", "--json").out)["tables"]
    assert one["columns"][1] == {
        "name": "op", "type": "String", "unit": "", "meaning": "Name of the operation in PyTorch.",
        "since": "scan", "defined": "architecture.md",
    }  # fmt: skip


def test_a_table_that_is_not_there(padscope: Command) -> None:
    answer = padscope("columns", "colunms")
    assert answer.status == 2
    assert "there is no table 'colunms'; choose from sites, filters, sides" in answer.err
