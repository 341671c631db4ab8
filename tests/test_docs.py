"""The pages say what was measured, and point to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from evidence import recognition, survey, used
from evidence.__main__ import SCRIPTS
from evidence.__main__ import run as run_script
from evidence.checks import planted_table, recognised_again
from evidence.figures import END, PAGE, fill, places
from evidence.measured import Measured, Network, PlantedScores
from evidence.pictures import PICTURES
from evidence.tables import TABLES
from evidence.wording import markdown, percent
from torch import nn

from padscope import ScanSettings, explain, planted, scan
from padscope.settings import ExplainSettings

ROOT = PAGE.parent.parent
DOCS = PAGE.parent
BUILT = DOCS / "_build"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if BUILT not in page.parents),
]
WRITTEN = DOCS / "reference" / "cli.md"  # when the documentation is built
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


FILLED = [
    (PAGE, {*TABLES, recognition.PLACE}),
    (used.PAGE, set(used.TABLES)),
    (survey.PAGE, set(survey.TABLES)),
]


@pytest.mark.parametrize(("page", "tables"), FILLED, ids=lambda value: getattr(value, "name", ""))
def test_every_place_is_filled_with_a_table(page: Path, tables: set[str]) -> None:
    found = places(page.read_text(encoding="utf-8"))
    assert set(found) == tables
    for name, content in found.items():
        rows = [line for line in content.splitlines() if line.startswith("|")]
        assert len(rows) > 2, name
        assert len({row.count("|") for row in rows}) == 1, name
        assert "nan" not in content.lower(), name


@pytest.mark.parametrize("path", [PAGE, used.PAGE, survey.PAGE], ids=lambda path: path.name)
def test_markers_come_in_pairs(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert page.count("<!-- figures:") == page.count(END) == len(places(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        pointed = page.parent / file if file else page
        assert pointed.exists(), target
        assert not anchor or anchor in anchors(pointed), target


def listed(page: Path) -> set[Path]:
    """Pages that the contents of a page name."""
    trees = TOCTREE.findall(page.read_text(encoding="utf-8"))
    lines = (line for tree in trees for line in tree.splitlines())
    return {page.parent / f"{line}.md" for line in lines if line and not line.startswith(":")}


def test_every_page_is_in_the_contents() -> None:
    found, left = {DOCS / "index.md"}, [DOCS / "index.md"]
    while left:
        for page in listed(left.pop()) - found:
            assert page.exists() or page == WRITTEN, page
            found.add(page)
            left += [page] if page.exists() else []
    assert found - {WRITTEN} == {*PAGES[1:]} - {WRITTEN}


def test_scripts_that_fill_tables_are_run_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {"columns", "figures", "recognition", "survey", "used"} <= {*SCRIPTS}
    monkeypatch.setattr("sys.argv", ["evidence", "used", "--help"])
    with pytest.raises(SystemExit, match="0"):
        run_script()
    assert "usage: python -m evidence used" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["evidence", "usd"])
    with pytest.raises(SystemExit, match="did you mean used"):
        run_script()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_every_picture_is_shown_and_asks_nothing_of_the_network() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {path.name for path in PAGE.parent.glob("*.svg")} == set(PICTURES)
    for name in PICTURES:
        assert f"]({name})" in text
        svg = (PAGE.parent / name).read_text(encoding="utf-8")
        assert svg.startswith("<svg")
        assert not re.search(r"(href|src)=|url\((?!#)", svg.replace('xlink:href="#', ""))


def test_no_page_names_a_place_on_somebodys_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|home|tmp|root|Users)/", page.read_text(encoding="utf-8"))


def test_python_blocks_run() -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), {"__name__": "block"})


def test_counts_of_recognition_are_those_of_the_study() -> None:
    network = planted.networks()["ordinary"]
    canvases = network.images(32)
    study = scan(network.module, network.crop(canvases), ScanSettings(limit=32))
    settings = ExplainSettings(limit=32, margin=network.margin[0], baselines=2, check=0)
    study = explain(study, network.module, canvases, settings)
    counted = map(str, recognition.counted("net", study))
    row = dict(zip(recognition.HEADER, counted, strict=False))
    assert row["recognise"] == f"{study.pans().height}" != "0"
    assert row["images"] == "32"
    reached = str(row["fresh"]).split(", ")
    assert len(reached) == 2
    text = recognition.written([("net", study)], ["other"])
    assert "- **net.** " in text
    assert text.endswith("Not run: other.")


PLACED = """before
<!-- figures: one -->
old
<!-- end -->
between
<!-- figures: two -->
<!-- end -->
after
"""


def test_only_what_stands_between_markers_is_replaced() -> None:
    once = fill(PLACED, "one", "| new |")
    assert once == PLACED.replace("old", "| new |")
    assert fill(once, "one", "old") == PLACED
    # Twice the same, and nothing is read as a pattern.
    both = fill(fill(once, "two", r"\1 \g<name> $"), "two", r"\1 \g<name> $")
    assert places(both) == {"one": "| new |", "two": r"\1 \g<name> $"}
    assert both.replace(r"\1 \g<name> $" + "\n", "") == once


@pytest.mark.parametrize("page", ["", PLACED + PLACED])
def test_a_missing_or_double_place_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="give it one"):
        fill(page, "one", "new")


def test_tables_are_markdown() -> None:
    assert markdown(("a", "b"), [("x", 1)], "note").splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        "| x | 1 |",
        "",
        "note",
    ]
    assert [percent(1, 0), percent(1, 3), percent(1, 30), percent(0, 5)] == [
        "–",
        "33 %",
        "3.3 %",
        "0.0 %",
    ]
    table = planted_table([PlantedScores("net", 4, 0.0, 0.25, None, 1.0, 0.75, None)])
    assert "| net | 4 | 0.000 | 0.250 | – | 1.00 | 0.75 | – |" in table


def test_who_recognises_is_told_as_the_study_tells_it() -> None:
    net = nn.Conv2d(1, 24, 3, padding=1)
    nn.init.normal_(net.weight, generator=torch.Generator().manual_seed(0))
    canvases = torch.rand(24, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    settings = ExplainSettings(baselines=0, check=0, resamples=1)
    study = explain(scan(net, canvases[..., 6:-6, 6:-6]), net, canvases, settings)
    entry = Measured(Network("net", "net", ""), study, study, study)
    number = study.filters["recognises"].sum()
    assert 0 < number < 24
    assert f"| net | 1 % | {number} | {number} | 1.00 |" in recognised_again([entry])
