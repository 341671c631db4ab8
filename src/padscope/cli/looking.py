"""The commands that look at finished runs: one of them, or several side by side."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.files import write_files
from padscope.cli.options import RunArgument
from padscope.errors import PadscopeError
from padscope.findings.words import visible
from padscope.paths import printable

if TYPE_CHECKING:
    from padscope.findings.comparison import Comparison
    from padscope.study import Study


Runs = Annotated[list[Path], typer.Argument(metavar="RUN…", help="The directories of runs.")]
Beside = Annotated[
    Path, typer.Option("--out", "-o", help="Directory of compare.html, .csv, .md and .parquet.")
]
Site = Annotated[
    str | None, typer.Argument(metavar="SITE", help="The name of a site, as in the tables.")
]
Filter = Annotated[
    int | None, typer.Argument(metavar="FILTER", help="The number of a filter at that site.")
]


def compare_command(runs: Runs, out: Beside = Path("comparison"), json: Json = False) -> None:
    """Compare several runs: one row each, with their profiles along the depth overlaid."""
    found, refused = [], {}
    for run in dict.fromkeys(runs):
        name = printable(run.as_posix())
        try:
            found.append(work.take(name, work.load_study(run, partial=True)))
        except PadscopeError as error:
            refused[name] = printable(str(error))
    comparison = work.compare(found, refused)
    _write(comparison, out)
    with answering(as_json=json) as answer:
        console = work.make_console()
        console.table(work.comparison_listing(comparison.table))
        if work.kinds_found(comparison.table):
            console.print()
            console.table(work.kind_listing(comparison.table))
        console.print()
        console.say(work.comparison_lines(comparison))
        console.print()
        console.print(f"Page: {printable(out / 'compare.html')}", soft_wrap=True)
        answer(lambda: work.comparison_json(comparison))


def _write(comparison: Comparison, out: Path) -> None:
    """Write the page, and the table in three formats."""
    table, parquet = comparison.table, io.BytesIO()
    table.write_parquet(parquet)
    contents = {
        "compare.html": work.render_comparison(comparison).encode(),
        "compare.csv": table.write_csv().encode(),
        "compare.md": work.comparison_markdown(comparison).encode(),
        "compare.parquet": parquet.getvalue(),
    }
    write_files(out, contents)


def show_command(
    run: RunArgument, site: Site = None, index: Filter = None, json: Json = False
) -> None:
    """Show a run, or one of its filters, in the terminal."""
    if site is not None and index is None:
        raise PadscopeError(f"give a filter of {site} too: padscope show RUN SITE FILTER")
    study = work.load_study(run, partial=True)
    name_missing(study)
    with answering(as_json=json) as answer:
        console = work.make_console()
        if site is None or index is None:
            console.print(work.show_study(study))
            answer(lambda: work.as_json(study))
        else:
            found = work.neuron(study, site, index)
            console.print(work.show_filter(found))
            answer(lambda: work.neuron_json(found))


def advise_command(run: RunArgument, json: Json = False) -> None:
    """Advise what to do about padding, from what was measured: crop, halo, padding, size."""
    study = work.load_study(run, partial=True)
    name_missing(study)
    found = work.advise(study, printable(run.as_posix()))
    with answering(as_json=json) as answer:
        work.make_console().say(work.advice_lines(found))
        answer(lambda: {"schema": work.SCHEMA, **work.plain(asdict(found))})


def name_missing(study: Study) -> None:
    """Say on the error stream what a damaged run lacks."""
    for sentence in study.missing:
        typer.echo(f"padscope: {visible(sentence)}", err=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("advise")(advise_command)
    app.command("compare")(compare_command)
    app.command("show")(show_command)
