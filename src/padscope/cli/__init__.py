"""The command line."""

from __future__ import annotations

import signal
import sys
import traceback
import warnings
from itertools import takewhile

from padscope.cli import columns, depth, figures, looking, retrofit, sizes, survey, swaps, tiles
from padscope.cli.commands import app
from padscope.cli.interrupts import STATUS, Stopped, answered, stop_at_once
from padscope.console.terminal import write_anything
from padscope.errors import PadscopeError
from padscope.findings.words import visible
from padscope.sites.memory import memory_error, ran_out_of_memory

depth.register(app)
swaps.register(app)
sizes.register(app)
looking.register(app)
columns.register(app)
figures.register(app)
survey.register(app)
retrofit.register(app)
tiles.register(app)


def main() -> None:
    """Run the command line; what a user can mend is one sentence and status 2, Ctrl-C 130."""
    # Before the command's name every word with a dash is an option; behind it, it may be a value.
    debug = "--debug" in takewhile(lambda word: word.startswith("-"), sys.argv[1:])
    write_anything()
    if not debug:  # what matters to the user is said in the summary
        warnings.simplefilter("ignore")
    try:
        with answered(signal.SIGINT, stop_at_once):
            app()
    except (PadscopeError, Stopped, MemoryError, RuntimeError) as failure:
        error = _without_memory(failure)
        if debug:
            traceback.print_exc()
        print(f"padscope: {visible(str(error))}", file=sys.stderr)
        sys.exit(STATUS if isinstance(error, Stopped) else 2)


def _without_memory(failure: BaseException) -> BaseException:
    """Say that memory ran out, if it did; any other error of a program is raised."""
    if isinstance(failure, PadscopeError | Stopped):
        return failure
    if not isinstance(failure, Exception) or not ran_out_of_memory(failure):
        raise failure
    return memory_error(failure, "this machine")
