"""What stands in the terminal is text, in whatever encoding it has, and in one piece."""

from __future__ import annotations

import io
import sys

import polars as pl
import pytest
from rich.console import Console
from rich.table import Table
from tests.conftest import Command
from tests.synthetic_impact import with_impact
from tests.test_report_explained import explain_2d

from padscope.console.terminal import (
    STAND_INS,
    UNBOUNDED,
    draw_listing,
    make_console,
    write_anything,
)
from padscope.findings.effects import effect_listing, measure_listing
from padscope.findings.networks import network_listing
from padscope.findings.sites import cause_listing, site_listing, summary_listing
from padscope.study import Study

NAME = "\x1b[31m[bold]con\x07v\u202e" + "x" * 200
SHOWN = "\\u001b[31m[bold]con\\u0007v\\u202e" + "x" * 200


@pytest.fixture(scope="module")
def hostile() -> Study:
    """A study whose every name would be taken for something else."""
    study = with_impact(explain_2d())
    assert study.explanation is not None and study.impact is not None
    site = study.filters["site"][0]

    def renamed(table: pl.DataFrame, *columns: str) -> pl.DataFrame:
        return table.with_columns(pl.col(columns).replace(site, NAME))

    networks = study.explanation.networks.with_columns(
        network=pl.when(pl.col("network") == "fresh 1").then(pl.lit(NAME)).otherwise("network")
    )
    effects = study.impact.effects.with_columns(
        set=pl.when(pl.col("set") == "confirmed").then(pl.lit(NAME)).otherwise("set")
    )
    object.__setattr__(study.explanation, "networks", networks)
    object.__setattr__(study.impact, "effects", effects)
    sites = renamed(study.sites, "site").with_columns(fill=pl.lit(NAME))
    for name, table in (("filters", study.filters), ("sides", study.sides), ("sites", sites)):
        object.__setattr__(study, name, renamed(table, "site"))
    return study


def test_every_table_shows_names_as_text_in_one_piece(hostile: Study) -> None:
    assert hostile.explanation is not None and hostile.impact is not None
    for table in (
        site_listing(hostile.sites), summary_listing(hostile), cause_listing(hostile),
        network_listing(hostile.explanation), effect_listing(hostile.impact),
        measure_listing(hostile.impact),
    ):  # fmt: skip
        text = printed(draw_listing(table))
        assert SHOWN in text
        assert not set(text) & set("\x1b\x07\u202e")


def printed(table: Table) -> str:
    console = Console(file=io.StringIO(), width=UNBOUNDED, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_sentences_are_text_too(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().say([NAME, "p [95 %]", ":smile:"])
    assert capsys.readouterr().out == f"{SHOWN}\np [95 %]\n:smile:\n"


def test_an_error_is_text(padscope: Command) -> None:
    answer = padscope("report", "no\x1b[31mwhere")
    assert answer.err.startswith("padscope: no\\u001b[31mwhere is not a padscope run")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_an_encoding_lacks_has_a_stand_in(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    write_anything()
    make_console().say([f"KS ≥ .5, {''.join(STAND_INS)}", "日 \udcff"])
    stream.seek(0)
    first, second = stream.buffer.read().decode(encoding).splitlines()
    assert first.startswith("KS ≥ .5" if encoding == "utf-8" else "KS >= .5")
    assert second == ("日 " if encoding == "utf-8" else "\\u65e5 ") + "\\udcff"


def test_stand_ins_are_ascii_and_tell_heights_apart() -> None:
    assert all(stand_in.isascii() for stand_in in STAND_INS.values())
    assert len({STAND_INS[height] for height in "▁▂▃▄▅▆▇█"} | {STAND_INS["·"]}) == 9
