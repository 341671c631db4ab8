"""The commands that look at finished runs: one of them, or several side by side."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer

from padscope.cli.answers import Json, answering
from padscope.cli.options import RunArgument
from padscope.console import make_console
from padscope.console.comparison import comparison_lines, comparison_listing, kind_listing
from padscope.console.show import show_filter, show_study
from padscope.errors import PadscopeError
from padscope.findings.comparison import Comparison, compare, comparison_json, kinds_found, take
from padscope.findings.json import as_json, neuron_json
from padscope.findings.neuron import neuron
from padscope.findings.words import visible
from padscope.paths import printable
from padscope.report.compare.page import render_comparison
from padscope.report.compare.text import comparison_markdown
from padscope.store import load_study, write_atomically
from padscope.study import Study

Runs = Annotated[list[Path], typer.Argument(metavar="RUN…", help="The directories of runs.")]
Beside = Annotated[
    Path, typer.Option("--out", "-o", help="Where compare.html, .csv, .md and .parquet go.")
]
Site = Annotated[str | None, typer.Argument(metavar="SITE", help="Its name, as in the tables.")]
Filter = Annotated[int | None, typer.Argument(metavar="FILTER", help="Its number at the site.")]


def compare_command(runs: Runs, out: Beside = Path("comparison"), json: Json = False) -> None:
    """Set several runs side by side: one row each, and their depth profiles overlaid."""
    found, refused = [], {}
    for run in dict.fromkeys(runs):
        name = printable(run.as_posix())
        try:
            found.append(take(name, load_study(run, partial=True)))
        except PadscopeError as error:
            refused[name] = printable(str(error))
    comparison = compare(found, refused)
    _write(comparison, out)
    with answering(as_json=json) as answer:
        console = make_console()
        console.print(comparison_listing(comparison))
        if kinds_found(comparison.table):
            console.print()
            console.print(kind_listing(comparison))
        console.print()
        console.say(comparison_lines(comparison))
        console.print()
        console.print(f"Page: {printable(out / 'compare.html')}", soft_wrap=True)
        answer(comparison_json(comparison))


def _write(comparison: Comparison, out: Path) -> None:
    """Write the page, and the table in three formats."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PadscopeError(
            f"cannot use {out} as output: {error.strerror or error}; choose another directory"
        ) from error
    table, parquet = comparison.table, io.BytesIO()
    table.write_parquet(parquet)
    contents = {
        "html": render_comparison(comparison).encode(),
        "csv": table.write_csv().encode(),
        "md": comparison_markdown(comparison).encode(),
        "parquet": parquet.getvalue(),
    }
    for ending, content in contents.items():
        write_atomically(out / f"compare.{ending}", content)


def show_command(
    run: RunArgument, site: Site = None, index: Filter = None, json: Json = False
) -> None:
    """Draw a run in the terminal, or one of its filters."""
    if site is not None and index is None:
        raise PadscopeError(f"give a filter of {site} too: padscope show RUN SITE FILTER")
    study = load_study(run, partial=True)
    name_missing(study)
    with answering(as_json=json) as answer:
        console = make_console()
        if site is None or index is None:
            console.print(show_study(study))
            answer(as_json(study))
        else:
            found = neuron(study, site, index)
            console.print(show_filter(found))
            answer(neuron_json(found))


def name_missing(study: Study) -> None:
    """Say on the error stream what a damaged run lacks."""
    for sentence in study.missing:
        typer.echo(f"padscope: {visible(sentence)}", err=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("compare")(compare_command)
    app.command("show")(show_command)
