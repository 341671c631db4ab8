"""`padscope columns`: what every column of a run's tables holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from padscope.cli import work
from padscope.cli.answers import Json, answering
from padscope.cli.options import complete
from padscope.errors import PadscopeError, near

if TYPE_CHECKING:
    from padscope.tables.schema import Table

Wanted = Annotated[
    str | None,
    typer.Argument(
        metavar="TABLE",
        help="A table's name or file. Default: all tables.",
        autocompletion=lambda incomplete: complete(*work.TABLES)(incomplete),
    ),
]


def columns_command(table: Wanted = None, json: Json = False) -> None:
    """Describe every column of the tables of a run."""
    found = list(work.TABLES.values()) if table is None else [_find(table)]
    with answering(as_json=json) as answer:
        console = work.make_console()
        for place, each in enumerate(found):
            if place:
                console.print()
            console.print(f"{each.name} ({each.file}): {each.rows}", soft_wrap=True)
            console.table(work.column_listing(each))
        answer(lambda: {"schema": work.SCHEMA, "tables": [each.described() for each in found]})


def _find(name: str) -> Table:
    for table in work.TABLES.values():
        if name in (table.name, table.file, table.file.removesuffix(".parquet")):
            return table
    raise PadscopeError(f"there is no table {name!r}; {near(name, work.TABLES)}")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("columns")(columns_command)
