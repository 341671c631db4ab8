"""How the documentation is built: `make docs`."""

from __future__ import annotations

import inspect
import re
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from padscope.cli.commands import app as commands

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference" / "cli.md"
sys.path.insert(0, str(ROOT))

project, author = "padscope", "the padscope developers"
version = release = installed("padscope")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "__pycache__"]
html_theme, html_title = "furo", f"padscope {version}"
nitpicky = False
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_show_tb = True
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
intersphinx_mapping: dict[str, Any] = {}  # nothing is fetched: the build works offline

REPOSITORY_FILE = re.compile(r"\]\((?:\.\./)+((?:examples|benchmarks|evidence|CHANGELOG)[^)#]*)\)")


def _link_to_files(_app: Any, _name: str, source: list[str]) -> None:
    """Files of the checkout that are no pages stand as code, not as links that lead nowhere."""
    source[0] = REPOSITORY_FILE.sub(r"] (`\1`)", source[0])


def _write_commands(_app: Any) -> None:
    """Write the reference of the command line from the commands themselves."""
    group = get_command(commands)
    assert isinstance(group, TyperGroup)
    context = group.make_context("padscope", [], resilient_parsing=True)
    parts = [
        "# Command line",
        "",
        "Written from the commands; `padscope COMMAND --help` says the same.",
        "",
    ]
    for name in sorted(group.commands):
        command = group.commands[name]
        inner = command.make_context(name, [], parent=context, resilient_parsing=True)
        usage = f"padscope {name} {' '.join(command.collect_usage_pieces(inner))}"
        options = [record for each in command.params if (record := each.get_help_record(inner))]
        parts += [f"## padscope {name}", "", inspect.cleandoc(command.help or ""), ""]
        parts += ["```text", usage, "", *(f"  {option}\n      {told}" for option, told in options)]
        parts += ["```", ""]
    REFERENCE.write_text("\n".join(parts), encoding="utf-8")


def setup(app: Any) -> None:
    """Connect the above."""
    app.connect("builder-inited", _write_commands)
    app.connect("source-read", _link_to_files)
