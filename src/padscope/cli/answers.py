"""``--json``: the result of a command as JSON on stdout, and nothing else there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Annotated, Any

import typer

Json = Annotated[
    bool,
    typer.Option("--json", help="Print only JSON; everything else goes to the error stream."),
]

Answer = Callable[[Callable[[], Mapping[str, Any]]], None]


@contextmanager
def answering(*, as_json: bool) -> Iterator[Answer]:
    """Print as ever, or send what is printed to the error stream and give JSON alone.

    Yields
    ------
    function
        Makes a result and prints it as JSON if that is asked for; otherwise it does nothing.
    """
    stdout = sys.stdout

    def answer(make: Callable[[], Mapping[str, Any]]) -> None:
        if as_json:
            json.dump(make(), stdout, indent=1, allow_nan=False)
            stdout.write("\n")

    with redirect_stdout(sys.stderr if as_json else stdout):
        yield answer
