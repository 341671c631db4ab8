"""The import order inside the library, read from its source.

lazily < errors, counts < plugins < sites < regions < tallies < scores < evidence < interventions
       < effects < tables < study < findings < figures < store, report, notebook
       < console, export < cli

A part imports from itself and from those to its left. `settings`, `threads`, `paths`, `models`,
`images`, `running` and `measurements` stand beside this order and serve the study and what is
right of it.
What shows a study stands right of it; `study.views` names it, and it is imported when asked for.
Packages import lazily what they list under ``if TYPE_CHECKING``: a type is no import at run time.
`findings` are plain data: nothing that draws, lays out or computes on tensors is imported there.
`planted`, networks to test detectors with, stands beside it too and knows of the rest only the
regions of a map, and photographs to train on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from pkgutil import resolve_name
from typing import TypeGuard

import pytest

from padscope.study.views import VIEWS

ROOT = Path(__file__).parents[1] / "src" / "padscope"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

NAMES_THAT_SAY_NOTHING = {"utils", "types", "helpers", "common"}

ORDER = (
    "errors", "plugins", "sites", "regions", "tallies", "scores", "evidence", "interventions",
    "effects", "tables", "study",
)  # fmt: skip
SERVICES = {
    "settings": {"errors"},
    "lazily": set(),
    "threads": set(),
    "paths": set(),
    "counts": {"errors"},
    "models": {"errors", "paths", "plugins", "sites"},
    "images": {"errors", "paths", "plugins", "threads"},
    "planted": {"errors", "regions", "images"},
    "running": {"errors", "plugins", "settings", "sites", "tallies", "effects", "images"},
    "measurements": {
        "errors",
        "plugins",
        "sites",
        "regions",
        "tallies",
        "interventions",
        "effects",
        "images",
        "running",
        "threads",
    },
}
EVERYTHING_TO_STUDY = {*ORDER, *SERVICES}
EVERYTHING_SAID = {*EVERYTHING_TO_STUDY, "findings"}
MAY_IMPORT = {
    **{part: set(ORDER[:place]) for place, part in enumerate(ORDER)},
    **SERVICES,
    "study": {*ORDER[:-1], *SERVICES},
    "store": EVERYTHING_TO_STUDY,
    "findings": EVERYTHING_TO_STUDY,
    "figures": EVERYTHING_SAID,
    "report": {*EVERYTHING_SAID, "figures"},
    "notebook": {*EVERYTHING_SAID, "figures"},
    "console": {*EVERYTHING_SAID, "store", "report", "figures"},
    "export": {*EVERYTHING_SAID, "store", "report", "figures"},
    "cli": {*EVERYTHING_SAID, "store", "report", "figures", "console", "padscope"},
    "padscope": {*EVERYTHING_SAID, "store", "report", "console"},  # its `__init__`
    "__main__": {"cli"},
}


def part_of(file: str) -> str:
    """Folder or module right below the package: what the order is about."""
    first = PurePosixPath(file).parts[0].removesuffix(".py")
    return "padscope" if first == "__init__" else first


def breaches(file: str, source: str) -> list[str]:
    """What a file of the library does against the order, one sentence each."""
    own = part_of(file)
    if own not in MAY_IMPORT:
        return [f"{own} has no place in the order"]
    tree = ast.parse(source)
    top = {*tree.body, *(part for block in tree.body if for_types(block) for part in block.body)}
    found = []
    for node in ast.walk(tree):
        imported = list(parts_imported(node, file))
        if not imported:
            continue
        where = f"line {node.lineno}" if isinstance(node, ast.stmt | ast.expr) else "?"
        if node not in top:
            found.append(f"{where}: padscope is imported below the top of the module")
        if isinstance(node, ast.ImportFrom) and node.level and set(imported) != {own}:
            found.append(f"{where}: a relative import leaves {own}")
        strangers = sorted(set(imported) - MAY_IMPORT[own] - {own, "lazily", "counts"})
        found += [f"{where}: {own} imports {stranger}" for stranger in strangers]
    return found


def for_types(block: ast.stmt) -> TypeGuard[ast.If]:
    """Whether a block is read by type checkers, and by what imports lazily."""
    return isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"


def parts_imported(node: ast.AST, file: str) -> Iterator[str]:
    """Parts of the library that a statement or call imports, however it spells them."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from part_named(alias.name)
    elif isinstance(node, ast.ImportFrom):
        folders = ("padscope", *PurePosixPath(file).parts[:-1])
        if node.level > len(folders):
            yield "outside"
            return
        base = folders[: len(folders) + 1 - node.level] if node.level else ()
        module = ".".join((*base, *filter(None, [node.module])))
        for alias in node.names:
            # `from padscope import sites` names a part; `from padscope import scan` the package.
            known = module == "padscope" and alias.name in MAY_IMPORT
            yield from part_named(f"padscope.{alias.name}" if known else module)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        function, name = ast.unparse(node.func), str(node.args[0].value)
        if function.rpartition(".")[2] in ("import_module", "__import__"):
            yield from part_named(name)


def part_named(module: str) -> Iterator[str]:
    names = module.split(".")
    if names[0] == "padscope":
        yield names[1] if len(names) > 1 else "padscope"


@pytest.mark.parametrize("file", FILES)
def test_imports_follow_the_order(file: str) -> None:
    assert breaches(file, (ROOT / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", [file for file in FILES if part_of(file) == "findings"])
def test_findings_draw_nothing(file: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    assert not imported & {"torch", "rich", "altair", "markupsafe", "jinja2", "PIL"}


def test_views_of_a_study_are_there() -> None:
    assert all(callable(resolve_name(name)) for name in VIEWS.values())


def test_names_say_what_is_in_a_file() -> None:
    parts = {part.removesuffix(".py") for file in FILES for part in PurePosixPath(file).parts}
    assert not parts & NAMES_THAT_SAY_NOTHING


def test_the_library_is_found() -> None:
    assert {"__init__.py", "errors.py", "sites/geometry.py", "regions/layout.py"} <= set(FILES)


# The checker itself


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("errors.py", "import sys"),
        ("sites/site.py", "from padscope.sites.geometry import Window"),
        ("sites/site.py", "from .geometry import Window"),
        ("sites/deep/site.py", "from ..geometry import Window"),
        ("sites/site.py", "def f():\n    import os"),
        ("sites/site.py", "if TYPE_CHECKING:\n    from padscope.errors import PadscopeError"),
        ("sites/site.py", "import padscopes.cli"),
        ("regions/layout.py", "from padscope.sites import Window\nimport padscope.errors"),
        ("evidence/labels.py", "from padscope.scores import Scores"),
        ("tables.py", "from padscope.interventions import ablate"),
        ("measurements/contrast.py", "from padscope.images import Images"),
        ("study/scan.py", "from padscope import models, settings, tables"),
        ("report/page.py", "from padscope.study import Study"),
        ("store.py", "from padscope.measurements import Counted"),
        ("cli.py", "from padscope import __version__, scan"),
        ("console.py", "from padscope.report import render_report"),
        ("__init__.py", "from padscope.store import load_study"),
    ],
)
def test_what_follows_the_order_passes(file: str, source: str) -> None:
    assert breaches(file, source) == []


@pytest.mark.parametrize(
    ("file", "source", "breach"),
    [
        ("errors.py", "import padscope.sites", "line 1: errors imports sites"),
        ("sites/site.py", "\nfrom padscope.regions import Layout", "line 2: sites imports regions"),
        ("sites/site.py", "from padscope import regions", "line 1: sites imports regions"),
        ("sites/site.py", "from padscope import find_sites", "line 1: sites imports padscope"),
        ("sites/site.py", "import padscope", "line 1: sites imports padscope"),
        ("sites/site.py", "import padscope.cli as c", "line 1: sites imports cli"),
        ("tallies/tally.py", "from padscope.scores import ks", "line 1: tallies imports scores"),
        ("evidence/kind.py", "import padscope.effects", "line 1: evidence imports effects"),
        ("models/load.py", "from padscope.scores import s", "line 1: models imports scores"),
        ("images/files.py", "from padscope.settings import S", "line 1: images imports settings"),
        ("settings.py", "from padscope.images import I", "line 1: settings imports images"),
        ("running/loop.py", "from padscope.scores import s", "line 1: running imports scores"),
        ("tables.py", "from padscope.measurements import e", "line 1: tables imports measurements"),
        ("study/scan.py", "from padscope.store import s", "line 1: study imports store"),
        ("report/page.py", "from padscope.store import s", "line 1: report imports store"),
        ("store.py", "from padscope.report import r", "line 1: store imports report"),
        ("store.py", "from padscope.cli import c", "line 1: store imports cli"),
        ("__init__.py", "from padscope.cli import main", "line 1: padscope imports cli"),
        (
            "sites/site.py",
            "if TYPE_CHECKING:\n    from padscope.tallies import Tally",
            "line 2: sites imports tallies",
        ),
        ("utils.py", "", "utils has no place in the order"),
    ],
)  # fmt: skip
def test_an_import_against_the_order_is_found(file: str, source: str, breach: str) -> None:
    assert breaches(file, source) == [breach]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from padscope.sites import Window",
        "class A:\n    import padscope.errors",
        "async def f():\n    import padscope.errors",
        "try:\n    from padscope.sites import Window\nexcept ImportError:\n    pass",
        "def f():\n    return importlib.import_module('padscope.sites')",
        "sites = __import__('padscope.sites')",
    ],
)
def test_a_deferred_import_is_found(source: str) -> None:
    (breach,) = breaches("regions/layout.py", source)
    assert breach.endswith("padscope is imported below the top of the module")


@pytest.mark.parametrize(
    ("file", "source", "part"),
    [
        ("regions/layout.py", "from ..sites import Window", "regions"),
        ("regions/layout.py", "from .. import sites", "regions"),
        ("regions/deep/layout.py", "from ...sites import Window", "regions"),
        ("tables.py", "from .sites import Window", "tables"),
        ("tables.py", "from . import sites", "tables"),
    ],
)
def test_a_relative_import_across_folders_is_found(file: str, source: str, part: str) -> None:
    assert breaches(file, source) == [f"line 1: a relative import leaves {part}"]


def test_every_breach_of_a_file_is_found() -> None:
    source = "import padscope.cli\ndef f():\n    from ..study import scan\n"
    assert breaches("sites/site.py", source) == [
        "line 1: sites imports cli",
        "line 3: padscope is imported below the top of the module",
        "line 3: a relative import leaves sites",
        "line 3: sites imports study",
    ]
