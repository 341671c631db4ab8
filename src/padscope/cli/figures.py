"""The command that writes figures of a run as files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from padscope.cli import work
from padscope.cli.files import write_files
from padscope.cli.looking import name_missing
from padscope.cli.options import RunArgument, complete
from padscope.figures.listed import FIGURES
from padscope.paths import printable

if TYPE_CHECKING:
    from padscope.study import Study


FOLDER = "figures"  # of a run directory
ALL = "all"
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help=f"{', '.join(FIGURES)}; a neuron as SITE/FILTER; or all.",
        autocompletion=complete(*FIGURES, ALL),
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Output directory. Default: figures, inside the run."),
]


def figure_command(run: RunArgument, name: Name = ALL, out: Out = None) -> None:
    """Write one figure of a run, or all of them, as SVG and PNG."""
    study = work.load_study(run, partial=True)
    name_missing(study)
    files = work.render_figures(study) if name == ALL else work.render_figure(study, name)
    directory = run / FOLDER if out is None else out
    write_files(directory, files)
    console = work.make_console()
    for file in files:
        console.print(printable(directory / file), soft_wrap=True)


def replace_figures(run: Path, study: Study) -> None:
    """Write the figures of a run, and take away those that an earlier stage left and this lacks."""
    files = work.render_figures(study)
    write_files(run / FOLDER, files)
    for name in FIGURES:
        for end in ("svg", "png"):
            if f"{name}.{end}" not in files:
                (run / FOLDER / f"{name}.{end}").unlink(missing_ok=True)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("figure")(figure_command)
