"""The command that writes figures of a run as files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from padscope.cli.looking import name_missing
from padscope.cli.options import RunArgument
from padscope.console import make_console
from padscope.errors import PadscopeError
from padscope.figures import FIGURES, render_figure, render_figures
from padscope.paths import printable
from padscope.store import load_study, write_atomically
from padscope.study import Study

FOLDER = "figures"  # of a run directory
Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help=f"{', '.join(FIGURES)}; or a neuron: SITE/FILTER. Left out: all that the run has.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Directory; figures in the run's, if left out.")
]


def figure_command(run: RunArgument, name: Name = None, out: Out = None) -> None:
    """Write one figure of a run, or all, as SVG and PNG."""
    study = load_study(run, partial=True)
    name_missing(study)
    files = render_figures(study) if name is None else render_figure(study, name)
    directory = run / FOLDER if out is None else out
    _write(directory, files)
    console = make_console()
    for file in files:
        console.print(printable(directory / file), soft_wrap=True)


def replace_figures(run: Path, study: Study) -> None:
    """Write the figures of a run, and take away those that an earlier stage left and this lacks."""
    files = render_figures(study)
    _write(run / FOLDER, files)
    for name in FIGURES:
        for end in ("svg", "png"):
            if f"{name}.{end}" not in files:
                (run / FOLDER / f"{name}.{end}").unlink(missing_ok=True)


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a directory, which is made if it is missing."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PadscopeError(
            f"cannot use {directory} as output: {error.strerror or error}; choose another directory"
        ) from error
    for name, content in files.items():
        write_atomically(directory / name, content)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("figure")(figure_command)
