"""Statistics of a border beside its core are entries of one table, which other packages add to."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from padscope import PadscopeError, RunDirectory, Study, load_study, scan
from padscope.report import render_report
from padscope.scores import STATISTICS, Counts, Statistic, known_statistics, listed_statistics
from padscope.scores.statistics import measure
from padscope.tables import responses_alone

GAP = Statistic(lambda counts: counts.ks - 0.5, "gap <&", 'a "test"', "u", (-1, 1))
Of = Callable[[Counts], Any]


def scanned(journal: RunDirectory | None = None) -> Study:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU())
    return scan(net, torch.rand(32, 1, 8, 8), journal=journal)


@cache
def plain() -> Study:
    return scanned()


def install(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = metadata.EntryPoint("gap", value, "padscope.statistics")
    vars(point)["dist"] = SimpleNamespace(name="padscope-gap")
    points = metadata.EntryPoints([point])
    monkeypatch.setattr(metadata, "entry_points", lambda **which: points.select(**which))


def test_the_table_is_what_the_tables_show() -> None:
    assert set(STATISTICS) <= set(plain().sides.columns)
    assert set(STATISTICS) <= set(plain().filters.columns)
    assert list(listed_statistics(plain().filters.columns)) == ["polarity"]
    with_ends = {name for name, each in STATISTICS.items() if each.interval}
    for table in (plain().sides, plain().filters):
        ends = {f"{name}_{end}" for name in with_ends for end in ("low", "high")}
        assert with_ends == {"ks", "border_recall"} and ends <= set(table.columns)


def test_an_installed_package_adds_a_statistic(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without = plain().sides
    install(monkeypatch, f"{__name__}:GAP")
    run = RunDirectory(tmp_path)
    study = scanned(run)
    assert study.sides["gap"].equals(study.sides["ks"] - 0.5)
    assert study.filters["gap"].equals(study.filters["ks"] - 0.5)
    assert study.sides.drop("gap").equals(without)
    row = study.filters.row(0, named=True)
    fact = dict(study.card(row["site"], row["filter"]).facts)["gap"]
    assert fact == f"at the {row['side']}: {row['gap']:.3g} u".replace("-", "−")
    told = '"title":"gap \\u003c\\u0026","meaning":"a \\"test\\""'
    assert told in render_report(study)
    run.save(study)
    monkeypatch.undo()  # the package is uninstalled
    alone = load_study(tmp_path)
    assert "gap" in alone.filters.columns
    assert told not in render_report(alone)


def test_a_run_without_a_statistic_is_shown_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STATISTICS, "gap", GAP)
    assert "gap" not in dict(plain().card("0", 0).facts)
    assert '"title":"gap' not in render_report(plain())


def test_what_later_rungs_add_is_dropped_and_nothing_else() -> None:
    filters = plain().filters
    later = filters.with_columns(pl.lit("x").alias("label"), pl.lit(1.0).alias("causal_ks"))
    moved = later.select(pl.exclude("label"), "label")
    assert responses_alone(moved).equals(filters)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (lambda counts: 1 / 0, "'gap' failed with ZeroDivisionError: division by zero"),
        (lambda counts: counts.border, r"'gap' gave an array of \(2, 1, 248\) for counts of"),
        (lambda counts: "no number", "'gap' failed with ValueError"),
    ],
)
def test_a_statistic_that_fails_is_told_of_before_anything_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, of: Of, message: str
) -> None:
    monkeypatch.setitem(STATISTICS, "gap", Statistic(of, "gap", "a test"))
    with pytest.raises(PadscopeError, match=message):
        scanned(RunDirectory(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("math:pi", "'gap' among the statistics is float: give a padscope.scores.Statistic"),
        ("no_such_package:GAP", "the package padscope-gap adds 'gap' to padscope.statistics"),
    ],
)
def test_a_package_that_adds_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    install(monkeypatch, value)
    with pytest.raises(PadscopeError, match=message):
        known_statistics()


@pytest.mark.parametrize("name", ["side", "ks_low", "flagged", "label", "corner"])
def test_a_name_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(STATISTICS, name, GAP)
    with pytest.raises(PadscopeError, match=f"a statistic cannot be called '{name}'"):
        scanned()


def test_what_is_not_finite_is_no_value() -> None:
    endless = Statistic(lambda counts: np.full(counts.border.shape[:-1], np.inf), "", "")
    ones = np.ones((2, 1, 4), np.int32)
    assert np.isnan(measure({"endless": endless}, Counts(ones, ones[0]))["endless"]).all()


def test_shares_below_are_those_of_samples_of_any_size() -> None:
    same, other = Counts([1, 2, 1], [4, 0, 0]), Counts([1, 2, 1], [1, 0, 0])
    for counts in (same, other):
        assert counts.border_below.tolist() == [0.25, 0.75, 1.0]
        assert counts.core_below.tolist() == [1.0, 1.0, 1.0]
